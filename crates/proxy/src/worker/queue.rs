//! Room for requests: how many an instance takes, and who waits until it can take more.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::HeaderValue;

use crate::slots::{Queue, QueuePlace, Slot};
use crate::table;
use crate::worker::rescue::Failure;
use crate::worker::tally::Tally;
use crate::worker::upstream::Upstream;

/// After how long somebody who waits looks again although nobody called: instances come, and become
/// healthy, without a word.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// How much room there is for requests of one service, on all workers together.
pub(super) struct Capacity {
    spec: table::Capacity,
    queue: Arc<Queue>,
}

/// A request that waits for room.
pub(super) struct Queued {
    until: Instant,
    pub(super) ticket: Ticket,
    _place: QueuePlace,
}

/// What a request waits for, and what was drawn for it when it came.
pub(super) struct Ticket {
    /// The side whose figures are in here.
    pub(super) side: Rc<Tally>,
    pub(super) by_turn: bool,
    pub(super) cookie: Option<Rc<HeaderValue>>,
}

impl Capacity {
    pub(super) fn new(spec: &table::Capacity, queue: &Arc<Queue>) -> Self {
        Self {
            spec: spec.clone(),
            queue: Arc::clone(queue),
        }
    }

    /// Returns whether others wait already, who are first.
    pub(super) fn is_waited_for(&self) -> bool {
        self.queue.is_waited_in()
    }

    pub(super) fn has_room(&self, upstream: &Upstream) -> bool {
        upstream.instance().slots.has_room(self.spec.in_flight_max)
    }

    pub(super) fn take(&self, upstream: &Upstream) -> Option<Slot> {
        let slots = &upstream.instance().slots;
        slots.take(self.spec.in_flight_max, &self.queue)
    }

    /// Waits until there may be room.
    ///
    /// # Errors
    /// Too many wait already, or it waited for too long.
    pub(super) async fn wait(
        &self,
        queued: &mut Option<Queued>,
        ticket: Ticket,
    ) -> Result<(), Failure> {
        let now = Instant::now();
        let until = match queued {
            Some(queued) => queued.until,
            None => {
                let place = self.queue.enter(self.spec.pending_max);
                let queued = queued.insert(Queued {
                    until: now + self.spec.pending_wait,
                    ticket,
                    _place: place.ok_or(Failure::Overloaded)?,
                });
                queued.until
            }
        };
        if until <= now {
            return Err(Failure::Overloaded);
        }
        let next = until.min(now + LOOK_AGAIN);
        // Whichever comes first: both lead to another look.
        drop(tokio::time::timeout_at(next.into(), self.queue.freed.notified()).await);
        Ok(())
    }
}
