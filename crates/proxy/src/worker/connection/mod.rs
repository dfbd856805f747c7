//! Connections to instances, whatever they speak.
//!
//! A [`Connection`] is what one request is sent on. What each protocol does for that stands in a
//! module of its own; nothing else of the worker knows which one it is. They are told apart by
//! enums: a request pays for a branch, and nothing is boxed.

mod http1;

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::{Body, Frame, SizeHint};

use crate::worker::attempt::{Outgoing, Progress};
use crate::worker::upstream::Upstream;

/// A connection that one request at a time can be sent on.
pub(super) enum Connection {
    /// HTTP/1.1.
    Http1(http1::Connection),
}

/// The body of an answer as it comes from an instance.
pub(super) enum AnswerBody {
    /// By HTTP/1.1.
    Http1(http1::AnswerBody),
}

/// Where the instance's side of an upgraded connection will be.
pub(super) enum Upgrading {
    /// From HTTP/1.1.
    Http1(http1::Upgrading),
}

/// Why there is no answer, or no more of it.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// By HTTP/1.1.
    #[error(transparent)]
    Http1(#[from] http1::Error),
}

/// How sending a request ended.
pub(super) enum Ended {
    /// With the head of an answer.
    Answered(Response<AnswerBody>, Connection),
    /// Not a byte was sent: the connection was closed meanwhile. The request is untouched.
    Unsent(Request<Outgoing>),
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
    pub(super) async fn connect(upstream: &Upstream) -> io::Result<Self> {
        http1::Connection::connect(upstream).await.map(Self::Http1)
    }

    /// Returns whether a request would be sent at once.
    pub(super) fn is_ready(&self) -> bool {
        match self {
            Self::Http1(connection) => connection.is_ready(),
        }
    }

    /// Returns whether no request can be sent any more.
    pub(super) fn is_closed(&self) -> bool {
        match self {
            Self::Http1(connection) => connection.is_closed(),
        }
    }

    /// Sends `request` and waits for the head of the answer. The time limit counts from the last
    /// movement of the request's body.
    pub(super) async fn send(self, request: Request<Outgoing>, limit: Duration) -> Ended {
        match self {
            Self::Http1(connection) => connection.send(request, limit).await,
        }
    }

    /// Returns where the instance's side of the connection will be after `response`, which says that
    /// the protocol changes.
    pub(super) fn upgrade(self, response: &mut Response<AnswerBody>) -> Upgrading {
        match self {
            Self::Http1(connection) => Upgrading::Http1(connection.upgrade(response)),
        }
    }
}

impl Upgrading {
    /// Waits for the instance's side of the connection.
    pub(super) async fn stream(self) -> io::Result<http1::Upgraded> {
        match self {
            Self::Http1(upgrading) => upgrading.stream().await,
        }
    }
}

/// Waits for what comes of a request, up to `limit` from the last movement of its body.
async fn in_time<T>(
    coming: impl Future<Output = T>,
    progress: Option<Rc<Progress>>,
    limit: Duration,
) -> Result<T, Ended> {
    let mut coming = std::pin::pin!(coming);
    let mut deadline = Instant::now() + limit;
    loop {
        if let Ok(came) = tokio::time::timeout_at(deadline.into(), coming.as_mut()).await {
            return Ok(came);
        }
        let Some(progress) = &progress else {
            return Err(Ended::TimedOut);
        };
        let moved_until = progress.moved_at() + limit;
        if moved_until <= Instant::now() {
            return Err(match progress.waits_for_client() {
                true => Ended::ClientStalled,
                false => Ended::TimedOut,
            });
        }
        deadline = moved_until;
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
            Self::Http1(body) => Pin::new(body).poll_frame(context).map_err(Error::Http1),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Http1(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Http1(body) => body.size_hint(),
        }
    }
}
