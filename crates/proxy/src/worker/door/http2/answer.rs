//! Answers on their way to a client.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::{Reason, SendStream};
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, DATE, HeaderValue};
use hyper::body::Body as _;

use crate::message::ResponseHead;
use crate::worker::answer::Answer;
use crate::worker::headers::is_hop_by_hop;
use crate::worker::untaken::Untaken;

/// Returns the head of an answer as it is said in HTTP/2, which has no word of the connection in it.
/// One that does not say when it was given says `date`; `length` is that of its body in bytes, where
/// there is one, and it is known.
pub(super) fn head(
    mut said: ResponseHead,
    length: Option<u64>,
    date: &HeaderValue,
) -> http::Response<()> {
    said.headers.retain(|name| !is_hop_by_hop(name));
    let mut headers = HeaderMap::from(&said.headers);
    headers.entry(DATE).or_insert_with(|| date.clone());
    if let Some(length) = length {
        headers
            .entry(CONTENT_LENGTH)
            .or_insert_with(|| length.into());
    }
    let mut head = http::Response::new(());
    *head.status_mut() = said.status;
    *head.headers_mut() = headers;
    head
}

/// The body of an answer on its way to a client, as fast as that takes it.
pub(super) struct Sending {
    body: Answer,
    stream: SendStream<Bytes>,
    untaken: Untaken,
}

/// How sending a body ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// All of it was sent, or the client does not want the rest.
    Over,
    /// The client took nothing for too long.
    Untaken,
}

impl Sending {
    pub(super) fn new(body: Answer, stream: SendStream<Bytes>, untaken: Untaken) -> Self {
        Self {
            body,
            stream,
            untaken,
        }
    }

    /// Sends as much of it as there is and as the client takes.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Sent> {
        loop {
            // Nothing is asked of the instance that the client would not take.
            self.stream.reserve_capacity(1);
            while self.stream.capacity() == 0 {
                match self.stream.poll_capacity(context) {
                    Poll::Ready(Some(Ok(_))) => {}
                    Poll::Ready(Some(Err(_)) | None) => return Poll::Ready(Sent::Over),
                    Poll::Pending => {
                        ready!(self.untaken.poll_wait(context));
                        return Poll::Ready(Sent::Untaken);
                    }
                }
            }
            self.untaken.took();
            if self.stream.poll_reset(context).is_ready() {
                return Poll::Ready(Sent::Over);
            }
            let frame = match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => frame,
                Some(Err(_)) => {
                    self.stream.send_reset(Reason::INTERNAL_ERROR);
                    return Poll::Ready(Sent::Over);
                }
                None => {
                    drop(self.stream.send_data(Bytes::new(), true));
                    return Poll::Ready(Sent::Over);
                }
            };
            let frame = match frame.into_data() {
                Ok(data) => {
                    let is_end = self.body.is_end_stream();
                    if self.stream.send_data(data, is_end).is_err() || is_end {
                        return Poll::Ready(Sent::Over);
                    }
                    continue;
                }
                Err(frame) => frame,
            };
            if let Ok(trailers) = frame.into_trailers() {
                // A client that has left needs none.
                drop(self.stream.send_trailers(trailers));
                return Poll::Ready(Sent::Over);
            }
        }
    }
}
