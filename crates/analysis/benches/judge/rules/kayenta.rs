//! Kayenta: the statistical judge of Spinnaker (`NetflixACAJudge`).
//!
//! From `MannWhitneyClassifier.scala` and `NetflixACAJudge.scala` (a69573b): a metric is a series of
//! points; it is *high* when the lower end of the 98 % interval of the Hodges-Lehmann shift exceeds
//! a quarter of its estimate and the means' ratio is at least 1. Here a point is a minute, the
//! metrics are the share of errors in percent and p95 in milliseconds, both critical and with
//! empty minutes removed, and the baseline is a fresh one that gets as many requests as the canary:
//! all as its documentation advises, and better than most can afford. Each step is compared by
//! itself.

use super::super::traffic::Counted;
use super::mann_whitney::shift;
use super::{Call, Rule, Second};

pub(crate) struct Kayenta {
    /// Judges after so many seconds, and again; `None`: at the end of each step only.
    interval: Option<u32>,
    /// The canary's minute.
    minute: Counted,
    errors: Series,
    p95: Series,
}

/// One metric's points, one per minute.
#[derive(Default)]
struct Series {
    canary: Vec<f64>,
    baseline: Vec<f64>,
}

impl Series {
    fn add(&mut self, canary: Option<f64>, baseline: Option<f64>) {
        self.canary.extend(canary);
        self.baseline.extend(baseline);
    }

    /// Says whether the metric lets the canary pass.
    fn passes(&self) -> bool {
        let (canary, baseline) = (&self.canary, &self.baseline);
        if canary.is_empty() || baseline.is_empty() {
            return false;
        }
        let shift = shift(canary, baseline);
        let ratio = mean(canary) / mean(baseline);
        let high = shift.lower > 0.25 * shift.estimate.abs() && (ratio.is_nan() || ratio >= 1.0);
        !high
    }

    fn clear(&mut self) {
        self.canary.clear();
        self.baseline.clear();
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

impl Kayenta {
    pub(crate) fn every(interval: u32) -> Self {
        Self {
            interval: Some(interval),
            ..Self::at_soak_end()
        }
    }

    pub(crate) fn at_soak_end() -> Self {
        Self {
            interval: None,
            minute: Counted::default(),
            errors: Series::default(),
            p95: Series::default(),
        }
    }
}

impl Rule for Kayenta {
    fn observe(&mut self, second: &Second<'_>) -> Call {
        self.minute.add(second.canary);
        let Some(twin) = second.twin else {
            return Call::GoOn;
        };
        self.errors.add(percent(&self.minute), percent(twin));
        self.p95.add(p95(&self.minute), p95(twin));
        self.minute.clear();

        let due = self
            .interval
            .is_some_and(|every| second.end.is_multiple_of(every));
        let bad = (due || second.ends_step) && !(self.errors.passes() && self.p95.passes());
        if second.ends_step {
            self.errors.clear();
            self.p95.clear();
        }
        if bad { Call::RollBack } else { Call::GoOn }
    }
}

/// Returns how many of 100 requests failed.
fn percent(counted: &Counted) -> Option<f64> {
    (counted.requests > 0).then(|| 100.0 * counted.errors as f64 / counted.requests as f64)
}

/// Returns the 95th percentile in milliseconds. Inside of a bucket latencies are taken to lie
/// evenly, so that two arms seldom have the very same.
pub(crate) fn p95(counted: &Counted) -> Option<f64> {
    // The share of requests that are longer, so 5 of 100.
    let mut beyond = 0.05 * counted.requests as f64;
    for bucket in counted.touched.clone().rev() {
        let count = f64::from(counted.buckets[bucket]);
        if count > 0.0 && count >= beyond {
            let (width, lowest) = (1.2_f64.powf(0.125), 0.1);
            return Some(lowest * width.powf(bucket as f64 - beyond / count));
        }
        beyond -= count;
    }
    None
}
