//! An instance as one worker sees it: its requests in flight and its idle connections.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::{AbortHandle, JoinSet};

use crate::config::Config;
use crate::control::Kinds;
use crate::slots::Slot;
use crate::snapshot::Instance;
use crate::table::Protocol;
use crate::worker::care::Care;
use crate::worker::connection::{Connection, Links, Wires};

/// An instance as one worker sees it.
pub(super) struct Upstream {
    instance: Arc<Instance>,
    care: Care,
    in_flight: Cell<u64>,
    /// How many of those have an answer whose body is under way.
    bodies: Cell<u64>,
    /// How many of those are upgraded connections.
    upgrades: Cell<u64>,
    removed: Cell<bool>,
    cut_short: Cell<bool>,
    /// What moves the bytes of its connections.
    movers: RefCell<JoinSet<()>>,
    wires: Wires,
    /// The connections that requests share.
    links: Links,
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
            care: Care::new(Instant::now()),
            in_flight: Cell::new(0),
            bodies: Cell::new(0),
            upgrades: Cell::new(0),
            removed: Cell::new(false),
            cut_short: Cell::new(false),
            movers: RefCell::default(),
            wires: Wires::default(),
            links: Links::default(),
            idle: RefCell::default(),
            idle_max: config.idle_connections_max,
            connect_timeout: config.connect_timeout,
            head_bytes_max: config.head_bytes_max,
        }
    }

    /// Returns whether it stands for `instance` and can be used for new requests (again).
    pub(super) fn is_for(&self, instance: &Arc<Instance>) -> bool {
        Arc::ptr_eq(&self.instance, instance) && !self.is_cut_short()
    }

    pub(super) fn instance(&self) -> &Instance {
        &self.instance
    }

    /// Returns its connections, whose requests are given up when nothing is heard of them.
    pub(super) fn wires(&self) -> &Wires {
        &self.wires
    }

    /// Returns the connections that requests share.
    pub(super) fn links(&self) -> &Links {
        &self.links
    }

    /// Returns how long the head of an answer may be, in bytes.
    pub(super) fn head_bytes_max(&self) -> usize {
        self.head_bytes_max
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
            self.links.clear();
        }
    }

    /// Returns the same by kind. What was cut short is in flight no more, although a client that
    /// does not read may not have noticed.
    pub(super) fn kinds(&self) -> Kinds {
        if self.is_cut_short() {
            return Kinds::default();
        }
        let (bodies, upgrades) = (self.bodies.get(), self.upgrades.get());
        Kinds {
            requests: self.in_flight.get() - bodies - upgrades,
            bodies,
            upgrades,
        }
    }

    /// Returns whether its requests were cut short.
    pub(super) fn is_cut_short(&self) -> bool {
        self.cut_short.get()
    }

    /// Cuts short what is in flight, and returns what that was.
    pub(super) fn cut_short(&self) -> Kinds {
        let kinds = self.kinds();
        self.cut_short.set(true);
        self.movers.borrow_mut().abort_all();
        self.wires.shut();
        kinds
    }

    /// Runs what moves the bytes of a connection until it ends, or is cut short.
    pub(super) fn run(&self, mover: impl Future<Output = ()> + 'static) -> AbortHandle {
        self.movers.borrow_mut().spawn_local(mover)
    }

    /// Returns what is known of it beyond whether it is healthy.
    pub(super) fn care(&self) -> &Care {
        &self.care
    }

    /// Counts a request as in flight, and keeps the slot that it takes, until the returned guard is
    /// dropped.
    pub(super) fn enter(self: &Rc<Self>, slot: Option<Slot>) -> InFlight {
        self.in_flight.set(self.in_flight.get() + 1);
        InFlight {
            upstream: Rc::clone(self),
            at: At::Request,
            _slot: slot,
        }
    }

    /// Returns a connection that is there and ready for a request.
    pub(super) fn idle_connection(self: &Rc<Self>) -> Option<Connection> {
        if self.instance.protocol == Protocol::Http2 {
            return Connection::place(self);
        }
        let mut idle = self.idle.borrow_mut();
        // Only those that are looked at are told whether they are closed: to look at all would cost
        // each request as much as there are, and they are swept anyway.
        while idle.last().is_some_and(|(last, _)| last.is_closed()) {
            idle.pop();
        }
        idle.pop().map(|(connection, _)| connection)
    }

    /// Makes a connection.
    pub(super) async fn connect(self: &Rc<Self>) -> io::Result<Connection> {
        tokio::time::timeout(self.connect_timeout, Connection::connect(self))
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
    }

    /// Keeps a connection for later, unless it is closed, or there are enough.
    pub(super) fn give_back(self: &Rc<Self>, connection: Connection) {
        if connection.is_sending() {
            let this = Rc::clone(self);
            self.run(async move {
                connection.send_rest().await;
                this.keep(connection);
            });
        } else {
            self.keep(connection);
        }
    }

    fn keep(&self, connection: Connection) {
        connection.rest();
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
        self.links.sweep(unused_since);
        let mut movers = self.movers.borrow_mut();
        while movers.try_join_next().is_some() {}
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        // A request whose answer came first may still be on its way; it ends by itself.
        self.movers.get_mut().detach_all();
    }
}

/// A request in flight to an instance.
pub(super) struct InFlight {
    upstream: Rc<Upstream>,
    at: At,
    _slot: Option<Slot>,
}

/// What a request in flight is at.
enum At {
    Request,
    Body,
    Upgrade,
}

impl InFlight {
    pub(super) fn upstream(&self) -> &Rc<Upstream> {
        &self.upstream
    }

    /// The answer has come, and its body is under way.
    pub(super) fn begin_body(&mut self) {
        self.at = At::Body;
        self.upstream.bodies.set(self.upstream.bodies.get() + 1);
    }

    /// The connection speaks another protocol from now on.
    pub(super) fn upgrade(&mut self) {
        self.at = At::Upgrade;
        self.upstream.upgrades.set(self.upstream.upgrades.get() + 1);
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let upstream = &self.upstream;
        upstream.in_flight.set(upstream.in_flight.get() - 1);
        match self.at {
            At::Request => {}
            At::Body => upstream.bodies.set(upstream.bodies.get() - 1),
            At::Upgrade => upstream.upgrades.set(upstream.upgrades.get() - 1),
        }
    }
}
