//! A worker: one thread with a runtime, listeners, connections and figures of its own.
//!
//! Workers share nothing that is written while requests are answered, so nothing here takes a
//! lock. They are told what to do by messages, and answer each one when it is done.

mod answer;
mod attempt;
mod door;
mod forward;
mod headers;
mod rescue;
mod routes;
mod tally;
mod upstream;
mod wire;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, Semaphore, mpsc, oneshot};
use tokio::task::LocalSet;

use crate::config::Config;
use crate::figures::Counted;
use crate::snapshot::Snapshot;
use door::Door;
use rescue::Refused;
use routes::{ListenerRoutes, Routes};
use tally::Tally;
use upstream::Upstream;
use wire::Wiring;
pub(crate) use wire::{Tripping, Trips};

/// What a worker is told. Each message carries the way to say that it is done.
pub(crate) enum Message {
    /// Routes by this snapshot from now on, and closes doors that it does not have.
    Swap(Arc<Snapshot>, oneshot::Sender<()>),
    /// Accepts connections for the listener with this address.
    Open(SocketAddr, std::net::TcpListener, oneshot::Sender<()>),
    /// Hands over what was counted since it was asked last.
    Collect(oneshot::Sender<Counted>),
    /// Says how many requests instances that left the table still answer, by instance.
    InFlight(oneshot::Sender<BTreeMap<String, u64>>),
    /// Accepts nothing more, lets requests in flight end until the instant given, and ends.
    Stop(Instant),
}

/// Where messages for a worker are put.
#[derive(Debug)]
pub(crate) struct Mailbox(mpsc::UnboundedSender<Message>);

impl Mailbox {
    /// Tells the worker something. A worker that has ended drops the message, and with it the way
    /// to answer, which who waits for the answer sees.
    pub(crate) fn tell(&self, message: Message) {
        drop(self.0.send(message));
    }
}

/// Starts a worker, which says through `trips` what has to be cut off.
///
/// # Errors
/// The system refuses a thread or what a runtime needs.
pub(crate) fn start(
    index: usize,
    config: Config,
    trips: Trips,
) -> io::Result<(Mailbox, JoinHandle<()>)> {
    let (sender, inbox) = mpsc::unbounded_channel();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let thread = std::thread::Builder::new()
        .name(format!("worker-{index}"))
        .spawn(move || LocalSet::new().block_on(&runtime, Worker::new(config, trips).run(inbox)))?;
    Ok((Mailbox(sender), thread))
}

/// The state of a worker; only ever touched by its own thread.
pub(crate) struct Worker {
    config: Config,
    wiring: Wiring,
    routes: RefCell<Routes>,
    /// Also those that left the table and still answer requests.
    upstreams: RefCell<HashMap<String, Vec<Rc<Upstream>>>>,
    tallies: RefCell<HashMap<String, Rc<Tally>>>,
    refused: Refused,
    doors: RefCell<HashMap<SocketAddr, Door>>,
    /// Bounds the connections of clients.
    slots: Arc<Semaphore>,
    connections: Cell<usize>,
}

impl Worker {
    fn new(config: Config, trips: Trips) -> Rc<Self> {
        let slots = Arc::new(Semaphore::new(config.connections_max));
        let workers = config.workers();
        Rc::new(Self {
            config,
            wiring: Wiring { trips, workers },
            routes: RefCell::default(),
            upstreams: RefCell::default(),
            tallies: RefCell::default(),
            refused: Refused::default(),
            doors: RefCell::default(),
            slots,
            connections: Cell::new(0),
        })
    }

    async fn run(self: Rc<Self>, mut inbox: mpsc::UnboundedReceiver<Message>) {
        let ended = Rc::new(Notify::new());
        loop {
            let message = tokio::select! {
                message = inbox.recv() => message,
                () = ended.notified() => return,
            };
            // A keeper that is gone without a word leaves nothing to work for.
            let Some(message) = message else { return };
            match message {
                Message::Swap(snapshot, done) => {
                    self.swap(&snapshot).await;
                    done.send(()).ok();
                }
                Message::Open(address, listener, done) => {
                    match Door::open(&self, address, listener) {
                        Ok(door) => drop(self.doors.borrow_mut().insert(address, door)),
                        Err(error) => tracing::error!(%address, %error, "cannot accept"),
                    }
                    done.send(()).ok();
                }
                Message::Collect(done) => {
                    self.sweep();
                    drop(done.send(self.collect()));
                }
                Message::InFlight(done) => drop(done.send(self.in_flight_of_removed())),
                Message::Stop(deadline) => {
                    // Beside the messages, so that it can be watched how requests end.
                    let (worker, ended) = (Rc::clone(&self), Rc::clone(&ended));
                    tokio::task::spawn_local(async move {
                        worker.stop(deadline).await;
                        ended.notify_one();
                    });
                }
            }
        }
    }

