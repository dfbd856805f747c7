//! Speaking HTTP/2 with an instance, in the clear and from the first byte on: many requests share
//! a connection.
//!
//! A [`Link`] is such a connection, and a [`Connection`] the place of one request on it. A link
//! takes requests once the instance has answered a ping: from then on it is known to speak HTTP/2,
//! and how many requests it takes at once. Nothing that was asked for is lost to an instance that
//! does not.

mod answer;
mod exchange;
mod heads;
mod upload;
mod wire;

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::{LocalBoxFuture, Shared, WeakShared};
use futures_util::task::noop_waker_ref;
use h2::Ping;
use h2::client::{Builder, SendRequest};

use crate::socket::Socket;
use crate::worker::upstream::Upstream;
pub(in crate::worker) use answer::AnswerBody;
use wire::{Traffic, Wire};

/// Why there is no answer, or no more of it.
pub(in crate::worker) type Error = h2::Error;

/// How many requests share a connection at most.
const STREAMS_MAX: usize = 100;

/// How much of one answer may wait here for a client to take it, in bytes.
const STREAM_WINDOW: u32 = 64 * 1024;

/// The same of all answers of a connection: as much as there can be, so that a client that takes
/// nothing holds up nobody else's answer.
#[expect(clippy::cast_possible_truncation, reason = "a hundred fit")]
const WINDOW: u32 = STREAM_WINDOW * STREAMS_MAX as u32;

/// How much of one request may wait here to be written, in bytes.
const SEND_BUFFER: usize = 64 * 1024;

/// The connections to one instance.
#[derive(Default)]
pub(in crate::worker) struct Links {
    links: RefCell<Vec<Rc<Link>>>,
    /// The one that is being made, as long as somebody waits for it.
    next: RefCell<Option<WeakShared<Making>>>,
}

/// A connection that is being made. What comes of it is told to all who wait for it.
type Making = LocalBoxFuture<'static, Result<Rc<Link>, Rc<io::Error>>>;

/// A connection that requests share.
struct Link {
    sender: SendRequest<Bytes>,
    traffic: Rc<Traffic>,
    /// How many requests are on it.
    streams: Cell<usize>,
    used_at: Cell<Instant>,
    /// Whether it takes no new requests.
    is_retired: Cell<bool>,
}

/// The place of one request on a connection.
pub(in crate::worker) struct Connection {
    link: Rc<Link>,
    /// Where what sends the rest of a request runs.
    upstream: Rc<Upstream>,
}

impl Links {
    /// Returns a place on a connection that is there.
    pub(in crate::worker) fn place(&self, upstream: &Rc<Upstream>) -> Option<Connection> {
        let links = self.links.borrow();
        let link = links.iter().find(|link| link.has_room())?;
        Some(Connection::on(link, upstream))
    }

    /// Makes a connection, together with all who need one at the moment.
    pub(in crate::worker) async fn connect(
        &self,
        upstream: &Rc<Upstream>,
    ) -> io::Result<Connection> {
        loop {
            let making = self.making(upstream);
            let made = making.await;
            let link = made.map_err(|error| told_again(&error))?;
            let mut links = self.links.borrow_mut();
            if !links.iter().any(|known| Rc::ptr_eq(known, &link)) && !upstream.is_removed() {
                links.push(Rc::clone(&link));
            }
            // It may have been filled by others who waited for it.
            if link.has_room() || link.streams.get() == 0 {
                return Ok(Connection::on(&link, upstream));
            }
        }
    }

    fn making(&self, upstream: &Rc<Upstream>) -> Shared<Making> {
        let mut next = self.next.borrow_mut();
        let under_way = next.as_ref().and_then(WeakShared::upgrade);
        // One that has come to its end is no longer the next one.
        let under_way = under_way.filter(|making| making.peek().is_none());
        under_way.unwrap_or_else(|| {
            let upstream = Rc::clone(upstream);
            let making = async move { Link::make(&upstream).await.map(Rc::new).map_err(Rc::new) };
            let making = making.boxed_local().shared();
            *next = making.downgrade();
            making
        })
    }

    /// Takes no new requests any more. Those that are under way go on.
    pub(in crate::worker) fn clear(&self) {
        self.links.borrow_mut().clear();
    }

    /// Closes what has not been used since `unused_since`, and what can be used no more.
    pub(in crate::worker) fn sweep(&self, unused_since: Option<Instant>) {
        self.links.borrow_mut().retain(|link| {
            let is_used = || {
                link.streams.get() > 0
                    || unused_since.is_none_or(|since| link.used_at.get() > since)
            };
            link.is_open() && is_used()
        });
    }
}

impl Link {
    async fn make(upstream: &Upstream) -> io::Result<Self> {
        let socket = Socket::connect(&upstream.instance().address).await?;
        let (wire, traffic) = Wire::new(socket);
        let head_bytes_max = u32::try_from(upstream.head_bytes_max()).unwrap_or(u32::MAX);
        let mut builder = Builder::new();
        builder
            .enable_push(false)
            .max_header_list_size(head_bytes_max)
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(WINDOW)
            .max_send_buffer_size(SEND_BUFFER);
        let (sender, mut connection) = builder.handshake(wire).await.map_err(speaks_otherwise)?;
        let mut pings = connection.ping_pong().ok_or(io::ErrorKind::Other)?;
        pings.send_ping(Ping::opaque()).map_err(speaks_otherwise)?;
        poll_fn(|context| {
            if let Poll::Ready(ended) = connection.poll_unpin(context) {
                let why = ended.err().unwrap_or_else(|| h2::Reason::NO_ERROR.into());
                return Poll::Ready(Err(why));
            }
            pings.poll_pong(context).map_ok(drop)
        })
        .await
        .map_err(speaks_otherwise)?;
        upstream.run(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to an instance broke");
            }
        });
        Ok(Self {
            sender,
            traffic,
            streams: Cell::new(0),
            used_at: Cell::new(Instant::now()),
            is_retired: Cell::new(false),
        })
    }

    fn has_room(&self) -> bool {
        let most = self.sender.current_max_send_streams().min(STREAMS_MAX);
        !self.is_retired.get() && self.streams.get() < most
    }

    /// Returns whether the instance has neither closed it nor said that it will.
    fn is_open(&self) -> bool {
        let mut context = Context::from_waker(noop_waker_ref());
        let polled = self.sender.clone().poll_ready(&mut context);
        !self.is_retired.get() && !matches!(polled, Poll::Ready(Err(_)))
    }
}

impl Connection {
    fn on(link: &Rc<Link>, upstream: &Rc<Upstream>) -> Self {
        link.streams.set(link.streams.get() + 1);
        link.used_at.set(Instant::now());
        Self {
            link: Rc::clone(link),
            upstream: Rc::clone(upstream),
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.link.streams.set(self.link.streams.get() - 1);
        self.link.used_at.set(Instant::now());
    }
}

/// Says why an instance is not spoken to: mostly it speaks something else.
fn speaks_otherwise(error: h2::Error) -> io::Error {
    let kind = error
        .get_io()
        .map_or(io::ErrorKind::InvalidData, io::Error::kind);
    let why = format!("the instance does not speak HTTP/2 in the clear: {error}");
    io::Error::new(kind, why)
}

/// Returns an error for one more who waited.
fn told_again(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}
