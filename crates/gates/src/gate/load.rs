//! The gate on how a release bears load.

use serde::{Deserialize, Serialize};

use super::GateResult;
use crate::facts::{Facts, bounded};
use crate::words::{counted, millis, number, percent, some_of};

/// What a load test must show. Times are in milliseconds, shares from 0 to 1.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LoadGate {
    /// The longest median.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p50: Option<f64>,
    /// The longest 90th percentile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p90: Option<f64>,
    /// The longest 95th percentile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p95: Option<f64>,
    /// The longest 99th percentile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p99: Option<f64>,
    /// The longest of all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// The largest share of requests that fail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errors: Option<f64>,
    /// How many requests in a second there must be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
}

/// One thing that is asked of a load test.
struct Row {
    what: &'static str,
    bound: Option<f64>,
    value: Option<f64>,
    written: fn(f64) -> String,
    is_least: bool,
}

impl LoadGate {
    pub(super) fn evaluate(&self, facts: &Facts) -> GateResult {
        let name = "load";
        let Some(load) = facts.load() else {
            return GateResult::missing(name, "load", "`load` or `k6`");
        };
        if let Some(why) = &load.invalid {
            let why = format!("the load test shows nothing: {}", bounded(why, 300));
            return GateResult::unknown(name, &why, "have it run where nothing holds it up");
        }
        let times = [
            ("p50", self.p50, load.p50_ms),
            ("p90", self.p90, load.p90_ms),
            ("p95", self.p95, load.p95_ms),
            ("p99", self.p99, load.p99_ms),
            ("max", self.max, load.max_ms),
        ];
        let times = times.map(|(what, bound, value)| Row {
            what,
            bound,
            value,
            written: millis,
            is_least: false,
        });
        let others = [
            Row {
                what: "errors",
                bound: self.errors,
                value: load.errors,
                written: percent,
                is_least: false,
            },
            Row {
                what: "rate",
                bound: self.rate,
                value: load.rate,
                written: per_second,
                is_least: true,
            },
        ];
        let (mut kept, mut broken) = (Vec::new(), Vec::new());
        for row in times.into_iter().chain(others) {
            let Some(bound) = row.bound else { continue };
            let (what, written) = (row.what, row.written);
            let Some(value) = row.value else {
                let why = format!("the load test does not say `{what}`");
                let way_out = "have it measure that, or take the gate out";
                return GateResult::unknown(name, &why, way_out);
            };
            let (holds, word) = if row.is_least {
                (value >= bound, "least")
            } else {
                (value <= bound, "most")
            };
            let told = format!("{what} {}, {} at {word}", written(value), written(bound));
            if holds {
                kept.push(told);
            } else {
                broken.push(told);
            }
        }
        let crossed = load.crossed.iter().map(|condition| {
            format!(
                "the test's own threshold `{}` was crossed",
                bounded(condition, 100)
            )
        });
        broken.extend(crossed);
        let requests = counted(load.requests, "request");
        let told = if broken.is_empty() { &kept } else { &broken };
        let why = match told.as_slice() {
            [] => format!("{requests}, and nothing is asked of them"),
            told => format!("{} over {requests}", some_of(told, 7)),
        };
        GateResult::open_if(name, broken.is_empty(), &why)
    }
}

fn per_second(rate: f64) -> String {
    format!("{}/s", number(rate))
}
