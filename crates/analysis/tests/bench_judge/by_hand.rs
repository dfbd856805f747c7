//! Seconds made by hand.

use leadsman_analysis::Split;

use crate::judge::rules::{Call, Rule, Second};
use crate::judge::traffic::Counted;

/// What happens in a second of a test.
#[derive(Clone, Copy, Default)]
pub(crate) struct Made {
    pub(crate) requests: u64,
    pub(crate) errors: u64,
    pub(crate) over: [u64; 3],
}

impl Made {
    pub(crate) fn counted(self) -> Counted {
        Counted {
            requests: self.requests,
            errors: self.errors,
            over: self.over,
            ..Counted::default()
        }
    }
}

/// Returns when `rule` rolls back if the canary's seconds are as `at` says (by when they end),
/// over an hour in which the split never changes.
pub(crate) fn rolled_back(rule: &mut dyn Rule, at: impl Fn(u32) -> Made) -> Option<u32> {
    let nothing = Counted::default();
    (1..=3600).find(|end| {
        let second = Second {
            end: *end,
            split: Split {
                canary: 0.05,
                baseline: 0.95,
            },
            ends_step: end % 1800 == 0,
            canary: &at(*end).counted(),
            baseline: &nothing,
            reference: &nothing,
            twin: None,
        };
        rule.observe(&second) == Call::RollBack
    })
}
