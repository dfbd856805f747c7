//! The connection to a client that speaks HTTP/1.1.

use std::cell::{Cell, OnceCell, RefCell};
use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Instant;

use bytes::{Buf as _, Bytes};
use hyper::body::Frame;
use socket2::SockRef;
use tokio::io::{AsyncRead as _, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::client::Client;
use super::head::{self, Head, Unreadable};
use super::lines::Limits;
use super::turns::Turn;
use crate::worker::door::Entrance;
use crate::worker::http1::{Found, Inbound, Inbox, Undelimited};

/// What a client is told that waits for leave to send the body of its request.
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// The connection to a client.
///
/// It is shared between who answers, the body of the request, which is read from it, and who
/// watches over it, of whom the latter can shut it: then whoever waits for it is woken, and finds it
/// closed.
pub(in crate::worker) struct Line {
    /// Where the client came in.
    pub(super) entrance: Rc<Entrance>,
    io: RefCell<Io>,
    waits: Cell<Waits>,
    /// Since when the client takes nothing of what is ready for it.
    untaken_since: Cell<Option<Instant>>,
    /// Whether it was shut because the client had been waited for too long.
    is_late: Cell<bool>,
    /// Whether it has been between two requests for a while.
    rests: Cell<bool>,
    /// Who speaks on it.
    task: OnceCell<Waker>,
    turn: Turn,
    /// Whether the connection ends with the request that it is at.
    closes: Cell<bool>,
    /// Whether somebody may still read the body of the request.
    is_body_held: Cell<bool>,
    stage: Cell<Stage>,
    /// Who waits for something else than for the client.
    waiter: Cell<Option<Waker>>,
}

struct Io {
    client: Client,
    inbox: Inbox,
    /// How much of the inbox is known to be no whole head.
    looked_at: usize,
    /// What is to come of the body of the request.
    inbound: Inbound,
    /// Whether the body was found not to be one: what comes after it could be anything.
    is_spoilt: bool,
    /// Whether the client sends the body only when it is told to.
    expects: bool,
    /// What is to be said of that.
    leave: &'static [u8],
    /// Whether what was said of that may not have left yet.
    is_leave_held: bool,
    /// Whether it was said that nothing more is said.
    is_shut: bool,
}

/// What a client is waited for, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::worker::door) enum Waits {
    /// Its first request.
    First(Instant),
    /// Its next one.
    Next(Instant),
    /// The end of a head, or of a body whose answer came first.
    End(Instant),
    /// The end of what nobody wants.
    Unwanted(Instant),
    /// Nothing: it waits for its answer, or takes it.
    Nothing,
}

/// Whose a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// HTTP is spoken.
    Http,
    /// Another protocol is.
    Upgraded,
    /// Nothing more is.
    Over,
}

/// What came of waiting for a request.
pub(super) enum Heard {
    Request(Box<Head>),
    Unreadable(Unreadable),
    /// Nothing since the moment given, and it should wait elsewhere.
    Silence(Instant),
    /// The client has left; whether in the middle of a head.
    Nothing {
        was_begun: bool,
    },
}

