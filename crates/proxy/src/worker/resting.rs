//! Memory of connections that have come to rest.

use std::cell::Cell;
use std::time::{Duration, Instant};

use crate::memory;

/// How many connections have to come to rest until their memory is worth the time it takes to give
/// it back.
const MANY: usize = 256;

/// How long after one time memory is given back it is not looked at again.
const PAUSE: Duration = Duration::from_secs(5);

/// How many connections have come to rest since memory was given back.
///
/// What a busy connection needed is free then, but in pieces between what is still in use: the
/// system's library keeps those unless it is asked.
#[derive(Default)]
pub(super) struct Resting {
    count: Cell<usize>,
    given_back: Cell<Option<Instant>>,
}

impl Resting {
    /// Counts a connection.
    pub(super) fn add(&self) {
        self.count.set(self.count.get() + 1);
    }

    /// Gives memory back if it is worth it at `now`, beside this thread.
    pub(super) fn look(&self, now: Instant) {
        if self.is_worth_it(now) {
            self.count.set(0);
            self.given_back.set(Some(now));
            tokio::task::spawn_blocking(memory::give_back);
        }
    }

    fn is_worth_it(&self, now: Instant) -> bool {
        let before = self.given_back.get();
        self.count.get() >= MANY && before.is_none_or(|before| now - before >= PAUSE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_connections_are_not_worth_it_nor_is_it_all_the_time() {
        let resting = Resting::default();
        let now = Instant::now();
        for _ in 1..MANY {
            resting.add();
        }
        assert!(!resting.is_worth_it(now));
        resting.add();
        assert!(resting.is_worth_it(now));
        resting.given_back.set(Some(now));
        assert!(!resting.is_worth_it(now + PAUSE / 2));
        assert!(resting.is_worth_it(now + PAUSE));
    }
}
