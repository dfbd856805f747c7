//! A sequential test without margins, after what Netflix published: may be looked at at any time,
//! but asks whether the canary is worse, not whether it is worse than is tolerated.
//!
//! Errors (Lindon and Malek, "Anytime-valid inference for multinomial count data"): if both arms
//! fail alike, each error is the canary's with the chance that each request is. A Beta mixture
//! over other chances, centred on that one, is an e-value; where the split changes, a new mixture
//! begins and multiplies what the earlier ones came to. Latency (Howard and Ramdas, "Sequential
//! estimation of quantiles with applications to A/B testing"): bounds of p95 that hold at all
//! times; it rolls back when the canary's lower one exceeds 1.2 times the baseline's upper one.
//! Each half has half of a chance of 1 % to be wrong.

use leadsman_analysis::Split;

use super::super::traffic::Counted;
use super::{Call, Rule, Second};

/// The chance of being wrong.
const ALPHA: f64 = 0.01;

/// The weight of the mixture's centre, in errors. A small one learns fast from many errors of one
/// arm, a large one finds small differences sooner.
const WEIGHT: f64 = 10.0;

/// Eight buckets are a factor of 1.2.
const TOLERATED: usize = 8;

pub(crate) struct NoMargin {
    pub(crate) errors: Errors,
    canary: Counted,
    baseline: Counted,
}

impl NoMargin {
    pub(crate) fn new() -> Self {
        Self {
            errors: Errors {
                split: None,
                before: 0.0,
                log_e: 0.0,
                canary: 0,
                baseline: 0,
            },
            canary: Counted::default(),
            baseline: Counted::default(),
        }
    }
}

impl Rule for NoMargin {
    fn observe(&mut self, second: &Second<'_>) -> Call {
        self.errors.turn(second.split);
        self.errors
            .count(second.canary.errors, second.baseline.errors);
        self.canary.add(second.canary);
        self.baseline.add(second.baseline);
        if self.errors.canary_is_worse() || slower(&self.canary, &self.baseline) {
            Call::RollBack
        } else {
            Call::GoOn
        }
    }
}

/// The test of whose the errors are.
pub(crate) struct Errors {
    split: Option<Split>,
    /// What the mixtures of earlier splits came to, as logarithm.
    pub(crate) before: f64,
    /// What the mixture of this split came to so far.
    pub(crate) log_e: f64,
    /// Errors since the split changed.
    canary: u64,
    baseline: u64,
}

impl Errors {
    pub(crate) fn turn(&mut self, split: Split) {
        if self.split != Some(split) {
            self.split = Some(split);
            self.before += self.log_e;
            (self.log_e, self.canary, self.baseline) = (0.0, 0, 0);
        }
    }

    /// The canary's share of requests, and so of errors if both fail alike.
    fn share(&self) -> f64 {
        self.split
            .map_or(0.5, |split| split.canary / (split.canary + split.baseline))
    }

    /// Takes in errors one by one; their order does not matter. The mixture bets on each with the
    /// share of errors so far.
    pub(crate) fn count(&mut self, canary: u64, baseline: u64) {
        let share = self.share();
        for _ in 0..canary {
            let all = (self.canary + self.baseline) as f64;
            let bet = (WEIGHT * share + self.canary as f64) / (WEIGHT + all);
            self.log_e += (bet / share).ln();
            self.canary += 1;
        }
        for _ in 0..baseline {
            let all = (self.canary + self.baseline) as f64;
            let rest = 1.0 - share;
            let bet = (WEIGHT * rest + self.baseline as f64) / (WEIGHT + all);
            self.log_e += (bet / rest).ln();
            self.baseline += 1;
        }
    }

    pub(crate) fn canary_is_worse(&self) -> bool {
        let all = (self.canary + self.baseline) as f64;
        self.before + self.log_e >= (2.0 / ALPHA).ln() && self.canary as f64 > self.share() * all
    }
}

/// Says whether the canary's p95 is surely longer than 1.2 times the baseline's.
pub(crate) fn slower(canary: &Counted, baseline: &Counted) -> bool {
    // Each bound may be wrong with a quarter of the whole chance.
    let beyond = |counted: &Counted, sign: f64| {
        let share = 0.05 + sign * half_width(counted.requests as f64, ALPHA / 4.0);
        share * counted.requests as f64
    };
    // The canary's may be as low as the quantile that so many exceed, the baseline's as high.
    let low = bucket_beyond(canary, beyond(canary, 1.0));
    let high = bucket_beyond(baseline, beyond(baseline, -1.0));
    low.zip(high)
        .is_some_and(|(low, high)| low > high + TOLERATED)
}

/// How far from 0.95 the share below an observed quantile may be, at all times (their theorem 1).
pub(crate) fn half_width(count: f64, alpha: f64) -> f64 {
    if count < 1.0 {
        return f64::INFINITY;
    }
    let term = (1.4 * (2.1 * count).ln().max(1.0).ln() + (10.0 / alpha).ln()) / count;
    1.5 * (0.95 * 0.05 * term).sqrt() + 0.8 * term
}

/// Returns the highest bucket that at least `count` requests reach; `None` where there is none, or
/// no number of requests could say.
pub(crate) fn bucket_beyond(counted: &Counted, count: f64) -> Option<usize> {
    if count <= 0.0 {
        return None;
    }
    let mut beyond = 0.0;
    counted.touched.clone().rev().find(|bucket| {
        beyond += f64::from(counted.buckets[*bucket]);
        beyond >= count
    })
}
