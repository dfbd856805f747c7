//! The body of a request as its client sends it, whatever it speaks.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use crate::worker::door::{http1, http2};

/// The body of a request as its client sends it.
pub(super) enum Incoming {
    /// There is none.
    Empty,
    /// By HTTP/1.1.
    Http1(http1::Body),
    /// By HTTP/2.
    Http2(http2::Body),
}

/// Why it does not go on.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// By HTTP/1.1.
    #[error(transparent)]
    Http1(#[from] http1::Error),
    /// By HTTP/2.
    #[error(transparent)]
    Http2(#[from] h2::Error),
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Http1(body) => body.poll_frame(context).map_err(Error::Http1),
            Self::Http2(body) => body.poll_frame(context).map_err(Error::Http2),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Http1(body) => body.is_end_stream(),
            Self::Http2(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Http1(body) => body.size_hint(),
            Self::Http2(body) => body.size_hint(),
        }
    }
}
