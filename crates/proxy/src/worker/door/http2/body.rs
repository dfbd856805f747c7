//! The body of a request.

use std::task::{Context, Poll};

use bytes::Bytes;
use h2::RecvStream;
use hyper::body::{Frame, SizeHint};

use crate::worker::received::Received;

/// The body of a request, as its client sends it.
pub(in crate::worker) struct Body {
    received: Received,
    /// How much of it is to come, in bytes, where that was said.
    left: Option<u64>,
}

impl Body {
    /// Returns a body of which the head says that it has `length` bytes, if it says so. That it
    /// does is seen to by the library.
    pub(super) fn new(stream: RecvStream, length: Option<u64>) -> Self {
        Self {
            received: Received::new(stream),
            left: length,
        }
    }

    pub(in crate::worker) fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        let polled = self.received.poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            let length = frame.data_ref().map_or(0, Bytes::len) as u64;
            self.left = self.left.map(|left| left.saturating_sub(length));
        }
        polled
    }

    pub(in crate::worker) fn is_end_stream(&self) -> bool {
        self.received.is_end_stream()
    }

    pub(in crate::worker) fn size_hint(&self) -> SizeHint {
        match self.is_end_stream() {
            true => SizeHint::with_exact(0),
            false => self
                .left
                .map_or_else(SizeHint::default, SizeHint::with_exact),
        }
    }
}
