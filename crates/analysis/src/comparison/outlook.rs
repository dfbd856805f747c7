//! What comes if things go on like this.
//!
//! The growth of a bet is linear in the counts, so the counts of an average second give its average
//! growth, and that gives the time until its capital is large enough. It is an expectation, no
//! promise.

use super::Comparison;
use super::bets::{beside, growth_if_kept, kept_limit};
use super::block::{Counts, tempered};
use crate::evidence::bernoulli::{Arms, Margin, Tally, growth, growth_beside, keeps};
use crate::evidence::gate::PARTS;
use crate::evidence::process::{Process, alternatives};

/// What comes if things go on like this.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Outlook {
    /// After how many seconds it fails; `None` is never.
    pub(crate) fails_in: Option<f64>,
    /// After how many seconds every limit is shown to be kept; `None` is never.
    pub(crate) passes_in: Option<f64>,
}

impl Comparison {
    /// Returns what comes if things go on as in the recent blocks of this step.
    pub(crate) fn outlook(&self) -> Outlook {
        let (counts, seconds) = &self.recent;
        if *seconds <= 0.0 || counts.requests.canary <= 0.0 {
            return Outlook {
                fails_in: None,
                passes_in: None,
            };
        }
        let rates = counts.rates(*seconds);
        Outlook {
            fails_in: self.fails_in(&rates),
            passes_in: self.passes_in(&rates),
        }
    }

    /// Returns what comes in an average second of the recent blocks of this step: the canary's errors,
    /// and its requests over the limits on p95 and p99; `None` before the first block is closed.
    pub(crate) fn recent_on_limits(&self) -> Option<[Tally; 3]> {
        let (counts, seconds) = &self.recent;
        (*seconds > 0.0).then(|| {
            let rates = counts.rates(*seconds);
            [0, 1, 2].map(|i| self.of_limit(i, &rates).0.canary)
        })
    }

    /// The first limit that is shown to be exceeded decides.
    fn fails_in(&self, rates: &Counts) -> Option<f64> {
        let (beside, limits) = self.config.weights();
        let mut first: Option<f64> = None;
        let mut sooner = |seconds: Option<f64>| {
            first = match (first, seconds) {
                (Some(first), Some(seconds)) => Some(first.min(seconds)),
                (first, seconds) => first.or(seconds),
            };
        };
        if beside[0] > 0.0 {
            let margin = self.config.margin.unwrap_or(Margin::NONE);
            let seen = tempered(rates.errors(), self.block.effects[0]);
            let process = &self.errors.beyond;
            sooner(self.rich_in(
                process,
                beside[0],
                self.beats(seen, self.memory.errors(), margin),
            ));
        }
        for i in 0..2 {
            if let (Some(tails), true) = (self.block.tails, beside[1 + i] > 0.0) {
                let seen = tempered(rates.beyond(i), self.block.effects[1 + i]);
                let growths = self.beats(seen, tails[i].above, tails[i].margin());
                sooner(self.rich_in(&self.tails[i].beyond, beside[1 + i], growths));
            }
        }
        for (i, weight) in limits.into_iter().enumerate() {
            if let Some(limit) = self.config.shares[i] {
                sooner(self.exceeds_in(i, limit, weight, rates));
            }
        }
        first
    }

    /// An absolute limit must be exceeded, and by the canary's fault: the slower of both decides.
    fn exceeds_in(&self, i: usize, limit: f64, weight: f64, rates: &Counts) -> Option<f64> {
        let (seen, usual) = self.of_limit(i, rates);
        let seen = tempered(seen, self.block.effects[i]);
        let process = &self.absolute[i].exceeded;
        let exceeded = process.exceeds_in(seen.canary, limit, self.needed_of(weight))?;
        if !self.config.attribute {
            return Some(exceeded);
        }
        let growths = self.beats(seen, usual, Margin::NONE);
        let blamed = self.rich_in(self.blame(i), weight, growths)?;
        Some(exceeded.max(blamed))
    }

    /// Returns what is counted for the `i`th absolute limit, and the baseline's usual share.
    fn of_limit(&self, i: usize, rates: &Counts) -> (Arms<Tally>, f64) {
        match i {
            0 => (rates.errors(), self.memory.errors()),
            i => (rates.over(i - 1), self.memory.over(i - 1)),
        }
    }

    /// Returns by how much each bettor against `margin` grows in a second; `None` where none can,
    /// because what is seen keeps it.
    fn beats(&self, seen: Arms<Tally>, usual: f64, margin: Margin) -> Option<[f64; 6]> {
        (!keeps(seen, margin)).then(|| {
            let worse = alternatives(margin.of(usual));
            growth_beside(seen, &beside(worse, usual), margin)
        })
    }

    /// Returns in how many seconds the first of the bettors will be rich enough by himself.
    fn rich_in(&self, process: &Process, weight: f64, growth: Option<[f64; 6]>) -> Option<f64> {
        process.rich_in(self.needed_of(weight), growth?)
    }

    /// How rich, as a logarithm, one with this part of the whole has to be.
    fn needed_of(&self, weight: f64) -> f64 {
        self.config.needed.at_all - weight.ln()
    }

    /// The last limit that is shown to be kept decides.
    fn passes_in(&self, rates: &Counts) -> Option<f64> {
        let mut last: f64 = 0.0;
        for (i, gate) in self.gates.into_iter().enumerate() {
            let Some(missing) = gate.map(|gate| self.config.needed.pass - gate) else {
                continue;
            };
            if missing > 0.0 {
                let growth = self.kept_growth(i, rates).into_iter().fold(0.0, f64::max);
                if growth <= 0.0 {
                    return None;
                }
                last = last.max(missing / growth);
            }
        }
        Some(last)
    }

    /// Returns by how much each bettor on "the `i`th limit is kept" grows in a second.
    fn kept_growth(&self, i: usize, rates: &Counts) -> [f64; 3] {
        const NOTHING: [f64; 3] = [0.0; 3];
        match i {
            0 => {
                let margin = self.config.margin.unwrap_or(Margin::NONE);
                let usual = self.memory.errors();
                let seen = tempered(rates.errors(), self.block.effects[0]);
                growth_if_kept(seen, usual, usual, margin)
            }
            1 | 2 => {
                let Some(tail) = self.block.tails.map(|tails| tails[i - 1]) else {
                    return NOTHING;
                };
                if rates.requests.baseline <= 0.0 {
                    return NOTHING;
                }
                let seen = tempered(rates.beyond_when_warm(i - 1), self.block.effects[i]);
                growth_if_kept(seen, tail.far_above, tail.above, tail.margin())
            }
            _ => {
                let i = i - 3;
                let Some(limit) = self.config.shares[i] else {
                    return NOTHING;
                };
                let (seen, usual) = self.of_limit(i, rates);
                let seen = tempered(seen, self.block.effects[i]);
                let kept = PARTS.map(|part| kept_limit(usual, limit, part));
                growth(seen.canary, kept, [limit; 3])
            }
        }
    }
}
