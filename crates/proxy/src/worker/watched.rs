//! The body of a request that something is done with on its way.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use hyper::body::{Body, Frame, Incoming, SizeHint};

use crate::worker::attempt::{Progress, Spoilt};
use crate::worker::mirror::Copy;

/// A body that is passed on as it comes in, and watched meanwhile.
pub(super) struct Watched {
    body: Incoming,
    pub(super) progress: Rc<Progress>,
    /// What is copied.
    copying: Option<Copying>,
}

/// A copy that is complete when the body is.
struct Copying {
    copy: Copy,
    so_far: BytesMut,
}

impl Watched {
    pub(super) fn new(body: Incoming, progress: Rc<Progress>) -> Self {
        Self {
            body,
            progress,
            copying: None,
        }
    }

    /// Sends `copy` as soon as the body is complete, unless it is longer than the copy may be.
    pub(super) fn copy(&mut self, copy: Copy) {
        self.copying = Some(Copying {
            copy,
            so_far: BytesMut::new(),
        });
    }

    fn take_note(&mut self, frame: Option<&Frame<Bytes>>) {
        let data = frame.and_then(Frame::data_ref);
        if let (Some(copying), Some(data)) = (&mut self.copying, data) {
            let length = copying.so_far.len() + data.len();
            if length as u64 > copying.copy.body_max() {
                self.copying = None;
            } else {
                copying.so_far.extend_from_slice(data);
            }
        }
        if (frame.is_none() || self.body.is_end_stream())
            && let Some(Copying { copy, so_far }) = self.copying.take()
        {
            copy.send(so_far.freeze());
        }
    }
}

impl Body for Watched {
    type Data = Bytes;
    type Error = Spoilt;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Spoilt>>> {
        let this = &mut *self;
        let polled = Pin::new(&mut this.body).poll_frame(context);
        this.progress.polled(&polled);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => this.take_note(Some(frame)),
            Poll::Ready(None) => this.take_note(None),
            Poll::Ready(Some(Err(_))) => this.copying = None,
            Poll::Pending => {}
        }
        polled.map_err(Spoilt::Client)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
