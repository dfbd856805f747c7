//! A connection as bytes, which says whether any were sent or came.

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::socket::Socket;

/// A connection as bytes.
pub(super) struct Wire {
    socket: Socket,
    traffic: Rc<Traffic>,
}

/// How often something was written to a connection, and read from it.
#[derive(Default)]
pub(super) struct Traffic {
    written: Cell<u64>,
    read: Cell<u64>,
}

/// How often something was written, and read, up to a moment.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    written: u64,
    read: u64,
}

impl Wire {
    pub(super) fn new(socket: Socket) -> (Self, Rc<Traffic>) {
        let traffic = Rc::<Traffic>::default();
        let wire = Self {
            socket,
            traffic: Rc::clone(&traffic),
        };
        (wire, traffic)
    }

    fn wrote(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(_)) = written {
            let count = &self.traffic.written;
            count.set(count.get().wrapping_add(1));
        }
        written
    }
}

impl Traffic {
    pub(super) fn mark(&self) -> Mark {
        Mark {
            written: self.written.get(),
            read: self.read.get(),
        }
    }

    /// Returns whether anything was written since.
    pub(super) fn has_written(&self, since: Mark) -> bool {
        self.written.get() != since.written
    }

    /// Returns whether anything was read since.
    pub(super) fn has_read(&self, since: Mark) -> bool {
        self.read.get() != since.read
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let read = Pin::new(&mut this.socket).poll_read(context, buffer);
        if let Poll::Ready(Ok(())) = read {
            let count = &this.traffic.read;
            count.set(count.get().wrapping_add(1));
        }
        read
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.socket).poll_write(context, bytes);
        this.wrote(written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.socket).poll_write_vectored(context, pieces);
        this.wrote(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_shutdown(context)
    }
}
