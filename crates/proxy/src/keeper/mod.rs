//! The keeper: holds the table in force, tells the workers, and knows what came of it.
//!
//! It runs on a thread of its own. Nothing that a request needs waits for it.

mod acme;
mod certificates;
mod doors;
mod drains;
mod metrics;
mod succession;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::{Mutex, Notify, mpsc, oneshot, watch};
use tokio::task::AbortHandle;
use tokio::time::MissedTickBehavior;

use crate::certificates::acme::Challenges;
use crate::certificates::{Certificates, Secrets};
use crate::config::Config;
use crate::control::{Applied, Arrivals, Status, Tripped};
use crate::cut;
use crate::deposit::Deposit;
use crate::figures::{Counted, Windows};
use crate::health;
use crate::journal::Telling;
use crate::saved::{Cuts, Saved};
use crate::snapshot::{Instance, Instances, Snapshot};
use crate::table::{Faults, HealthCheck, Table};
use crate::totals::Totals;
use crate::worker::{Ended, Mailbox, Manner, Message, Tripping};
use acme::Missed;
pub(crate) use doors::{Sockets, sockets_of_doors};
use drains::Drains;
use succession::Led;
pub(crate) use succession::{Handing, Stage};

/// How long a window is, and how often what went wrong is tried again.
const TICK: Duration = Duration::from_secs(1);

/// Why a table is not in force, or not acknowledged.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("the table of generation {generation} is faulty: {faults}")]
    Faulty { generation: u64, faults: Faults },
    #[error("another table of generation {0} is in force")]
    Conflict(u64),
    #[error("the table of generation {generation} is in force, but cannot be saved: {why}")]
    Unsaved { generation: u64, why: String },
    #[error("another process has taken over")]
    Succeeded,
}

/// Holds the table in force.
pub(crate) struct Keeper {
    config: Config,
    workers: Vec<Mailbox>,
    saved: Saved,
    secrets: Secrets,
    deposit: Rc<Deposit>,
    /// Held while a table is being applied and saved: one after the other. A successor that was told
    /// of it holds it too.
    applying: Arc<Mutex<()>>,
    /// Held while what is in force changes. A disk that is slow holds up the next table, but not
    /// what has to be cut off.
    installing: Mutex<()>,
    /// Held while the files with certificates are looked at.
    looking: Arc<Mutex<()>>,
    state: RefCell<State>,
    /// Held while a window is closed.
    closing: Mutex<()>,
    windows: RefCell<Windows>,
    /// Of which windows those are.
    series: Cell<u64>,
    /// When the one that is open began.
    began: Cell<Instant>,
    /// Says that there is a new window.
    news: watch::Sender<()>,
    stage: watch::Sender<Stage>,
    /// Whether a successor is there.
    followed_by: watch::Sender<bool>,
    /// How it ended, once it has and before its successor knows.
    ended: Cell<Option<Ended>>,
    /// The process before, as long as it has not ended.
    led: RefCell<Option<Led>>,
    /// What came to processes that have ended.
    arrivals_before: RefCell<BTreeMap<SocketAddr, Arrivals>>,
    /// Says that an instance has begun to drain.
    drains: Notify,
    told: Arc<Telling>,
    totals: RefCell<Totals>,
    /// When the process was started, since 1970.
    started_at: Duration,
    /// Where the sums are shown.
    shown_at: Cell<Option<SocketAddr>>,
}

#[derive(Default)]
struct State {
    /// The table that was sent.
    asked: Arc<Table>,
    /// The sides of it that were cut off since.
    cuts: Cuts,
    /// What is in force: the one without the others.
    snapshot: Arc<Snapshot>,
    /// What was read of the files with certificates.
    certificates: Certificates,
    /// What came of obtaining others, by host: those that could not be had.
    missed: BTreeMap<String, Missed>,
    /// What is answered while one is being obtained.
    challenges: Arc<Challenges>,
    watches: BTreeMap<String, Watch>,
    drains: Drains,
    /// The listeners of the table: bound to which address, or why not.
    doors: BTreeMap<SocketAddr, Result<SocketAddr, String>>,
    /// Sockets for doors that were fetched and are not in use yet.
    fetched: Sockets,
    /// Which sockets of doors are deposited, by their numbers.
    deposited: BTreeMap<SocketAddr, BTreeSet<usize>>,
    /// Why the table in force is not on disk.
    unsaved: Option<String>,
}