    async fn swap(&self, snapshot: &Snapshot) {
        let upstreams = {
            let mut known = self.upstreams.borrow_mut();
            snapshot
                .instances
                .values()
                .map(|instance| {
                    let of_name = known.entry(instance.name.clone()).or_default();
                    let same = of_name.iter().find(|known| known.is_for(instance));
                    let upstream = same.cloned().unwrap_or_else(|| {
                        let new = Rc::new(Upstream::new(Arc::clone(instance), &self.config));
                        of_name.push(Rc::clone(&new));
                        new
                    });
                    (instance.name.clone(), upstream)
                })
                .collect::<HashMap<_, _>>()
        };
        let routes = Routes::new(
            &snapshot.table,
            &upstreams,
            &mut self.tallies.borrow_mut(),
            &self.wiring,
            &self.routes.borrow(),
        );
        for of_name in self.upstreams.borrow().values().flatten() {
            let stays = upstreams
                .get(of_name.name())
                .is_some_and(|upstream| Rc::ptr_eq(upstream, of_name));
            of_name.set_removed(!stays);
        }
        *self.routes.borrow_mut() = routes;
        self.sweep();

        let listeners: Vec<SocketAddr> = snapshot
            .table
            .listeners
            .iter()
            .map(|listener| listener.address)
            .collect();
        let gone: Vec<Door> = self
            .doors
            .borrow_mut()
            .extract_if(|address, _| !listeners.contains(address))
            .map(|(_, door)| door)
            .collect();
        for door in gone {
            door.close().await;
        }
    }

    /// Forgets what nobody needs any more.
    fn sweep(&self) {
        let unused_since = Instant::now().checked_sub(self.config.idle_timeout);
        self.upstreams.borrow_mut().retain(|_, of_name| {
            of_name.retain(|upstream| !upstream.is_removed() || upstream.in_flight() > 0);
            for upstream in &*of_name {
                upstream.sweep(unused_since);
            }
            !of_name.is_empty()
        });
    }

    fn collect(&self) -> Counted {
        let mut tallies = self.tallies.borrow_mut();
        let sides = tallies
            .iter()
            .filter_map(|(side, tally)| Some((side.clone(), tally.take()?)))
            .collect();
        // Held only here: no route leads to it and no request will be counted in it.
        tallies.retain(|_, tally| Rc::strong_count(tally) > 1);
        let refused = self.refused.take();
        Counted { sides, refused }
    }

    fn in_flight_of_removed(&self) -> BTreeMap<String, u64> {
        let mut in_flight = BTreeMap::new();
        for upstream in self.upstreams.borrow().values().flatten() {
            if upstream.is_removed() && upstream.in_flight() > 0 {
                *in_flight.entry(upstream.name().to_owned()).or_default() += upstream.in_flight();
            }
        }
        in_flight
    }

    async fn stop(&self, deadline: Instant) {
        let doors: Vec<Door> = self
            .doors
            .borrow_mut()
            .drain()
            .map(|(_, door)| door)
            .collect();
        for door in doors {
            door.close().await;
        }
        let busy = || {
            let upstreams = self.upstreams.borrow();
            self.connections.get() > 0
                || upstreams
                    .values()
                    .flatten()
                    .any(|upstream| upstream.in_flight() > 0)
        };
        while busy() && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        if busy() {
            tracing::warn!(
                connections = self.connections.get(),
                "cut connections that did not end before the deadline"
            );
        }
    }

    /// Returns the routes of the listener at `address`, if it is still in the table.
    fn routes_at(&self, address: SocketAddr) -> Option<Rc<ListenerRoutes>> {
        self.routes.borrow().listener(address)
    }
}
