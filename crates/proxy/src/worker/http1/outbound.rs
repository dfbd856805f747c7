//! Bodies, as they are written.

use std::cell::Cell;
use std::io::{self, IoSlice, Write as _};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use hyper::body::{Body, Frame};
use tokio::io::AsyncWrite;

use super::header::{may_follow, write_header};
use crate::worker::SMALL;

/// How long most heads are at most, together with what little comes after them, in bytes.
const HEAD_USUAL: usize = 1024;

/// How much is collected before it is written, in bytes.
const ENOUGH: usize = 16 * 1024;

/// How large a room is at most that is kept for who writes next, in bytes.
const ROOM_MAX: usize = 2 * ENOUGH;

thread_local! {
    /// The room of who wrote last, for who writes next, on whatever connection.
    static ROOM: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// How a body is delimited, and what is still to be written of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::worker) enum Outbound {
    /// There is none, whatever it could be.
    None,
    /// So many bytes.
    Length(u64),
    /// Pieces, each of which says how long it is.
    Chunked,
    /// Whatever is written until the connection is closed.
    UntilClose,
}

/// A body that is being written.
pub(in crate::worker) struct Sending<B> {
    pub(in crate::worker) body: B,
    outbound: Outbound,
    /// Whether something was taken out of it.
    is_begun: bool,
}

/// Why a message does not get to the other end.
#[derive(Debug)]
pub(in crate::worker) enum Stuck {
    /// The other end takes nothing more.
    Wire(io::Error),
    /// There is no more of the body, though there should be.
    Body,
}

/// What is to be written next.
#[derive(Debug, Default)]
pub(in crate::worker) struct Outbox {
    small: Vec<u8>,
    /// How much of it is written.
    written: usize,
    /// What comes after it, uncopied.
    large: Bytes,
    /// What comes after that.
    tail: &'static [u8],
}

impl Outbound {
    /// Puts a piece of the body into `outbox`.
    fn put(&mut self, data: Bytes, outbox: &mut Outbox) -> Result<(), Stuck> {
        match self {
            Self::None => {}
            Self::UntilClose => outbox.put(data, b""),
            Self::Length(left) => {
                // More than was announced would be taken for the next request.
                *left = left.checked_sub(data.len() as u64).ok_or(Stuck::Body)?;
                outbox.put(data, b"");
            }
            // An empty piece would be the end.
            Self::Chunked if data.is_empty() => {}
            Self::Chunked => {
                // To write to memory does not fail.
                drop(write!(outbox.small, "{:x}\r\n", data.len()));
                outbox.put(data, b"\r\n");
            }
        }
        Ok(())
    }

    /// Puts the end of the body into `outbox`.
    fn end(self, frame: Option<Frame<Bytes>>, outbox: &mut Outbox) -> Result<(), Stuck> {
        match self {
            Self::None | Self::UntilClose | Self::Length(0) => {}
            Self::Length(_) => return Err(Stuck::Body),
            Self::Chunked => {
                outbox.small.extend_from_slice(b"0\r\n");
                let trailers = frame.and_then(|frame| frame.into_trailers().ok());
                let trailers = trailers.iter().flatten();
                for (name, value) in trailers.filter(|(name, _)| may_follow(name)) {
                    write_header(name, value.as_bytes(), &mut outbox.small);
                }
                outbox.small.extend_from_slice(b"\r\n");
            }
        }
        Ok(())
    }
}

impl Outbox {
    /// Returns where a head can be put.
    pub(in crate::worker) fn head(&mut self) -> &mut Vec<u8> {
        if self.small.capacity() == 0 {
            self.small = ROOM.take();
        }
        self.small.reserve(HEAD_USUAL);
        &mut self.small
    }

    /// Says whether a byte of it was written.
    pub(in crate::worker) fn is_begun(&self) -> bool {
        self.written > 0
    }

    /// Says whether there is nothing in it to be written.
    pub(in crate::worker) fn is_empty(&self) -> bool {
        self.small.is_empty() && self.large.is_empty() && self.tail.is_empty()
    }

    /// Puts `data` in, and `tail` after it.
    fn put(&mut self, data: Bytes, tail: &'static [u8]) {
        if data.len() <= SMALL {
            self.small.extend_from_slice(&data);
            self.small.extend_from_slice(tail);
        } else {
            self.large = data;
            self.tail = tail;
        }
    }

    /// Says whether nothing more should be put in before it is written.
    fn is_full(&self) -> bool {
        !self.large.is_empty() || self.small.len() >= ENOUGH
    }

