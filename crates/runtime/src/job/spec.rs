//! What a runner is told, and what it tells.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use leadsman_core::id::{Digest, ServiceName};
use leadsman_core::pipeline::{CommitId, Job, KeptReport};
use leadsman_core::run::Outcome;
use leadsman_gates::Facts;
use serde::{Deserialize, Serialize};

use crate::shim::User;

/// One attempt of a job, completely described. No value of a secret is in it.
///
/// Files written by one version are read by the next: fields are only ever added, with a default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spec {
    /// The repository: a folder of this machine.
    #[serde(default)]
    pub repository: PathBuf,
    /// The commit; `None` for what runs in a place that is there already.
    #[serde(default)]
    pub commit: Option<CommitId>,
    /// Where it runs, if that is no checkout.
    #[serde(default)]
    pub place: Option<Place>,
    /// The folder of the project file, relative to the top of the repository; empty for the top.
    pub project_folder: String,
    /// The job.
    pub job: Job,
    /// The environment that every command of it has, beside what the job itself says.
    pub env: BTreeMap<String, String>,
    /// What jobs before it made, to be put into the checkout.
    #[serde(default)]
    pub given: Vec<Given>,
    /// What is kept from one run for the next.
    #[serde(default)]
    pub caches: Vec<CacheAt>,
}

/// Where something runs that needs no checkout, and as whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The folder it runs in; an absolute path.
    pub folder: PathBuf,
    /// Whom it runs as; `None` is the runner's own user.
    #[serde(default)]
    pub user: Option<User>,
    /// How much resident memory it and everything it starts may use together, in bytes.
    #[serde(default)]
    pub memory: Option<u64>,
    /// How many files each of its processes may have open.
    #[serde(default)]
    pub files: Option<u64>,
    /// Where its output goes.
    pub output: PathBuf,
    /// A file that is locked for as long as its runner lives: of all that name it, one runs at a time.
    pub alone: PathBuf,
}

/// What an earlier job made for a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Given {
    /// Where it lies in the checkout, relative to the project file.
    pub path: String,
    /// What it is.
    pub digest: Digest,
}

/// A folder that is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheAt {
    /// Where it lies in the checkout, relative to the project file.
    pub path: String,
    /// What it is called among all that is kept.
    pub key: String,
    /// Whether it is kept anew each time; else what was kept first stays.
    pub replace: bool,
}

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finished {
    /// In short.
    pub outcome: Outcome,
    /// How long it took.
    pub took: Duration,
    /// The packed artifacts that lie in `kept/`, by service.
    #[serde(default)]
    pub artifacts: BTreeMap<ServiceName, Digest>,
    /// The reports that lie in `kept/`.
    #[serde(default)]
    pub reports: Vec<KeptReport>,
    /// What they say.
    #[serde(default)]
    pub facts: Facts,
    /// The last lines that it wrote, without secrets.
    #[serde(default)]
    pub last: Vec<String>,
}
