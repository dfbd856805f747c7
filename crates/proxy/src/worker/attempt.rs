//! One attempt at getting an answer from one instance.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::StatusCode;
use hyper::body::{Body, Frame, SizeHint};

use crate::message::Headers;
use crate::worker::choice::{Choice, Later};
use crate::worker::grpc;
use crate::worker::incoming::{self, Incoming};
use crate::worker::rescue::Failure;
use crate::worker::tally::{Outcome, Place, Tally};
use crate::worker::watched::Watched;

/// The body of a request on its way to an instance.
pub(super) enum Outgoing {
    /// There is none, so the request can be sent again.
    Empty,
    /// Passed on as it comes in, as fast as the instance takes it.
    Streamed(Incoming, Rc<Progress>),
    /// The same, with something else to be done on the way.
    Watched(Box<Watched>),
    /// Complete already; `None` once it is sent.
    Whole(Option<Bytes>),
    /// Begun before, to an instance that did nothing with it.
    Again(Box<Again>),
}

/// A body that is sent once more.
pub(super) struct Again {
    /// What was sent of it before, and comes first.
    kept: VecDeque<Bytes>,
    rest: Outgoing,
}

/// Why the body of a request does not go on.
#[derive(Debug, thiserror::Error)]
pub(super) enum Spoilt {
    /// The client broke off, or sent nonsense.
    #[error("the client broke off")]
    Client(#[source] incoming::Error),
    /// It exceeds a limit.
    #[error("the body is too long, or too slow")]
    Refused,
}

/// How far the body of a request has got.
pub(super) struct Progress {
    moved_at: Cell<Instant>,
    /// Whether the instance would take more, but the client has not sent it yet.
    waits_for_client: Cell<bool>,
    /// How many bytes of it have come.
    bytes: Cell<u64>,
    /// Where they are counted.
    tally: RefCell<Option<Rc<Tally>>>,
    /// Why the rest of it is not wanted.
    refused: Cell<Option<Failure>>,
}

impl Outgoing {
    pub(super) fn new(body: Incoming) -> Self {
        if body.is_end_stream() {
            return Self::Empty;
        }
        let progress = Progress {
            moved_at: Cell::new(Instant::now()),
            waits_for_client: Cell::new(false),
            bytes: Cell::new(0),
            tally: RefCell::default(),
            refused: Cell::new(None),
        };
        Self::Streamed(body, Rc::new(progress))
    }

    pub(super) fn progress(&self) -> Option<Rc<Progress>> {
        match self {
            Self::Empty | Self::Whole(_) => None,
            Self::Streamed(_, progress) => Some(Rc::clone(progress)),
            Self::Watched(watched) => Some(Rc::clone(&watched.progress)),
            Self::Again(again) => again.rest.progress(),
        }
    }

    /// Returns it as it was before `kept` was taken of it.
    pub(super) fn again(self, kept: Vec<Bytes>) -> Self {
        if kept.is_empty() {
            return self;
        }
        let (kept, rest) = (VecDeque::from(kept), self);
        Self::Again(Box::new(Again { kept, rest }))
    }

    /// Returns what comes from the client, to be looked at no more.
    pub(super) fn into_unread(self) -> Option<Incoming> {
        match self {
            Self::Empty | Self::Whole(_) => None,
            Self::Streamed(body, _) => Some(body),
            Self::Watched(watched) => Some(watched.into_unread()),
            Self::Again(again) => again.rest.into_unread(),
        }
    }

    /// Returns the body so that something can be done with it on its way; `None` if there is none.
    pub(super) fn watched(&mut self) -> Option<&mut Watched> {
        *self = match std::mem::replace(self, Self::Empty) {
            Self::Streamed(body, progress) => Self::Watched(Box::new(Watched::new(body, progress))),
            other => other,
        };
        match self {
            Self::Watched(watched) => Some(watched),
            Self::Empty | Self::Streamed(..) | Self::Whole(_) | Self::Again(_) => None,
        }
    }
}

impl Again {
    fn size_hint(&self) -> SizeHint {
        let kept = self.kept.iter().map(|kept| kept.len() as u64).sum::<u64>();
        let rest = self.rest.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(kept.saturating_add(rest.lower()));
        if let Some(upper) = rest.upper() {
            hint.set_upper(kept.saturating_add(upper));
        }
        hint
    }
}

impl Progress {
    /// Says that the rest of it is not wanted, and why.
    pub(super) fn refuse(&self, why: Failure) {
        self.refused.set(Some(why));
    }

    /// Returns why the rest of it is not wanted.
    pub(super) fn refused(&self) -> Option<Failure> {
        self.refused.get()
    }