/// An instance that is watched over.
struct Watch {
    instance: Arc<Instance>,
    check: Option<HealthCheck>,
    task: AbortHandle,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Keeper {
    pub(crate) fn new(
        config: Config,
        workers: Vec<Mailbox>,
        saved: Saved,
        secrets: Secrets,
        deposit: Rc<Deposit>,
        fetched: Sockets,
        told: Arc<Telling>,
    ) -> Self {
        let numbers = fetched.iter();
        let numbers = numbers.map(|(address, of)| (*address, of.keys().copied().collect()));
        let state = State {
            deposited: numbers.collect(),
            fetched,
            ..State::default()
        };
        Self {
            config,
            workers,
            saved,
            secrets,
            deposit,
            applying: Arc::default(),
            installing: Mutex::default(),
            looking: Arc::default(),
            state: RefCell::new(state),
            closing: Mutex::default(),
            // Numbers go on growing over a restart: there is at most one window a second.
            windows: RefCell::new(Windows::new(unix_ms() / 1000)),
            // No two are begun within a millisecond.
            series: Cell::new(unix_ms()),
            began: Cell::new(Instant::now()),
            news: watch::Sender::new(()),
            stage: watch::Sender::default(),
            followed_by: watch::Sender::default(),
            ended: Cell::default(),
            led: RefCell::default(),
            arrivals_before: RefCell::default(),
            drains: Notify::new(),
            told,
            totals: RefCell::default(),
            started_at: Duration::from_millis(unix_ms()),
            shown_at: Cell::default(),
        }
    }

    /// Brings the table on disk into force. Nobody is let in yet.
    pub(crate) async fn restore(&self) {
        let (table, cuts) = self.saved.read();
        if table != Table::default() {
            self.look_at_certificates(&table).await;
            let _installing = self.installing.lock().await;
            self.install(Arc::new(table), cuts).await;
        }
    }

    /// Lets everybody in.
    pub(crate) async fn open(&self) {
        let _applying = self.applying.lock().await;
        self.open_doors().await;
    }

    /// Brings `table` into force and on disk, unless a newer one is. Returns what is in force.
    pub(crate) async fn apply(&self, table: Table) -> Result<Applied, Refusal> {
        let mut stage = self.stage.subscribe();
        let _applying = tokio::select! {
            applying = self.applying.lock() => applying,
            _ = stage.wait_for(|stage| *stage == Stage::Retired) => return Err(Refusal::Succeeded),
        };
        let generation = table.generation;
        table
            .check()
            .map_err(|faults| Refusal::Faulty { generation, faults })?;
        let current = Arc::clone(&self.state.borrow().asked);
        let is_first = *current == Table::default();
        if generation < current.generation {
            return Ok(self.applied());
        } else if generation > current.generation || is_first {
            self.look_at_certificates(&table).await;
            // In force first, on disk second: when a disk is full, requests still leave a bad
            // side at once. But it is acknowledged only when it is both.
            let _installing = self.installing.lock().await;
            let mut cuts = self.state.borrow().cuts.clone();
            cut::forget(&mut cuts, &table);
            self.install(Arc::new(table), cuts).await;
        } else if table != *current {
            return Err(Refusal::Conflict(generation));
        }
        self.open_doors().await;
        self.save().await;
        let unsaved = self.state.borrow().unsaved.clone();
        match unsaved {
            Some(why) => Err(Refusal::Unsaved { generation, why }),
            None => Ok(self.applied()),
        }
    }

    fn applied(&self) -> Applied {
        let state = self.state.borrow();
        Applied {
            generation: state.snapshot.table.generation,
            problems: self.problems(&state),
        }
    }

    /// Cuts off sides as tripwires say so, for ever.
    pub(crate) async fn cut_off(self: Rc<Self>, mut trips: mpsc::UnboundedReceiver<Tripping>) {
        while let Some(tripping) = trips.recv().await {
            self.cut_off_one(tripping).await;
            let keeper = Rc::clone(&self);
            // Beside, so that the disk does not hold up the next one.
            tokio::task::spawn_local(async move {
                // Whoever is saving now finds it by itself.
                if let Ok(_applying) = keeper.applying.try_lock() {
                    keeper.save().await;
                }
            });
        }
    }

    /// Takes the weight of a side away, on all workers at once.
    async fn cut_off_one(&self, tripping: Tripping) {
        let Tripping { side, round, seen } = tripping;
        let _installing = self.installing.lock().await;
        let (asked, mut cuts) = {
            let state = self.state.borrow();
            (Arc::clone(&state.asked), state.cuts.clone())
        };
        // Another worker was first, or the table has changed since.
        if cuts.contains_key(&side) || !cut::is_armed(&asked, &side, round) {
            return;
        }
        let sentence = seen.sentence();
        tracing::warn!(side, sentence, "a side is cut off");
        let tripped = Tripped {
            at_ms: unix_ms(),
            seen,
            sentence,
            round,
        };
        cuts.insert(side, tripped);
        self.install(asked, cuts).await;
    }

    /// Brings `asked` without `cuts` into force.
    async fn install(&self, asked: Arc<Table>, cuts: Cuts) {
        let table = cut::in_force(&asked, &cuts);
        let (before, known, shown) = {
            let state = self.state.borrow();
            let draining = state.drains.instances();
            let mut known: Instances = draining.map(|i| (i.name.clone(), Arc::clone(i))).collect();
            known.extend(state.snapshot.instances.clone());
            let State {
                certificates,
                challenges,
                ..
            } = &*state;
            let shown = certificates.shown(&table, &self.secrets, challenges);
            (Arc::clone(&state.snapshot), known, shown)
        };
        let snapshot = Arc::new(Snapshot::new(table, &known, &before, shown));
        for (name, instance) in &snapshot.instances {
            if !before.instances.contains_key(name) {
                // Who puts it into the table (again) has seen that it is ready.
                instance.set_healthy(true);
            }
        }
        let stays = |address: &SocketAddr| snapshot.table.has_listener(*address);
        self.withdraw_doors(stays).await;
        self.ask(|done| Message::Swap(Arc::clone(&snapshot), done))
            .await;
        self.lead(&snapshot.table).await;

        let mut state = self.state.borrow_mut();
        let is_in = |instance: &Arc<Instance>| {
            snapshot
                .instances
                .get(&instance.name)
                .is_some_and(|same| Arc::ptr_eq(same, instance))
        };
        state.drains.forget_if(is_in);
        let (now, now_ms) = (Instant::now(), unix_ms());
        for side in before.table.sides() {
            let of_side = side.instances.keys();
            let gone = of_side.filter_map(|name| before.instances.get(name));
            for instance in gone.filter(|instance| !is_in(instance)) {
                let instance = Arc::clone(instance);
                state.drains.add(instance, side.drain, now, now_ms);
            }
        }
        self.drains.notify_one();
        self.watch(&snapshot, &mut state.watches);
        state.doors.retain(|address, _| stays(address));
        state.certificates.keep_only(&snapshot.table, &self.secrets);
        (state.snapshot, state.asked, state.cuts) = (snapshot, asked, cuts);
        state.forget_missed();
        state.unsaved = Some("not written yet".to_owned());
    }

    fn watch(&self, snapshot: &Snapshot, watches: &mut BTreeMap<String, Watch>) {
        let wanted = snapshot.table.sides().flat_map(|side| &side.instances);
        let mut before = std::mem::take(watches);
        for (name, wanted) in wanted {
            let Some(instance) = snapshot.instances.get(name) else {
                continue;
            };
            let same = before.remove(name).filter(|watch| {
                watch.check == wanted.health && Arc::ptr_eq(&watch.instance, instance)
            });
            let watch = same.unwrap_or_else(|| {
                let watching = health::watch(
                    Arc::clone(instance),
                    wanted.health.clone(),
                    self.config.clone(),
                );
                Watch {
                    instance: Arc::clone(instance),
                    check: wanted.health.clone(),
                    task: tokio::task::spawn_local(watching).abort_handle(),
                }
            });
            watches.insert(name.clone(), watch);
        }
    }

    async fn save(&self) {
        // What another process has written is newer.
        while self.stage() != Stage::Retired && self.state.borrow().unsaved.is_some() {
            let (asked, cuts) = {
                let state = self.state.borrow();
                (Arc::clone(&state.asked), state.cuts.clone())
            };
            let (saved, table, tripped) = (self.saved.clone(), Arc::clone(&asked), cuts.clone());
            // A slow disk must not hold up status and health.
            let writing = tokio::task::spawn_blocking(move || saved.write(&table, &tripped));
            let written = writing
                .await
                .unwrap_or_else(|gone| Err(io::Error::other(gone)));
            let mut state = self.state.borrow_mut();
            let is_same = Arc::ptr_eq(&state.asked, &asked) && state.cuts == cuts;
            match written {
                Err(error) => {
                    state.unsaved = Some(error.to_string());
                    return;
                }
                // Something was cut off meanwhile: once more.
                Ok(()) if !is_same => {}
                Ok(()) => state.unsaved = None,
            }
        }
    }

    /// Says what is in force.
    pub(crate) async fn status(&self) -> Status {
        let draining = self.draining().await;
        let arrivals = self.arrivals().await;
        let state = self.state.borrow();
        Status {
            pid: std::process::id(),
            program: self.config.program.clone(),
            series: self.series.get(),
            generation: state.snapshot.table.generation,
            table: state.snapshot.table.clone(),
            tripped: state.cuts.clone(),
            bound: state
                .doors
                .iter()
                .filter_map(|(address, door)| Some((*address, *door.as_ref().ok()?)))
                .collect(),
            draining,
            problems: self.problems(&state),
            unhealthy: state.unhealthy(),
            unsaved: state.unsaved.clone(),
            certificates: self.certificates(&state),
            arrivals,
            told: self.told.told(),
            metrics: self.shown_at.get(),
        }
    }

    /// Takes note of where the sums are shown.
    pub(crate) fn shows_at(&self, address: Option<SocketAddr>) {
        self.shown_at.set(address);
    }

    async fn arrivals(&self) -> BTreeMap<SocketAddr, Arrivals> {
        let mut sum: BTreeMap<SocketAddr, Arrivals> = BTreeMap::new();
        for of_worker in self.ask(Message::Arrivals).await.into_iter().flatten() {
            for (address, arrivals) in of_worker {
                sum.entry(address).or_default().add(&arrivals);
            }
        }
        self.add_arrivals(&mut sum);
        sum
    }

    /// Returns the windows after the one numbered `after`, written as a JSON list; waits up to
    /// `limit` until there is one.
    pub(crate) async fn windows(&self, after: u64, limit: Duration) -> serde_json::Result<Vec<u8>> {
        let (mut news, mut stage) = (self.news.subscribe(), self.stage.subscribe());
        let until_some = news.wait_for(|()| !self.windows.borrow().after(after).is_empty());
        // Without news in time, what there is (nothing) is the answer; a successor will have more.
        tokio::select! {
            _ = until_some => {}
            () = tokio::time::sleep(limit) => {}
            _ = stage.wait_for(|stage| *stage == Stage::Retired) => {}
        }
        serde_json::to_vec(&self.windows.borrow().after(after))
    }

    /// Closes a window every second, and tries again what went wrong. Ends when a worker is gone.
    pub(crate) async fn tick(&self) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.tick().await;
        loop {
            ticks.tick().await;
            if !self.close_window().await {
                return;
            }
            self.forget_drained().await;
            if let Ok(_applying) = self.applying.try_lock() {
                self.open_doors().await;
                self.save().await;
            }
        }
    }

