//! What may not be exceeded.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The limits that a revision is held to. A limit that is `None` is not judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// The largest share of failed requests, 0 to 1.
    pub errors: Option<f64>,
    /// The longest 95th percentile of latency.
    pub p95: Option<Duration>,
    /// The longest 99th percentile of latency.
    pub p99: Option<Duration>,
    /// The largest share of its memory limit that an instance may use, 0 to 1.
    pub memory: Option<f64>,
    /// How many restarts of instances are tolerated in one rollout.
    pub restarts: Option<u32>,
    /// Limits relative to the stable revision that runs beside.
    pub against_stable: AgainstStable,
    /// How many requests the canary must have answered before a step can pass; at least 1.
    pub requests: u64,
}

/// Limits relative to the stable revision. A limit that is `None` is not judged.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AgainstStable {
    /// How much larger the share of failed requests may be, in absolute terms: 0.01 is one point.
    pub errors: Option<f64>,
    /// How much longer the 95th percentile may be: 0.2 is 20 % longer.
    pub p95: Option<f64>,
    /// How much longer the 99th percentile may be: 0.5 is 50 % longer.
    pub p99: Option<f64>,
}
