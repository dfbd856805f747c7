//! What happened in a run: facts, recorded once and never changed.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::{Digest, ReleaseNumber, RunNumber};
use crate::pipeline::{CommitId, JobName, Made, Pipeline};

/// A fact about one run. The JSON is what the log stores.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum RunEvent {
    /// A commit begins its passage.
    RunStarted {
        /// What it is about.
        about: Box<About>,
        /// The project file as it was, word for word.
        project: String,
        /// The jobs, as the project file of that commit has them.
        pipeline: Pipeline,
        /// What the declared inputs of each job contain at that commit.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        inputs: BTreeMap<JobName, Digest>,
    },
    /// A job need not run: an earlier run did the same with the same inputs.
    JobReused {
        /// The job.
        job: JobName,
        /// The run that did it.
        of_run: RunNumber,
        /// What it made.
        made: Made,
    },
    /// An attempt of a job begins.
    JobStarted {
        /// The job.
        job: JobName,
        /// Which attempt, counted from 1.
        attempt: u32,
        /// By what the result can be reused; without one it cannot be.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<Digest>,
    },
    /// An attempt of a job is over.
    JobEnded {
        /// The job.
        job: JobName,
        /// Which attempt.
        attempt: u32,
        /// What came of it.
        outcome: Outcome,
        /// How long it took.
        took: Duration,
        /// What it made; reports also where it failed.
        #[serde(default)]
        made: Made,
    },
    /// A job does not run, because one that it needs did not pass.
    JobSkipped {
        /// The job.
        job: JobName,
        /// The one that it needs.
        because_of: JobName,
    },
    /// A person ends the run.
    RunCancelled {
        /// Who.
        by: String,
    },
    /// Everything that could be done is done.
    RunEnded {
        /// Whether every job passed.
        result: RunResult,
        /// How long it took.
        took: Duration,
    },
    /// What the run made is a release.
    RunReleased {
        /// The release.
        release: ReleaseNumber,
    },
    /// What the run made cannot be a release.
    RunNotReleased {
        /// Why.
        why: String,
    },
    /// The run, or a job of it, takes longer than it should. It goes on.
    BudgetExceeded {
        /// The job; none if it is the run as a whole.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        job: Option<JobName>,
        /// How long it should take at most.
        budget: Duration,
    },
    /// A person has the jobs done again that did not pass.
    RunResumed {
        /// Who.
        by: String,
    },
}

/// What a run is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The commit.
    pub commit: CommitId,
    /// What it was called when the run was asked for, such as `refs/heads/main`.
    #[serde(rename = "ref")]
    pub reference: String,
    /// Who made the commit, as it says itself.
    pub author: String,
    /// The first line of what the commit says.
    pub subject: String,
    /// The repository, a folder of this machine.
    pub repository: String,
    /// The project file, relative to the top of the repository.
    pub project_file: String,
    /// What asked for the run.
    pub trigger: Trigger,
    /// Only these jobs and what they need; empty for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<JobName>,
    /// The delivery of a webhook that told of it: the same one begins no second run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Delivery>,
}

/// What a webhook delivered, by which it is recognised when it comes again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// The webhook.
    pub webhook: String,
    /// What the sender calls the delivery.
    pub id: String,
    /// The hash of what was delivered: not every sender signs the name.
    pub body: Digest,
}

impl Delivery {
    /// Whether `other` is this one once more.
    pub fn is(&self, other: &Self) -> bool {
        self.webhook == other.webhook && (self.id == other.id || self.body == other.body)
    }
}

/// What asked for a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// A person, by hand.
    Person {
        /// Who.
        by: String,
    },
    /// Something was pushed to a branch.
    Push {
        /// Who told of it.
        by: String,
    },
    /// A tag was made.
    Tag {
        /// Who told of it.
        by: String,
    },
    /// The clock.
    Schedule,
}

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Everything ended with status 0, and all that was to be made is there.
    Passed,
    /// It did not.
    Failed {
        /// What kind of failure.
        kind: FailureKind,
        /// Why, in words.
        why: String,
    },
    /// It was ended because somebody asked for that.
    Cancelled,
    /// Whoever ran it is gone: nothing can be said about the job itself.
    Interrupted {
        /// What was seen, in words.
        why: String,
    },
}

/// Kinds of failure, as far as they make a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// A command ended with another status than 0, or by a signal.
    Command,
    /// It took longer than it may.
    TimedOut,
    /// It wrote more than it may.
    Disk,
    /// It had more processes than it may.
    Processes,
    /// A service beside it did not become ready, or ended.
    Service,
    /// The commit could not be checked out.
    Checkout,
    /// A secret could not be read.
    Secret,
    /// A tool is not there, or of another version.
    Tool,
    /// A report or an artifact is not there, or cannot be kept.
    Missing,
    /// It could not be started at all.
    NotStarted,
}

impl FailureKind {
    /// Whether the same could go well the next time.
    pub fn is_worth_a_retry(self) -> bool {
        match self {
            Self::Command | Self::TimedOut | Self::Service | Self::NotStarted => true,
            Self::Disk
            | Self::Processes
            | Self::Checkout
            | Self::Secret
            | Self::Tool
            | Self::Missing => false,
        }
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunResult {
    /// Every job passed, or was reused.
    Passed,
    /// At least one did not.
    Failed,
    /// A person ended it.
    Cancelled,
}

impl RunResult {
    /// Returns it as a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl RunEvent {
    /// Returns the name of the kind of event, as the log stores it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::RunStarted { .. } => "run_started",
            Self::JobReused { .. } => "job_reused",
            Self::JobStarted { .. } => "job_started",
            Self::JobEnded { .. } => "job_ended",
            Self::JobSkipped { .. } => "job_skipped",
            Self::RunCancelled { .. } => "run_cancelled",
            Self::RunEnded { .. } => "run_ended",
            Self::RunReleased { .. } => "run_released",
            Self::RunNotReleased { .. } => "run_not_released",
            Self::RunResumed { .. } => "run_resumed",
            Self::BudgetExceeded { .. } => "budget_exceeded",
        }
    }
}
