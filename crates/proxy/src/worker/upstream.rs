//! An instance as one worker sees it: its requests in flight and its idle connections.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::config::Config;
use crate::snapshot::Instance;
use crate::worker::attempt::Outgoing;

/// A connection that one request at a time can be sent on.
pub(super) type Connection = http1::SendRequest<Outgoing>;

/// An instance as one worker sees it.
pub(super) struct Upstream {
    instance: Arc<Instance>,
    in_flight: Cell<u64>,
    removed: Cell<bool>,
    /// The connection used last is at the end and used first.
    idle: RefCell<Vec<(Connection, Instant)>>,
    idle_max: usize,
    connect_timeout: Duration,
    head_bytes_max: usize,
}

impl Upstream {
    pub(super) fn new(instance: Arc<Instance>, config: &Config) -> Self {
        Self {
            instance,
            in_flight: Cell::new(0),
            removed: Cell::new(false),
            idle: RefCell::default(),
            idle_max: config.idle_connections_max,
            connect_timeout: config.connect_timeout,
            head_bytes_max: config.head_bytes_max,
        }
    }

    pub(super) fn is_for(&self, instance: &Arc<Instance>) -> bool {
        Arc::ptr_eq(&self.instance, instance)
    }

    pub(super) fn instance(&self) -> &Instance {
        &self.instance
    }

    pub(super) fn name(&self) -> &str {
        &self.instance.name
    }

    pub(super) fn is_healthy(self: &Rc<Self>) -> bool {
        self.instance.is_healthy()
    }

    pub(super) fn in_flight(&self) -> u64 {
        self.in_flight.get()
    }

    /// Returns whether it left the table: it gets no new requests.
    pub(super) fn is_removed(&self) -> bool {
        self.removed.get()
    }

    pub(super) fn set_removed(&self, removed: bool) {
        self.removed.set(removed);
        if removed {
            self.idle.borrow_mut().clear();
        }
    }

    /// Counts a request as in flight until the returned guard is dropped.
    pub(super) fn enter(self: &Rc<Self>) -> InFlight {
        self.in_flight.set(self.in_flight.get() + 1);
        InFlight(Rc::clone(self))
    }

    /// Returns an idle connection that is ready for a request.
    pub(super) fn idle_connection(&self) -> Option<Connection> {
        let mut idle = self.idle.borrow_mut();
        // A connection whose answer came before all of its request was sent is idle, but not yet
        // ready; it stays until it is, or until it is swept.
        idle.retain(|(connection, _)| !connection.is_closed());
        let ready = idle
            .iter()
            .rposition(|(connection, _)| connection.is_ready())?;
        Some(idle.remove(ready).0)
    }

    /// Makes a connection.
    pub(super) async fn connect(&self) -> io::Result<Connection> {
        let connecting = TcpStream::connect(self.instance.address);
        let stream = tokio::time::timeout(self.connect_timeout, connecting)
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        stream.set_nodelay(true)?;
        let mut builder = http1::Builder::new();
        builder.max_header_size(self.head_bytes_max);
        // What a slow client has not taken yet stays with the instance, not in memory here.
        builder.max_buf_size(self.head_bytes_max.max(64 * 1024));
        let (sender, connection) = builder
            .handshake(TokioIo::new(stream))
            .await
            .map_err(io::Error::other)?;
        tokio::task::spawn_local(async move {
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!(%error, "a connection to an instance broke");
            }
        });
        Ok(sender)
    }

    /// Keeps a connection for later, unless it is closed, or there are enough.
    pub(super) fn give_back(&self, connection: Connection) {
        let mut idle = self.idle.borrow_mut();
        if !self.is_removed() && !connection.is_closed() && idle.len() < self.idle_max {
            idle.push((connection, Instant::now()));
        }
    }

    /// Closes idle connections that were used last before `unused_since`.
    pub(super) fn sweep(&self, unused_since: Option<Instant>) {
        self.idle.borrow_mut().retain(|(connection, used_at)| {
            !connection.is_closed() && unused_since.is_none_or(|since| *used_at > since)
        });
    }
}

/// A request in flight to an instance.
pub(super) struct InFlight(Rc<Upstream>);

impl InFlight {
    pub(super) fn upstream(&self) -> &Rc<Upstream> {
        &self.0
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.set(self.0.in_flight.get() - 1);
    }
}
