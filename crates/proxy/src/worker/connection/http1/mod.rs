//! HTTP/1.1 with instances: one request after the other on a connection.
//!
//! The task of a request does all of it: it writes the request, reads the answer, and passes its
//! body on. No other task has to be woken for that, nothing goes through a channel, and no timer is
//! set: see [`Wires`].

mod head;
mod tunnel;
mod wire;

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, StatusCode};
use hyper::body::{Body as _, Frame, SizeHint};

use self::head::Head;
use self::wire::Wire;
use super::{Ended, INTERIM_MAX};
use crate::message::{Request, RequestHead, Response, ResponseHead};
use crate::socket::Socket;
use crate::worker::attempt::{Outgoing, Progress};
use crate::worker::http1::{Found, Inbound, Inbox, Outbox, Sending, Stuck, Undelimited};
use crate::worker::upstream::Upstream;

pub(in crate::worker) use self::tunnel::Tunnel as Upgraded;
pub(in crate::worker) use self::wire::Wires;

thread_local! {
    /// Where heads are read to. What follows them, and is more, is read to where it stays.
    static ROOM: RefCell<[u8; HEAD_ROOM]> = const { RefCell::new([0; HEAD_ROOM]) };
}

/// How much is read at once of what may be a head, in bytes.
const HEAD_ROOM: usize = 4 * 1024;

/// Why what an instance says is no HTTP, or can be understood in two ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::worker) enum Garbled {
    #[error("the head of its answer is no HTTP/1.1")]
    Head,
    #[error("the head of its answer is too long")]
    TooLong,
    #[error("it says in two ways how long its answer is")]
    Framing,
    #[error(transparent)]
    Body(#[from] Undelimited),
    #[error("it says too often that it is still at work")]
    Interim,
}

/// Why there is no answer, or no more of it.
#[derive(Debug, thiserror::Error)]
pub(in crate::worker) enum Error {
    #[error("its connection broke")]
    Broke(#[source] io::Error),
    #[error("it closed its connection before the end of its answer")]
    Closed,
    #[error(transparent)]
    Garbled(#[from] Garbled),
}

/// A connection that one request at a time can be sent on.
///
/// It is shared with the body of the answer, which is read from it.
pub(in crate::worker) struct Connection(Rc<RefCell<Exchange>>);

/// The body of an answer, until it has come to its end.
pub(in crate::worker) struct AnswerBody(Option<Rc<RefCell<Exchange>>>);

/// A request, and its answer.
struct Exchange {
    wire: Rc<Wire>,
    inbox: Inbox,
    outbox: Outbox,
    /// The body of the request, until all of it is in the outbox.
    upload: Option<Sending<Outgoing>>,
    /// What is to come of the body of the answer.
    inbound: Inbound,
    /// Whether it can be used for another request after this one.
    persists: bool,
    head_bytes_max: usize,
}

/// What is known of a request while its answer is waited for.
struct Waiting<'a> {
    method: &'a Method,
    has_body: bool,
    progress: Option<&'a Progress>,
    since: Instant,
    limit: Duration,
    /// How many heads came before that of the answer itself.
    interim: u32,
}

/// Why there is no head of an answer.
enum Missing {
    /// Not a byte of the request was sent.
    Unsent,
    /// The body of the request does not go on, because of the client.
    Spoilt,
    Error(Error),
}

impl Connection {
    /// Makes a connection to the instance of `upstream`.
    pub(super) async fn connect(upstream: &Upstream) -> io::Result<Self> {
        let socket = Socket::connect(&upstream.instance().address).await?;
        Ok(Self(Rc::new(RefCell::new(Exchange {
            wire: upstream.wires().add(socket),
            inbox: Inbox::default(),
            outbox: Outbox::default(),
            upload: None,
            inbound: Inbound::Done,
            persists: true,
            head_bytes_max: upstream.head_bytes_max(),
        }))))
    }

    /// Returns whether no request can be sent any more.
    pub(super) fn is_closed(&self) -> bool {
        // Who still reads an answer would read the next one.
        Rc::strong_count(&self.0) > 1 || !self.0.borrow().is_sound()
    }

    /// Returns whether the answer came first, and the request is still on its way.
    pub(super) fn is_sending(&self) -> bool {
        !self.0.borrow().is_sent()
    }

