//! What every subcommand is given: where things are, and the way to say something.

use std::future::Future;
use std::path::{Path, PathBuf};

use leadsman_api::{Client, Remote};

use crate::cli::Global;
use crate::codes::Code;
use crate::failure::Failure;
use crate::folder::StateFolder;
use crate::output::Output;
use crate::project::ProjectFile;
use crate::remote;

/// What every subcommand is given.
pub(crate) struct Context {
    /// The way to say something.
    pub(crate) output: Output,
    /// The folder that holds Leadsman's state, whether or not it is there.
    pub(crate) state: StateFolder,
    /// The environment that was named.
    pub(crate) environment: Option<String>,
    /// The working folder.
    pub(crate) working_folder: PathBuf,
    /// The project file that was named, or the nearest one.
    project: Option<PathBuf>,
    /// The control that was named, if it is not the one that has the state folder.
    named: Option<Named>,
    /// Why all this is done.
    reason: Option<String>,
}

/// A control that was named.
enum Named {
    /// One that is reached over the network.
    Remote(Remote),
    /// One of this machine, by a socket that it shares with a group.
    Socket(PathBuf),
}

/// What a socket is named with, where the address of a control is asked for.
const SOCKET: &str = "unix:";

impl Context {
    pub(crate) fn new(global: &Global, output: Output) -> Result<Self, Failure> {
        let working_folder = std::env::current_dir().map_err(|error| {
            Failure::new(Code::NoProjectFile, "the working folder cannot be read").because(&error)
        })?;
        let project = match &global.file {
            Some(file) => Some(working_folder.join(file)),
            None => ProjectFile::find(&working_folder),
        };
        let state = match &global.state {
            Some(folder) => working_folder.join(folder),
            None => {
                let beside = project
                    .as_deref()
                    .and_then(Path::parent)
                    .unwrap_or(&working_folder);
                beside.join(StateFolder::NAME)
            }
        };
        Ok(Self {
            output,
            state: StateFolder::new(state),
            environment: global.environment.clone(),
            named: match &global.server {
                Some(url) => Some(match url.strip_prefix(SOCKET) {
                    Some(path) => Named::Socket(working_folder.join(path)),
                    None => {
                        let file = global.token_file.as_ref().map(|it| working_folder.join(it));
                        Named::Remote(remote::find(url, file.as_deref())?)
                    }
                }),
                None => None,
            },
            reason: global.reason.clone(),
            working_folder,
            project,
        })
    }

    /// Returns the project file that was named, or the nearest one, whether or not it can be read.
    pub(crate) fn project_path(&self) -> Option<&Path> {
        self.project.as_deref()
    }

    /// Returns the client of the control that was named, or that has the state folder.
    pub(crate) fn client(&self) -> Client {
        let client = match &self.named {
            Some(Named::Remote(remote)) => Client::remote(remote.clone()),
            Some(Named::Socket(socket)) => Client::new(socket),
            None => Client::new(self.state.socket()),
        };
        client.with_reason(self.reason.clone())
    }

    /// Returns the address of the control elsewhere that was named.
    pub(crate) fn server(&self) -> Option<&str> {
        match &self.named {
            Some(Named::Remote(remote)) => Some(remote.url()),
            Some(Named::Socket(_)) | None => None,
        }
    }

    /// Returns why all this is done, where that was said.
    pub(crate) fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// Whether a control elsewhere was named.
    pub(crate) const fn is_remote(&self) -> bool {
        matches!(self.named, Some(Named::Remote(_)))
    }

    /// Refuses what is done with the state folder itself, where a control was named.
    pub(crate) fn only_here(&self, what: &str) -> Result<(), Failure> {
        let (what, hint) = match &self.named {
            None => return Ok(()),
            Some(Named::Remote(remote)) => (
                format!("{what} is done on the machine of `{}` only", remote.url()),
                "run it there, without `--server`",
            ),
            Some(Named::Socket(_)) => (
                format!("{what} is done with the state folder, and not over a socket"),
                "run it as the owner of the state folder, without `--server`",
            ),
        };
        Err(Failure::new(Code::NoSuchServer, what).hint(hint))
    }

    /// Reads the project file.
    pub(crate) fn project(&self) -> Result<ProjectFile, Failure> {
        let path = self.project.as_deref().ok_or_else(|| {
            let name = ProjectFile::NAME;
            Failure::new(
                Code::NoProjectFile,
                format!("there is no `{name}` here or above"),
            )
            .hint("write one with `leadsman init`, or name another file with `--file`")
        })?;
        ProjectFile::read(path)
    }

    /// Runs what talks to control.
    pub(crate) fn block_on(
        &self,
        future: impl Future<Output = Result<(), Failure>>,
    ) -> Result<(), Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let runtime = runtime.map_err(|error| {
            Failure::new(Code::Connect, "failed to prepare for talking to control").because(&error)
        })?;
        runtime.block_on(future)
    }
}
