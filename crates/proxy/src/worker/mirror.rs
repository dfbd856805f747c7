//! Copies of requests, whose answers are thrown away.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Method;
use http::header::{HOST, HeaderName, HeaderValue, UPGRADE};
use http_body_util::BodyExt as _;
use hyper::body::Body as _;

use crate::message::{Request, RequestHead};
use crate::split::Split;
use crate::table::{self, WEIGHT_WHOLE};
use crate::worker::attempt::{Attempt, Outgoing};
use crate::worker::choice::Choice;
use crate::worker::connection::{AnswerBody, Connection, Ended};
use crate::worker::grpc::{ends_in_fault, is_grpc};
use crate::worker::tally::Tally;

/// Says that a request is a copy.
pub(super) const MIRRORED: HeaderName = HeaderName::from_static("x-leadsman-mirrored");

/// How much of an answer is read so that its connection can be used again. Beyond that a new
/// connection is cheaper than the rest.
const ANSWER_MAX: usize = 256 * 1024;

/// What is copied of the requests of a service.
pub(super) struct Mirror {
    methods: Vec<Method>,
    body_max: u64,
    share: u32,
    /// Whose turn it is: to be copied, or not to be.
    split: RefCell<Split>,
    places: u32,
    taken: Rc<Cell<u32>>,
    tally: Rc<Tally>,
}

/// A copy that is to be sent.
pub(super) struct Copy {
    head: RequestHead,
    choice: Choice,
    body_max: u64,
    answer_timeout: Duration,
    patience: Duration,
    _place: Place,
}

/// The place that a copy takes while it is under way.
struct Place(Rc<Cell<u32>>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

impl Mirror {
    /// Makes it as `spec` says, for one of so many workers. Copies are counted in `tally`.
    pub(super) fn new(
        spec: &table::Mirror,
        workers: usize,
        tally: Rc<Tally>,
        before: Option<&Self>,
    ) -> Self {
        let workers = u32::try_from(workers).unwrap_or(u32::MAX);
        let methods = spec.methods.iter();
        Self {
            methods: methods
                .filter_map(|method| Method::from_bytes(method.as_bytes()).ok())
                .collect(),
            body_max: spec.body_max,
            share: spec.share,
            split: before.map_or_else(|| RefCell::new(Split::new(2)), |b| b.split.clone()),
            places: spec.in_flight_max.div_ceil(workers),
            taken: before.map_or_else(Rc::default, |before| Rc::clone(&before.taken)),
            tally,
        }
    }

    /// Whether `request` is to be copied by what it is, and it is its turn.
    pub(super) fn wants(&self, request: &Request<Outgoing>) -> bool {
        let body = &request.body;
        let fits = body.is_end_stream() || body.size_hint().lower() <= self.body_max;
        let has_turn = || {
            let shares = [WEIGHT_WHOLE - self.share, self.share].into_iter();
            self.split.borrow_mut().next(shares) == Some(1)
        };
        let headers = &request.head.headers;
        // A tunnel has no end to be read up to, and without a host there is nothing to be sent.
        let is_plain = headers.contains(HOST) && !headers.contains(UPGRADE);
        self.methods.contains(&request.head.method)
            && is_plain
            && fits
            && has_turn()
            && self.taken.get() < self.places
    }

    /// Sends a copy of `request` to the instance of `choice`: now, or when its body is complete.
    pub(super) fn copy(
        &self,
        request: &mut Request<Outgoing>,
        choice: Choice,
        [answer_timeout, patience]: [Duration; 2],
    ) {
        let mut head = request.head.clone();
        let mark = HeaderValue::from_static("true");
        head.headers.insert(MIRRORED, mark);
        self.taken.set(self.taken.get() + 1);
        let copy = Copy {
            head,
            choice: choice.counted_in(&self.tally),
            body_max: self.body_max,
            answer_timeout,
            patience,
            _place: Place(Rc::clone(&self.taken)),
        };
        match request.body.watched() {
            None => copy.send(Bytes::new()),
            Some(watched) => watched.copy(copy),
        }
    }
}

impl Copy {
    /// Returns how long the body may be, in bytes.
    pub(super) fn body_max(&self) -> u64 {
        self.body_max
    }

    /// Sends it with this body, and waits for nothing.
    pub(super) fn send(self, body: Bytes) {
        let upstream = Rc::clone(&self.choice.upstream);
        upstream.run(async move { self.run(body).await });
    }

    async fn run(self, body: Bytes) {
        let Self {
            head,
            choice,
            answer_timeout,
            patience,
            _place,
            ..
        } = self;
        let upstream = &choice.upstream;
        let in_flight = choice.enter();
        let attempt = Attempt::begin(&choice, Instant::now(), None, patience);
        let connection = match upstream.idle_connection() {
            Some(connection) => connection,
            None => match upstream.connect().await {
                Ok(connection) => connection,
                // Whether it is healthy is found out by users' requests, and by probes.
                Err(_) => return attempt.unanswered(),
            },
        };
        if upstream.is_removed() {
            return attempt.not_counted();
        }
        let body = if body.is_empty() {
            Outgoing::Empty
        } else {
            Outgoing::Whole(Some(body))
        };
        let is_grpc = is_grpc(&head.headers);
        let mut request = Request { head, body };
        match connection.send(&mut request, answer_timeout).await {
            Ended::Answered(response, connection) => {
                let status = response.head.status;
                if is_grpc {
                    drop(attempt.answered_by_grpc(status, &response.head.headers));
                } else {
                    attempt.answered(status);
                }
                let (connection, failed) = emptied(response.body, connection).await;
                if is_grpc && failed {
                    choice.tally.failed(choice.is_reference);
                }
                if let Some(connection) = connection {
                    upstream.give_back(connection);
                }
            }
            // A connection that was closed meanwhile is nobody's fault, and a copy not worth more.
            Ended::Unsent => attempt.not_counted(),
            Ended::Refused | Ended::BrokeOff(_) | Ended::Garbled(_) => attempt.unanswered(),
            Ended::TimedOut => attempt.timed_out(),
            Ended::ClientBroke | Ended::ClientStalled => attempt.not_counted(),
        }
        drop(in_flight);
    }
}

/// Throws an answer away. Returns its connection, if it can be used again, and whether it said at
/// its end that the service failed.
async fn emptied(mut body: AnswerBody, connection: Connection) -> (Option<Connection>, bool) {
    let mut length = 0;
    let mut failed = false;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            return (None, failed);
        };
        length += frame.data_ref().map_or(0, Bytes::len);
        if length > ANSWER_MAX {
            return (None, failed);
        }
        failed = frame.trailers_ref().is_some_and(ends_in_fault);
    }
    (Some(connection), failed)
}
