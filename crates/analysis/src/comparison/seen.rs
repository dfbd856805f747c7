//! What was counted, to be shown to people: no bet depends on it.

use std::time::Duration;

use super::latencies::{Fading, Latencies};
use crate::evidence::bernoulli::Arms;
use crate::histogram::{BUCKETS, Histogram};
use crate::{Figures, Window};

/// What both arms did while they ran side by side, and the canary as a whole.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Seen {
    pub(crate) canary: Arm,
    pub(crate) baseline: Arm,
}

/// What one arm did.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Arm {
    pub(crate) requests: u64,
    pub(crate) errors: u64,
    latencies: Fading,
}

impl Seen {
    pub(super) fn new() -> Self {
        Self {
            canary: Arm::new(),
            baseline: Arm::new(),
        }
    }

    pub(super) fn add(&mut self, window: &Window, latencies: Arms<&Latencies>) {
        self.canary.add(&window.canary, latencies.canary);
        if let Some(baseline) = &window.baseline {
            self.baseline.add(baseline, latencies.baseline);
        }
    }

    pub(super) fn clear(&mut self) {
        self.canary.clear();
        self.baseline.clear();
    }
}

impl Arm {
    fn new() -> Self {
        Self {
            requests: 0,
            errors: 0,
            latencies: Fading::new(),
        }
    }

    fn add(&mut self, figures: &Figures, latencies: &Latencies) {
        self.requests = self.requests.saturating_add(figures.requests);
        self.errors = self.errors.saturating_add(figures.errors);
        self.latencies.add(1.0, latencies);
    }

    fn clear(&mut self) {
        self.requests = 0;
        self.errors = 0;
        self.latencies.clear();
    }

    /// Returns the share of requests that failed; `None` without requests.
    pub(crate) fn errors(&self) -> Option<f64> {
        (self.requests > 0).then(|| self.errors as f64 / self.requests as f64)
    }

    /// Returns the time that a `tail` of all requests exceeds, 0 to 1: the upper edge of its
    /// bucket. `None` without latencies.
    pub(crate) fn exceeded_by(&self, tail: f64) -> Option<Duration> {
        let all = self.latencies.all();
        // The product may come out a hair below a whole number.
        let most = tail * all * (1.0 + 1e-12);
        (all > 0.0).then(|| match self.latencies.edge_with_at_most(most).0 {
            edge if edge == BUCKETS - 1 => Duration::MAX,
            edge => Histogram::edge(edge),
        })
    }
}
