//! The body of a request on its way to an instance.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::ready;
use h2::{Reason, SendStream};
use hyper::body::Body as _;

use crate::worker::attempt::Outgoing;

/// How much of a body is kept, in bytes, so that it can be sent once more if the instance says that
/// it did nothing with it.
const KEPT_MAX: usize = 64 * 1024;

/// The body of a request on its way to an instance, as fast as that takes it.
pub(super) struct Upload {
    body: Outgoing,
    stream: SendStream<Bytes>,
    /// What was taken of the body so far; `None` once that is too much to be sent again.
    kept: Option<Vec<Bytes>>,
    kept_length: usize,
}

/// How sending a body ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// All of it was sent.
    Whole,
    /// The instance does not want the rest of it. Its answer says why.
    Unwanted,
    /// The client broke off, or it exceeds a limit. The instance was told so.
    Broken,
}

impl Upload {
    pub(super) fn new(body: Outgoing, stream: SendStream<Bytes>) -> Self {
        Self {
            body,
            stream,
            kept: Some(Vec::new()),
            kept_length: 0,
        }
    }

    /// Sends as much of it as there is and as the instance takes.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Sent> {
        loop {
            // Nothing is asked of the client that the instance would not take.
            self.stream.reserve_capacity(1);
            while self.stream.capacity() == 0 {
                match ready!(self.stream.poll_capacity(context)) {
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return Poll::Ready(Sent::Unwanted),
                }
            }
            if self.stream.poll_reset(context).is_ready() {
                return Poll::Ready(Sent::Unwanted);
            }
            let frame = match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                None => return Poll::Ready(self.end()),
                Some(Ok(frame)) => frame,
                Some(Err(_)) => {
                    self.stream.send_reset(Reason::CANCEL);
                    return Poll::Ready(Sent::Broken);
                }
            };
            let frame = match frame.into_data() {
                Ok(data) => {
                    self.keep(&data);
                    let is_end = self.body.is_end_stream();
                    if self.stream.send_data(data, is_end).is_err() {
                        return Poll::Ready(Sent::Unwanted);
                    }
                    if is_end {
                        return Poll::Ready(Sent::Whole);
                    }
                    continue;
                }
                Err(frame) => frame,
            };
            if let Ok(trailers) = frame.into_trailers() {
                self.kept = None;
                let sent = self.stream.send_trailers(trailers);
                return Poll::Ready(sent.map_or(Sent::Unwanted, |()| Sent::Whole));
            }
        }
    }

    fn end(&mut self) -> Sent {
        let ended = self.stream.send_data(Bytes::new(), true);
        ended.map_or(Sent::Unwanted, |()| Sent::Whole)
    }

    fn keep(&mut self, data: &Bytes) {
        self.kept_length += data.len();
        if self.kept_length > KEPT_MAX {
            self.kept = None;
        } else if let Some(kept) = &mut self.kept {
            kept.push(data.clone());
        }
    }

    /// Nothing can be asked for again any more: the answer has come.
    pub(super) fn keep_nothing(&mut self) {
        self.kept = None;
        self.kept_length = KEPT_MAX;
    }

    /// Returns the body as it was before anything was sent of it; `None` if too much was.
    pub(super) fn into_unsent(self) -> Option<Outgoing> {
        self.kept.map(|kept| self.body.again(kept))
    }
}
