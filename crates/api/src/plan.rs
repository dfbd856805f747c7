//! What shipping would do.

use crate::PlannedChecklist;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::diff::Change;

/// What a shipment would do, said before anything moves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Plan {
    /// The application.
    pub application: String,
    /// The environment.
    pub environment: String,
    /// The number that the release would get, if nothing is shipped before it.
    pub release: u64,
    /// The release that serves now; `None` where it would be the first one.
    pub from: Option<u64>,
    /// What would happen to each service, in the order in which they would move.
    pub services: Vec<PlannedService>,
    /// How the release differs from what runs.
    pub changes: Vec<Change>,
    /// The shortest time it could take from the start to all traffic: every soak and every wait
    /// for steadiness, with instances that are ready at once.
    pub at_least_ms: u64,
    /// What the environment has looked at on the way; empty lists are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checklists: Vec<PlannedChecklist>,
    /// What a person should know first, each one sentence.
    pub warnings: Vec<String>,
}

/// What would happen to one service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlannedService {
    /// Its name.
    pub name: String,
    /// What would be done with it.
    pub action: PlannedAction,
    /// The services that are promoted before it moves.
    pub after: Vec<String>,
    /// How many instances it has when it serves alone.
    pub instances: u16,
    /// Its steps; empty where it does not move.
    pub steps: Vec<PlannedStep>,
    /// What its traffic was lately, by which it is said what its steps see; `None` where it does
    /// not roll, or where nothing is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traffic: Option<PlannedTraffic>,
    /// The limits it is held to, each as a person would say it, such as `errors at most 5 %`.
    pub limits: Vec<String>,
    /// How long the revision before it stays ready after promotion.
    pub keep_warm_ms: u64,
}

/// What would be done with a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PlannedAction {
    /// It does not run yet: it starts, and there is nothing to compare it with.
    Start,
    /// Its new revision takes over from the one that serves.
    Roll,
    /// It is the same as what runs: nothing is touched.
    Keep,
    /// It is not part of the release: it ends.
    Stop,
}

/// One stage of a planned rollout.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlannedStep {
    /// The new revision's share of requests, in percent.
    pub weight_percent: f64,
    /// How long it is held and judged; `None` rests on readiness alone.
    pub soak_ms: Option<u64>,
    /// How many instances the new revision has.
    pub instances: u16,
    /// The fresh copy of the revision that serves, where one runs beside.
    #[serde(default)]
    pub baseline: Option<PlannedBaseline>,
    /// What it can see, if traffic goes on as it was; `None` where it is not judged beside what
    /// serves, or where no traffic is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sight: Option<PlannedSight>,
}

/// What a service's traffic was while one revision served it alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlannedTraffic {
    /// How long that was, in milliseconds.
    pub over_ms: u64,
    /// Requests per second.
    pub requests_per_second: f64,
    /// The share of failed ones, 0 to 1.
    pub error_ratio: f64,
    /// The 95th percentile of latency, in milliseconds; `None` where no answer was timed.
    pub p95_ms: Option<f64>,
}

/// What a step can see of the new revision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlannedSight {
    /// How many requests the new revision will get.
    pub requests: u64,
    /// The smallest rise in the share of failed requests, 0 to 1, that fails the step in nine cases
    /// of ten; `None` where errors have no limit.
    pub errors: Option<PlannedRise>,
    /// The same for the 95th percentile of latency, in milliseconds.
    pub p95_ms: Option<PlannedRise>,
    /// After how much of the step a revision that is as good as what serves can pass, in nine cases
    /// of ten; `None` is never. It may be longer than the step is held.
    pub passes_after_ms: Option<u64>,
}

/// A rise that can be seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlannedRise {
    /// What it is now.
    pub from: f64,
    /// What it would rise to; `None` where no rise can be seen.
    pub to: Option<f64>,
}

/// A fresh copy of the revision that serves, to compare the new one with during a step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlannedBaseline {
    /// Its share of requests, in percent.
    pub weight_percent: f64,
    /// How many instances it has.
    pub instances: u16,
}
