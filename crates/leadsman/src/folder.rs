//! The folder that holds the state of one Leadsman.

use std::path::PathBuf;

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

    /// Returns the socket that control listens on.
    pub(crate) fn socket(&self) -> PathBuf {
        self.0.join("control.sock")
    }

    /// Returns the file of the event log.
    pub(crate) fn log(&self) -> PathBuf {
        self.0.join("events.db")
    }
}
