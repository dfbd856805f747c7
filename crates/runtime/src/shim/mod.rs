//! The shim: one small process per supervised command, which outlives the one that started it.
//!
//! It starts the command, captures its output, holds it to its limits, starts it again when it
//! ends, and stops it so that nothing of it remains. It knows nothing of releases and probes
//! nothing: [`Spec`] is all it is told.
//!
//! One folder belongs to one shim:
//!
//! | file            | what it is                                                              |
//! |-----------------|-------------------------------------------------------------------------|
//! | `instance.json` | the [`Spec`]; written by whoever starts the shim                        |
//! | `successor.json`| the [`Spec`] of the next process, before `succeed` is said              |
//! | `status.json`   | the [`Status`]; replaced at each change                                 |
//! | `lock`          | locked for as long as the shim lives: how one tells that it does        |
//! | `shim.sock`     | where it takes `watch`, `stop`, `succeed` and `ping`, one word a line   |
//! | `shim.err`      | what the shim itself had to complain about                              |
//!
//! A command that listens can deposit its sockets with the shim ([`Spec::sockets`]). Then its next
//! process fetches them, after a crash as well as when it is succeeded, and who connects meanwhile
//! waits in a queue that never closes.
//!
//! It is synchronous and single-threaded: one `poll` over signals, pipes and sockets. That keeps it
//! small, and the kernel sends the parent-death signal when the *thread* that started a child ends.

mod backoff;
mod child;
mod clients;
mod deposit;
mod folder;
mod output;
mod process;
mod program;
mod signals;
mod spec;
mod status;
mod succession;
mod supervisor;
mod waiting;

use std::path::Path;

pub(crate) use backoff::Backoff;
pub(crate) use child::start as start_child;
pub(crate) use folder::Folder;
pub(crate) use output::Output;
pub(crate) use program::SAME;
pub(crate) use signals::signal_by_name;
pub use spec::{OutputSpec, Pauses, Spec, User};
pub use status::{State, Status};
pub(crate) use succession::Outcome;
pub(crate) use supervisor::{describe, signal_pipe};
pub(crate) use waiting::empty;

use crate::files::FileError;

/// The environment variable by which everything that was started for a shim is recognised, wherever
/// it went: its value is the shim's folder.
pub(crate) const MARK: &str = "LEADSMAN_SHIM";

/// The shim could not begin.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another shim works in this folder.
    #[error("another shim already works in `{0}`")]
    Busy(String),
    /// A file of the folder could not be used.
    #[error("failed to begin")]
    File(#[from] FileError),
    /// The spec asks for something that does not exist.
    #[error("`{0}` is not a signal: TERM, INT, QUIT, HUP, USR1, USR2 or KILL is expected")]
    UnknownSignal(String),
    /// The kernel refused something.
    #[error("failed to {0}")]
    Kernel(&'static str, #[source] std::io::Error),
}

/// Supervises the command that `folder` describes until it is told to stop. Writes `ready` to the
/// standard output as soon as it listens.
///
/// It takes over the process: signal handlers, session and children. It must be called on the main
/// thread of a process that does nothing else.
///
/// # Errors
/// When it cannot begin. Once it runs, whatever goes wrong is part of its [`Status`].
pub fn run(folder: &Path) -> Result<(), Error> {
    supervisor::run(folder)
}
