//! Memory of connections that have come to rest, after it was needed.

use std::cell::Cell;
use std::time::{Duration, Instant};

use crate::memory;
use crate::message::Headers;

/// How many connections have to come to rest until their memory is worth the time it takes to give
/// it back.
const MANY: usize = 256;

/// How long after one time memory is given back it is at the earliest done again; and at the latest,
/// where connections come to rest all the while.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(10)];

/// How many connections have come to rest since memory was given back.
///
/// What a busy connection needed is free then, but in pieces between what is still in use: the
/// system's library keeps those unless it is asked.
#[derive(Default)]
pub(super) struct Resting {
    count: Cell<usize>,
    /// How many it were at the last look.
    seen: Cell<usize>,
    given_back: Cell<Option<Instant>>,
}

impl Resting {
    /// Counts connections that have come to rest.
    pub(super) fn add(&self, count: usize) {
        self.count.set(self.count.get() + count);
    }

    /// Gives memory back if it is worth it at `now`, beside this thread.
    pub(super) fn look(&self, now: Instant) {
        if self.is_worth_it(now) {
            self.count.set(0);
            self.seen.set(0);
            self.given_back.set(Some(now));
            Headers::let_go_of_spares();
            tokio::task::spawn_blocking(memory::give_back);
        }
    }

    fn is_worth_it(&self, now: Instant) -> bool {
        let count = self.count.get();
        // While there are more and more it would soon have to be done again.
        let is_calm = self.seen.replace(count) == count;
        let [least, most] = PAUSES;
        let pause = if is_calm { least } else { most };
        let before = self.given_back.get();
        count >= MANY && before.map_or(is_calm, |before| now - before >= pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_connections_are_not_worth_it_nor_is_it_all_the_time() {
        let resting = Resting::default();
        let now = Instant::now();
        let add = |count| resting.add(count);
        add(MANY - 1);
        assert!(!resting.is_worth_it(now));
        assert!(!resting.is_worth_it(now), "few");
        add(1);
        assert!(!resting.is_worth_it(now), "more and more");
        assert!(resting.is_worth_it(now));

        let [least, most] = PAUSES;
        resting.given_back.set(Some(now));
        assert!(!resting.is_worth_it(now + least / 2), "done just now");
        assert!(resting.is_worth_it(now + least));
        add(1);
        assert!(!resting.is_worth_it(now + least), "more and more");
        add(1);
        assert!(resting.is_worth_it(now + most));
    }
}
