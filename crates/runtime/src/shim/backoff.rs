//! How long to wait before something that ended is started again.

use std::time::Duration;

use super::Pauses;

/// Counts the ends in a row.
#[derive(Debug)]
pub(crate) struct Backoff {
    pauses: Pauses,
    in_a_row: u32,
}

impl Backoff {
    pub(crate) fn new(pauses: Pauses) -> Self {
        Self {
            pauses,
            in_a_row: 0,
        }
    }

    /// Returns the pause after an end of something that was up for `up`.
    pub(crate) fn after(&mut self, up: Duration) -> Duration {
        if up >= self.pauses.reset_after {
            self.in_a_row = 0;
        }
        let doubled = self.pauses.first.saturating_mul(1 << self.in_a_row.min(20));
        self.in_a_row = self.in_a_row.saturating_add(1);
        doubled.min(self.pauses.most)
    }

    /// Returns the pause after it could not be started at all.
    pub(crate) fn broken(&self) -> Duration {
        self.pauses.broken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_the_longest_and_begins_again_after_a_good_run() {
        let mut backoff = Backoff::new(Pauses::default());
        let short = Duration::from_millis(1);
        let pauses: Vec<_> = (0..8).map(|_| backoff.after(short).as_millis()).collect();
        assert_eq!(pauses, [200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000]);
        assert_eq!(backoff.after(Duration::from_secs(10)).as_millis(), 200);
        assert_eq!(backoff.after(short).as_millis(), 400);
        for _ in 0..100 {
            assert!(backoff.after(short) <= Duration::from_secs(10));
        }
    }
}
