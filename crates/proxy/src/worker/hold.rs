//! Requests that wait for a service, and what is said instead of it.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use tokio::sync::Notify;

use crate::message::{Headers, Response};
use crate::table;
use crate::worker::answer::Answer;
use crate::worker::rescue::{Failure, REASON, Refused};

/// How often it is looked whether an instance can be reached again. Health is a flag that other
/// threads set; nobody is told.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// The room for requests of one service that wait.
pub(super) struct Holding {
    wait: Duration,
    places: u32,
    taken: Cell<u32>,
}

/// A request that waits.
pub(super) struct Held {
    until: Instant,
    holding: Rc<Holding>,
}

impl Holding {
    /// Makes room as `spec` says, for one of so many workers. Who waits already keeps his place.
    pub(super) fn new(spec: &table::Hold, workers: usize, before: Option<&Rc<Self>>) -> Rc<Self> {
        let workers = u32::try_from(workers).unwrap_or(u32::MAX);
        let (wait, places) = (spec.wait, spec.requests_max.div_ceil(workers));
        let same = before.filter(|before| before.wait == wait && before.places == places);
        same.cloned().unwrap_or_else(|| {
            let taken = Cell::new(0);
            Rc::new(Self {
                wait,
                places,
                taken,
            })
        })
    }

    /// Waits until it makes sense to try again. Without an `until` it is the first time.
    ///
    /// # Errors
    /// There is no room, or the time is over: `why` it would have had to wait.
    pub(super) async fn wait(
        self: Rc<Self>,
        held: &mut Option<Held>,
        swapped: &Notify,
        why: Failure,
    ) -> Result<(), Failure> {
        let until = match held {
            Some(held) => held.until,
            None => held.insert(self.take_place().ok_or(why)?).until,
        };
        let now = Instant::now();
        if until <= now {
            return Err(why);
        }
        let next = until.min(now + LOOK_AGAIN);
        // Whichever comes first: both lead to another look.
        drop(tokio::time::timeout_at(next.into(), swapped.notified()).await);
        Ok(())
    }

    fn take_place(self: Rc<Self>) -> Option<Held> {
        if self.taken.get() >= self.places {
            return None;
        }
        self.taken.set(self.taken.get() + 1);
        Some(Held {
            until: Instant::now() + self.wait,
            holding: self,
        })
    }
}

impl Held {
    /// Whether it has waited for as long as it may.
    pub(super) fn is_over(&self) -> bool {
        self.until <= Instant::now()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let taken = &self.holding.taken;
        taken.set(taken.get() - 1);
    }
}

/// What is answered instead of a service.
pub(super) struct Sign {
    status: StatusCode,
    headers: Headers,
    body: Bytes,
}

impl Sign {
    pub(super) fn new(spec: &table::Maintenance) -> Self {
        let mut headers = Headers::default();
        // What does not fit was refused with the table.
        headers.extend(
            HeaderValue::from_str(&spec.content_type)
                .ok()
                .map(|v| (CONTENT_TYPE, v)),
        );
        let retry_after = spec
            .retry_after
            .map(|after| (RETRY_AFTER, after.as_secs().into()));
        headers.extend(retry_after);
        headers.insert(REASON, HeaderValue::from_static("maintenance"));
        Self {
            status: StatusCode::from_u16(spec.status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE),
            headers,
            body: spec.body.clone().into_bytes().into(),
        }
    }

    /// Returns the answer, and counts it.
    pub(super) fn answer(&self, refused: &Refused) -> Response<Answer> {
        refused.count("maintenance");
        let mut response = Response::new(self.status, Answer::Own(Some(self.body.clone())));
        response.head.headers.clone_from(&self.headers);
        response
    }
}
