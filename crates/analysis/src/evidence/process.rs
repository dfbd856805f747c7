//! Several bettors on several alternatives, one of whom is right.

use super::bernoulli::odds_times;
use super::capital::Capital;
use super::prior::AT_START;

/// The alternatives of a bettor against a limit: the odds are this many times those at the limit.
pub(crate) const ALTERNATIVES: [f64; 6] = [1.3, 1.75, 3.0, 8.0, 40.0, 1000.0];

/// How the capital is divided among the alternatives.
pub(crate) const SHARES: [f64; 6] = [0.30, 0.28, 0.20, 0.12, 0.06, 0.04];

/// No alternative is surer than this.
const SUREST: f64 = 0.99;

/// Returns the `k`th alternative against a limit at probability `limit`.
pub(crate) fn alternative(limit: f64, k: usize) -> f64 {
    odds_times(limit, ALTERNATIVES[k]).clamp(0.0, SUREST)
}

/// The bettors against one limit.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Process {
    capital: [Capital; 6],
}

impl Process {
    pub(crate) fn new() -> Self {
        Self {
            capital: [Capital::new(AT_START); 6],
        }
    }

    /// Adds capital that begins to bet now.
    pub(crate) fn inject(&mut self, share: f64) {
        if share > 0.0 {
            let share = Capital::new(share);
            for capital in &mut self.capital {
                capital.add(share);
            }
        }
    }

    /// Settles a bet of each bettor; `growth` says what it brought to the `k`th.
    pub(crate) fn settle(&mut self, mut growth: impl FnMut(usize) -> f64) {
        for (k, capital) in self.capital.iter_mut().enumerate() {
            capital.grow(growth(k));
        }
    }

    /// Returns the capital of all together, with the `rest` that does not bet yet.
    pub(crate) fn total(&self, rest: f64) -> Capital {
        let betting = Capital::sum(std::array::from_fn::<_, 6, _>(|k| {
            (self.capital[k], SHARES[k])
        }));
        let mut total = Capital::new(rest.max(0.0));
        total.add(betting);
        total
    }

    /// Returns the logarithm of the share of the `k`th bettor in the total.
    pub(crate) fn ln_of(&self, k: usize) -> f64 {
        self.capital[k].ln() + SHARES[k].ln()
    }
}
