//! Jobs of the pipeline, and errands: each attempt is a small process of its own, which outlives
//! control.
//!
//! The runner ([`run`]) checks the commit out, starts what runs beside the job, does the steps,
//! holds them to their limits, keeps what they made, and leaves no process behind. It is told
//! everything by a [`Spec`] and tells everything by a [`Finished`]; it decides nothing about the
//! run. [`Jobs`] is control's side of it.
//!
//! One folder belongs to one attempt:
//!
//! | file          | what it is                                                                |
//! |---------------|---------------------------------------------------------------------------|
//! | `job.json`    | the [`Spec`]; written by control before the runner is started             |
//! | `runner.json` | who the runner is; written before anything is started                      |
//! | `lock`        | locked for as long as the runner lives                                    |
//! | `result.json` | the [`Finished`]; appears complete, once nothing of the job runs any more |
//! | `output/`     | what it wrote, in the form of all outputs                                 |
//! | `scratch/`    | the checkout and temporary files; removed at the end                      |
//! | `kept/`       | reports and packed artifacts, until control has taken them                |
//!
//! The runner is the subreaper of all it starts, so that what forks and leaves its group is found
//! and ended all the same.

pub(crate) mod attempt;
mod beside;
mod checkout;
mod clearing;
mod collect;
mod jobs;
mod mask;
mod output;
mod repository;
mod runner;
pub(crate) mod scratch;
mod spec;
mod steps;

use std::path::Path;

pub use attempt::Looked;
pub use jobs::{Attempt, AttemptId, Jobs, report_of};
pub use repository::{Committed, File, GitError, Repository};
pub use spec::{CacheAt, Finished, Given, Place, Spec};

use crate::files::FileError;

/// The runner could not begin.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another runner works in this folder, or has.
    #[error("another runner works in `{0}`, or has done so")]
    Busy(String),
    /// A file of the folder could not be used.
    #[error("failed to begin")]
    File(#[from] FileError),
    /// The kernel refused something.
    #[error("failed to {0}")]
    Kernel(&'static str, #[source] std::io::Error),
    /// What it shares with shims could not be had.
    #[error(transparent)]
    Shared(#[from] crate::shim::Error),
}

/// Does the attempt that `folder` describes, and writes what came of it there. Writes `ready` to the
/// standard output as soon as it has begun.
///
/// It takes over the process: signal handlers, session and children. It must be called on the main
/// thread of a process that does nothing else.
///
/// # Errors
/// When it cannot begin, or what came of it cannot be written.
pub fn run(folder: &Path) -> Result<(), Error> {
    runner::run(folder)
}
