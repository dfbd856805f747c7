//! Against bursts: no single one may decide.
//!
//! Where errors come in violent bursts, a burst that happens to hit the canary alone looks like a
//! regression while it lasts, and for a while after. Making every request count for less matches how
//! much shares vary, but not how far a rare burst lies out. So where the baseline is known to have
//! such bursts, only so much of the evidence counts in any stretch of time: a real regression goes on
//! in the stretches that follow, a burst does not. What counts is never more than what there is, so
//! the bound on false alarms stands.

use super::Total;
use super::config::Needed;

/// How long a stretch is, in seconds: several times as long as bursts usually are.
const STRETCH: f64 = 60.0;

/// In one stretch no more than this part of what it takes to fail may be won: a burst may lie in
/// two, and a third one must agree.
const MOST: f64 = 1.0 / 3.0;

/// How much of the evidence counts.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Guard {
    /// When the present stretch ends.
    until: f64,
    /// What counted when it began.
    began_with: Total,
    counts: Total,
}

impl Guard {
    /// Takes in what the bettors `have` at `now`, what they need, and whether the baseline has
    /// bursts.
    pub(super) fn follow(&mut self, now: f64, have: Total, needed: Needed, bursty: bool) {
        if now > self.until {
            self.until = now + STRETCH;
            self.began_with = self.counts;
        }
        let counted =
            |have: f64, began_with: f64, needed: f64| have.min(began_with.max(0.0) + MOST * needed);
        self.counts = if bursty {
            Total {
                beyond: counted(have.beyond, self.began_with.beyond, needed.beyond),
                at_all: counted(have.at_all, self.began_with.at_all, needed.at_all),
            }
        } else {
            have
        };
    }

    /// Returns how much of it counts.
    pub(super) fn counts(&self) -> Total {
        self.counts
    }
}
