//! Bets that a limit is kept.

use super::capital::{Capital, Capitals};

/// The alternatives: this part of the way from "as good as the baseline" to the limit.
pub(crate) const PARTS: [f64; 3] = [0.0, 0.25, 0.5];

/// How the capital is divided among them.
pub(crate) const SHARES: [f64; 3] = [0.5, 0.25, 0.25];

/// The bettors against "the limit is exceeded", over one step.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Gate(Capitals<3>);

impl Gate {
    pub(crate) fn new() -> Self {
        Self(Capitals::new(1.0))
    }

    /// Settles a bet of each bettor; `growth` says what it brought.
    pub(crate) fn settle(&mut self, growth: [f64; 3]) {
        self.0.grow(growth);
    }

    /// Returns the capital of all together.
    pub(crate) fn total(&self) -> Capital {
        self.0.sum(&SHARES, Capital::NONE)
    }
}
