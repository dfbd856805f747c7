//! The requests of one connection that are under way.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Instant;

use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::header::CONTENT_LENGTH;
use hyper::body::Body as _;

use super::answer::{Sending, Sent, head};
use super::body::Body;
use crate::message::{Request, Response};
use crate::worker::answer::Answer;
use crate::worker::door::Guest;
use crate::worker::door::speak::answer;
use crate::worker::http1::digits;
use crate::worker::incoming::Incoming;
use crate::worker::peer::Peer;
use crate::worker::untaken::Untaken;

/// The requests of one connection that are under way, and since when there is none.
pub(super) struct Streams {
    guest: Guest,
    peer: Rc<Peer>,
    open: Cell<usize>,
    idle_since: Cell<Instant>,
}

impl Streams {
    /// Returns the requests of `guest`, of which none is there yet.
    pub(super) fn new(guest: Guest) -> Rc<Self> {
        let peer = Rc::new(guest.as_told());
        Rc::new(Self {
            guest,
            peer,
            open: Cell::new(0),
            idle_since: Cell::new(Instant::now()),
        })
    }

    /// Returns whose they are.
    pub(super) fn guest(&self) -> &Guest {
        &self.guest
    }

    /// Returns since when there has been no request under way; `now` while there is one.
    pub(super) fn idle_since(&self, now: Instant) -> Instant {
        if self.open.get() > 0 {
            now
        } else {
            self.idle_since.get()
        }
    }

    /// Answers a request, in a task of its own.
    pub(super) fn open(
        self: &Rc<Self>,
        request: http::Request<RecvStream>,
        reply: SendResponse<Bytes>,
    ) {
        self.open.set(self.open.get() + 1);
        let open = Open(Rc::clone(self));
        let length = request.headers().get(CONTENT_LENGTH);
        let length = length.and_then(|length| digits(length.as_bytes()));
        let request = Request::from(request.map(|stream| match stream.is_end_stream() {
            true => Incoming::Empty,
            false => Incoming::Http2(Body::new(stream, length)),
        }));
        let answering = answer(&self.guest, &self.peer, request, None);
        tokio::task::spawn_local(async move {
            let streams = &*open.0;
            if streams.reply(answering, reply).await == Sent::Untaken {
                let entrance = &streams.guest.entrance;
                entrance.count(|arrivals| &mut arrivals.untaken);
            }
        });
    }

    /// Waits for an answer as long as its client does, and sends it.
    async fn reply(
        &self,
        mut answering: impl Future<Output = Response<Answer>> + Unpin,
        mut reply: SendResponse<Bytes>,
    ) -> Sent {
        let answered =
            std::future::poll_fn(|context| match Pin::new(&mut answering).poll(context) {
                Poll::Ready(answer) => Poll::Ready(Some(answer)),
                Poll::Pending if reply.poll_reset(context).is_ready() => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            });
        let Some(Response { head: said, body }) = answered.await else {
            return Sent::Over;
        };
        drop(answering);
        let worker = &self.guest.worker;
        let is_end = body.is_end_stream();
        let length = body.size_hint().exact().filter(|_| !is_end);
        let head = head(said, length, worker.date.borrow().value());
        // A client that has left needs none.
        let Ok(stream) = reply.send_response(head, is_end) else {
            return Sent::Over;
        };
        if is_end {
            return Sent::Over;
        }
        let mut sending = Sending::new(body, stream, Untaken::new(worker.config.take_timeout));
        std::future::poll_fn(|context| sending.poll(context)).await
    }
}

/// A request that is under way.
struct Open(Rc<Streams>);

impl Drop for Open {
    fn drop(&mut self) {
        let Streams {
            open, idle_since, ..
        } = &*self.0;
        open.set(open.get() - 1);
        idle_since.set(Instant::now());
    }
}
