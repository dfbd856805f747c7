//! What a worker counts for one side.

use std::cell::RefCell;
use std::time::Duration;

use http::StatusCode;

use crate::figures::SideFigures;

/// What was counted for one side since it was taken last. `None` until there is something.
#[derive(Debug, Default)]
pub(super) struct Tally(RefCell<Option<SideFigures>>);

impl Tally {
    /// Counts an answer; `latency` is the time to the end of its head.
    pub(super) fn answered(&self, status: StatusCode, latency: Duration) {
        self.count(status.is_server_error(), Some(latency), |counted| {
            let class = usize::from(status.as_u16() / 100);
            if let Some(count) = class
                .checked_sub(1)
                .and_then(|at| counted.status.get_mut(at))
            {
                *count += 1;
            }
        });
    }

    /// Counts an attempt that got no answer. The time that it took says nothing about how fast
    /// answers are, so it is not counted as a latency.
    pub(super) fn unanswered(&self) {
        self.count(true, None, |_| ());
    }

    /// Counts an attempt that was given up after `waited`: the latency would have been at least
    /// that.
    pub(super) fn given_up(&self, waited: Duration) {
        self.count(true, Some(waited), |_| ());
    }

    fn count(&self, error: bool, latency: Option<Duration>, more: impl FnOnce(&mut SideFigures)) {
        let mut slot = self.0.borrow_mut();
        let counted = slot.get_or_insert_default();
        counted.figures.requests += 1;
        counted.figures.errors += u64::from(error);
        if let Some(latency) = latency {
            counted.figures.latency.record(latency);
        }
        more(counted);
    }

    /// Returns what was counted and starts over.
    pub(super) fn take(&self) -> Option<SideFigures> {
        self.0.take()
    }
}
