//! The body of a request that something is done with on its way.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::Sleep;

use crate::table::Pace;
use crate::worker::attempt::{Progress, Spoilt};
use crate::worker::incoming::Incoming;
use crate::worker::mirror::Copy;
use crate::worker::rescue::Failure;

/// A body that is passed on as it comes in, and watched meanwhile.
pub(super) struct Watched {
    body: Incoming,
    pub(super) progress: Rc<Progress>,
    /// What is copied.
    copying: Option<Copying>,
    bounded: Option<Bounded>,
}

/// What a body may be.
#[derive(Clone, Debug)]
pub(super) struct Bounds {
    /// How long, in bytes.
    pub(super) length_max: u64,
    pub(super) pace: Option<Pace>,
}

/// A body that is held against bounds.
struct Bounded {
    bounds: Bounds,
    length: u64,
    /// How long the client has been waited for, up to the last time.
    waited: Duration,
    /// Since when it is waited for now, and what ends that.
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl Bounded {
    /// Takes note of what came, and returns what is wrong with it.
    fn came(&mut self, length: usize) -> Option<Failure> {
        if let Some((since, _)) = self.waiting.take() {
            self.waited += since.elapsed();
        }
        self.length += length as u64;
        (self.length > self.bounds.length_max).then_some(Failure::BodyTooLarge)
    }

    /// Nothing comes at the moment: returns whether that has been so for too long.
    fn waits(&mut self, context: &mut Context<'_>) -> Option<Failure> {
        let pace = self.bounds.pace.as_ref()?;
        let (length, waited) = (self.length, self.waited);
        let (_, alarm) = self.waiting.get_or_insert_with(|| {
            let now = Instant::now();
            let left = pace.idle.min(allowed(pace, length).saturating_sub(waited));
            (now, Box::pin(tokio::time::sleep(left)))
        });
        alarm
            .as_mut()
            .poll(context)
            .is_ready()
            .then_some(Failure::ClientSlow)
    }
}

/// Returns how long a client may be waited for that has sent so many bytes.
fn allowed(pace: &Pace, length: u64) -> Duration {
    if pace.bytes_per_second == 0 {
        return Duration::MAX;
    }
    #[expect(
        clippy::cast_precision_loss,
        reason = "a byte more or less makes no difference"
    )]
    let seconds = length as f64 / pace.bytes_per_second as f64;
    let time = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
    pace.grace.saturating_add(time)
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
            bounded: None,
        }
    }

    /// Returns what is left of it, to be looked at no more.
    pub(super) fn into_unread(self) -> Incoming {
        self.body
    }

    /// Refuses the rest of it as soon as it exceeds `bounds`.
    pub(super) fn bound(&mut self, bounds: Bounds) {
        self.bounded = Some(Bounded {
            bounds,
            length: 0,
            waited: Duration::ZERO,
            waiting: None,
        });
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
        let refused = this.bounded.as_mut().and_then(|bounded| match &polled {
            Poll::Ready(Some(Ok(frame))) => bounded.came(frame.data_ref().map_or(0, Bytes::len)),
            Poll::Ready(_) => None,
            Poll::Pending => bounded.waits(context),
        });
        if let Some(why) = refused {
            this.copying = None;
            this.progress.refuse(why);
            return Poll::Ready(Some(Err(Spoilt::Refused)));
        }
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
