//! What is remembered of the baseline: enough to bet on, never what a bet is decided by.

use super::latencies::{Fading, Latencies};
use crate::evidence::bernoulli::{Margin, Tally};
use crate::evidence::lanes::{exp, power_of_two};

/// After this many seconds what was seen weighs half.
const HALF_LIFE: f64 = 300.0;

/// With fewer (faded) latencies than this no percentile is guessed.
pub(super) const LEAST_REQUESTS: f64 = 100.0;

/// The shares that may lie above a percentile: of p95 and of p99.
pub(crate) const TAILS: [f64; 2] = [0.05, 0.01];

/// The baseline as it has been lately, over all windows before the present block.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Memory {
    requests: f64,
    errors: f64,
    /// Requests of which a latency is known.
    timed: f64,
    over: [f64; 2],
    latencies: Fading,
}

/// Where a percentile of the baseline is guessed to lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Tail {
    /// The bucket whose upper edge is taken for it.
    pub(super) edge: usize,
    /// The share of the baseline's requests that take longer.
    pub(super) above: f64,
    /// The share that takes longer by more than the tolerated ratio.
    pub(super) far_above: f64,
    /// How many more of the canary's requests may take longer.
    ///
    /// Latencies may come in lumps, such as when every answer takes 10 ms: then almost nothing lies
    /// above the bucket that holds the percentile. A p95 is exceeded only once 5 of 100 requests
    /// take longer, so what is missing to 5 of 100 is granted to the canary.
    pub(super) slack: f64,
}

/// A lump holds more than this times the share that may lie above a percentile, and what does lie
/// above it is less than this part of that share.
const LUMP_HOLDS: f64 = 1.5;
const LUMP_LEAVES: f64 = 0.25;

impl Tail {
    /// Returns by how much more of its requests the canary may exceed the tolerated latency than
    /// the baseline exceeds its percentile.
    pub(super) fn margin(self) -> Margin {
        Margin {
            points: self.slack,
            ..Margin::NONE
        }
    }
}

/// What has faded to less than `e^-600` might as well be nothing.
const NOTHING_LEFT: f64 = 600.0;

/// Returns by how much something fades in `seconds`.
pub(super) fn fading(seconds: f64, half_life: f64) -> f64 {
    let faded = seconds * std::f64::consts::LN_2 / half_life;
    let ([mantissa], [power]) = exp([-faded.clamp(0.0, NOTHING_LEFT)]);
    mantissa * power_of_two(power)
}

impl Memory {
    pub(super) fn new() -> Self {
        Self {
            requests: 0.0,
            errors: 0.0,
            timed: 0.0,
            over: [0.0; 2],
            latencies: Fading::new(),
        }
    }

    /// Returns the factor by which everything fades in `seconds`.
    pub(super) fn fading(seconds: f64) -> f64 {
        fading(seconds, HALF_LIFE)
    }

    pub(super) fn add(
        &mut self,
        factor: f64,
        errors: Tally,
        over: [f64; 2],
        latencies: &Latencies,
    ) {
        self.requests = self.requests * factor + errors.of;
        self.errors = self.errors * factor + errors.hits;
        self.timed = self.timed * factor + latencies.all();
        for (mine, more) in self.over.iter_mut().zip(over) {
            *mine = *mine * factor + more;
        }
        self.latencies.add(factor, latencies);
    }

    /// Returns the share of errors, clear of 0 and of 1.
    pub(super) fn errors(&self) -> f64 {
        share(self.errors, self.requests).clamp(1e-5, 0.5)
    }

    /// Returns the same for the estimate of dispersion, which may come closer to 0.
    pub(super) fn errors_for_dispersion(&self) -> f64 {
        share(self.errors, self.requests).clamp(1e-6, 0.5)
    }

    /// Returns the share of timed requests slower than the `i`th absolute limit, clear of 0 and of
    /// 1.
    pub(super) fn over(&self, i: usize) -> f64 {
        share(self.over[i], self.timed).clamp(1e-5, 0.5)
    }

    /// Guesses p95 and p99, and what lies above them where `longer` buckets more are tolerated.
    pub(super) fn tails(&self, longer: [usize; 2]) -> Option<[Tail; 2]> {
        (self.timed >= LEAST_REQUESTS).then(|| {
            let [p95, p99] = TAILS.map(|tail| tail * self.timed);
            let farther = self.latencies.edge_with_at_most(p99);
            let nearer = self.latencies.edge_below(farther.0, farther.1, p95);
            [0, 1].map(|i| {
                let (edge, above) = [nearer, farther][i];
                let far_above = self.latencies.above(edge + longer[i]);
                let above = share(above, self.timed).clamp(1e-4, 0.5);
                let holds = self.latencies.at(edge) > LUMP_HOLDS * TAILS[i] * self.timed;
                let in_a_lump = holds && above < LUMP_LEAVES * TAILS[i];
                Tail {
                    edge,
                    above,
                    far_above: share(far_above, self.timed).clamp(1e-5, 0.5),
                    slack: if in_a_lump { TAILS[i] - above } else { 0.0 },
                }
            })
        })
    }
}

/// Returns a share, half a request kinder to both sides.
fn share(hits: f64, of: f64) -> f64 {
    (hits + 0.5) / (of + 1.0)
}
