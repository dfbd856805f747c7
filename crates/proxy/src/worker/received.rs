//! A body that comes by HTTP/2, from a client or from an instance.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::RecvStream;
use hyper::body::Frame;

/// A body that comes by HTTP/2.
pub(super) struct Received {
    stream: RecvStream,
    at: At,
}

/// How far it was read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    Data,
    Trailers,
    End,
}

impl Received {
    pub(super) fn new(stream: RecvStream) -> Self {
        Self {
            stream,
            at: At::Data,
        }
    }

    pub(super) fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        while self.at == At::Data {
            let Some(data) = ready!(self.stream.poll_data(context)).transpose()? else {
                self.at = At::Trailers;
                break;
            };
            // Who takes it can take more: until then the other end has to wait.
            self.stream.flow_control().release_capacity(data.len())?;
            // Mostly the end of a body, which is said otherwise.
            if !data.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
        }
        if self.at == At::Trailers {
            let trailers = ready!(self.stream.poll_trailers(context));
            self.at = At::End;
            return Poll::Ready(trailers.transpose().map(|it| it.map(Frame::trailers)));
        }
        Poll::Ready(None)
    }

    /// It has ended, whatever else was to come of it.
    pub(super) fn end(&mut self) {
        self.at = At::End;
    }

    pub(super) fn is_end_stream(&self) -> bool {
        self.at == At::End || self.stream.is_end_stream()
    }
}