    /// Closes the window that is open, unless a successor is going to. Returns whether all workers
    /// are there.
    async fn close_window(&self) -> bool {
        let _closing = self.closing.lock().await;
        if self.stage() != Stage::Serving {
            return true;
        }
        let counted = self.collect().await;
        let Some(counted) = counted.into_iter().collect::<Option<Vec<_>>>() else {
            return false;
        };
        let mut all = Counted::default();
        counted.into_iter().for_each(|counted| all.add(counted));
        self.sum_up(&all);
        let ended = Instant::now();
        let length = ended.duration_since(self.began.replace(ended));
        let generation = self.state.borrow().snapshot.table.generation;
        self.windows
            .borrow_mut()
            .push(unix_ms(), length, generation, all);
        self.news.send_replace(());
        true
    }

    /// Returns what was counted since it was asked last. `None` is a worker that is gone.
    async fn collect(&self) -> Vec<Option<Counted>> {
        let mut counted = self.ask(Message::Collect).await;
        let mut relayed = Vec::new();
        self.add_relayed(&mut relayed).await;
        counted.extend(relayed.into_iter().map(Some));
        counted
    }

    /// Stops accepting requests; the workers end when those in flight have, or at `deadline`.
    pub(crate) fn stop(&self, deadline: Instant) {
        for worker in &self.workers {
            worker.tell(Message::Stop(deadline, Manner::Close));
        }
    }

    /// Tells all workers something and waits for what they say. `None` is a worker that is gone.
    async fn ask<T>(
        &self,
        mut message: impl FnMut(oneshot::Sender<T>) -> Message,
    ) -> Vec<Option<T>> {
        self.ask_each(|done| Some(message(done))).await
    }

    async fn ask_each<T>(
        &self,
        mut message: impl FnMut(oneshot::Sender<T>) -> Option<Message>,
    ) -> Vec<Option<T>> {
        let mut replies = Vec::new();
        for worker in &self.workers {
            let (done, reply) = oneshot::channel();
            if let Some(message) = message(done) {
                worker.tell(message);
            }
            replies.push(reply);
        }
        let mut said = Vec::new();
        for reply in replies {
            said.push(reply.await.ok());
        }
        said
    }
}

impl State {
    /// Returns the instances of the table that are believed not to answer.
    fn unhealthy(&self) -> BTreeSet<String> {
        let all = self.snapshot.instances.values();
        let unhealthy = all.filter(|instance| !instance.is_healthy());
        unhealthy.map(|instance| instance.name.clone()).collect()
    }
}

fn unix_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
