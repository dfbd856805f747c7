//! The connections to clients that speak HTTP/1.1.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

use super::client::Client;
use super::line::{Line, Waits};
use crate::config::Config;
use crate::worker::door::Entrance;
use crate::worker::linger;

/// How often it is looked at all of them, at most and at least.
const LOOKS: [Duration; 2] = [Duration::from_millis(5), Duration::from_secs(1)];

/// How long clients are waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// For the head of a request, and between two of them.
    pub(super) head: Duration,
    /// While they take nothing of what is ready for them.
    pub(super) take: Duration,
    /// While what they send is thrown away.
    pub(super) unwanted: Duration,
}

/// The connections to clients that speak HTTP/1.1.
///
/// One look at all of them every now and then costs less than timers for each, and a connection
/// between two requests takes less memory without any.
pub(in crate::worker) struct Lines {
    open: RefCell<Vec<Weak<Line>>>,
    limits: Limits,
    /// How long one is silent before it waits elsewhere.
    rest_after: Duration,
    looked_at: Cell<Instant>,
}

impl Lines {
    pub(in crate::worker) fn new(config: &Config) -> Self {
        Self {
            open: RefCell::default(),
            limits: Limits {
                head: config.head_timeout,
                take: config.take_timeout,
                unwanted: linger::TIME,
            },
            rest_after: config.rest_after,
            looked_at: Cell::new(Instant::now()),
        }
    }

    /// Takes up a connection that came in by `entrance`.
    pub(in crate::worker::door) fn add(
        &self,
        client: Client,
        entrance: &Rc<Entrance>,
        waits: Waits,
    ) -> Rc<Line> {
        let line = Rc::new(Line::new(client, Rc::clone(entrance), waits));
        self.open.borrow_mut().push(Rc::downgrade(&line));
        line
    }

    /// Shuts those whose clients have been waited for too long at `now`, and forgets those that are
    /// closed. Returns how many have come to rest since it was looked at them last.
    pub(in crate::worker) fn look(&self, now: Instant) -> usize {
        let Limits { head, take, .. } = self.limits;
        let [most, least] = LOOKS;
        let pause = (head.min(take) / 16)
            .min(self.rest_after)
            .clamp(most, least);
        if now.saturating_duration_since(self.looked_at.get()) < pause {
            return 0;
        }
        self.looked_at.set(now);
        let then = now.checked_sub(self.rest_after).unwrap_or(now);
        let mut came_to_rest = 0;
        self.open.borrow_mut().retain(|line| {
            let Some(line) = line.upgrade() else {
                return false;
            };
            line.look(now, &self.limits);
            came_to_rest += usize::from(line.comes_to_rest(then));
            true
        });
        came_to_rest
    }

    /// Lets those that came in by `entrance` end with the requests that they are at. Who has not
    /// asked for anything yet may do so until the `last_call`.
    pub(in crate::worker::door) fn close(&self, entrance: &Rc<Entrance>, last_call: bool) {
        for line in self.open.borrow().iter().filter_map(Weak::upgrade) {
            if Rc::ptr_eq(&line.entrance, entrance) {
                line.close(last_call);
            }
        }
    }
}
