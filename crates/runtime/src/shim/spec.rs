//! What a shim is told.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A command to supervise, completely described.
///
/// Files written by one version are read by the next: fields are only ever added, with a default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    /// The program and its arguments, nothing left to expand. A program with a `/` is relative to
    /// `folder`, one without is looked up in the `PATH` of `env`.
    pub command: Vec<String>,
    /// The whole environment.
    pub env: BTreeMap<String, String>,
    /// The folder it runs in; an absolute path.
    pub folder: PathBuf,
    /// Whom it runs as; `None` is the shim's own user.
    pub user: Option<User>,
    /// How much resident memory it and everything it starts may use together, in bytes.
    pub memory: Option<u64>,
    /// How many files each of its processes may have open.
    pub files: Option<u64>,
    /// The signal that asks it to end, such as `TERM`.
    pub stop_signal: String,
    /// How long it may take to end after the signal before it is killed.
    pub grace: Duration,
    /// How long to wait before it is started again.
    pub pauses: Pauses,
    /// Where its output goes.
    pub output: OutputSpec,
    /// Whether its standard input is a line by which it deposits its sockets with the shim, and can
    /// be succeeded.
    #[serde(default)]
    pub sockets: bool,
}

/// A user, by numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The user's number.
    pub uid: u32,
    /// The number of its main group.
    pub gid: u32,
    /// The numbers of its other groups.
    pub groups: Vec<u32>,
}

/// How long to wait before a command is started again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pauses {
    /// After the first end; each further one waits twice as long.
    pub first: Duration,
    /// The longest pause.
    pub most: Duration,
    /// After running for this long, the next end counts as the first again.
    pub reset_after: Duration,
    /// After it could not be started at all.
    pub broken: Duration,
}

impl Default for Pauses {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(200),
            most: Duration::from_secs(10),
            reset_after: Duration::from_secs(10),
            broken: Duration::from_secs(15),
        }
    }
}

/// Where the output of a command goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputSpec {
    /// The folder of `output.log` and its older parts.
    pub folder: PathBuf,
    /// How large `output.log` grows before it becomes an older part, in bytes.
    pub rotate_bytes: u64,
    /// How many older parts are kept; at least 1.
    pub keep: u32,
}

impl OutputSpec {
    /// Returns the usual sizes, in this folder: 8 MiB, and 3 older parts.
    pub fn in_folder(folder: PathBuf) -> Self {
        Self {
            folder,
            rotate_bytes: 8 << 20,
            keep: 3,
        }
    }
}
