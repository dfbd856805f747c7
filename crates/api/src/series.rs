//! How the two sides of a rollout have been doing, over time.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::status::Moment;

/// Which deployment is wanted, and how finely.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SeriesQuery {
    /// The number of the deployment; `None` is the newest one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment: Option<u64>,
}

/// How the sides of every service have been doing in one deployment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Series {
    /// The number of the deployment.
    pub deployment: u64,
    /// The services of which something was counted, by name.
    pub services: Vec<ServiceSeries>,
}

/// How the sides of one service have been doing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceSeries {
    /// Its name.
    pub service: String,
    /// The largest share of failed requests that it may have, 0 to 1.
    pub error_limit: Option<f64>,
    /// The longest 95th percentile of latency that it may have, in milliseconds.
    pub p95_limit_ms: Option<f64>,
    /// Intervals that follow each other, the oldest first: some 120 at most, each as long as that
    /// takes, and none across a step.
    pub points: Vec<Point>,
}

/// What was counted in one interval.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Point {
    /// When it ended, to a few seconds.
    pub at: Moment,
    /// How long it was, in milliseconds.
    pub span_ms: u64,
    /// The share of requests that the new revision was to get, in percent.
    pub weight_percent: f64,
    /// Of the new revision.
    pub canary: Counted,
    /// Of what it is compared with.
    pub stable: Option<Counted>,
}

/// What was counted of one side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Counted {
    /// Requests whose outcome became known.
    pub requests: u64,
    /// Those of them that failed.
    pub errors: u64,
    /// The 95th percentile of the latency of those that were answered, in milliseconds.
    pub p95_ms: Option<f64>,
}
