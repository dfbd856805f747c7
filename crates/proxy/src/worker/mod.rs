//! A worker: one thread with a runtime, listeners, connections and figures of its own.
//!
//! Workers share nothing that is written while requests are answered, so nothing here takes a
//! lock. They are told what to do by messages, and answer each one when it is done.

mod answer;
mod attempt;
mod budget;
mod care;
mod choice;
mod connection;
mod date;
mod door;
mod forward;
mod grpc;
mod headers;
mod hold;
mod host;
mod http1;
mod incoming;
mod least;
mod limits;
mod linger;
mod mirror;
mod note;
mod peer;
mod queue;
mod random;
mod received;
mod redirect;
mod request_id;
mod rescue;
mod resting;
mod routes;
mod service;
mod side;
mod sticky;
mod tallies;
mod tally;
mod trace;
mod untaken;
mod upstream;
mod visit;
mod watched;
mod wire;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::runtime::LocalOptions;
use tokio::sync::{Notify, Semaphore, mpsc, oneshot};
use tokio::time::MissedTickBehavior;

use crate::config::Config;
use crate::control::{Arrivals, CutShort, Kinds};
use crate::figures::Counted;
use crate::journal::Inlet;
use crate::snapshot::{Instance, Snapshot};
use care::Ejected;
use date::Date;
use door::http1::{Lines, Turns, WaitingRoom, call_in};
use door::{Door, Entrance};
use note::Observer;
use rescue::Refused;
use resting::Resting;
use routes::{ListenerRoutes, Routes};
use service::Making;
use tallies::Tallies;
use upstream::Upstream;
use wire::Wiring;
pub(crate) use wire::{Tripping, Trips};

/// How long clients whose requests were cut short at the end are given to be told so.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// How often it is looked whether instances answer, at most and at least.
const LOOKS: [Duration; 2] = [Duration::from_millis(5), Duration::from_millis(250)];

/// How much is read at once of what is no body, in bytes.
const ROOM: usize = 16 * 1024;

/// What is at most copied to be written as one piece, in bytes. To write two pieces at once costs the
/// system about a tenth more processor time than to write one.
const SMALL: usize = 2048;

/// What a worker is told. Each message carries the way to say that it is done.
pub(crate) enum Message {
    /// Routes by this snapshot from now on, and closes doors that it does not have.
    Swap(Arc<Snapshot>, oneshot::Sender<()>),
    /// Accepts connections for the listener with this address, on all of these sockets.
    Open(SocketAddr, Vec<std::net::TcpListener>, oneshot::Sender<()>),
    /// Hands over what was counted since it was asked last.
    Collect(oneshot::Sender<Counted>),
    /// Says what all instances answer, by instance.
    AllInFlight(oneshot::Sender<BTreeMap<String, Kinds>>),
    /// Says what instances that left the table still answer, by instance.
    InFlight(oneshot::Sender<BTreeMap<String, Kinds>>),
    /// Cuts short what an instance that left the table still answers, and says what that was.
    CutShort(Arc<Instance>, oneshot::Sender<Kinds>),
    /// Says what came of the connections of clients, by the address of the listener.
    Arrivals(oneshot::Sender<BTreeMap<SocketAddr, Arrivals>>),
    /// Accepts nothing more, lets requests in flight end until the instant given, and ends.
    Stop(Instant, Manner),
    /// Lets nobody linger any more.
    Hurry,
}

/// How a worker ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Nobody comes after it: who is in the queues is let in, and idle connections are closed.
    Close,
    /// Another process accepts from the same queues. Clients may linger for one more request.
    Retire,
}