    /// Lets go of what is not needed between requests.
    pub(super) fn rest(&self) {
        self.0.borrow_mut().inbox.rest();
    }

    /// Writes the rest of a request whose answer came first.
    pub(super) async fn send_rest(&self) {
        let sending = std::future::poll_fn(|context| self.0.borrow_mut().poll_upload(context));
        if sending.await.is_err() {
            self.0.borrow_mut().give_up_upload();
        }
    }

    /// Sends `request` and waits for the head of the answer. The time limit counts from the last
    /// movement of the request's body.
    pub(super) async fn send(self, request: &mut Request<Outgoing>, limit: Duration) -> Ended {
        let body = std::mem::replace(&mut request.body, Outgoing::Empty);
        let progress = body.progress();
        let mut waiting = Waiting {
            method: &request.head.method,
            has_body: !body.is_end_stream(),
            progress: progress.as_deref(),
            since: Instant::now(),
            limit,
            interim: 0,
        };
        self.0.borrow_mut().begin(&request.head, body);
        let answered =
            std::future::poll_fn(|context| self.0.borrow_mut().poll_answer(context, &mut waiting));
        let answered = answered.await;
        let mut exchange = self.0.borrow_mut();
        exchange.wire.expect_nothing();
        match answered {
            Ok(head) => {
                drop(exchange);
                let body = AnswerBody(Some(Rc::clone(&self.0)));
                let body = super::AnswerBody::Http1(body);
                let response = Response { head, body };
                Ended::Answered(response, super::Connection::Http1(self))
            }
            Err(_) if exchange.wire.is_late() => match &progress {
                Some(progress) if progress.waits_for_client() => Ended::ClientStalled,
                _ => Ended::TimedOut,
            },
            Err(Missing::Unsent) => {
                if let Some(upload) = exchange.upload.take() {
                    request.body = upload.body;
                }
                Ended::Unsent
            }
            Err(Missing::Spoilt) => Ended::ClientBroke,
            Err(Missing::Error(error @ Error::Garbled(_))) => Ended::Garbled(error.into()),
            Err(Missing::Error(error)) => Ended::BrokeOff(error.into()),
        }
    }

    /// Returns the connection as one that speaks another protocol from now on.
    pub(super) fn upgrade(self) -> Upgraded {
        let mut exchange = self.0.borrow_mut();
        Upgraded::new(Rc::clone(&exchange.wire), exchange.inbox.bytes.split())
    }
}

impl AnswerBody {
    pub(super) fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match &self.0 {
            Some(exchange) => exchange.borrow_mut().poll_frame(context),
            None => Poll::Ready(None),
        }
    }

    pub(super) fn is_end_stream(&self) -> bool {
        self.left() == Some(0)
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        self.left()
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }

    fn left(&self) -> Option<u64> {
        let exchange = self.0.as_ref();
        exchange.map_or(Some(0), |exchange| exchange.borrow().inbound.left())
    }

    /// What is read from now on belongs to the next request.
    pub(super) fn let_go(&mut self) {
        self.0 = None;
    }
}

impl Exchange {
    /// Returns whether all of the request was written.
    fn is_sent(&self) -> bool {
        self.upload.is_none() && self.outbox.is_empty()
    }

    /// Returns whether the request and its answer have come to their ends.
    fn is_over(&self) -> bool {
        self.is_sent() && self.inbound.is_done()
    }

    /// Returns whether nothing speaks against another request, once this one is over.
    fn is_sound(&self) -> bool {
        // What is said unasked is no answer to what is asked next.
        self.persists && (!self.is_over() || (self.inbox.bytes.is_empty() && self.wire.is_quiet()))
    }

    fn begin(&mut self, head: &RequestHead, body: Outgoing) {
        let length = body.size_hint().exact();
        let outbound = head::write(head, length, self.outbox.head());
        self.upload = Sending::new(body, outbound);
    }

