//! A canary with nothing beside it: a first release, or one that has all requests.
//!
//! Then only absolute limits can be judged, and nobody else can be to blame. These bettors have a
//! share of the risk of their own, because nothing keeps an outage of something else from looking
//! like the canary's fault.

use super::config::Config;
use crate::evidence::bernoulli::{Tally, growth};
use crate::evidence::capital::Capital;
use crate::evidence::gate::Gate;
use crate::evidence::prior;
use crate::evidence::process::{Process, alternatives};

/// Judges a canary by absolute limits while it runs alone.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Alone {
    limits: [Option<f64>; 3],
    seconds: f64,
    rest: f64,
    exceeded: [Process; 3],
    gates: [Gate; 3],
    capital: f64,
}

impl Alone {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            limits: config.shares,
            seconds: 0.0,
            rest: 1.0 - prior::AT_START,
            exceeded: std::array::from_fn(|_| Process::new()),
            gates: std::array::from_fn(|_| Gate::new()),
            capital: 0.0,
        }
    }

    /// Begins another step: what is kept has to be shown again.
    pub(crate) fn begin_step(&mut self) {
        self.gates = std::array::from_fn(|_| Gate::new());
    }

    /// Adds a window: its errors, and its requests over the limits on p95 and p99. While the canary
    /// warms up only errors are judged, and with more points.
    pub(crate) fn observe(&mut self, seconds: f64, seen: [Tally; 3], warm_points: f64) {
        let until = self.seconds + seconds;
        let share = prior::between(self.seconds, until);
        self.seconds = until;
        self.rest -= share;
        for (i, seen) in seen.into_iter().enumerate() {
            let Some(limit) = self.limits[i] else {
                continue;
            };
            self.exceeded[i].inject(share);
            if seen.of <= 0.0 || (i > 0 && warm_points > 0.0) {
                continue;
            }
            let tolerated = limit + warm_points;
            self.exceeded[i].settle(growth(seen, alternatives(tolerated), [tolerated; 6]));
            if warm_points <= 0.0 {
                // Nothing is known of what is usual: half of what is allowed, and less.
                let kept = [0.1, 0.3, 0.5].map(|part| part * limit);
                self.gates[i].settle(growth(seen, kept, [limit; 3]));
            }
        }
        self.capital = Capital::sum(self.parts().map(|part| (part, 1.0))).ln();
    }

    /// How many limits are judged: each has as much of the whole.
    fn judged(&self) -> f64 {
        self.limits.iter().flatten().count() as f64
    }

    /// Returns the logarithm of what all have together who bet that a limit is exceeded; of nothing
    /// where there is none.
    pub(crate) fn capital(&self) -> f64 {
        self.capital
    }

    /// Returns the capital of those who bet that a limit is exceeded: errors, p95, p99, each with
    /// its part of the whole.
    pub(crate) fn parts(&self) -> [Capital; 3] {
        let judged = self.judged();
        std::array::from_fn(|i| match self.limits[i] {
            Some(_) => self.exceeded[i].total(self.rest).share(1.0 / judged),
            None => Capital::NONE,
        })
    }

    /// Returns in how many seconds a limit is shown to be exceeded, which takes `needed` (a logarithm),
    /// if each brings errors and requests over the limits on p95 and p99 like these; `None` is never.
    pub(crate) fn fails_in(&self, rates: [Tally; 3], needed: f64) -> Option<f64> {
        let needed = needed + self.judged().ln();
        let exceeds_in = |i: usize| self.exceeded[i].exceeds_in(rates[i], self.limits[i]?, needed);
        (0..3).filter_map(exceeds_in).reduce(f64::min)
    }

    /// Returns the logarithm of the capital of those who bet that a limit is kept, for those that
    /// are judged.
    pub(crate) fn gates(&self) -> [Option<f64>; 3] {
        std::array::from_fn(|i| self.limits[i].map(|_| self.gates[i].total().ln()))
    }
}
