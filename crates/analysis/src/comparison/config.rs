//! What is compared, and how surely.

use std::time::Duration;

use super::memory::TAILS;
use crate::Limits;
use crate::evidence::bernoulli::Margin;

/// How much weight each comparison has, where all are made: with the baseline (errors, p95, p99),
/// and with absolute limits (errors, p95, p99).
const WITH_BASELINE: [f64; 3] = [0.36, 0.24, 0.12];
const WITH_LIMITS: [f64; 3] = [0.10, 0.09, 0.09];

/// A limit on a share is at least this: at 0 a single error would decide.
const LEAST_SHARE: f64 = 1e-6;

/// A limit on a share that is larger than this cannot be shown to be exceeded.
const LARGEST_SHARE: f64 = 0.98;

/// More points than this above the baseline cannot be told from any.
const MOST_POINTS: f64 = 0.45;

/// What is compared, and how surely.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Config {
    /// How many more errors than the baseline are tolerated.
    pub(crate) margin: Option<Margin>,
    /// By how many buckets p95 and p99 may be longer than the baseline's.
    pub(crate) longer: [Option<usize>; 2],
    /// The tolerated shares of errors, of requests over the limit on p95, and over that on p99.
    pub(crate) shares: [Option<f64>; 3],
    /// The absolute limits on p95 and p99.
    pub(crate) thresholds: [Option<Duration>; 2],
    /// How long a revision may warm up, in seconds.
    pub(crate) warm_up: f64,
    /// Whether what comes in bursts counts for less.
    pub(crate) temper: bool,
    /// Whether exceeding an absolute limit counts only where the baseline does better.
    pub(crate) attribute: bool,
    /// Logarithms of the capital that shows: that a limit is exceeded, that the canary is worse at
    /// all, and that a limit is kept.
    pub(crate) needed: Needed,
}

/// How large the logarithm of the capital must be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Needed {
    /// To show that more is exceeded than is tolerated.
    pub(crate) beyond: f64,
    /// To show that the canary is worse at all.
    pub(crate) at_all: f64,
    /// To show, while the canary runs alone, that an absolute limit is exceeded.
    pub(crate) alone: f64,
    /// To show that a limit is kept.
    pub(crate) pass: f64,
}

impl Config {
    pub(crate) fn new(limits: &Limits) -> Self {
        let nats = |risk: f64| -risk.clamp(1e-12, 0.999).ln();
        let risk = &limits.risk;
        let share = |share: f64| (share <= LARGEST_SHARE).then_some(share.max(LEAST_SHARE));
        let stable = &limits.against_stable;
        Self {
            margin: stable.errors.map(|points| Margin {
                ratio: 1.0,
                points: points.clamp(0.0, MOST_POINTS),
            }),
            longer: [stable.p95, stable.p99].map(|ratio| ratio.map(buckets)),
            shares: [
                limits.errors.and_then(share),
                limits.p95.map(|_| TAILS[0]),
                limits.p99.map(|_| TAILS[1]),
            ],
            thresholds: [limits.p95, limits.p99],
            warm_up: limits.warm_up.as_secs_f64(),
            temper: true,
            attribute: true,
            needed: Needed {
                beyond: nats(risk.tolerated.max(risk.steps)),
                at_all: nats(risk.steps),
                alone: nats(risk.alone),
                pass: nats(risk.pass),
            },
        }
    }

    /// Returns the weight of each comparison with the baseline, then of each with a limit; those
    /// that are not made leave theirs to the others.
    pub(crate) fn weights(&self) -> ([f64; 3], [f64; 3]) {
        let with_baseline = [
            self.margin.is_some(),
            self.longer[0].is_some(),
            self.longer[1].is_some(),
        ];
        let with_limits = self.shares.map(|share| share.is_some());
        let kept = |weights: [f64; 3], made: [bool; 3]| {
            [0, 1, 2].map(|i| if made[i] { weights[i] } else { 0.0 })
        };
        let (beside, limits) = (
            kept(WITH_BASELINE, with_baseline),
            kept(WITH_LIMITS, with_limits),
        );
        let sum: f64 = beside.iter().chain(&limits).sum();
        if sum > 0.999_999 || sum <= 0.0 {
            return (beside, limits);
        }
        (beside.map(|w| w / sum), limits.map(|w| w / sum))
    }
}

/// Returns by how many buckets a latency moves that becomes longer by `ratio`.
fn buckets(ratio: f64) -> usize {
    /// `ln` of the width of a bucket: eight are a factor of 1.2.
    const WIDTH: f64 = 0.022_790_194_599_244_324;
    (ratio.max(0.0).ln_1p() / WIDTH).round() as usize
}
