//! The folder that holds the state of one Leadsman.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use crate::codes::Code;
use crate::failure::Failure;

/// The folder that holds the state of one Leadsman: what is in it has one name, here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StateFolder(PathBuf);

impl StateFolder {
    /// What the folder is called where nobody says otherwise.
    pub(crate) const NAME: &str = ".leadsman";

    /// Names the folder at `path`; nothing is created.
    pub(crate) fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Makes the folder if it is missing; only its owner may look into it.
    pub(crate) fn create(&self) -> Result<(), Failure> {
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(&self.0).map_err(|error| {
            let path = self.0.display();
            Failure::new(
                Code::NotWritten,
                format!("failed to make the state folder `{path}`"),
            )
            .because(&error)
            .hint("choose a folder that you may write to with `--state`")
        })
    }

    /// Returns the folder itself.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Returns the folder in which the data plane keeps its last table.
    pub(crate) fn proxy(&self) -> PathBuf {
        self.0.join("proxy")
    }

    /// Returns the file in which the data plane writes down requests.
    pub(crate) fn access_log(&self) -> PathBuf {
        self.0.join("access").join("access.log")
    }

    /// Returns the socket that the data plane is controlled by.
    pub(crate) fn proxy_socket(&self) -> PathBuf {
        self.0.join("proxy.sock")
    }

    /// Returns the folder of the shim that holds the data plane.
    pub(crate) fn proxy_shim(&self) -> PathBuf {
        self.0.join("proxy-shim")
    }

    /// Returns the socket that control listens on.
    pub(crate) fn socket(&self) -> PathBuf {
        self.0.join("control.sock")
    }

    /// Returns the file of the event log.
    pub(crate) fn log(&self) -> PathBuf {
        self.0.join("events.db")
    }
}
