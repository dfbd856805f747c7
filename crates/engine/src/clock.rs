//! The one place that asks for the time.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use leadsman_core::time::Timestamp;

use crate::data_plane::BoxFuture;

/// Tells the time and waits for it.
pub trait Clock: Send + Sync {
    /// Returns the present moment. It never goes back.
    fn now(&self) -> Timestamp;

    /// Resolves at `moment`, or at once if it is over.
    fn sleep_until(&self, moment: Timestamp) -> BoxFuture<'_, ()>;
}

/// The machine's clock, made steady: it is set once, when it is created, and then goes on by the
/// machine's monotonic clock. A wall clock that is set forth or back meanwhile moves no soak.
///
/// It never begins before what is recorded already, so that a clock which was set back between
/// two runs cannot make history run backwards.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    base: Timestamp,
    started: Instant,
}

impl SystemClock {
    /// Returns a clock that shows the machine's time, but nothing before `recorded`.
    pub fn not_before(recorded: Timestamp) -> Self {
        let wall = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let millis = u64::try_from(wall.as_millis()).unwrap_or(u64::MAX);
        Self {
            base: Timestamp::from_millis(millis).max(recorded),
            started: Instant::now(),
        }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        self.base + self.started.elapsed()
    }

    fn sleep_until(&self, moment: Timestamp) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let left = moment.since(self.now());
            // A millisecond more than asked for: waking a moment too early would be in vain.
            tokio::time::sleep(left + Duration::from_millis(1)).await;
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_that_was_set_back_goes_on_after_what_is_recorded() {
        let far_ahead = Timestamp::from_millis(u64::MAX / 2);
        let clock = SystemClock::not_before(far_ahead);
        let first = clock.now();
        assert!(first >= far_ahead);
        assert!(clock.now() >= first);
    }
}
