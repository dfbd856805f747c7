//! What many rollouts come to.

use super::rollout::{Ending, STEPS};
use super::scenario::Truth;

/// The endings of one cell (a scenario at a rate) under one rule.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    pub(crate) truth: Truth,
    pub(crate) endings: Vec<Ending>,
}

/// A value that may never be reached: `None` is later than any time.
pub(crate) type Reached = Option<u32>;

impl Tally {
    /// How many rollouts there were.
    pub(crate) fn rollouts(&self) -> usize {
        self.endings.len()
    }

    /// Rollbacks without a reason: all of them, or those from before the onset.
    pub(crate) fn false_rollbacks(&self) -> usize {
        let onset = match self.truth {
            Truth::Good => u32::MAX,
            Truth::Bad { onset } => onset,
        };
        let rolled_back = self.endings.iter().filter_map(|it| it.rolled_back);
        rolled_back.filter(|at| *at <= onset).count()
    }

    /// For each rollout that was not rolled back before the onset: how long after it.
    fn times(&self) -> Vec<Reached> {
        let onset = match self.truth {
            Truth::Good => 0,
            Truth::Bad { onset } => onset,
        };
        let times = self.endings.iter().map(|ending| match ending.rolled_back {
            Some(at) => at.checked_sub(onset).filter(|after| *after > 0).map(Some),
            None => Some(None),
        });
        times.flatten().collect()
    }

    /// Of the rollouts that were not rolled back before the onset, the share that was afterwards.
    pub(crate) fn detected(&self) -> f64 {
        let times = self.times();
        let found = times.iter().filter(|time| time.is_some()).count();
        found as f64 / times.len().max(1) as f64
    }

    /// The time from the onset within which a share of `q` was rolled back.
    pub(crate) fn time(&self, q: f64) -> Reached {
        quantile(self.times(), q)
    }

    /// The mean number of bad answers until the rollback, or the end.
    pub(crate) fn bad(&self) -> f64 {
        mean(self.endings.iter().map(|ending| ending.bad))
    }

    /// The mean number of requests on the canary from the onset to the rollback; `None` unless
    /// nearly all were rolled back: the others' requests would be those of the whole rollout.
    pub(crate) fn requests(&self) -> Option<f64> {
        let requests = self.endings.iter().map(|ending| ending.requests as f64);
        (self.detected() > 0.99).then(|| mean(requests))
    }

    /// The time from the beginning of `step` within which a share of `q` passed it.
    pub(crate) fn passed(&self, step: usize, q: f64) -> Reached {
        debug_assert!(step < STEPS, "there is no step {step}");
        quantile(self.endings.iter().map(|it| it.passed[step]).collect(), q)
    }
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len();
    values.sum::<f64>() / count.max(1) as f64
}

/// Returns the value that a share of `q` of `values` does not exceed.
fn quantile(mut values: Vec<Reached>, q: f64) -> Reached {
    values.sort_unstable_by_key(|value| value.unwrap_or(u32::MAX));
    let rank = (q * values.len() as f64).ceil().max(1.0) as usize;
    values.get(rank - 1).copied().flatten()
}

/// Returns the largest chance of an event that `events` in `trials` leave plausible: the one-sided
/// upper limit of Clopper and Pearson at 95 %.
pub(crate) fn upper_limit(events: usize, trials: usize) -> f64 {
    if events >= trials {
        return 1.0;
    }
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..60 {
        let chance = (low + high) / 2.0;
        if at_most(events, trials, chance) > 0.05 {
            low = chance;
        } else {
            high = chance;
        }
    }
    high
}

/// Returns the chance of at most `events` in `trials` if each has this `chance`.
fn at_most(events: usize, trials: usize, chance: f64) -> f64 {
    let (events, trials) = (events as u32, trials as u32);
    let mut log = f64::from(trials) * (-chance).ln_1p();
    let mut sum = log.exp();
    for event in 1..=events {
        log += (f64::from(trials - event + 1) / f64::from(event)).ln();
        log += chance.ln() - (-chance).ln_1p();
        sum += log.exp();
    }
    sum
}
