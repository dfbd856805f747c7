//! Runs: the passage of one commit through the pipeline.
//!
//! A run is one stream of the log. [`Run`] is its state, [`RunEvent`] what changes it, and
//! [`plan`] says what follows: which attempts should be running now, what holds that is not
//! recorded yet, and why the rest waits. Nothing here starts a process or looks at a clock.

mod budget;
mod decide;
mod event;
mod evolve;
mod plan;
mod sentence;

use std::collections::BTreeMap;
use std::time::Duration;

pub use decide::{RunCommand, RunRefusal, decide};
pub use event::{About, Delivery, FailureKind, Outcome, RunEvent, RunResult, Trigger};
pub use evolve::{evolve, started};
pub use plan::{Ended, RunPlan, Seen, Wait, plan};
pub use sentence::outcome_words;

use crate::id::{ApplicationName, Digest, EnvironmentName, ReleaseNumber, RunNumber};
use crate::pipeline::{Job, JobName, Made, Pipeline};
use crate::time::Timestamp;

/// How often an attempt that was interrupted is begun again by itself: the job is not to blame, but
/// one that takes the machine down with it must not do so for ever.
pub const INTERRUPTIONS_MAX: u32 = 3;

/// Names one run: those of an application are numbered from 1.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId {
    /// The application.
    pub application: ApplicationName,
    /// Its number.
    pub number: RunNumber,
}

impl std::fmt::Display for RunId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of `{}`", self.number, self.application)
    }
}

/// The passage of one commit through the pipeline.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Its name.
    pub id: RunId,
    /// How many events it has.
    pub version: u64,
    /// What it is about.
    pub about: About,
    /// The project file of the commit, word for word.
    pub project: String,
    /// The jobs, as they were when it began.
    pub pipeline: Pipeline,
    /// What the declared inputs of each job contain.
    pub inputs: BTreeMap<JobName, Digest>,
    /// What became of each job that belongs to this run.
    pub jobs: BTreeMap<JobName, JobState>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it went on the last time.
    pub resumed_at: Timestamp,
    /// Who ended it, where somebody did.
    pub cancelled_by: Option<String>,
    /// How and when it ended.
    pub ended: Option<(RunResult, Timestamp)>,
    /// What became of what it made, once that is known.
    pub released: Option<Result<ReleaseNumber, String>>,
    /// Whether it is recorded that it takes longer than its budget.
    pub over_budget: bool,
    /// How long it took in all, without the time between its end and being resumed.
    pub took: Duration,
}

/// What became of a job so far.
#[derive(Clone, Debug, PartialEq)]
pub struct JobState {
    /// Where it is.
    pub phase: JobPhase,
    /// How many attempts there were.
    pub attempts: u32,
    /// How many of them failed since the run began or was resumed.
    pub failures: u32,
    /// How many of them were interrupted since.
    pub interruptions: u32,
    /// How long the attempts took together.
    pub took: Duration,
    /// Whether it is recorded that it takes longer than its budget.
    pub over_budget: bool,
    /// What came of the last attempt.
    pub last: Option<Outcome>,
    /// By what its result can be reused.
    pub key: Option<Digest>,
    /// What it made.
    pub made: Made,
}

/// Where a job is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobPhase {
    /// It has not begun.
    Waiting {
        /// Since when.
        since: Timestamp,
    },
    /// An attempt is under way.
    Running {
        /// Since when.
        since: Timestamp,
    },
    /// It will be tried again.
    Pausing {
        /// Since when.
        since: Timestamp,
        /// When.
        until: Timestamp,
    },
    /// It passed.
    Passed {
        /// When.
        at: Timestamp,
    },
    /// It need not run.
    Reused {
        /// The run that did the same.
        of_run: RunNumber,
    },
    /// It failed, and is not tried again.
    Failed {
        /// When.
        at: Timestamp,
    },
    /// It does not run, because one that it needs did not pass.
    Skipped {
        /// That one.
        because_of: JobName,
    },
    /// It was ended, or never began, because the run was ended.
    Cancelled,
    /// It begins once the release serves in an environment.
    Later,
}

impl JobPhase {
    /// Whether those that need it may begin.
    pub fn is_passed(&self) -> bool {
        matches!(self, Self::Passed { .. } | Self::Reused { .. })
    }

    /// Whether nothing more becomes of it by itself.
    pub fn is_over(&self) -> bool {
        match self {
            Self::Waiting { .. } | Self::Running { .. } | Self::Pausing { .. } => false,
            Self::Passed { .. }
            | Self::Reused { .. }
            | Self::Failed { .. }
            | Self::Skipped { .. }
            | Self::Cancelled
            | Self::Later => true,
        }
    }

    /// Returns it as a word.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Waiting { .. } => "waiting",
            Self::Running { .. } => "running",
            Self::Pausing { .. } => "pausing",
            Self::Passed { .. } => "passed",
            Self::Reused { .. } => "reused",
            Self::Failed { .. } => "failed",
            Self::Skipped { .. } => "skipped",
            Self::Cancelled => "cancelled",
            Self::Later => "later",
        }
    }
}

impl Run {
    /// Returns what a job is; every job of the run has one.
    pub fn job(&self, name: &JobName) -> Option<&Job> {
        self.pipeline.jobs.get(name)
    }

    /// Whether something of it is being done: its jobs before there is a release, or those after.
    pub fn is_under_way(&self) -> bool {
        self.ended.is_none() || self.jobs.values().any(|job| !job.phase.is_over())
    }

    /// Whether everything that it is waiting for is that somebody ended it.
    pub fn is_ending(&self) -> bool {
        self.cancelled_by.is_some() && self.is_under_way()
    }

    /// Returns the release that it made.
    pub fn release(&self) -> Option<ReleaseNumber> {
        self.released.as_ref()?.as_ref().ok().copied()
    }

    /// Returns the environments whose traffic jobs of it wait for.
    pub fn awaited(&self) -> impl Iterator<Item = &EnvironmentName> {
        let later = self
            .jobs
            .iter()
            .filter(|(_, state)| state.phase == JobPhase::Later);
        later.filter_map(|(name, _)| self.job(name)?.after.as_ref())
    }

    /// Returns the artifacts that its jobs made, by service.
    pub fn artifacts(&self) -> BTreeMap<crate::id::ServiceName, Digest> {
        let made = self.jobs.values().filter(|job| job.phase.is_passed());
        made.flat_map(|job| job.made.artifacts.clone()).collect()
    }

    /// Returns how long it has taken up to `now`.
    pub fn took_until(&self, now: Timestamp) -> Duration {
        match self.ended {
            Some(_) => self.took,
            None => self.took + now.since(self.resumed_at),
        }
    }
}
