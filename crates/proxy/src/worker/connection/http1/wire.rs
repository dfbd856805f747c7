//! The bare connection to an instance.

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::pin::{Pin, pin};
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use socket2::SockRef;
use tokio::io::{AsyncRead as _, AsyncReadExt as _, AsyncWrite, ReadBuf};

use crate::socket::Socket;

/// The bare connection to an instance.
///
/// It is shared between who speaks over it and who watches over it, of whom the latter can shut it:
/// then whoever waits for it is woken, and finds it closed.
pub(in crate::worker) struct Wire {
    socket: RefCell<Socket>,
    /// Until when something has to be heard, if something is waited for.
    deadline: Cell<Option<Instant>>,
    /// Whether it was shut because nothing was heard until then.
    is_late: Cell<bool>,
}

impl Wire {
    fn new(socket: Socket) -> Self {
        Self {
            socket: RefCell::new(socket),
            deadline: Cell::new(None),
            is_late: Cell::new(false),
        }
    }

    /// Has it shut where nothing is heard within `limit` of `since`.
    pub(super) fn expect_within(&self, since: Instant, limit: Duration) {
        self.deadline.set(Some(since + limit));
    }

    /// Has it shut no more.
    pub(super) fn expect_nothing(&self) {
        self.deadline.set(None);
    }

    /// Returns whether it was shut because nothing was heard in time.
    pub(super) fn is_late(&self) -> bool {
        self.is_late.get()
    }

    /// Returns whether there is nothing to be read, not even an end.
    pub(super) fn is_quiet(&self) -> bool {
        // Asks the system only if it has said that there is something.
        let read = self.socket.borrow().try_read(&mut [0]);
        read.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Waits until there may be something to read.
    pub(super) fn poll_readable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.borrow().poll_readable(context)
    }

    /// Reads into the spare room of `inbox`, and returns how much.
    pub(super) fn poll_read(
        &self,
        context: &mut Context<'_>,
        inbox: &mut BytesMut,
    ) -> Poll<io::Result<usize>> {
        let mut socket = self.socket.borrow_mut();
        pin!(socket.read_buf(inbox)).poll(context)
    }

    /// The same, into a room of another kind.
    pub(super) fn poll_read_some(
        &self,
        context: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.socket.borrow_mut()).poll_read(context, room)
    }

    fn shut(&self) {
        // One that is closed already needs no shutting.
        drop(SockRef::from(&*self.socket.borrow()).shutdown(Shutdown::Both));
    }
}

impl AsyncWrite for &Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.socket.borrow_mut()).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.socket.borrow_mut()).poll_write_vectored(context, pieces)
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A socket keeps nothing back.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.socket.borrow_mut()).poll_shutdown(context)
    }
}

/// The connections to an instance that are open.
#[derive(Default)]
pub(in crate::worker) struct Wires(RefCell<Vec<Weak<Wire>>>);

impl Wires {
    /// Takes up a connection.
    pub(super) fn add(&self, socket: Socket) -> Rc<Wire> {
        let wire = Rc::new(Wire::new(socket));
        self.0.borrow_mut().push(Rc::downgrade(&wire));
        wire
    }

    /// Shuts all of them.
    pub(in crate::worker) fn shut(&self) {
        for wire in self.0.borrow().iter().filter_map(Weak::upgrade) {
            wire.shut();
        }
    }

    /// Shuts those on which something should have been heard before `now`, and forgets those that
    /// are closed.
    pub(in crate::worker) fn look(&self, now: Instant) {
        self.0.borrow_mut().retain(|wire| {
            let Some(wire) = wire.upgrade() else {
                return false;
            };
            if wire.deadline.get().is_some_and(|deadline| deadline <= now) {
                wire.deadline.set(None);
                wire.is_late.set(true);
                wire.shut();
            }
            true
        });
    }
}
