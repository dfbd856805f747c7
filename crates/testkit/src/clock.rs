//! Time as tokio's test clock has it: it jumps to the next timer when nobody has anything to do.

use std::time::Duration;

use leadsman_core::time::Timestamp;
use leadsman_engine::{BoxFuture, Clock};
use tokio::time::Instant;

/// A clock for tests that run with tokio's time paused.
#[derive(Clone, Copy, Debug)]
pub struct TestClock {
    started: Instant,
}

impl TestClock {
    /// Returns a clock that begins a while after the epoch.
    pub fn start() -> Self {
        Self {
            started: Instant::now(),
        }
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_000_000) + self.started.elapsed()
    }

    fn sleep_until(&self, moment: Timestamp) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let left = moment.since(self.now());
            tokio::time::sleep(left + Duration::from_millis(1)).await;
        })
    }
}
