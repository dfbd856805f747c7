//! What shipping would do.

use serde::{Deserialize, Serialize};

use crate::diff::Change;

/// What a shipment would do, said before anything moves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
    /// What a person should know first, each one sentence.
    pub warnings: Vec<String>,
}

/// What would happen to one service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
    /// The limits it is held to, each as a person would say it, such as `errors at most 5 %`.
    pub limits: Vec<String>,
    /// How long the revision before it stays ready after promotion.
    pub keep_warm_ms: u64,
}

/// What would be done with a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
}

/// A fresh copy of the revision that serves, to compare the new one with during a step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedBaseline {
    /// Its share of requests, in percent.
    pub weight_percent: f64,
    /// How many instances it has.
    pub instances: u16,
}
