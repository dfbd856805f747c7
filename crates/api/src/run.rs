//! Runs of the pipeline.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::status::Moment;

/// What a run is to be about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunRequest {
    /// The folder that Git keeps the repository in, on control's machine.
    pub repository: String,
    /// The commit, by any name that Git knows it by.
    pub commit: String,
    /// What the commit is called, such as `refs/heads/main`.
    #[serde(rename = "ref")]
    pub reference: String,
    /// The project file, relative to the top of the repository.
    pub project_file: String,
    /// Only these jobs and what they need; empty for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub jobs: Vec<String>,
    /// Whether it was pushed, and not asked for by a person: then it begins only where the project
    /// file says so for this branch or tag.
    #[serde(default)]
    pub pushed: bool,
}

/// What came of a request for a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunAccepted {
    /// The run; `None` where the project file starts none for this branch or tag.
    pub run: Option<RunStatus>,
    /// What was recorded, in words.
    pub sentence: String,
}

/// Which runs are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunsQuery {
    /// Only those of this application.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application: Option<String>,
    /// At most so many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Only those that come behind this one, such as `shop/12`: the `next` of an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
}

/// Runs, the newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunList {
    /// When that was so.
    pub at: Moment,
    /// The runs.
    pub runs: Vec<RunStatus>,
    /// What `before` has to be for the next ones; `None` if there are no others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Which state of a run is wanted, and whether to wait for it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunQuery {
    /// Answer only when there is a version after this one, or when `wait_ms` are over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    /// How long to wait for it, in milliseconds; at most 60 000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_ms: Option<u64>,
}

/// What somebody asks of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunCommand {
    /// End it, and leave no process.
    Cancel,
    /// Begin the jobs again that did not pass.
    Resume,
}

/// How a run stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunStatus {
    /// The application.
    pub application: String,
    /// Its number.
    pub number: u64,
    /// Grows with each change of any run: for [`RunQuery::after`].
    pub version: u64,
    /// When that was so.
    pub at: Moment,
    /// `running`, `ending`, `passed`, `failed` or `cancelled`.
    pub state: String,
    /// The commit.
    pub commit: String,
    /// What it was called.
    #[serde(rename = "ref")]
    pub reference: String,
    /// Who made it.
    pub author: String,
    /// The first line of what it says.
    pub subject: String,
    /// What asked for the run, in words.
    pub trigger: String,
    /// When it began.
    pub started_at: Moment,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Moment>,
    /// How long it took so far.
    pub took_ms: u64,
    /// How long it should take at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget_ms: Option<u64>,
    /// Whether it takes, or took, longer than that.
    pub over_budget: bool,
    /// The release that it made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<u64>,
    /// Why it made none although it passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_released: Option<String>,
    /// Whether it is of a part of the pipeline only, and so makes no release.
    #[serde(default)]
    pub is_part: bool,
    /// Why nothing can be recorded at present, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// Its jobs, in the order in which they can run.
    pub jobs: Vec<JobStatus>,
}

/// How a job of a run stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JobStatus {
    /// Its name.
    pub name: String,
    /// `waiting`, `running`, `pausing`, `passed`, `reused`, `failed`, `skipped`, `cancelled` or
    /// `later`.
    pub state: String,
    /// How many attempts there were.
    pub attempts: u32,
    /// How long they took together so far.
    pub took_ms: u64,
    /// How long it should take at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget_ms: Option<u64>,
    /// Whether it takes, or took, longer than that.
    pub over_budget: bool,
    /// Why it is where it is, in words; empty where that goes without saying.
    pub sentence: String,
    /// The jobs that it needs.
    pub needs: Vec<String>,
    /// What it made for services, by digest.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub artifacts: BTreeMap<String, String>,
    /// The reports that it wrote.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reports: Vec<JobReport>,
}

/// A report of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JobReport {
    /// What kind of report.
    pub kind: String,
    /// The file, relative to the job's folder.
    pub file: String,
    /// Its size.
    pub bytes: u64,
}

/// Which lines of a run are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunLogsQuery {
    /// Only this job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// Only this attempt, counted from 1; left out, the last one of each job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// At most so many lines of each job from before now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tail: Option<u32>,
    /// Only lines that hold this text, in either case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<String>,
    /// Whether the answer goes on with what is written from now on, until the run is over.
    #[serde(default)]
    pub follow: bool,
}

/// One line that a job wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunLine {
    /// The job.
    pub job: String,
    /// Which attempt.
    pub attempt: u32,
    /// The line without its end.
    pub text: String,
}
