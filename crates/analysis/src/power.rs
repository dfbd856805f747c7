//! What a step can see: how small a regression the judge finds in it, and whether it can pass.
//!
//! Computed before anything moves, from what a service's traffic has been. It is an expectation: it
//! takes requests to fail one by one and traffic to go on as it was. `tests/it/power.rs` holds it
//! against the judge itself.

use std::time::Duration;

use crate::comparison::expected::{Behaviour, Expected, Stage};
use crate::evidence::bernoulli::Arms;
use crate::evidence::prior;
use crate::{Figures, Histogram, Limits, Split};

/// The traffic of a service lately.
#[derive(Clone, Copy, Debug)]
pub struct Traffic<'t> {
    /// All that was counted.
    pub figures: &'t Figures,
    /// In how many seconds.
    pub seconds: f64,
}

/// A step that is planned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// How requests will be split.
    pub split: Split,
    /// How they were split before: the baseline's share then, 0 to 1.
    pub baseline_before: f64,
    /// How many judged steps come before it.
    pub after: u32,
    /// How long it will be held, in seconds.
    pub seconds: f64,
}

/// What a step can see.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sight {
    /// How many requests the canary will get.
    pub requests: f64,
    /// The smallest rise in the share of failed requests that fails within the step in nine cases
    /// of ten.
    pub errors: Seen<f64>,
    /// The same for the 95th percentile of latency, where every request takes longer by the same
    /// ratio.
    pub p95: Seen<Duration>,
    /// After how many seconds a canary that behaves as the baseline does can pass, in nine cases of
    /// ten; `None` is never.
    pub passes_in: Option<f64>,
}

/// What can be seen of one thing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Seen<T> {
    /// It has no limit.
    NotJudged,
    /// Not even the largest rise can be seen.
    Nothing,
    /// This rise can.
    Rise {
        /// From what it is now.
        from: T,
        /// To what it would be.
        to: T,
    },
}

/// Half of what is known of the baseline is forgotten after so many seconds, so that a baseline
/// that goes on as it was is known by the requests of `300 / ln 2` seconds.
const HALF_LIFE: f64 = 300.0;

/// Nothing that takes longer than this comes to an end.
const LONGEST: f64 = 365.0 * 86_400.0;

/// Returns what a step can see of a revision that is held to `limits`; `None` where there was no
/// traffic, so that nothing can be said.
pub fn sight(limits: &Limits, traffic: Traffic<'_>, step: Step) -> Option<Sight> {
    let Traffic { figures, seconds } = traffic;
    if figures.requests == 0 || seconds.is_nan() || seconds <= 0.0 {
        return None;
    }
    let expected = Expected::new(limits, figures, seconds);
    let stage = stage(&expected, &step);
    let alone = stage.rates.baseline <= 0.0;
    let (judges_errors, judges_p95) = expected.judges(alone);
    Some(Sight {
        requests: stage.rates.canary * step.seconds,
        errors: if judges_errors {
            errors(&expected, &stage, step.seconds)
        } else {
            Seen::NotJudged
        },
        p95: if judges_p95 {
            p95(&expected, &stage, step.seconds, &figures.latency)
        } else {
            Seen::NotJudged
        },
        passes_in: passes_in(&expected, &stage, limits.requests),
    })
}

fn stage(expected: &Expected, step: &Step) -> Stage {
    let Split { canary, baseline } = step.split;
    let rate = expected.rate();
    // What was known before the step fades, and what the step shows comes in its place.
    let fades = HALF_LIFE / std::f64::consts::LN_2;
    let length = step.seconds.max(1.0);
    let old = fades / length * (1.0 - (-length / fades).exp());
    let share = baseline + (step.baseline_before - baseline) * old;
    Stage {
        rates: Arms {
            canary: rate * canary,
            baseline: rate * baseline,
        },
        // The bettors who began with an earlier step have lost by now, if nothing was wrong then.
        capital: match step.after {
            0 => prior::AT_START,
            after => prior::for_step(after),
        },
        known: rate * share * fades,
    }
}

fn errors(expected: &Expected, stage: &Stage, seconds: f64) -> Seen<f64> {
    let from = expected.errors();
    let fails = |errors: f64| {
        let canary = Behaviour { errors, longer: 0 };
        expected.fails(stage, canary, seconds)
    };
    let (mut low, mut high) = (from, 1.0);
    if !fails(high) {
        return Seen::Nothing;
    }
    // To a thousandth of itself, which is more than anybody reads.
    while high - low > 1e-3 * high {
        let middle = low + (high - low) / 2.0;
        if fails(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    Seen::Rise { from, to: high }
}

fn p95(expected: &Expected, stage: &Stage, seconds: f64, latency: &Histogram) -> Seen<Duration> {
    /// A hundred times as long: eight buckets are a factor of 1.2.
    const MOST: usize = 203;
    let Some(from) = latency.quantile(0.95) else {
        return Seen::Nothing;
    };
    let errors = expected.errors();
    let fails = |longer: usize| expected.fails(stage, Behaviour { errors, longer }, seconds);
    let (mut low, mut high) = (0, MOST);
    if !fails(high) {
        return Seen::Nothing;
    }
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if fails(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    let to = Histogram::edge(Histogram::bucket(from) + high);
    Seen::Rise { from, to }
}

fn passes_in(expected: &Expected, stage: &Stage, requests: u64) -> Option<f64> {
    if stage.rates.canary <= 0.0 || expected.never_passes(stage) {
        return None;
    }
    let (mut low, mut high) = (0.0, 1.0);
    while !expected.passes(stage, high) {
        low = high;
        high *= 2.0;
        if high > LONGEST {
            return None;
        }
    }
    while high - low > 0.01 * high {
        let middle = low + (high - low) / 2.0;
        if expected.passes(stage, middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    Some(high.max(requests as f64 / stage.rates.canary))
}