    /// Writes what there is of the request, and reads what there is of the head of the answer.
    fn poll_answer(
        &mut self,
        context: &mut Context<'_>,
        waiting: &mut Waiting<'_>,
    ) -> Poll<Result<ResponseHead, Missing>> {
        match self.poll_upload(context) {
            Poll::Ready(Err(Stuck::Body)) => return Poll::Ready(Err(Missing::Spoilt)),
            Poll::Ready(Err(Stuck::Wire(error))) => {
                let untouched = self
                    .upload
                    .as_ref()
                    .is_some_and(|upload| !upload.is_begun());
                if !self.outbox.is_begun() && (untouched || !waiting.has_body) {
                    return Poll::Ready(Err(Missing::Unsent));
                }
                // It may have answered before it closed the connection.
                tracing::trace!(%error, "an instance does not take a request");
                self.give_up_upload();
            }
            Poll::Ready(Ok(())) | Poll::Pending => {}
        }
        match self.poll_head(context, waiting) {
            Poll::Pending => {
                let moved_at = waiting.progress.map(Progress::moved_at);
                let since = moved_at.unwrap_or(waiting.since);
                self.wire.expect_within(since, waiting.limit);
                Poll::Pending
            }
            Poll::Ready(head) => {
                let head = head.map_err(Missing::Error)?;
                self.inbound = head.body;
                self.persists &= head.persists;
                Poll::Ready(Ok(head.said))
            }
        }
    }

    fn poll_head(
        &mut self,
        context: &mut Context<'_>,
        waiting: &mut Waiting<'_>,
    ) -> Poll<Result<Head, Error>> {
        loop {
            let length = self.inbox.bytes.len();
            let head = match length {
                0 => None,
                _ => head::read(&mut self.inbox.bytes, waiting.method)?,
            };
            match head {
                Some(head) if is_interim(head.said.status) => {
                    waiting.interim += 1;
                    if waiting.interim > INTERIM_MAX {
                        return Poll::Ready(Err(Garbled::Interim.into()));
                    }
                    continue;
                }
                Some(head) => return Poll::Ready(Ok(head)),
                None if length >= self.head_bytes_max => {
                    return Poll::Ready(Err(Garbled::TooLong.into()));
                }
                None => {}
            }
            if ready!(self.poll_read_head(context)).map_err(Error::Broke)? == 0 {
                return Poll::Ready(Err(Error::Closed));
            }
        }
    }

    /// Reads what is no body.
    fn poll_read_head(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Self { wire, inbox, .. } = self;
        ROOM.with_borrow_mut(|room| {
            inbox.poll_by_way_of(room, |room| wire.poll_read_some(context, room))
        })
    }

    /// Writes what there is of the request.
    fn poll_upload(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Stuck>> {
        if self.is_sent() {
            return Poll::Ready(Ok(()));
        }
        self.outbox
            .poll_send(&mut self.upload, &mut &*self.wire, context)
    }

    /// The instance, or the client, does not go on with the request.
    fn give_up_upload(&mut self) {
        self.upload = None;
        self.outbox = Outbox::default();
        self.persists = false;
    }

    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        // There is no room before there is something to be put into it: a thousand requests that
        // wait would be as many rooms, and none of them at hand when it is needed.
        ready!(self.wire.poll_readable(context))?;
        let room = self.inbox.make_room(self.inbound.left());
        let read = self.wire.poll_read(context, room);
        self.inbox.filled();
        read
    }

    /// Reads the next piece of the body of the answer, and sees to it that the request goes on
    /// meanwhile.
    fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if let Poll::Ready(Err(_)) = self.poll_upload(context) {
            self.give_up_upload();
        }
        loop {
            match self.inbound.take(&mut self.inbox.bytes) {
                Ok(Found::Nothing) => {}
                Ok(Found::End) => return Poll::Ready(None),
                Ok(Found::Data(data)) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Ok(Found::Trailers(trailers)) => {
                    return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
                }
                Err(undelimited) => {
                    let garbled = Garbled::from(undelimited);
                    return Poll::Ready(Some(Err(self.ended(garbled.into()))));
                }
            }
            match ready!(self.poll_read(context)) {
                Ok(0) if self.inbound == Inbound::UntilClose => {
                    self.inbound = Inbound::Done;
                    return Poll::Ready(None);
                }
                Ok(0) => return Poll::Ready(Some(Err(self.ended(Error::Closed)))),
                Ok(_) => {}
                Err(error) => return Poll::Ready(Some(Err(self.ended(Error::Broke(error))))),
            }
        }
    }

    /// Nothing more can be made of it after this.
    fn ended(&mut self, error: Error) -> Error {
        self.persists = false;
        error
    }
}

/// Says whether a head of this status is followed by that of the answer itself.
fn is_interim(status: StatusCode) -> bool {
    status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS
}
