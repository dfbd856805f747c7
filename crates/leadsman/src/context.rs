//! What every subcommand is given: where things are, and the way to say something.

use std::future::Future;
use std::path::{Path, PathBuf};

use leadsman_api::Client;

use crate::cli::Global;
use crate::codes::Code;
use crate::failure::Failure;
use crate::folder::StateFolder;
use crate::output::Output;
use crate::project::ProjectFile;

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
}

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
            working_folder,
            project,
        })
    }

    /// Returns the project file that was named, or the nearest one, whether or not it can be read.
    pub(crate) fn project_path(&self) -> Option<&Path> {
        self.project.as_deref()
    }

    /// Returns the client of the control that has the state folder.
    pub(crate) fn client(&self) -> Client {
        Client::new(self.state.socket())
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
