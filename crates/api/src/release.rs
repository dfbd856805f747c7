//! One release, with all that is known of it: what it is, and how it fared where.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::history::Standing;
use crate::report::GateStatus;
use crate::status::{Approval, Deployment, Moment, Request};

/// One release, with all that is known of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReleaseStatus {
    /// The application.
    pub application: String,
    /// Its number.
    pub number: u64,
    /// When the answer was made.
    pub at: Moment,
    /// When it was shipped first.
    pub shipped_at: Moment,
    /// Who shipped it.
    pub actor: String,
    /// What that person wanted to remember.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The commit that it was built from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The branch or the tag that was built, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub built_from: Option<String>,
    /// Who wrote it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub authors: Vec<String>,
    /// The numbers of the runs that made it, the newest first; of a release that was shipped by hand
    /// there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub runs: Vec<u64>,
    /// Its services, by name.
    pub services: Vec<ReleaseService>,
    /// What reports say of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reports: Vec<ReleaseReport>,
    /// The environments that have seen it, by name.
    pub environments: Vec<ReleaseIn>,
}

/// A service of a release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReleaseService {
    /// Its name.
    pub name: String,
    /// The digest of its artifact; `None` of one that runs what is on the machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact: Option<String>,
}

/// What a report says of a release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReleaseReport {
    /// What kind of report it is, such as `junit`.
    pub kind: String,
    /// Where it came from, in words.
    pub from: String,
    /// What it says, a line for each thing.
    pub lines: Vec<String>,
}

/// How a release fared in one environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReleaseIn {
    /// The environment.
    pub environment: String,
    /// The digest of what the release is there, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Whether it serves.
    pub serves: bool,
    /// What became of it; not there where it has not entered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standing: Option<Standing>,
    /// Why it was rejected, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// What it waits for, while it waits to enter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Request>,
    /// How its last wait to enter ended, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entered: Option<String>,
    /// The consent that it has, or that counted when it entered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<Approval>,
    /// What the gates say, or said when it entered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<GateStatus>,
    /// What was found out, or said, about items of its checklists, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<ItemAnswer>,
    /// Its deployments, the newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deployments: Vec<Deployment>,
}

/// What was found out, or said, about an item of a checklist.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ItemAnswer {
    /// Which list: `before`, `during`, `after` or `after_rollback`.
    pub when: String,
    /// The item.
    pub item: String,
    /// What it asks, in words.
    pub asks: String,
    /// Whether it holds.
    pub passed: bool,
    /// What was found or said.
    pub said: String,
    /// Who has answered; Leadsman itself, for the machine.
    pub actor: String,
    /// When.
    pub at: Moment,
}
