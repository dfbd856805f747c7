//! How few requests could do: Wald's bound.
//!
//! A test that rolls back a tolerable release with a chance of at most `alpha` and finds a certain
//! regression surely needs on average at least `ln(1 / alpha) / I` requests on the canary, where
//! `I` is the information in one of them about that regression, against the tolerable release that
//! resembles it most. It is told which regression to look for and when it begins, which no judge is.
//!
//! A judge in two tiers may be wrong more often about what is worse but tolerable than about what
//! is not worse at all. It meets both bounds, so the larger one is its own.

use super::scenario::{Moment, Scenario, Truth};
use super::traffic::{self, Q95, Q99, above};

/// How many seconds a regression may take to begin.
const HORIZON: f64 = 7200.0;

/// What one request on the canary tells of a regression, in nats: the most that one of the metrics
/// tells.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Information {
    /// That the canary is worse than is tolerated.
    pub(crate) beyond: f64,
    /// That it is worse at all.
    pub(crate) at_all: f64,
}

/// The chances of rolling back for nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chances {
    /// A release that is tolerable.
    pub(crate) beyond: f64,
    /// A release that is no worse.
    pub(crate) at_all: f64,
}

/// Returns what a request tells where `beside` requests on the baseline go with it.
pub(crate) fn information(scenario: &Scenario, beside: f64) -> Option<Information> {
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
    let errors = |margin| Pair {
        canary: canary.errors,
        baseline: baseline.errors,
        margin,
    };
    let most = |pairs: [Pair; 3]| {
        let each = pairs.map(|pair| pair.information(beside));
        each.into_iter().fold(0.0, f64::max)
    };
    Some(Information {
        // The limits that ours has against stable; 50 % comes to 18 whole buckets.
        beyond: most([
            errors(0.01),
            late(Q95, 1.2),
            late(Q99, 1.2_f64.powf(18.0 / 8.0)),
        ]),
        at_all: most([errors(0.0), late(Q95, 1.0), late(Q99, 1.0)]),
    })
}

/// Returns the bound in requests on the canary, `rate` of them a second.
pub(crate) fn requests(
    scenario: &Scenario,
    information: Information,
    chances: Chances,
    rate: f64,
) -> f64 {
    let known = scenario.truth == (Truth::Bad { onset: 0 });
    let beyond = bound(information.beyond, chances.beyond, known, rate);
    let at_all = bound(information.at_all, chances.at_all, known, rate);
    beyond.max(at_all)
}

fn bound(information: f64, chance: f64, known: bool, rate: f64) -> f64 {
    let mut requests = (1.0 / chance).ln() / information;
    if known {
        return requests;
    }
    // When it begins is not known: as many beginnings as there is room for are to be told apart,
    // each with its share of the chance.
    for _ in 0..100 {
        let beginnings = (HORIZON * rate / requests).max(1.0);
        requests = (beginnings / chance).ln() / information;
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
    pub(crate) fn information(&self, beside: f64) -> f64 {
        if self.canary <= self.baseline + self.margin {
            return 0.0;
        }
        // The nearest tolerable pair is one at the edge; the distance is convex along it.
        let distance = |baseline: f64| {
            divergence(self.canary, baseline + self.margin)
                + beside * divergence(self.baseline, baseline)
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
