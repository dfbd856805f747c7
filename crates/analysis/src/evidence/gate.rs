//! Bets that a limit is kept.

use super::capital::Capital;

/// The alternatives: this part of the way from "as good as the baseline" to the limit.
pub(crate) const PARTS: [f64; 3] = [0.0, 0.25, 0.5];

/// How the capital is divided among them.
pub(crate) const SHARES: [f64; 3] = [0.5, 0.25, 0.25];

/// The bettors against "the limit is exceeded", over one step.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Gate {
    capital: [Capital; 3],
}

impl Gate {
    pub(crate) fn new() -> Self {
        Self {
            capital: [Capital::new(1.0); 3],
        }
    }

    /// Settles a bet of the `k`th bettor.
    pub(crate) fn grow(&mut self, k: usize, growth: f64) {
        self.capital[k].grow(growth);
    }

    /// Returns the logarithm of the capital of all together.
    pub(crate) fn ln(&self) -> f64 {
        let parts = std::array::from_fn::<_, 3, _>(|k| (self.capital[k], SHARES[k]));
        Capital::sum(parts).ln()
    }
}
