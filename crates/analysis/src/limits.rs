//! What may not be exceeded.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::GaugeLimit;

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
    /// The largest share of one processor core that an instance may use, 0 or more.
    #[serde(default)]
    pub cpu: Option<f64>,
    /// How many restarts of instances are tolerated in one rollout.
    pub restarts: Option<u32>,
    /// Limits relative to the stable revision that runs beside.
    pub against_stable: AgainstStable,
    /// How many requests the canary must have answered before a step can pass; at least 1.
    pub requests: u64,
    /// For how long after its first request a revision may still be slower and fail more often.
    #[serde(default)]
    pub warm_up: Duration,
    /// How often the judge may be wrong.
    #[serde(default)]
    pub risk: Risk,
    /// Limits of metrics of the user's, by their names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metrics: BTreeMap<String, GaugeLimit>,
}

/// How often the judge may be wrong: probabilities, 0 to 1, over a whole rollout.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Risk {
    /// Of taking back a release that is no worse than its baseline, while they run side by side.
    pub steps: f64,
    /// Of taking back one that keeps its absolute limits, while it runs alone.
    pub alone: f64,
    /// Of the data plane cutting off a release by itself.
    pub tripwire: f64,
    /// Of taking back a release that is worse than its baseline, but within what is tolerated.
    pub tolerated: f64,
    /// Of passing a step although a limit is exceeded.
    pub pass: f64,
}

impl Risk {
    /// Returns the chance of taking back a release for nothing, over all that judge.
    pub fn in_all(&self) -> f64 {
        self.steps + self.alone + self.tripwire
    }

    /// Shares `alpha`, the chance of taking back a release for nothing, among those that judge:
    /// eight tenths to the steps, a tenth each to what runs alone and to the data plane.
    pub fn of(alpha: f64) -> Self {
        Self {
            steps: alpha * 0.8,
            alone: alpha * 0.1,
            tripwire: alpha * 0.1,
            tolerated: alpha * 10.0,
            pass: 0.05,
        }
    }
}

impl Default for Risk {
    /// One release in a hundred.
    fn default() -> Self {
        Self::of(0.01)
    }
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

impl Default for Limits {
    /// What a service is held to unless its project file says otherwise: at most 5 % errors, no
    /// restart, at most 90 % of its memory, and next to stable at most one point more errors, a
    /// 20 % longer 95th and a 50 % longer 99th percentile; over 100 requests.
    fn default() -> Self {
        Self {
            errors: Some(0.05),
            p95: None,
            p99: None,
            memory: Some(0.9),
            cpu: None,
            restarts: Some(0),
            against_stable: AgainstStable {
                errors: Some(0.01),
                p95: Some(0.2),
                p99: Some(0.5),
            },
            requests: 100,
            warm_up: Duration::ZERO,
            risk: Risk::default(),
            metrics: BTreeMap::new(),
        }
    }
}