/// Why the body of a request does not go on.
#[derive(Debug, thiserror::Error)]
pub(in crate::worker) enum Error {
    #[error("its connection broke")]
    Broke(#[source] io::Error),
    #[error("it closed its connection before the end of its request")]
    Closed,
    #[error(transparent)]
    Undelimited(#[from] Undelimited),
}

impl Line {
    pub(super) fn new(client: Client, entrance: Rc<Entrance>, waits: Waits) -> Self {
        Self {
            entrance,
            io: RefCell::new(Io {
                client,
                inbox: Inbox::default(),
                looked_at: 0,
                inbound: Inbound::Done,
                is_spoilt: false,
                expects: false,
                leave: b"",
                is_leave_held: false,
                is_shut: false,
            }),
            waits: Cell::new(waits),
            untaken_since: Cell::new(None),
            is_late: Cell::new(false),
            rests: Cell::new(false),
            task: OnceCell::new(),
            turn: Turn::default(),
            closes: Cell::new(false),
            is_body_held: Cell::new(false),
            stage: Cell::new(Stage::Http),
            waiter: Cell::new(None),
        }
    }

    // ---- watched over ------------------------------------------------------------------------

    /// Shuts it if the client has been waited for too long.
    pub(super) fn look(&self, now: Instant, limits: &Limits) {
        let (since, limit) = match self.waits.get() {
            Waits::First(since) | Waits::Next(since) | Waits::End(since) => {
                (Some(since), limits.head)
            }
            Waits::Unwanted(since) => (Some(since), limits.unwanted),
            Waits::Nothing => (None, limits.head),
        };
        let is_over = |since: Option<Instant>, limit| {
            since.is_some_and(|since| now.saturating_duration_since(since) >= limit)
        };
        if is_over(since, limit) || is_over(self.untaken_since.get(), limits.take) {
            self.is_late.set(true);
            self.shut(Shutdown::Both);
        }
    }

    /// Has it wait elsewhere if its last request was over at the moment given. Returns whether that
    /// is so, and was not before.
    pub(super) fn comes_to_rest(&self, then: Instant) -> bool {
        let rests = matches!(self.waits.get(), Waits::Next(since) if since <= then);
        let comes_to_rest = !self.rests.replace(rests) && rests;
        if comes_to_rest && let Some(task) = self.task.get() {
            task.wake_by_ref();
        }
        comes_to_rest
    }

    /// Returns its socket, if it is one in the clear.
    pub(super) fn into_socket(self) -> Option<TcpStream> {
        match self.io.into_inner().client {
            Client::Plain(socket) => Some(socket),
            Client::Encrypted(_) => None,
        }
    }

    /// Lets it end with the request that it is at; at once, if it is at none. Who has not asked for
    /// anything yet may do so until the `last_call`.
    pub(in crate::worker::door) fn close(&self, last_call: bool) {
        self.closes.set(true);
        match self.waits.get() {
            Waits::First(_) if last_call => self.shut(Shutdown::Read),
            Waits::Next(_) => self.shut(Shutdown::Read),
            _ => {}
        }
    }

    /// Returns whether it was shut because the client had been waited for too long.
    pub(super) fn is_late(&self) -> bool {
        self.is_late.get()
    }

    /// Returns whether it ends with the request that it is at.
    pub(super) fn closes(&self) -> bool {
        self.closes.get()
    }

    fn shut(&self, how: Shutdown) {
        // One that is closed already needs no shutting.
        drop(SockRef::from(self.io.borrow().client.socket()).shutdown(how));
    }

    // ---- requests ----------------------------------------------------------------------------

    /// Returns whether it is its turn to be heard.
    pub(super) fn turn(&self) -> &Turn {
        &self.turn
    }

    /// Waits for the head of a request, up to so many bytes; what is read comes by way of `room`.
    pub(super) fn poll_head(
        &self,
        context: &mut Context<'_>,
        room: &mut [u8],
        bytes_max: usize,
    ) -> Poll<Heard> {
        let mut io = self.io.borrow_mut();
        loop {
            if let Some(heard) = io.head(bytes_max) {
                io.is_spoilt = matches!(heard, Heard::Unreadable(_));
                self.waits.set(Waits::Nothing);
                self.is_body_held.set(!io.inbound.is_done());
                return Poll::Ready(heard);
            }
            let was_begun = !io.inbox.bytes.is_empty();
            if was_begun && !matches!(self.waits.get(), Waits::End(_)) {
                self.waits.set(Waits::End(Instant::now()));
            }
            match io.poll_read(context, room) {
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(_) => return Poll::Ready(Heard::Nothing { was_begun }),
                Poll::Pending => match self.waits.get() {
                    Waits::Next(since) if self.rests.get() && io.client.is_plain() => {
                        return Poll::Ready(Heard::Silence(since));
                    }
                    _ => {
                        self.task.get_or_init(|| context.waker().clone());
                        self.turn.give_up();
                        return Poll::Pending;
                    }
                },
            }
        }
    }

    /// Returns whether the client has left. What it says meanwhile is kept for later.
    pub(super) fn has_left(&self, context: &mut Context<'_>, room: &mut [u8]) -> bool {
        let mut io = self.io.borrow_mut();
        if !io.inbound.is_done() || !io.inbox.bytes.is_empty() {
            return false;
        }
        match io.poll_read(context, room) {
            Poll::Pending => false,
            Poll::Ready(read) => !read.is_ok_and(|length| length > 0),
        }
    }

    /// Returns what is left to be said before an answer: a leave that was given in part.
    pub(super) fn left_unsaid(&self) -> &'static [u8] {
        std::mem::take(&mut self.io.borrow_mut().leave)
    }

    /// Returns whether the end of the request can be found, to be followed by the next one.
    pub(super) fn is_sound(&self) -> bool {
        let io = self.io.borrow();
        // One that waits for leave would have to be told to send what nobody wants.
        self.is_body_held.get() || !(io.is_spoilt || io.expects)
    }

    /// The answer was said: waits until all of its request has come, up to so many bytes of a body
    /// that nobody wants. Returns whether the next request can follow.
    pub(super) fn poll_rest(&self, context: &mut Context<'_>, unwanted: &mut usize) -> Poll<bool> {
        if self.is_body_held.get() {
            if self.waits.get() == Waits::Nothing {
                self.waits.set(Waits::End(Instant::now()));
            }
            self.waiter.set(Some(context.waker().clone()));
            return Poll::Pending;
        }
        while self.is_sound() && !self.is_late() {
            let io = &mut *self.io.borrow_mut();
            match io.poll_body(context) {
                Poll::Ready(Ok(None)) => {
                    self.waits.set(Waits::Next(Instant::now()));
                    io.inbox.rest();
                    return Poll::Ready(true);
                }
                Poll::Ready(Ok(Some(frame))) => {
                    let length = frame.data_ref().map_or(0, Bytes::len);
                    match unwanted.checked_sub(length) {
                        Some(left) => *unwanted = left,
                        None => break,
                    }
                }
                Poll::Ready(Err(_)) => break,
                Poll::Pending => {
                    if !matches!(self.waits.get(), Waits::Unwanted(_)) {
                        self.waits.set(Waits::Unwanted(Instant::now()));
                    }
                    return Poll::Pending;
                }
            }
        }
        self.waits.set(Waits::Nothing);
        Poll::Ready(false)
    }

    /// Says that nothing more is said. A client that still speaks is given time to take what was:
    /// were the connection closed at once, it would meet a reset in the middle of sending, and lose
    /// the answer that says why. What it says is thrown away, up to so many bytes.
    pub(super) fn poll_goodbye(
        &self,
        context: &mut Context<'_>,
        room: &mut [u8],
        unwanted: &mut usize,
    ) -> Poll<()> {
        let io = &mut *self.io.borrow_mut();
        if !matches!(self.waits.get(), Waits::Unwanted(_)) {
            self.waits.set(Waits::Unwanted(Instant::now()));
        }
        // One that is closed already needs no closing. One that is encrypted may have to wait for room
        // to say so.
        io.is_shut = io.is_shut || Pin::new(&mut io.client).poll_shutdown(context).is_ready();
        loop {
            let mut room = ReadBuf::new(room);
            let polled = Pin::new(&mut io.client).poll_read(context, &mut room);
            let length = room.filled().len();
            match polled {
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Ready(Ok(())) if length >= *unwanted => return Poll::Ready(()),
                Poll::Ready(Ok(())) if length > 0 => {
                    *unwanted -= length;
                    io.is_spoilt = true;
                }
                Poll::Ready(Ok(())) if io.is_shut => return Poll::Ready(()),
                Poll::Pending if io.is_shut && io.is_silent() => return Poll::Ready(()),
                _ => return Poll::Pending,
            }
        }
    }

    // ---- bodies ------------------------------------------------------------------------------

    /// Waits for the next piece of the body of the request.
    pub(super) fn poll_body(
        &self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let mut io = self.io.borrow_mut();
        let polled = match io.poll_leave(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(())) => io.poll_body(context),
            Poll::Ready(Err(error)) => Poll::Ready(Err(Error::Broke(error))),
        };
        if polled.is_ready() && matches!(self.waits.get(), Waits::End(_)) {
            self.waits.set(Waits::End(Instant::now()));
        }
        polled.map(Result::transpose)
    }

