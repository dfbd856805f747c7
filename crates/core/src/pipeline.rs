//! What a commit goes through before it is a release, with every default filled in.
//!
//! The project file is how people write this; [`crate::project`] turns it into these types. They
//! are recorded with each run, so that a run goes on as it began whatever is written meanwhile.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use leadsman_gates::{Facts, ReportKind};
use serde::{Deserialize, Serialize};

use crate::bundle::Pattern;
use crate::entry::RefPattern;
use crate::id::{Digest, EnvironmentName, ServiceName, is_name};
use crate::load::Load;
use crate::spec::Readiness;

/// The jobs of an application, and what starts them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Pipeline {
    /// What starts a run by itself.
    #[serde(default)]
    pub start: Start,
    /// How long a run should take at most; what takes longer is said, and goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Duration>,
    /// The jobs, those of a matrix one by one.
    pub jobs: BTreeMap<JobName, Job>,
}

/// What starts a run by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// Patterns of the branches whose new commits start one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub push: Vec<RefPattern>,
    /// Patterns of the tags that start one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tag: Vec<RefPattern>,
    /// When one starts by the clock: five fields as of cron, and a time zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
}

impl Start {
    /// Whether what was pushed to `reference`, such as `refs/heads/main`, starts a run.
    pub fn is_started_by(&self, reference: &str) -> bool {
        let (name, patterns) = if let Some(branch) = reference.strip_prefix("refs/heads/") {
            (branch, &self.push)
        } else if let Some(tag) = reference.strip_prefix("refs/tags/") {
            (tag, &self.tag)
        } else {
            return false;
        };
        patterns.iter().any(|pattern| pattern.matches(name))
    }
}

/// When a run starts by the clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// Minute, hour, day of the month, month and day of the week, as cron has them.
    pub cron: String,
    /// The time zone, such as `Europe/Berlin`.
    pub time_zone: String,
    /// The branch whose newest commit is taken.
    pub branch: String,
}

/// The name of a job: the one that it has in the project file, and behind dots what it is of a
/// matrix, such as `unit.stable.arm64`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct JobName(String);

/// A text is not the name of a job.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the name of a job")]
pub struct InvalidJobName(pub String);

/// How long the name of a job is at most, in bytes.
const JOB_NAME_BYTES_MAX: usize = 120;

impl JobName {
    /// Returns the name as text. It is usable as the name of a file.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the name that the job has in the project file.
    pub fn family(&self) -> &str {
        self.0.split('.').next().unwrap_or_default()
    }
}

/// Whether `text` can tell one job of a matrix from another in its name.
pub(crate) fn is_matrix_value(text: &str) -> bool {
    (1..=40).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'+'))
}

impl TryFrom<String> for JobName {
    type Error = InvalidJobName;

    fn try_from(text: String) -> Result<Self, InvalidJobName> {
        let (family, rest) = match text.split_once('.') {
            Some((family, rest)) => (family, Some(rest)),
            None => (text.as_str(), None),
        };
        let usable = text.len() <= JOB_NAME_BYTES_MAX
            && is_name(family)
            && rest.is_none_or(|rest| rest.split('.').all(is_matrix_value));
        if usable {
            Ok(Self(text))
        } else {
            Err(InvalidJobName(text))
        }
    }
}

impl FromStr for JobName {
    type Err = InvalidJobName;

    fn from_str(text: &str) -> Result<Self, InvalidJobName> {
        Self::try_from(text.to_owned())
    }
}

impl From<JobName> for String {
    fn from(name: JobName) -> Self {
        name.0
    }
}

impl fmt::Display for JobName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One job: commands in a clean checkout of the commit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// What it does, one after the other.
    pub steps: Vec<Step>,
    /// The jobs that must have passed before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<JobName>,
    /// The environment in which the release has to serve before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<EnvironmentName>,
    /// How long one attempt may take.
    pub timeout: Duration,
    /// How long it should take at most; what takes longer is said, and goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Duration>,
    /// How it is tried again.
    #[serde(default)]
    pub retry: Retry,
    /// Environment variables.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Environment variables whose values nobody may see.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, SecretSource>,
    /// The folder it runs in, relative to the project file.
    pub folder: String,
    /// Patterns of the files of the commit that it depends on, relative to the project file. Empty
    /// for a job of which that is not known: it always runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<Pattern>,
    /// Tools whose versions are looked at before, and what each has to say of itself.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tools: BTreeMap<String, String>,
    /// What it reports, relative to its folder.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reports: Vec<Report>,
    /// What it makes for services, relative to the project file.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub artifacts: BTreeMap<ServiceName, String>,
    /// Programs that run beside it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub services: BTreeMap<ServiceName, Beside>,
    /// Folders that are kept from one run for the next.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cache: Vec<Cache>,
    /// How much its checkout and all it writes may take, in bytes.
    pub disk: u64,
    /// How many processes it may have at once.
    pub processes: u32,
}

/// One thing that a job does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// A program and its arguments.
    Command(Vec<String>),
    /// A text for `/bin/sh`.
    Script(String),
    /// Requests that are made; what is measured is written to [`LOAD_REPORT`].
    Load(Box<Load>),
}

/// The environment variable that tells a job where the environment listens in which it tries the
/// release.
pub const LEADSMAN_URL: &str = "LEADSMAN_URL";

/// Where the measurements of a load lie, relative to the folder of the job that makes it.
pub const LOAD_REPORT: &str = "leadsman-load.json";

