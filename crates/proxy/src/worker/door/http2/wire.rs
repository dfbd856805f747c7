//! The bare connection to a client.

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::worker::SMALL;
use crate::worker::untaken::Untaken;

/// The bare connection to a client.
///
/// A head and a small body are two pieces, which are copied together. Large bodies are not copied.
pub(super) struct Wire<S> {
    stream: S,
    traffic: Traffic,
    untaken: Untaken,
}

/// What became of the last bytes.
#[derive(Clone, Debug, Default)]
pub(super) struct Traffic(Rc<Flags>);

#[derive(Debug, Default)]
struct Flags {
    /// Whether something waits to be written.
    is_stuck: Cell<bool>,
    /// Whether that was so for too long.
    is_given_up: Cell<bool>,
}

impl Traffic {
    /// Says whether something waits for the other end to take it.
    pub(super) fn is_stuck(&self) -> bool {
        self.0.is_stuck.get()
    }

    /// Says whether it was given up because the other end took nothing.
    pub(super) fn is_given_up(&self) -> bool {
        self.0.is_given_up.get()
    }

    fn polled<T>(&self, polled: &Poll<T>) {
        self.0.is_stuck.set(polled.is_pending());
    }

    fn give_up(&self) {
        self.0.is_given_up.set(true);
    }
}

impl<S> Wire<S> {
    /// Returns a connection that breaks when its other end takes nothing for `take_timeout`.
    pub(super) fn new(stream: S, take_timeout: Duration) -> Self {
        Self {
            stream,
            traffic: Traffic::default(),
            untaken: Untaken::new(take_timeout),
        }
    }

    pub(super) fn traffic(&self) -> Traffic {
        self.traffic.clone()
    }

    /// Takes note of whether the other end is waited for, and breaks the connection where it has
    /// been for too long.
    fn unless_given_up<T>(
        &mut self,
        context: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        self.traffic.polled(&polled);
        if polled.is_ready() {
            self.untaken.took();
            return polled;
        }
        ready!(self.untaken.poll_wait(context));
        self.traffic.give_up();
        let error = io::Error::new(io::ErrorKind::TimedOut, "the other end takes nothing");
        Poll::Ready(Err(error))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Wire<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(context, bytes);
        this.unless_given_up(context, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let stream = Pin::new(&mut this.stream);
        let mut room = [0; SMALL];
        let together = match pieces {
            [piece] => Some(&**piece),
            pieces => joined(pieces, &mut room),
        };
        let written = match together {
            Some(together) => stream.poll_write(context, together),
            None => stream.poll_write_vectored(context, pieces),
        };
        this.unless_given_up(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.stream).poll_flush(context);
        this.unless_given_up(context, flushed)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let shut = Pin::new(&mut this.stream).poll_shutdown(context);
        this.unless_given_up(context, shut)
    }
}

/// Copies all pieces into `room`; `None` if they do not fit.
fn joined<'a>(pieces: &[IoSlice<'_>], room: &'a mut [u8]) -> Option<&'a [u8]> {
    let mut length = 0;
    for piece in pieces {
        let end = length + piece.len();
        room.get_mut(length..end)?.copy_from_slice(piece);
        length = end;
    }
    room.get(..length)
}