    /// Returns how much of the body is still to come, in bytes, as far as that is known.
    pub(super) fn left(&self) -> Option<u64> {
        self.io.borrow().inbound.left()
    }

    /// Nobody reads the body any more.
    pub(super) fn let_go_of_body(&self) {
        self.is_body_held.set(false);
        self.wake();
    }

    // ---- other protocols ---------------------------------------------------------------------

    /// Leaves it to who waits to speak another protocol.
    pub(super) fn hand_over(&self) {
        self.waits.set(Waits::Nothing);
        self.stage.set(Stage::Upgraded);
        self.wake();
    }

    /// Nothing more is said, unless it was handed over.
    pub(super) fn end(&self) {
        if self.stage.get() == Stage::Http {
            self.stage.set(Stage::Over);
            self.wake();
        }
    }

    /// Waits until another protocol can be spoken. Returns whether it ever can.
    pub(super) fn poll_handed_over(&self, context: &mut Context<'_>) -> Poll<bool> {
        match self.stage.get() {
            Stage::Upgraded => Poll::Ready(true),
            Stage::Over => Poll::Ready(false),
            Stage::Http => {
                self.waiter.set(Some(context.waker().clone()));
                Poll::Pending
            }
        }
    }

    fn wake(&self) {
        if let Some(waiter) = self.waiter.take() {
            waiter.wake();
        }
    }

    /// Reads what was not read yet, and then what comes.
    pub(super) fn poll_read(
        &self,
        context: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut io = self.io.borrow_mut();
        let begun = &mut io.inbox.bytes;
        if begun.is_empty() {
            io.inbox.rest();
            return Pin::new(&mut io.client).poll_read(context, room);
        }
        let length = begun.len().min(room.remaining());
        room.put_slice(&begun[..length]);
        begun.advance(length);
        Poll::Ready(Ok(()))
    }

