//! What a client of HTTP/2 costs, held against what it asks for.
//!
//! The library bounds what a client can make it remember, but not how often it can make it do
//! something for nothing: take back a request at once, ask for an echo, change its mind about a
//! setting, open a window by a byte. Here each of these costs a coin. A client begins with a purse
//! of them, and gets new ones with time and with what it sends and takes in earnest. So whoever
//! loads and cancels pictures, or takes a thousand calls back that took too long, stays within its
//! means, and whoever does nothing else runs out of them.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How many coins a client can have, and has at the beginning.
const PURSE: u64 = 2000;

/// How many coins it gets each second.
const INCOME: u64 = 100;

/// For how many bytes that it takes, or sends in a body, it gets another one.
const EARNEST: u64 = 512;

/// How long the preface is, which comes before the first frame.
const PREFACE: u32 = 24;

/// How long the head of a frame is.
const HEAD: usize = 9;

/// The types of frames that are free of charge, or not always.
const DATA: u8 = 0;
const HEADERS: u8 = 1;

/// The flag of the last frame of a body.
const END_STREAM: u8 = 1;

/// A connection on which frames are counted.
pub(super) struct Metered<S> {
    stream: S,
    frames: Frames,
    purse: Purse,
    flood: Flood,
}

/// Whether a connection was flooded.
#[derive(Clone, Default)]
pub(super) struct Flood(Rc<Cell<bool>>);

impl Flood {
    pub(super) fn was_seen(&self) -> bool {
        self.0.get()
    }
}