    /// Writes all of it.
    pub(in crate::worker) fn poll_write(
        &mut self,
        wire: &mut (impl AsyncWrite + Unpin),
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let small = self.small.get(self.written..).unwrap_or_default();
            let pieces = [small, &*self.large, self.tail];
            let wire = Pin::new(&mut *wire);
            let length = match pieces {
                [[], [], []] => break,
                [small, [], []] => ready!(wire.poll_write(context, small))?,
                pieces => ready!(wire.poll_write_vectored(context, &pieces.map(IoSlice::new)))?,
            };
            if length == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            let of_small = length.min(small.len());
            let of_large = (length - of_small).min(self.large.len());
            self.written += of_small;
            self.large.advance(of_large);
            self.tail = self
                .tail
                .get(length - of_small - of_large..)
                .unwrap_or_default();
        }
        let mut room = std::mem::take(&mut self.small);
        if (1..=ROOM_MAX).contains(&room.capacity()) {
            room.clear();
            ROOM.set(room);
        }
        self.written = 0;
        Poll::Ready(Ok(()))
    }

    /// Writes it, and then what comes of `sending`, until there is nothing left, and all has left.
    pub(in crate::worker) fn poll_send<B>(
        &mut self,
        sending: &mut Option<Sending<B>>,
        wire: &mut (impl AsyncWrite + Unpin),
        context: &mut Context<'_>,
    ) -> Poll<Result<(), Stuck>>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        loop {
            let waits = match sending {
                Some(going) => match self.fill(going, context)? {
                    Filled::Ended => {
                        *sending = None;
                        false
                    }
                    Filled::Enough => false,
                    Filled::Waits => true,
                },
                None => false,
            };
            ready!(self.poll_write(wire, context)).map_err(Stuck::Wire)?;
            if sending.is_some() && !waits {
                continue;
            }
            // What is encrypted is taken before there is room for it on the connection, and nobody
            // writes after it who would take it along.
            ready!(Pin::new(&mut *wire).poll_flush(context)).map_err(Stuck::Wire)?;
            return match waits {
                true => Poll::Pending,
                false => Poll::Ready(Ok(())),
            };
        }
    }

    /// Takes as much of the body as there is, and fits.
    fn fill<B>(
        &mut self,
        sending: &mut Sending<B>,
        context: &mut Context<'_>,
    ) -> Result<Filled, Stuck>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        while !self.is_full() {
            let frame = match Pin::new(&mut sending.body).poll_frame(context) {
                Poll::Pending => return Ok(Filled::Waits),
                Poll::Ready(Some(Err(_))) => return Err(Stuck::Body),
                Poll::Ready(Some(Ok(frame))) => Some(frame),
                Poll::Ready(None) => None,
            };
            sending.is_begun = true;
            let last = match frame.map(Frame::into_data) {
                Some(Ok(data)) => {
                    sending.outbound.put(data, self)?;
                    // One that ends by itself need not be asked once more.
                    let is_over = sending.outbound == Outbound::Length(0);
                    if !is_over || !sending.body.is_end_stream() {
                        continue;
                    }
                    None
                }
                Some(Err(trailers)) => Some(trailers),
                None => None,
            };
            sending.outbound.end(last, self)?;
            return Ok(Filled::Ended);
        }
        Ok(Filled::Enough)
    }
}

impl<B: Body> Sending<B> {
    /// Returns what is to be sent of `body`; `None` where that is nothing.
    pub(in crate::worker) fn new(body: B, outbound: Outbound) -> Option<Self> {
        let is_empty = match outbound {
            Outbound::None => true,
            Outbound::Length(_) | Outbound::UntilClose => body.is_end_stream(),
            // An end has to be said.
            Outbound::Chunked => false,
        };
        (!is_empty).then_some(Self {
            body,
            outbound,
            is_begun: false,
        })
    }

    /// Says whether something was taken out of the body.
    pub(in crate::worker) fn is_begun(&self) -> bool {
        self.is_begun
    }
}

