//! What was released and what happened.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::status::{Deployment, EnvironmentStatus, Moment, Phase};

/// Which part of the history is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HistoryQuery {
    /// At most so many deployments, and so many events; control may give fewer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Only what happened before this position in the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<u64>,
    /// Only deployments of this release, and what happened to them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<u64>,
    /// Only those of releases that were built from this commit; its first digits are enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Only those that this person asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// Only those that have come to this, such as `rolled_back`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// Only deployments that began, and what happened, at this moment or later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<u64>,
    /// Only deployments that began, and what happened, before this moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<u64>,
}

/// The history of one environment. Every list has the newest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct History {
    /// The application.
    pub application: String,
    /// The environment.
    pub environment: String,
    /// The releases that these deployments brought in.
    pub releases: Vec<Release>,
    /// The deployments.
    pub deployments: Vec<Deployment>,
    /// What was recorded.
    pub events: Vec<Event>,
    /// What `before` has to be for what lies before; `None` if nothing does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}

/// One release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Release {
    /// Its number.
    pub number: u64,
    /// What became of it.
    pub standing: Standing,
    /// When it was shipped.
    pub shipped_at: Moment,
    /// Who shipped it.
    pub actor: String,
    /// What that person wanted to remember.
    pub note: Option<String>,
    /// The digest of each service's artifact, by service.
    pub artifacts: BTreeMap<String, String>,
}

/// What became of a release in an environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It is on its way, or was taken off its way without being judged.
    Candidate,
    /// It took all traffic.
    Promoted,
    /// It failed, or a person rolled it back: it returns only by an explicit act. One that was
    /// aborted on its way is a candidate still.
    Rejected,
}

/// One recorded fact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// Its position in the log.
    pub position: u64,
    /// When it happened.
    pub at: Moment,
    /// Who caused it: the name of a user, or `leadsman`.
    pub actor: String,
    /// What kind of fact it is, in snake case, such as `weight_shifted`.
    pub kind: String,
    /// The deployment it belongs to.
    pub deployment: Option<u64>,
    /// The fact as a person would say it.
    pub sentence: String,
    /// What a command wrote last whose end it is, without secrets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub output: Vec<String>,
}

/// Everything needed to say why an environment is as it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Why {
    /// How it stands, with the reasons of what waits.
    pub status: EnvironmentStatus,
    /// What was recorded of its newest deployment, the oldest first.
    pub events: Vec<Event>,
}
