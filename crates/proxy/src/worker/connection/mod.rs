//! Connections to instances, whatever they speak.
//!
//! A [`Connection`] is what one request is sent on. What each protocol does for that stands in a
//! module of its own; nothing else of the worker knows which one it is. They are told apart by
//! enums: a request pays for a branch, and nothing is boxed.

mod http1;
mod http2;

pub(super) use http1::{Upgraded, Wires};
pub(super) use http2::Links;

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::Either;
use hyper::body::{Body, Frame, SizeHint};

use crate::message::{Request, Response};
use crate::table::Protocol;
use crate::worker::attempt::Outgoing;
use crate::worker::upstream::Upstream;

/// How many heads may come before that of the answer itself (RFC 9110, 15.2).
const INTERIM_MAX: u32 = 32;

/// A connection that one request at a time can be sent on.
pub(super) enum Connection {
    /// HTTP/1.1.
    Http1(http1::Connection),
    /// A place on one of HTTP/2.
    Http2(http2::Connection),
}

/// The body of an answer as it comes from an instance.
pub(super) enum AnswerBody {
    /// By HTTP/1.1.
    Http1(http1::AnswerBody),
    /// By HTTP/2.
    Http2(http2::AnswerBody),
}

/// Why there is no answer, or no more of it.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// By HTTP/1.1.
    #[error(transparent)]
    Http1(#[from] http1::Error),
    /// By HTTP/2.
    #[error(transparent)]
    Http2(#[from] http2::Error),
}

/// How sending a request ended.
pub(super) enum Ended {
    /// With the head of an answer.
    Answered(Response<AnswerBody>, Connection),
    /// Not a byte was sent: the connection was closed meanwhile. The request is untouched.
    Unsent,
    /// The instance says that it did nothing about the request, which is as it was.
    Refused,
    /// The connection broke before there was an answer.
    BrokeOff(Error),
    /// What came was no HTTP.
    Garbled(Error),
    /// The client stopped in the middle of its request's body, or sent nonsense.
    ClientBroke,
    /// The client did not go on with its request's body.
    ClientStalled,
    /// The instance did not answer, or did not take the request, in time.
    TimedOut,
}

impl Connection {
    /// Makes a connection to the instance of `upstream`, which runs what moves its bytes.
    pub(super) async fn connect(upstream: &Rc<Upstream>) -> io::Result<Self> {
        match upstream.instance().protocol {
            Protocol::Http1 => http1::Connection::connect(upstream).await.map(Self::Http1),
            Protocol::Http2 => upstream.links().connect(upstream).await.map(Self::Http2),
        }
    }

    /// Returns a place on a connection that requests share, where there is one.
    pub(super) fn place(upstream: &Rc<Upstream>) -> Option<Self> {
        upstream.links().place(upstream).map(Self::Http2)
    }

    /// Returns whether no request can be sent any more.
    pub(super) fn is_closed(&self) -> bool {
        match self {
            Self::Http1(connection) => connection.is_closed(),
            // Its place is free again by itself, and never to be kept.
            Self::Http2(_) => true,
        }
    }

    /// Returns whether the answer came first, and the request is still on its way.
    pub(super) fn is_sending(&self) -> bool {
        match self {
            Self::Http1(connection) => connection.is_sending(),
            Self::Http2(_) => false,
        }
    }

    /// Waits until the request whose answer came first is sent.
    pub(super) async fn send_rest(&self) {
        match self {
            Self::Http1(connection) => connection.send_rest().await,
            Self::Http2(_) => {}
        }
    }

    /// Lets go of what is not needed between requests.
    pub(super) fn rest(&self) {
        match self {
            Self::Http1(connection) => connection.rest(),
            Self::Http2(_) => {}
        }
    }

    /// Sends `request`, of which the head stays as it is and the body is taken, and waits for the
    /// head of the answer. The time limit counts from the last movement of the request's body.
    // What an `async fn` is given it has room for twice.
    pub(super) fn send(
        self,
        request: &mut Request<Outgoing>,
        limit: Duration,
    ) -> impl Future<Output = Ended> {
        match self {
            Self::Http1(connection) => Either::Left(connection.send(request, limit)),
            // In a room of its own: who speaks the more common protocol would pay for it.
            Self::Http2(connection) => Either::Right(Box::pin(connection.send(request, limit))),
        }
    }

    /// Returns it as one that speaks another protocol from now on, as its answer said; `None` where
    /// that cannot be said.
    pub(super) fn upgrade(self) -> Option<Upgraded> {
        match self {
            Self::Http1(connection) => Some(connection.upgrade()),
            Self::Http2(_) => None,
        }
    }
}

impl AnswerBody {
    /// It has come to its end: the connection is for the next request now.
    pub(super) fn let_go(&mut self) {
        match self {
            Self::Http1(body) => body.let_go(),
            Self::Http2(_) => {}
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match self.get_mut() {
            Self::Http1(body) => body.poll_frame(context).map_err(Error::Http1),
            Self::Http2(body) => Pin::new(body).poll_frame(context).map_err(Error::Http2),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Http1(body) => body.is_end_stream(),
            Self::Http2(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Http1(body) => body.size_hint(),
            Self::Http2(body) => body.size_hint(),
        }
    }
}