/// How a job is tried again that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// How often.
    pub times: u32,
    /// How long to wait before the first time; each further time it is twice as long.
    pub backoff: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            times: 0,
            backoff: Duration::from_secs(5),
        }
    }
}

impl Retry {
    /// The longest wait between two attempts.
    const PAUSE_MAX: Duration = Duration::from_secs(3600);

    /// Returns how long to wait after `attempt` failed, counted from 1.
    pub fn pause_after(&self, attempt: u32) -> Duration {
        let doubled = 1_u32
            .checked_shl(attempt.saturating_sub(1))
            .unwrap_or(u32::MAX);
        self.backoff.saturating_mul(doubled).min(Self::PAUSE_MAX)
    }
}

/// Where the value of a secret is, on the machine that runs the job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretSource {
    /// A file, by its full path.
    File(String),
    /// A variable of control's own environment.
    Variable(String),
}

/// One report of a job.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Report {
    /// What kind of report.
    pub kind: ReportKind,
    /// The file, relative to the job's folder; `*` stands for any characters of a name.
    pub path: String,
    /// Of numbers: which ones, by name, and where each stands.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub numbers: BTreeMap<String, String>,
}

/// A program that runs beside a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beside {
    /// The program and its arguments.
    pub run: Vec<String>,
    /// When the job may begin.
    pub ready: Readiness,
    /// Environment variables.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
}

/// A folder that is kept from one run for the next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cache {
    /// The folder, relative to the project file.
    pub path: String,
    /// Patterns of the files of the commit by whose content it is kept apart.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key: Vec<Pattern>,
}

/// A commit, by the 40 or 64 hexadecimal digits that Git calls it by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CommitId(String);

/// A text is not a commit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a commit: 40 or 64 of 0-9 and a-f are expected")]
pub struct InvalidCommit(pub String);

impl CommitId {
    /// Returns it as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns its first digits, enough for people.
    pub fn short(&self) -> &str {
        self.0.get(..10).unwrap_or(&self.0)
    }
}

impl TryFrom<String> for CommitId {
    type Error = InvalidCommit;

    fn try_from(text: String) -> Result<Self, InvalidCommit> {
        let digits = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if matches!(text.len(), 40 | 64) && digits {
            Ok(Self(text))
        } else {
            Err(InvalidCommit(text))
        }
    }
}

impl FromStr for CommitId {
    type Err = InvalidCommit;

    fn from_str(text: &str) -> Result<Self, InvalidCommit> {
        Self::try_from(text.to_owned())
    }
}

impl From<CommitId> for String {
    fn from(commit: CommitId) -> Self {
        commit.0
    }
}

impl fmt::Display for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a job made: the same whether it ran, or was reused.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Made {
    /// The artifacts of services, by digest.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub artifacts: BTreeMap<ServiceName, Digest>,
    /// Its reports, as they were kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reports: Vec<KeptReport>,
    /// What they say.
    #[serde(default, skip_serializing_if = "Facts::is_empty")]
    pub facts: Facts,
}

/// A report that was kept: its file lies in the artifact store, by its digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptReport {
    /// What was asked for.
    #[serde(flatten)]
    pub report: Report,
    /// The file that was found, relative to the job's folder.
    pub file: String,
    /// The digest of its content.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_jobs_are_checked() {
        for good in ["unit", "unit.stable", "unit.1.95.0.arm64", "a.x_y+z"] {
            assert_eq!(
                good.parse::<JobName>().map(String::from).as_deref(),
                Ok(good)
            );
        }
        let long = format!("a.{}", "b".repeat(120));
        for bad in [
            "", "Unit", ".unit", "unit.", "unit/..", "unit.a/b", "a.-x", &long,
        ] {
            assert!(bad.parse::<JobName>().is_err(), "{bad}");
        }
        assert_eq!("unit.1.95".parse::<JobName>().unwrap().family(), "unit");
    }

    #[test]
    fn pushes_start_what_the_patterns_say() {
        let start = Start {
            push: ["main", "release/*"]
                .map(|text| RefPattern(text.to_owned()))
                .to_vec(),
            tag: vec![RefPattern("v*".to_owned())],
            schedule: None,
        };
        for (reference, started) in [
            ("refs/heads/main", true),
            ("refs/heads/release/7", true),
            ("refs/heads/release/7/x", true),
            ("refs/heads/feature/main", false),
            ("refs/heads/v1", false),
            ("refs/tags/v1.2", true),
            ("refs/tags/main", false),
            ("refs/notes/main", false),
            ("main", false),
        ] {
            assert_eq!(start.is_started_by(reference), started, "{reference}");
        }
    }

    #[test]
    fn commits_are_checked() {
        let commit = "0123456789".repeat(4);
        assert_eq!(commit.parse::<CommitId>().unwrap().short(), "0123456789");
        for bad in ["", "main", "-x", &"A".repeat(40), &"0".repeat(41)] {
            assert!(bad.parse::<CommitId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn pauses_double_up_to_an_hour() {
        let retry = Retry {
            times: 99,
            backoff: Duration::from_secs(5),
        };
        for (attempt, seconds) in [(1, 5), (2, 10), (3, 20), (11, 3600), (99, 3600)] {
            assert_eq!(retry.pause_after(attempt).as_secs(), seconds, "{attempt}");
        }
    }
}