impl<S> Metered<S> {
    /// Returns the connection, which breaks when it is flooded, and the way to see that it was.
    pub(super) fn new(stream: S) -> (Self, Flood) {
        let flood = Flood::default();
        let metered = Self {
            stream,
            frames: Frames::default(),
            purse: Purse::new(Instant::now()),
            flood: flood.clone(),
        };
        (metered, flood)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let polled = Pin::new(&mut this.stream).poll_read(context, buffer);
        let Read { coins, earnest } = this.frames.read(&buffer.filled()[before..]);
        this.purse.earn(earnest);
        if this.purse.pay(coins, Instant::now) {
            return polled;
        }
        this.flood.0.set(true);
        Poll::Ready(Err(io::Error::other(
            "a flood of frames that ask for nothing",
        )))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_write(context, bytes);
        this.purse.taken(&polled);
        polled
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_write_vectored(context, slices);
        this.purse.taken(&polled);
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

/// What a client can pay with.
struct Purse {
    coins: u64,
    /// Bytes that are not worth a coin yet.
    change: u64,
    paid_at: Instant,
}

impl Purse {
    fn new(now: Instant) -> Self {
        Self {
            coins: PURSE,
            change: 0,
            paid_at: now,
        }
    }

    fn earn(&mut self, bytes: u64) {
        self.change += bytes;
        self.coins = (self.coins + self.change / EARNEST).min(PURSE);
        self.change %= EARNEST;
    }

    fn taken(&mut self, written: &Poll<io::Result<usize>>) {
        if let Poll::Ready(Ok(bytes)) = written {
            self.earn(*bytes as u64);
        }
    }

    /// Takes `coins` out, if there are as many. The clock is looked at only where that decides.
    fn pay(&mut self, coins: u64, now: impl FnOnce() -> Instant) -> bool {
        if self.coins < coins {
            let now = now();
            let waited = now.saturating_duration_since(self.paid_at).as_millis();
            let income = u64::try_from(waited)
                .unwrap_or(u64::MAX)
                .saturating_mul(INCOME)
                / 1000;
            if income > 0 {
                self.coins = self.coins.saturating_add(income).min(PURSE);
                self.paid_at = now;
            }
        }
        match self.coins.checked_sub(coins) {
            Some(left) => {
                self.coins = left;
                true
            }
            None => false,
        }
    }
}

/// Where in the stream of frames a client is.
struct Frames {
    /// The bytes until the next head: of the preface, or of a frame's content.
    skip: u32,
    head: [u8; HEAD],
    /// How much of the next head has come.
    have: usize,
}

/// What was read.
#[derive(Debug, Default, PartialEq, Eq)]
struct Read {
    /// What it costs.
    coins: u64,
    /// The bytes of bodies.
    earnest: u64,
}

impl Default for Frames {
    fn default() -> Self {
        Self {
            skip: PREFACE,
            head: [0; HEAD],
            have: 0,
        }
    }
}

impl Frames {
    fn read(&mut self, mut bytes: &[u8]) -> Read {
        let mut read = Read::default();
        while !bytes.is_empty() {
            if self.skip > 0 {
                let skipped = bytes.len().min(self.skip as usize);
                bytes = &bytes[skipped..];
                self.skip -= u32::try_from(skipped).unwrap_or(self.skip);
                continue;
            }
            let more = bytes.len().min(HEAD - self.have);
            self.head[self.have..self.have + more].copy_from_slice(&bytes[..more]);
            bytes = &bytes[more..];
            self.have += more;
            if self.have == HEAD {
                self.have = 0;
                self.begin(&mut read);
            }
        }
        read
    }

    /// Takes a frame by its head; what is in it comes later, which matters to nobody.
    fn begin(&mut self, read: &mut Read) {
        let [a, b, c, kind, flags, ..] = self.head;
        let length = u32::from_be_bytes([0, a, b, c]);
        self.skip = length;
        match kind {
            DATA if length > 0 || flags & END_STREAM != 0 => read.earnest += u64::from(length),
            // What it costs to answer is bounded by how many may be under way.
            HEADERS => {}
            _ => read.coins += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn frame(kind: u8, flags: u8, length: u8) -> Vec<u8> {
        let mut frame = vec![0, 0, length, kind, flags, 0, 0, 0, 1];
        frame.resize(HEAD + usize::from(length), 0xff);
        frame
    }

    #[test]
    fn frames_are_told_apart_however_they_are_cut() {
        let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        let mut expected = Read::default();
        for (kind, flags, length, coins, earnest) in [
            (4, 0, 12, 1, 0),
            (HEADERS, 4, 40, 0, 0),
            (DATA, 0, 200, 0, 200),
            (DATA, 0, 0, 1, 0),
            (DATA, END_STREAM, 0, 0, 0),
            (3, 0, 4, 1, 0),
            (9, 0, 0, 1, 0),
            (0xee, 0, 255, 1, 0),
        ] {
            bytes.extend(frame(kind, flags, length));
            expected.coins += coins;
            expected.earnest += earnest;
        }
        for size in [1, 2, 5, 9, 10, 33, bytes.len()] {
            let mut frames = Frames::default();
            let mut all = Read::default();
            for part in bytes.chunks(size) {
                let Read { coins, earnest } = frames.read(part);
                all.coins += coins;
                all.earnest += earnest;
            }
            assert_eq!(all, expected, "{size}");
        }
    }

    #[test]
    fn who_spends_more_than_comes_in_runs_out() {
        let start = Instant::now();
        let after = |ms| move || start + Duration::from_millis(ms);
        let mut purse = Purse::new(start);
        assert!(purse.pay(PURSE, after(0)));
        assert!(!purse.pay(1, after(9)));
        assert!(purse.pay(1, after(10)));
        assert!(!purse.pay(1, after(15)));
        assert!(purse.pay(99, after(1_000)));
        assert!(!purse.pay(1, after(1_000)));
        purse.earn(EARNEST - 1);
        assert!(!purse.pay(1, after(1_000)));
        purse.earn(1);
        assert!(purse.pay(1, after(1_000)));
        // However long it saves, there is no more in it than fits in.
        assert!(!purse.pay(PURSE + 1, after(10_000_000)));
        assert!(purse.pay(PURSE, after(10_000_000)));
        purse.earn(u64::from(u32::MAX));
        assert!(!purse.pay(PURSE + 1, after(10_000_000)));
    }
}
