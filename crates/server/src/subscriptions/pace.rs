//! How long is waited before a notice is sent once more, and when it is given up.

use std::time::Duration;

use leadsman_core::time::Timestamp;

/// How patient telling is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// How long is waited after the first failure, at most; it doubles with each one.
    pub(crate) first: Duration,
    /// How long is waited at most.
    pub(crate) most: Duration,
    /// For how long a notice is tried.
    pub(crate) give_up: Duration,
    /// How long one delivery may take, from the look-up of the name to the answer.
    pub(crate) answer: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(2),
            most: Duration::from_secs(300),
            give_up: Duration::from_secs(3 * 24 * 3600),
            answer: Duration::from_secs(10),
        }
    }
}

impl Pace {
    /// Returns how long to wait after `failed` failures in a row: between half of the present
    /// length and all of it, as `random` has it, so that many who were turned away at once do not
    /// come back at once.
    pub(crate) fn wait(self, failed: u32, random: u32) -> Duration {
        let doublings = failed.saturating_sub(1).min(20);
        let length = self.first.saturating_mul(1 << doublings).min(self.most);
        let half = length / 2;
        half + half.mul_f64(f64::from(random) / f64::from(u32::MAX))
    }

    /// Whether an event that happened `at` has been tried for long enough, when nothing could be
    /// told since `failing_since`. What happened earlier was not tried before the way was closed.
    pub(crate) fn is_over(self, at: Timestamp, failing_since: Timestamp, now: Timestamp) -> bool {
        now.since(at.max(failing_since)) >= self.give_up
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_five_minutes() {
        let pace = Pace::default();
        for (failed, seconds) in [(1, 2), (2, 4), (3, 8), (8, 256), (9, 300), (u32::MAX, 300)] {
            let most = Duration::from_secs(seconds);
            assert_eq!(pace.wait(failed, u32::MAX), most, "{failed}");
            assert_eq!(pace.wait(failed, 0), most / 2, "{failed}");
            let between = pace.wait(failed, u32::MAX / 2);
            assert!(most / 2 < between && between < most, "{failed}");
        }
    }

    #[test]
    fn a_notice_is_tried_for_three_days_since_it_could_first_be() {
        let pace = Pace::default();
        let hours = |hours: u64| Timestamp::from_millis(hours * 3_600_000);
        for (at, failing_since, now, expected) in [
            (10, 10, 81, false),
            (10, 10, 82, true),
            // It happened while the way was closed.
            (20, 10, 82, false),
            (20, 10, 92, true),
            // It happened long before, while nobody was there to tell it.
            (10, 100, 171, false),
            (10, 100, 172, true),
        ] {
            let found = pace.is_over(hours(at), hours(failing_since), hours(now));
            assert_eq!(found, expected, "{at} {failing_since} {now}");
        }
    }
}