/// What a worker leaves when it has ended.
#[derive(Debug, Default)]
pub(crate) struct Ended {
    pub(crate) cut_short: CutShort,
    /// What it counted since it was asked last.
    pub(crate) counted: Counted,
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

/// Starts a worker, which says through `trips` what has to be cut off, and tells of requests through
/// `inlet`, if at all.
///
/// # Errors
/// The system refuses a thread or what a runtime needs.
pub(crate) fn start(
    index: usize,
    config: Config,
    trips: Trips,
    inlet: Option<Inlet>,
) -> io::Result<(Mailbox, JoinHandle<Ended>)> {
    let (sender, inbox) = mpsc::unbounded_channel();
    let watch = door::http1::watch()?;
    // A runtime for tasks of one thread is made in that thread, and says here how that went.
    let (made, making) = std::sync::mpsc::sync_channel(1);
    let thread = std::thread::Builder::new()
        .name(format!("worker-{index}"))
        .spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build_local(LocalOptions::default());
            let (runtime, outcome) = match runtime {
                Ok(runtime) => (Some(runtime), Ok(())),
                Err(error) => (None, Err(error)),
            };
            // Who started it waits for this.
            made.send(outcome).ok();
            runtime.map_or_else(Ended::default, |runtime| {
                let worker = Worker::new(config, trips, inlet, watch);
                let observer = Rc::clone(&worker.observer);
                let ended = runtime.block_on(worker.run(inbox));
                // Whoever waits until all is told waits for no more than that.
                observer.close();
                ended
            })
        })?;
    making.recv().map_err(io::Error::other)??;
    Ok((Mailbox(sender), thread))
}

/// The state of a worker; only ever touched by its own thread.
pub(crate) struct Worker {
    config: Config,
    wiring: Wiring,
    observer: Rc<Observer>,
    routes: RefCell<Routes>,
    /// Also those that left the table and still answer requests.
    upstreams: RefCell<HashMap<String, Vec<Rc<Upstream>>>>,
    tallies: RefCell<Tallies>,
    refused: Refused,
    entrances: RefCell<HashMap<SocketAddr, Rc<Entrance>>>,
    ejected: Rc<Ejected>,
    /// Says that other routes are in force.
    swapped: Notify,
    doors: RefCell<HashMap<SocketAddr, Door>>,
    /// Bounds the connections of clients.
    slots: Arc<Semaphore>,
    /// Bounds the TLS handshakes that are under way.
    handshakes: Semaphore,
    connections: Cell<usize>,
    /// Whether answers ask clients to close their connections.
    retires: Cell<bool>,
    /// Says that nobody may linger any more.
    hurry: Notify,
    resting: Resting,
    /// The connections to clients of HTTP/1.1.
    lines: Lines,
    /// Whose turn it is of those, when more is asked than is answered.
    turns: Turns,
    /// Those of them that have been silent for a while.
    waiting_room: WaitingRoom,
    /// What comes first on a connection is read by way of this.
    room: RefCell<Vec<u8>>,
    /// What time it is, as answers say it.
    date: RefCell<Date>,
}

impl Worker {
    fn new(config: Config, trips: Trips, inlet: Option<Inlet>, watch: OwnedFd) -> Rc<Self> {
        let observer = Observer::new(&config, inlet);
        let slots = Arc::new(Semaphore::new(config.connections_max));
        let handshakes = Semaphore::new(config.handshakes_max);
        let workers = config.workers();
        let lines = Lines::new(&config);
        Rc::new(Self {
            config,
            wiring: Wiring { trips, workers },
            observer,
            routes: RefCell::default(),
            upstreams: RefCell::default(),
            tallies: RefCell::default(),
            refused: Refused::default(),
            entrances: RefCell::default(),
            ejected: Rc::default(),
            swapped: Notify::new(),
            doors: RefCell::default(),
            slots,
            handshakes,
            connections: Cell::new(0),
            retires: Cell::new(false),
            hurry: Notify::new(),
            resting: Resting::default(),
            lines,
            turns: Turns::default(),
            waiting_room: WaitingRoom::new(watch),
            room: RefCell::new(vec![0; ROOM]),
            date: RefCell::new(Date::now()),
        })
    }

