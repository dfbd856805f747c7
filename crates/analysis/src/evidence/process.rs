//! Several bettors on several alternatives, one of whom is right.

use super::bernoulli::{Tally, growth, odds_times};
use super::capital::{Capital, Capitals};
use super::prior::AT_START;

/// The alternatives of a bettor against a limit: the odds are this many times those at the limit.
pub(crate) const ALTERNATIVES: [f64; 6] = [1.3, 1.75, 3.0, 8.0, 40.0, 1000.0];

/// How the capital is divided among the alternatives.
pub(crate) const SHARES: [f64; 6] = [0.30, 0.28, 0.20, 0.12, 0.06, 0.04];

/// No alternative is surer than this.
const SUREST: f64 = 0.99;

/// Returns the alternatives against a limit at probability `limit`.
pub(crate) fn alternatives(limit: f64) -> [f64; 6] {
    let mut alternatives = [0.0; 6];
    for k in 0..6 {
        alternatives[k] = odds_times(limit, ALTERNATIVES[k]).clamp(0.0, SUREST);
    }
    alternatives
}

/// The bettors against one limit.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Process(Capitals<6>);

impl Process {
    pub(crate) fn new() -> Self {
        Self(Capitals::new(AT_START))
    }

    /// Adds capital that begins to bet now.
    pub(crate) fn inject(&mut self, share: f64) {
        if share > 0.0 {
            self.0.give(share);
        }
    }

    /// Settles a bet of each bettor; `growth` says what it brought.
    pub(crate) fn settle(&mut self, growth: [f64; 6]) {
        self.0.grow(growth);
    }

    /// Returns the capital of all together, with the `rest` that does not bet yet.
    pub(crate) fn total(&self, rest: f64) -> Capital {
        self.0.sum(&SHARES, Capital::new(rest.max(0.0)))
    }

    /// Returns in how many seconds a share of more than `limit` is shown, which takes `needed`, if each
    /// brings what is `seen`; `None` is never.
    pub(crate) fn exceeds_in(&self, seen: Tally, limit: f64, needed: f64) -> Option<f64> {
        if seen.hits <= limit * seen.of {
            return None;
        }
        self.rich_in(needed, growth(seen, alternatives(limit), [limit; 6]))
    }

    /// Returns in how many seconds the first of the bettors will have `needed`, a logarithm, by
    /// himself, where each grows by so much in a second; `None` is never.
    pub(crate) fn rich_in(&self, needed: f64, growth: [f64; 6]) -> Option<f64> {
        let bettors = growth.into_iter().zip(self.ln());
        let growing = bettors.filter(|(growth, _)| *growth > 0.0);
        growing
            .map(|(growth, ln)| ((needed - ln) / growth).max(0.0))
            .reduce(f64::min)
    }

    /// Returns the logarithm of the share of each bettor in the total.
    pub(crate) fn ln(&self) -> [f64; 6] {
        let mut ln = self.0.ln();
        for (ln, share) in ln.iter_mut().zip(SHARES) {
            *ln += share.ln();
        }
        ln
    }
}
