//! The instance that a request should go to, and those that it went to before.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Instant;

use http::header::{HeaderValue, SET_COOKIE};

use crate::message::ResponseHead;
use crate::slots::Slot;
use crate::worker::care::Ejecting;
use crate::worker::tally::Tally;
use crate::worker::upstream::{InFlight, Upstream};
use crate::worker::wire::Taken;

/// The instance that a request should go to.
pub(super) struct Choice {
    pub(super) upstream: Rc<Upstream>,
    pub(super) tally: Rc<Tally>,
    /// Whether it is the instance of its side that is counted by itself.
    pub(super) is_reference: bool,
    /// Its turn, if it was chosen by turns and a tripwire wants to know what comes of it. A second
    /// attempt, or a side that helps out, was chosen by what failed, and proves nothing; nor do
    /// users who stay with a side: one of them who fails always is no failing version.
    pub(super) taken: Option<Taken>,
    /// Whether it was chosen for a tester.
    pub(super) is_of_tester: bool,
    /// What makes the user belong to the side that it was drawn for.
    pub(super) cookie: Option<Rc<HeaderValue>>,
    /// Who leaves the instance out if its answers fail.
    pub(super) ejecting: Option<Rc<Ejecting>>,
    /// The room that the request takes there, where that is limited.
    pub(super) slot: Cell<Option<Slot>>,
}

/// Where it is said how an attempt ended whose answer says so at its end.
pub(super) struct Later {
    taken: Option<Taken>,
    ejecting: Option<Rc<Ejecting>>,
    upstream: Rc<Upstream>,
}

/// How an attempt at a request ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Before {
    /// No connection could be made: another instance of the same side is the next best.
    Unreachable,
    /// It broke off without an answer, perhaps because of the version: another side is better,
    /// and the same instance once more is better than nothing.
    BrokeOff,
}

/// The attempts at a request so far, the last one at the end.
#[derive(Default)]
pub(super) struct Tried(Vec<(Choice, Before)>);

impl Choice {
    /// Has what comes of it counted apart from what comes of users' requests.
    pub(super) fn counted_in(self, tally: &Rc<Tally>) -> Self {
        Self {
            tally: Rc::clone(tally),
            is_reference: false,
            ejecting: None,
            ..self
        }
    }

    /// Counts a request as in flight to it until the returned guard is dropped.
    pub(super) fn enter(&self) -> InFlight {
        self.upstream.enter(self.slot.take())
    }

    /// Takes note of how the attempt ended; `None` where that says nothing about the instance.
    pub(super) fn ended(&self, failed: Option<bool>) {
        ended(
            &self.taken,
            self.ejecting.as_deref(),
            &self.upstream,
            failed,
        );
    }

    /// Lets somebody else take note of that.
    pub(super) fn later(&self) -> Later {
        Later {
            taken: self.taken.clone(),
            ejecting: self.ejecting.clone(),
            upstream: Rc::clone(&self.upstream),
        }
    }

    /// Says in the head of the answer what its reader has to keep.
    pub(super) fn mark(&self, answer: &mut ResponseHead) {
        if let Some(cookie) = &self.cookie {
            answer
                .headers
                .append(SET_COOKIE, HeaderValue::clone(cookie));
        }
    }
}

impl Later {
    /// Takes note of how the attempt ended.
    pub(super) fn ended(mut self, failed: bool) {
        self.end(Some(failed));
    }

    fn end(&mut self, failed: Option<bool>) {
        let (taken, ejecting) = (self.taken.take(), self.ejecting.take());
        ended(&taken, ejecting.as_deref(), &self.upstream, failed);
    }
}

impl Drop for Later {
    fn drop(&mut self) {
        // Nobody will know: the client left.
        self.end(None);
    }
}

fn ended(
    taken: &Option<Taken>,
    ejecting: Option<&Ejecting>,
    upstream: &Rc<Upstream>,
    failed: Option<bool>,
) {
    if let (Some(taken), Some(failed)) = (taken, failed) {
        taken.answered(failed);
    }
    if let Some(ejecting) = ejecting {
        ejecting.ended(upstream, failed, Instant::now());
    }
}

impl Tried {
    pub(super) fn add(&mut self, choice: Choice, before: Before) {
        self.0.push((choice, before));
    }

    /// Returns the last attempt.
    pub(super) fn last(&self) -> Option<(&Choice, Before)> {
        let (choice, before) = self.0.last()?;
        Some((choice, *before))
    }

    /// Returns how many attempts broke off without an answer.
    pub(super) fn broke_off(&self) -> usize {
        let broke_off = |(_, before): &&(Choice, Before)| *before == Before::BrokeOff;
        self.0.iter().filter(broke_off).count()
    }

    /// Makes what could not be reached worth another attempt: some time has passed.
    pub(super) fn forget_unreachable(&mut self) {
        self.0.retain(|(_, before)| *before == Before::BrokeOff);
    }

    pub(super) fn has(&self, upstream: &Rc<Upstream>) -> bool {
        let mut tried = self.0.iter();
        tried.any(|(choice, _)| Rc::ptr_eq(&choice.upstream, upstream))
    }
}