    async fn run(self: Rc<Self>, mut inbox: mpsc::UnboundedReceiver<Message>) -> Ended {
        let (ending, mut ended) = mpsc::channel(1);
        tokio::task::spawn_local(Rc::clone(&self.observer).hand_over());
        let worker = Rc::clone(&self);
        tokio::task::spawn_local(async move { worker.turns.call().await });
        let calling = call_in(Rc::clone(&self));
        tokio::task::spawn_local(async {
            if let Err(error) = calling.await {
                tracing::error!(%error, "connections that have been silent are not heard any more");
            }
        });
        let [most, least] = LOOKS;
        let mut looks = tokio::time::interval((self.config.answer_timeout / 16).clamp(most, least));
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let message = tokio::select! {
                message = inbox.recv() => message,
                _ = looks.tick() => {
                    self.give_up_what_is_late();
                    let now = Instant::now();
                    self.resting.add(self.lines.look(now));
                    self.waiting_room.look(now, self.config.head_timeout);
                    self.resting.look(now);
                    self.date.replace(Date::now());
                    continue;
                }
                Some(cut_short) = ended.recv() => return Ended {
                    cut_short,
                    counted: self.collect(),
                },
            };
            // A keeper that is gone without a word leaves nothing to work for.
            let Some(message) = message else {
                return Ended::default();
            };
            match message {
                Message::Swap(snapshot, done) => {
                    self.swap(&snapshot).await;
                    done.send(()).ok();
                }
                Message::Open(address, listeners, done) => {
                    let entrance = self.entrances.borrow().get(&address).cloned();
                    match entrance.map(|entrance| Door::open(&self, entrance, listeners)) {
                        Some(Ok(door)) => drop(self.doors.borrow_mut().insert(address, door)),
                        Some(Err(error)) => tracing::error!(%address, %error, "cannot accept"),
                        // It left the table meanwhile.
                        None => {}
                    }
                    done.send(()).ok();
                }
                Message::Collect(done) => {
                    self.sweep();
                    drop(done.send(self.collect()));
                }
                Message::Arrivals(done) => drop(done.send(self.arrivals())),
                Message::AllInFlight(done) => drop(done.send(self.in_flight(|_| true))),
                Message::InFlight(done) => drop(done.send(self.in_flight_of_removed())),
                Message::CutShort(instance, done) => drop(done.send(self.cut_short(&instance))),
                Message::Hurry => self.hurry.notify_one(),
                Message::Stop(deadline, manner) => {
                    // Beside the messages, so that it can be watched how requests end.
                    let (worker, ending) = (Rc::clone(&self), ending.clone());
                    tokio::task::spawn_local(async move {
                        // The first word counts: it cannot stop twice.
                        ending.try_send(worker.stop(deadline, manner).await).ok();
                    });
                }
            }
        }
    }

    /// Gives up requests whose instances were not heard of in time. One look at all of them every
    /// now and then costs less than a timer for each.
    fn give_up_what_is_late(&self) {
        let now = Instant::now();
        for upstream in self.upstreams.borrow().values().flatten() {
            upstream.wires().look(now);
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
            Making {
                snapshot,
                upstreams: &upstreams,
                tallies: &mut self.tallies.borrow_mut(),
                wiring: &self.wiring,
                ejected: &self.ejected,
            },
            &self.routes.borrow(),
        );
        for of_name in self.upstreams.borrow().values().flatten() {
            let stays = upstreams
                .get(of_name.name())
                .is_some_and(|upstream| Rc::ptr_eq(upstream, of_name));
            of_name.set_removed(!stays);
        }
        *self.routes.borrow_mut() = routes;
        self.swapped.notify_waiters();
        self.sweep();

        let gone: Vec<Door> = {
            let mut entrances = self.entrances.borrow_mut();
            *entrances = Entrance::of(snapshot, &entrances);
            let mut doors = self.doors.borrow_mut();
            doors
                .extract_if(|address, _| !entrances.contains_key(address))
                .map(|(_, door)| door)
                .collect()
        };
        for door in gone {
            door.close().await;
        }
    }

    /// Forgets what nobody needs any more.
    fn sweep(&self) {
        let unused_since = Instant::now().checked_sub(self.config.idle_timeout);
        self.upstreams.borrow_mut().retain(|_, of_name| {
            of_name.retain(|upstream| !upstream.is_removed() || upstream.kinds().sum() > 0);
            for upstream in &*of_name {
                upstream.sweep(unused_since);
            }
            !of_name.is_empty()
        });
    }

    fn collect(&self) -> Counted {
        let mut tallies = self.tallies.borrow_mut();
        let mut moved = BTreeMap::new();
        // First: what nobody needs any more goes with the others.
        for of_kind in [&tallies.users, &tallies.testers, &tallies.mirrored] {
            of_kind.take_moved(&mut moved);
        }
        Counted {
            sides: tallies.users.take(),
            testers: tallies.testers.take(),
            mirrored: tallies.mirrored.take(),
            refused: self.refused.take(),
            ejected: self.ejected.take(),
            moved,
        }
    }

    fn arrivals(&self) -> BTreeMap<SocketAddr, Arrivals> {
        let entrances = self.entrances.borrow();
        let arrivals = entrances
            .iter()
            .map(|(address, entrance)| (*address, entrance.arrivals()));
        arrivals.collect()
    }

    fn in_flight_of_removed(&self) -> BTreeMap<String, Kinds> {
        self.in_flight(Upstream::is_removed)
    }

    /// Returns what the instances that are `meant` still answer, by instance.
    fn in_flight(&self, meant: impl Fn(&Upstream) -> bool) -> BTreeMap<String, Kinds> {
        let mut in_flight: BTreeMap<String, Kinds> = BTreeMap::new();
        for upstream in self.upstreams.borrow().values().flatten() {
            let kinds = upstream.kinds();
            if kinds.sum() > 0 && meant(upstream) {
                let of_name = in_flight.entry(upstream.name().to_owned()).or_default();
                of_name.add(kinds);
            }
        }
        in_flight
    }

    fn cut_short(&self, instance: &Arc<Instance>) -> Kinds {
        let mut sum = Kinds::default();
        for upstream in self.upstreams.borrow().values().flatten() {
            if upstream.is_removed() && upstream.is_for(instance) {
                sum.add(upstream.cut_short());
            }
        }
        sum
    }

    /// Accepts nothing more, and waits until requests in flight have ended. Those that have not at
    /// `deadline` are cut short.
    async fn stop(&self, deadline: Instant, manner: Manner) -> CutShort {
        let mut doors: Vec<Door> = {
            let mut doors = self.doors.borrow_mut();
            doors.drain().map(|(_, door)| door).collect()
        };
        if manner == Manner::Retire {
            self.retires.set(true);
            for door in &mut doors {
                door.retire().await;
            }
            let linger = Instant::now() + self.config.linger;
            tokio::select! {
                () = self.until_idle(deadline.min(linger)) => {}
                () = self.hurry.notified() => {}
            }
        }
        for door in doors {
            door.close().await;
        }
        self.until_idle(deadline).await;
        let cut_short = CutShort {
            connections: self.connections.get() as u64,
            in_flight: self.in_flight(|_| true),
        };
        if self.is_busy() {
            for upstream in self.upstreams.borrow().values().flatten() {
                upstream.cut_short();
            }
            self.until_idle(Instant::now() + LAST_WORDS).await;
        }
        cut_short
    }

    async fn until_idle(&self, deadline: Instant) {
        while self.is_busy() && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn is_busy(&self) -> bool {
        let upstreams = self.upstreams.borrow();
        let mut upstreams = upstreams.values().flatten();
        self.connections.get() > 0 || upstreams.any(|upstream| upstream.kinds().sum() > 0)
    }

    /// Returns the routes of the listener at `address`, if it is still in the table.
    fn routes_at(&self, address: SocketAddr) -> Option<Rc<ListenerRoutes>> {
        self.routes.borrow().listener(address)
    }
}
