//! The body of a request.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::RecvStream;
use hyper::body::{Frame, SizeHint};

/// The body of a request, as its client sends it.
pub(in crate::worker) struct Body {
    stream: RecvStream,
    /// How much of it is to come, in bytes, where that was said.
    left: Option<u64>,
    is_over: bool,
}

impl Body {
    /// Returns a body of which the head says that it has `length` bytes, if it says so. That it
    /// does is seen to by the library.
    pub(super) fn new(stream: RecvStream, length: Option<u64>) -> Self {
        Self {
            stream,
            left: length,
            is_over: false,
        }
    }

    pub(in crate::worker) fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        while let Some(data) = ready!(self.stream.poll_data(context)) {
            let data = data?;
            // Who takes it can take more: until then the client has to wait.
            self.stream.flow_control().release_capacity(data.len())?;
            self.left = self.left.map(|left| left.saturating_sub(data.len() as u64));
            // Mostly the end of a body, which is said otherwise.
            if !data.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
        }
        let trailers = ready!(Pin::new(&mut self.stream).poll_trailers(context));
        self.is_over = true;
        Poll::Ready(
            trailers
                .transpose()
                .map(|trailers| trailers.map(Frame::trailers)),
        )
    }

    pub(in crate::worker) fn is_end_stream(&self) -> bool {
        self.is_over || self.stream.is_end_stream()
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