    /// Takes note of what came of asking for more.
    pub(super) fn polled<E>(&self, polled: &Poll<Option<Result<Frame<Bytes>, E>>>) {
        self.waits_for_client.set(polled.is_pending());
        if polled.is_ready() {
            self.moved_at.set(Instant::now());
        }
        if let Poll::Ready(Some(Ok(frame))) = polled {
            let length = frame.data_ref().map_or(0, Bytes::len) as u64;
            self.bytes.set(self.bytes.get() + length);
            if let Some(tally) = &*self.tally.borrow() {
                tally.moves(|moved| moved.bytes_in += length);
            }
        }
    }

    /// Returns how many bytes of it have come.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.get()
    }

    /// Returns when it moved last.
    pub(super) fn moved_at(&self) -> Instant {
        self.moved_at.get()
    }

    /// Returns whether it is the client that does not go on.
    pub(super) fn waits_for_client(&self) -> bool {
        self.waits_for_client.get()
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Spoilt;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Spoilt>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Streamed(body, progress) => {
                let polled = Pin::new(body).poll_frame(context);
                progress.polled(&polled);
                polled.map_err(Spoilt::Client)
            }
            Self::Watched(watched) => Pin::new(&mut **watched).poll_frame(context),
            Self::Whole(body) => Poll::Ready(body.take().map(|body| Ok(Frame::data(body)))),
            Self::Again(again) => match again.kept.pop_front() {
                Some(kept) => Poll::Ready(Some(Ok(Frame::data(kept)))),
                None => Pin::new(&mut again.rest).poll_frame(context),
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Streamed(body, _) => body.is_end_stream(),
            Self::Watched(watched) => watched.is_end_stream(),
            Self::Whole(body) => body.is_none(),
            Self::Again(again) => again.kept.is_empty() && again.rest.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Streamed(body, _) => body.size_hint(),
            Self::Watched(watched) => watched.size_hint(),
            Self::Whole(body) => {
                SizeHint::with_exact(body.as_ref().map_or(0, |body| body.len() as u64))
            }
            Self::Again(again) => again.size_hint(),
        }
    }
}

/// Sees to it that an attempt is counted once, also when the client leaves in the middle of it.
pub(super) struct Attempt<'a> {
    choice: &'a Choice,
    place: Place,
    started: Instant,
    patience: Duration,
    is_open: bool,
}

impl<'a> Attempt<'a> {
    pub(super) fn begin(
        choice: &'a Choice,
        started: Instant,
        progress: Option<Rc<Progress>>,
        patience: Duration,
    ) -> Self {
        if let Some(progress) = &progress {
            progress.tally.replace(Some(Rc::clone(&choice.tally)));
        }
        let place = choice.tally.begin(started, choice.is_reference, progress);
        Self {
            choice,
            place,
            started,
            patience,
            is_open: true,
        }
    }

    pub(super) fn answered(mut self, status: StatusCode) {
        self.end(Some(Outcome::Answered(status)), status.is_server_error());
    }

    /// The same of an answer of gRPC, whose status is not what counts. If the head does not say how
    /// it ended, what it ends with does: that is left to who reads it.
    pub(super) fn answered_by_grpc(mut self, status: StatusCode, head: &Headers) -> Option<Later> {
        if status.is_server_error() || grpc::is_ended(head) && !grpc::is_fault(head) {
            self.answered(status);
            None
        } else if grpc::is_fault(head) {
            self.end(Some(Outcome::Failed(status)), true);
            None
        } else {
            self.is_open = false;
            let answered = Some(Outcome::Answered(status));
            self.choice.tally.end(self.place, answered);
            Some(self.choice.later())
        }
    }

    pub(super) fn unanswered(mut self) {
        self.end(Some(Outcome::Unanswered), true);
    }

    pub(super) fn timed_out(mut self) {
        self.end(Some(Outcome::GivenUp), true);
    }

    /// It was the client's doing, or nothing was sent: nothing is known about the side.
    pub(super) fn not_counted(mut self) {
        self.end(None, false);
    }

    fn end(&mut self, outcome: Option<Outcome>, failed: bool) {
        self.is_open = false;
        self.choice.tally.end(self.place, outcome);
        self.choice.ended(outcome.map(|_| failed));
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        // Still open means that the client left. One that hangs up soon has changed its mind; one
        // that waited long gave up on a side that hangs, which must not go unseen.
        if self.is_open {
            let gave_up = self.started.elapsed() >= self.patience;
            self.end(gave_up.then_some(Outcome::GivenUp), true);
        }
    }
}
