//! How few requests could do: Wald's bound.
//!
//! A test that rolls back a tolerable release with a chance of at most `alpha` and finds a certain
//! regression surely needs on average at least `ln(1 / alpha) / I` requests on the canary, where
//! `I` is the information in one of them about that regression, against the tolerable release that
//! resembles it most. It is told which regression to look for and when it begins, which no judge is.

use super::scenario::{Moment, Scenario, Truth};
use super::traffic::{self, Q95, Q99, above};

/// The chance of rolling back for nothing.
const ALPHA: f64 = 0.01;

/// How many seconds a regression may take to begin.
const HORIZON: f64 = 7200.0;

/// What one request on the canary tells of a regression, in nats, with `split` requests on the
/// baseline beside it: the most that one of the metrics tells.
pub(crate) fn information(scenario: &Scenario, split: f64) -> Option<f64> {
    let Truth::Bad { onset } = scenario.truth else {
        return None;
    };
    let Moment {
        canary, baseline, ..
    } = (scenario.at)(f64::from(onset));
    let late = |quantile: f64, ratio: f64| {
        let threshold = traffic::latency(quantile);
        Pair {
            canary: above(ratio * threshold, canary.slower, canary.tail),
            baseline: above(threshold, baseline.slower, baseline.tail),
            margin: 0.0,
        }
    };
    let errors = Pair {
        canary: canary.errors,
        baseline: baseline.errors,
        margin: 0.01,
    };
    // The limits that ours has against stable; 50 % comes to 18 whole buckets.
    let pairs = [errors, late(Q95, 1.2), late(Q99, 1.2_f64.powf(18.0 / 8.0))];
    pairs
        .iter()
        .map(|pair| pair.information(split))
        .reduce(f64::max)
}

/// Returns the bound in requests on the canary, `rate` of them a second.
pub(crate) fn requests(scenario: &Scenario, information: f64, rate: f64) -> f64 {
    let known = (1.0 / ALPHA).ln() / information;
    if scenario.truth == (Truth::Bad { onset: 0 }) {
        return known;
    }
    // When it begins is not known: as many beginnings as there is room for are to be told apart,
    // each with its share of alpha.
    let mut requests = known;
    for _ in 0..100 {
        let beginnings = (HORIZON * rate / requests).max(1.0);
        requests = (beginnings / ALPHA).ln() / information;
    }
    requests
}

/// The shares of events in both arms, and by how much the canary's may be larger.
pub(crate) struct Pair {
    pub(crate) canary: f64,
    pub(crate) baseline: f64,
    pub(crate) margin: f64,
}

impl Pair {
    pub(crate) fn information(&self, split: f64) -> f64 {
        if self.canary <= self.baseline + self.margin {
            return 0.0;
        }
        // The nearest tolerable pair is one at the edge; the distance is convex along it.
        let distance = |baseline: f64| {
            divergence(self.canary, baseline + self.margin)
                + split * divergence(self.baseline, baseline)
        };
        let (mut low, mut high) = (self.baseline, self.canary - self.margin);
        for _ in 0..200 {
            let third = (high - low) / 3.0;
            if distance(low + third) < distance(high - third) {
                high -= third;
            } else {
                low += third;
            }
        }
        distance((low + high) / 2.0)
    }
}

/// Returns how far a share of `q` is from one of `p`, in nats per request (Kullback and Leibler).
fn divergence(p: f64, q: f64) -> f64 {
    let part = |p: f64, q: f64| if p > 0.0 { p * (p / q).ln() } else { 0.0 };
    part(p, q) + part(1.0 - p, 1.0 - q)
}
