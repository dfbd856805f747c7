//! A process that was started for the command, and what connects the shim with it.

use leadsman_deposit::Line;

use super::output::Source;
use crate::machine::ProcessId;

/// A process that was started for the command.
#[derive(Debug)]
pub(super) struct Process {
    /// Tells it from all others that this shim has started.
    pub(super) number: u32,
    /// `None` once it has ended.
    pub(super) id: Option<ProcessId>,
    /// The ends of its output that are still open.
    pub(super) sources: Vec<Source>,
    /// By which it deposits sockets, where it may.
    pub(super) line: Option<Line>,
}

impl Process {
    /// Returns what there is while no process is.
    pub(super) fn none() -> Self {
        Self {
            number: 0,
            id: None,
            sources: Vec::new(),
            line: None,
        }
    }

    pub(super) fn is(&self, pid: i32) -> bool {
        self.id.is_some_and(|id| id.pid == pid)
    }
}
