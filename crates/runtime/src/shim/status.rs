//! What a shim tells.

use std::time::Duration;

use leadsman_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::machine::ProcessId;

/// What is seen of a supervised command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The shim.
    pub shim: ProcessId,
    /// The run of the machine in which all this was true.
    pub boot: String,
    /// Where the command is in its life.
    pub state: State,
    /// The command's own process, while it runs.
    pub child: Option<ProcessId>,
    /// When it was started last; when the shim was, before the first start.
    pub started_at: Timestamp,
    /// How often it was started again after it ended by itself.
    pub restarts: u32,
    /// How it ended last, or why it could not be started, in words.
    pub last_exit: Option<String>,
    /// The last lines it wrote before that.
    pub last_output: Vec<String>,
    /// Resident memory of it and everything it started, in bytes, once measured.
    pub memory: Option<u64>,
    /// Processor time that it and everything it started used in one second, once measured.
    #[serde(default)]
    pub cpu: Option<Duration>,
    /// How many lines of its output could not be written, because the disk was full for example.
    pub dropped_lines: u64,
}

/// Where a supervised command is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It was not started yet.
    Starting,
    /// Its process runs.
    Running,
    /// It ended by itself and will be started again after a pause.
    Restarting,
    /// It could not be started; it is tried again after a long pause.
    Broken,
    /// It was asked to end.
    Stopping,
    /// It ended because it was asked to, and nothing of it remains.
    Stopped,
}
