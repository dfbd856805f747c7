//! What can go wrong when a run is asked for something.

use leadsman_core::pipeline::CommitId;
use leadsman_core::run::{RunId, RunRefusal};
use leadsman_runtime::job::GitError;

use crate::error::Error;

/// Why a run could not be had, or not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The domain says no.
    #[error(transparent)]
    Refused(#[from] RunRefusal),
    /// The log could not be used.
    #[error(transparent)]
    Engine(#[from] Error),
    /// Whoever asks may not begin one of this application.
    #[error("a run of `{0}` may not be begun")]
    NotAllowed(leadsman_core::id::ApplicationName),
    /// The same delivery of a webhook began one already.
    #[error("what was delivered began {0} already")]
    Taken(RunId),
    /// There is no such run.
    #[error("there is no {0}")]
    Unknown(RunId),
    /// Git has no such commit, or no such file in it.
    #[error(transparent)]
    Git(#[from] GitError),
    /// What was pushed could not be fetched.
    #[error(transparent)]
    NotFetched(GitError),
    /// The project file of the commit has problems.
    #[error("the project file of commit {} has problems:\n{problems}", commit.short())]
    Project {
        /// The commit.
        commit: CommitId,
        /// The problems.
        problems: String,
    },
    /// The project file of the commit says nothing of a pipeline.
    #[error("the project file of commit {} has no `pipeline`", .0.short())]
    NoPipeline(CommitId),
    /// The project file starts no run for what was pushed.
    #[error("nothing begins: `start` of the project file says nothing of `{0}`")]
    NotStarted(String),
    /// It has no such job.
    #[error("the pipeline of commit {} has no job `{job}`, but {known}", commit.short())]
    NoSuchJob {
        /// The commit.
        commit: CommitId,
        /// What was asked for.
        job: String,
        /// Those that there are.
        known: String,
    },
    /// A path is not what it has to be.
    #[error("`{path}` is not {expected}")]
    Path {
        /// The path.
        path: String,
        /// What it has to be.
        expected: &'static str,
    },
}
