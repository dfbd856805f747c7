//! The body of an answer.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::{Reason, RecvStream};
use hyper::body::{Body, Frame, SizeHint};
use tokio::task::AbortHandle;

use super::Error;
use super::upload::{Sent, Upload};
use crate::worker::received::Received;
use crate::worker::upstream::Upstream;

/// The body of an answer. An instance is told to stop when it is dropped before its end.
pub(in crate::worker) struct AnswerBody {
    received: Received,
    rest: Option<Rest>,
}

/// What was not sent of a request when its answer came.
pub(super) struct Rest {
    /// What sends it; `None` if the instance does not want it.
    uploading: Option<AbortHandle>,
    /// Whether all of it was sent meanwhile.
    is_sent: Rc<Cell<bool>>,
}

impl Rest {
    pub(super) fn unwanted() -> Self {
        Self {
            uploading: None,
            is_sent: Rc::default(),
        }
    }

    pub(super) fn going_on(mut upload: Upload, upstream: &Upstream) -> Self {
        upload.keep_nothing();
        let is_sent = Rc::<Cell<bool>>::default();
        let is_whole = Rc::clone(&is_sent);
        let uploading = upstream.run(async move {
            let sent = poll_fn(|context| upload.poll(context)).await;
            is_whole.set(sent == Sent::Whole);
        });
        Self {
            uploading: Some(uploading),
            is_sent,
        }
    }
}

impl AnswerBody {
    pub(super) fn new(stream: RecvStream, rest: Option<Rest>) -> Self {
        Self {
            received: Received::new(stream),
            rest,
        }
    }

    /// Says whether an answer ended that was broken off so: a complete one may be, where the
    /// instance did not want the rest of the request.
    fn is_end(&self, error: &Error) -> bool {
        error.is_reset()
            && error.is_remote()
            && error.reason() == Some(Reason::NO_ERROR)
            && self.rest.as_ref().is_some_and(|rest| !rest.is_sent.get())
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match ready!(self.received.poll_frame(context)) {
            Some(Err(error)) if self.is_end(&error) => {
                self.received.end();
                Poll::Ready(None)
            }
            polled => Poll::Ready(polled),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.received.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        // How long it is stands in the head, where it is known.
        match self.is_end_stream() {
            true => SizeHint::with_exact(0),
            false => SizeHint::default(),
        }
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        // Once the answer has ended the rest of the request is between the two.
        if !self.is_end_stream()
            && let Some(uploading) = self.rest.as_ref().and_then(|rest| rest.uploading.as_ref())
        {
            uploading.abort();
        }
    }
}