/// What came of asking a body for more.
enum Filled {
    /// That was all of it.
    Ended,
    /// There is enough to be written.
    Enough,
    /// There is no more at the moment.
    Waits,
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue};

    use super::*;

    fn written(
        outbound: Outbound,
        pieces: &[&str],
        trailers: Option<&str>,
    ) -> Result<String, Stuck> {
        let mut outbound = outbound;
        let mut all = Vec::new();
        let mut outbox = Outbox::default();
        for piece in pieces {
            outbound.put(Bytes::copy_from_slice(piece.as_bytes()), &mut outbox)?;
            all.append(&mut outbox.small);
            all.extend_from_slice(&std::mem::take(&mut outbox.large));
            all.extend_from_slice(std::mem::take(&mut outbox.tail));
        }
        let trailers = trailers.map(|name| {
            let name = HeaderName::try_from(name).unwrap();
            Frame::trailers(HeaderMap::from_iter([(
                name,
                HeaderValue::from_static("1"),
            )]))
        });
        outbound.end(trailers, &mut outbox)?;
        all.append(&mut outbox.small);
        Ok(String::from_utf8(all).unwrap())
    }

    /// Returns what is written of a body that is one piece.
    fn sent(outbound: Outbound, body: &str) -> Vec<u8> {
        let body = http_body_util::Full::new(Bytes::copy_from_slice(body.as_bytes()));
        let mut sending = Sending::new(body, outbound);
        let mut outbox = Outbox::default();
        outbox.head().extend_from_slice(b"head\r\n\r\n");
        let mut wire = Vec::new();
        let mut context = Context::from_waker(std::task::Waker::noop());
        let polled = outbox.poll_send(&mut sending, &mut wire, &mut context);
        assert!(matches!(polled, Poll::Ready(Ok(()))), "{polled:?}");
        wire
    }

    #[test]
    fn a_message_is_written_in_its_order() {
        for length in [0, 1, SMALL, SMALL + 1, ENOUGH, 3 * ENOUGH] {
            let body = "x".repeat(length);
            let written = [
                (Outbound::None, "head\r\n\r\n".to_owned()),
                (
                    Outbound::Length(length as u64),
                    format!("head\r\n\r\n{body}"),
                ),
                (Outbound::UntilClose, format!("head\r\n\r\n{body}")),
                (
                    Outbound::Chunked,
                    match length {
                        0 => "head\r\n\r\n0\r\n\r\n".to_owned(),
                        _ => format!("head\r\n\r\n{length:x}\r\n{body}\r\n0\r\n\r\n"),
                    },
                ),
            ];
            for (outbound, expected) in written {
                let sent = sent(outbound, &body);
                assert!(sent == expected.as_bytes(), "{outbound:?} of {length}");
            }
        }
    }

    /// A wire that takes everything at once, and holds it until it is asked a second time to let it go:
    /// as encryption does where the connection below it is full.
    #[derive(Default)]
    struct Holding {
        held: Vec<u8>,
        sent: Vec<u8>,
        is_asked: bool,
    }

    impl AsyncWrite for Holding {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _context: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.held.extend_from_slice(bytes);
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(
            mut self: Pin<&mut Self>,
            _context: &mut Context<'_>,
        ) -> Poll<io::Result<()>> {
            if !std::mem::replace(&mut self.is_asked, true) {
                return Poll::Pending;
            }
            let held = std::mem::take(&mut self.held);
            self.sent.extend_from_slice(&held);
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.poll_flush(context)
        }
    }

    /// A body of one piece, whose end does not come.
    struct GoesOn(Option<Bytes>);

    impl Body for GoesOn {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            match self.0.take() {
                Some(data) => Poll::Ready(Some(Ok(Frame::data(data)))),
                None => Poll::Pending,
            }
        }
    }

    #[test]
    fn nothing_is_sent_before_it_has_left() {
        let mut context = Context::from_waker(std::task::Waker::noop());
        for length in [0, 1, 3 * ENOUGH] {
            let body = "x".repeat(length);
            let whole = http_body_util::Full::new(Bytes::from(body.clone()));
            let mut sending = Sending::new(whole, Outbound::Length(length as u64));
            let (mut outbox, mut wire) = (Outbox::default(), Holding::default());
            outbox.head().extend_from_slice(b"head");
            let mut poll = || outbox.poll_send(&mut sending, &mut wire, &mut context);
            assert!(poll().is_pending(), "{length}");
            assert!(matches!(poll(), Poll::Ready(Ok(()))), "{length}");
            assert!(wire.sent == format!("head{body}").as_bytes(), "{length}");
        }
    }

    #[test]
    fn a_piece_leaves_though_the_next_one_does_not_come() {
        let mut context = Context::from_waker(std::task::Waker::noop());
        let mut sending = Sending::new(GoesOn(Some("piece".into())), Outbound::UntilClose);
        let (mut outbox, mut wire) = (Outbox::default(), Holding::default());
        for sent in ["", "piece"] {
            let polled = outbox.poll_send(&mut sending, &mut wire, &mut context);
            assert!(polled.is_pending());
            assert_eq!(String::from_utf8_lossy(&wire.sent), sent);
        }
    }

    #[test]
    fn pieces_say_how_long_they_are() {
        let chunked = |pieces: &[&str]| written(Outbound::Chunked, pieces, None).unwrap();
        assert_eq!(chunked(&[]), "0\r\n\r\n");
        assert_eq!(chunked(&["hello"]), "5\r\nhello\r\n0\r\n\r\n");
        assert_eq!(
            chunked(&["hello", "", "you"]),
            "5\r\nhello\r\n3\r\nyou\r\n0\r\n\r\n"
        );
        let long = "a".repeat(SMALL + 1);
        assert_eq!(
            chunked(&[&long, "b"]),
            format!("801\r\n{long}\r\n1\r\nb\r\n0\r\n\r\n")
        );
        let with = written(Outbound::Chunked, &["a"], Some("x-sum")).unwrap();
        assert_eq!(with, "1\r\na\r\n0\r\nx-sum: 1\r\n\r\n");
    }

    #[test]
    fn a_length_is_kept() {
        let of = |length, pieces: &[&str]| written(Outbound::Length(length), pieces, None);
        assert_eq!(of(0, &[]).unwrap(), "");
        assert_eq!(of(8, &["hello", "you"]).unwrap(), "helloyou");
        assert!(of(9, &["hello", "you"]).is_err(), "less than announced");
        assert!(of(7, &["hello", "you"]).is_err(), "more than announced");
    }
}