    /// Takes note of whether the client takes what is ready for it.
    fn taken<T>(&self, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        let untaken = &self.untaken_since;
        match &polled {
            Poll::Ready(_) => untaken.set(None),
            Poll::Pending if untaken.get().is_none() => untaken.set(Some(Instant::now())),
            Poll::Pending => {}
        }
        polled
    }
}

impl Io {
    /// Returns whether the client has said nothing that goes unread.
    fn is_silent(&self) -> bool {
        self.inbound.is_done() && self.inbox.bytes.is_empty() && !self.is_spoilt
    }

    /// Returns the head of a request that has come, or why it never will.
    fn head(&mut self, bytes_max: usize) -> Option<Heard> {
        let length = self.inbox.bytes.len();
        if length == 0 || !self.may_be_whole() {
            return (length >= bytes_max).then_some(Heard::Unreadable(Unreadable::TooLarge));
        }
        match head::read(&mut self.inbox.bytes) {
            Ok(Some(_)) if length - self.inbox.bytes.len() > bytes_max => {
                Some(Heard::Unreadable(Unreadable::TooLarge))
            }
            Ok(Some(mut head)) => {
                self.looked_at = 0;
                self.inbound = std::mem::replace(&mut head.body, Inbound::Done);
                self.expects = head.expects;
                Some(Heard::Request(Box::new(head)))
            }
            Ok(None) if length >= bytes_max => Some(Heard::Unreadable(Unreadable::TooLarge)),
            Ok(None) => {
                self.looked_at = length;
                None
            }
            Err(unreadable) => Some(Heard::Unreadable(unreadable)),
        }
    }

    /// Says whether it is worth to read the head once more: one that comes byte by byte is not read
    /// each time.
    fn may_be_whole(&self) -> bool {
        let bytes = &self.inbox.bytes[..];
        let new = &bytes[self.looked_at.saturating_sub(3).min(bytes.len())..];
        let ends = |end: &[u8]| new.windows(end.len()).any(|window| window == end);
        bytes.len() >= self.looked_at * 2 || ends(b"\n\r\n") || ends(b"\n\n")
    }

    /// Reads what is no body by way of `room`.
    fn poll_read(&mut self, context: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        let client = Pin::new(&mut self.client);
        self.inbox
            .poll_by_way_of(room, |room| client.poll_read(context, room))
    }

    /// Waits for the next piece of the body; `None` is its end.
    fn poll_body(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Option<Frame<Bytes>>, Error>> {
        loop {
            let found = self.inbound.take(&mut self.inbox.bytes);
            self.is_spoilt |= found.is_err();
            match found? {
                Found::Nothing => {}
                Found::End => return Poll::Ready(Ok(None)),
                Found::Data(data) => return Poll::Ready(Ok(Some(Frame::data(data)))),
                Found::Trailers(trailers) => {
                    return Poll::Ready(Ok(Some(Frame::trailers(trailers))));
                }
            }
            if let Client::Plain(socket) = &self.client {
                ready!(socket.poll_read_ready(context)).map_err(Error::Broke)?;
            }
            let room = self.inbox.make_room(self.inbound.left());
            let read = pin!(self.client.read_buf(room));
            match ready!(read.poll(context)) {
                Ok(0) => return Poll::Ready(Err(Error::Closed)),
                Ok(_) => self.inbox.filled(),
                Err(error) => return Poll::Ready(Err(Error::Broke(error))),
            }
        }
    }

    /// Tells a client that waits for leave to send its body that it has it.
    fn poll_leave(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if std::mem::take(&mut self.expects) && self.inbox.bytes.is_empty() {
            self.leave = CONTINUE;
        }
        while !self.leave.is_empty() {
            let length = ready!(Pin::new(&mut self.client).poll_write(context, self.leave))?;
            self.leave = self.leave.get(length..).unwrap_or_default();
            self.is_leave_held = true;
        }
        if self.is_leave_held {
            ready!(Pin::new(&mut self.client).poll_flush(context))?;
            self.is_leave_held = false;
        }
        Poll::Ready(Ok(()))
    }
}

/// What is written to it is watched: a client that takes nothing is not waited for for ever.
impl AsyncWrite for &Line {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io.borrow_mut().client).poll_write(context, bytes);
        self.taken(written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let client = &mut self.io.borrow_mut().client;
        let written = Pin::new(client).poll_write_vectored(context, pieces);
        self.taken(written)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.io.borrow_mut().client).poll_flush(context);
        self.taken(flushed)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.io.borrow_mut().client).poll_shutdown(context);
        self.taken(shut)
    }
}
