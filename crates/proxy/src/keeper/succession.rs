//! What the keeper does when one process succeeds another: it hands over all that it knows, and
//! then follows; or it takes over, and leads the other one until that has ended.
//!
//! A process that was succeeded still answers requests, also new ones of clients that keep their
//! connections. So it is led like one more worker: a table is acknowledged only when it is in force
//! there too, and what it counts goes into the windows of its successor.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::OwnedMutexGuard;

use super::Keeper;
use crate::control::{Arrivals, CutShort, Draining, Followed, Handover, Predecessor, Relayed};
use crate::cut;
use crate::figures::{Counted, Windows};
use crate::saved::Cuts;
use crate::table::Table;
use crate::worker::{Ended, Manner, Message};

/// How long a process that has ended waits for its successor to ask for its last figures: a few
/// windows.
const RELAYED_WITHIN: Duration = Duration::from_secs(5);

/// How far a process is with being succeeded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It serves, and nobody is there to take over.
    #[default]
    Serving,
    /// A successor has been told all, and may be about to serve.
    HandingOver,
    /// Another process serves.
    Retired,
}

/// Held while a successor is there. Until one serves, nothing that it was told changes.
pub(crate) struct Handing {
    keeper: Rc<Keeper>,
    _applying: OwnedMutexGuard<()>,
}

impl Drop for Handing {
    fn drop(&mut self) {
        let keeper = &self.keeper;
        if keeper.stage() == Stage::HandingOver {
            tracing::warn!("the successor is gone before it served: going on");
            keeper.stage.send_replace(Stage::Serving);
        }
        keeper.followed_by.send_replace(false);
    }
}

/// The process that was succeeded, and what was last known of it.
pub(super) struct Led {
    predecessor: Rc<Predecessor>,
    known: Followed,
}

// The process that is succeeded.
impl Keeper {
    pub(crate) fn stage(&self) -> Stage {
        *self.stage.borrow()
    }

    /// Tells a successor all. `None` where there is one already.
    pub(crate) async fn hand_over(self: &Rc<Self>) -> Option<(Handover, Handing)> {
        if self.stage() != Stage::Serving {
            return None;
        }
        let applying = Arc::clone(&self.applying).lock_owned().await;
        // No window is closed any more from here on.
        let _closing = self.closing.lock().await;
        self.stage.send_replace(Stage::HandingOver);
        self.followed_by.send_replace(true);
        let handing = Handing {
            keeper: Rc::clone(self),
            _applying: applying,
        };
        let (state, windows) = (self.state.borrow(), self.windows.borrow());
        let handover = Handover {
            pid: std::process::id(),
            table: Table::clone(&state.asked),
            tripped: state.cuts.clone(),
            unhealthy: state.unhealthy(),
            series: self.series.get(),
            next: windows.next(),
            open: self.began.get().elapsed(),
            windows: windows
                .after(0)
                .into_iter()
                .map(ToOwned::to_owned)
                .collect(),
        };
        Some((handover, handing))
    }

    /// Brings the successor's `table` into force. A table that is `None` cannot be understood here:
    /// then nothing new is answered any more.
    pub(crate) async fn follow(&self, table: Option<Table>) {
        if table.is_none() {
            tracing::warn!("the successor's table has more in it than this version knows");
            self.hurry();
        }
        let _installing = self.installing.lock().await;
        let table = Arc::new(table.unwrap_or_default());
        self.install(table, Cuts::new()).await;
    }

    /// Says how it is doing.
    pub(crate) async fn followed(&self) -> Followed {
        Followed {
            draining: self.draining().await,
            arrivals: self.arrivals().await,
        }
    }

    /// Hands over what was counted since it was asked last.
    pub(crate) async fn relayed(&self) -> Relayed {
        let collected = self.collect().await.into_iter().flatten();
        let mut counted = Counted::default();
        collected.for_each(|one| counted.add(one));
        // Looked at first: what comes between is for the next time.
        let is_over = self.led.borrow().is_none();
        let ended = is_over.then(|| self.ended.take()).flatten();
        let ended = ended.map(|ended| {
            counted.add(ended.counted);
            ended.cut_short
        });
        let tripped = self.state.borrow().cuts.clone();
        Relayed {
            counted,
            tripped,
            ended,
        }
    }

    /// Another process serves: nobody new is let in, and who is there goes one after the other.
    pub(crate) fn retire(&self, deadline: Instant) {
        self.stage.send_replace(Stage::Retired);
        for worker in &self.workers {
            worker.tell(Message::Stop(deadline, Manner::Retire));
        }
    }

    /// Waits until another process serves, which has been told so a moment earlier.
    pub(crate) async fn until_retired(&self) {
        let mut stage = self.stage.subscribe();
        // It cannot be closed: the other end is here.
        drop(stage.wait_for(|stage| *stage == Stage::Retired).await);
    }

    /// Lets nobody linger any more.
    pub(crate) fn hurry(&self) {
        for worker in &self.workers {
            worker.tell(Message::Hurry);
        }
    }

    /// Resolves when there is no successor (any more) that could be followed.
    pub(crate) async fn unfollowed(&self) {
        let mut followed = self.followed_by.subscribe();
        drop(followed.wait_for(|followed| !followed).await);
    }

    /// Waits until the successor knows how it ended, and is content; or is gone, or does not ask.
    pub(crate) async fn until_relayed(&self, ended: Ended) {
        self.ended.replace(Some(ended));
        let mut limit = RELAYED_WITHIN;
        if self.led.borrow().is_some() {
            // The successor asks through this process.
            limit += self.config.drain_timeout;
        }
        if tokio::time::timeout(limit, self.unfollowed())
            .await
            .is_err()
        {
            tracing::warn!("the successor did not ask for the last figures");
        }
    }
}

// The process that takes over.
impl Keeper {
    /// Brings into force what was handed over. Nobody is let in yet.
    pub(crate) async fn take_over(&self, predecessor: Predecessor, handover: Handover) {
        let Handover {
            pid,
            table,
            tripped,
            unhealthy,
            series,
            next,
            open,
            windows,
        } = handover;
        tracing::info!(
            predecessor = pid,
            generation = table.generation,
            "taking over"
        );
        self.look_at_certificates(&table).await;
        let _installing = self.installing.lock().await;
        self.install(Arc::new(table), tripped).await;
        for name in unhealthy {
            if let Some(instance) = self.state.borrow().snapshot.instances.get(&name) {
                instance.set_healthy(false);
            }
        }
        self.series.set(series);
        self.windows.replace(Windows::resume(next, windows));
        let now = Instant::now();
        self.began.set(now.checked_sub(open).unwrap_or(now));
        self.led.replace(Some(Led {
            predecessor: Rc::new(predecessor),
            known: Followed::default(),
        }));
    }

    fn predecessor(&self) -> Option<Rc<Predecessor>> {
        Some(Rc::clone(&self.led.borrow().as_ref()?.predecessor))
    }

    /// Brings `table` into force in the process before, too.
    pub(super) async fn lead(&self, table: &Table) {
        if let Some(predecessor) = self.predecessor()
            && let Err(error) = predecessor.follow(table).await
        {
            self.lose_predecessor(&*error).await;
        }
    }

    /// Adds what the process before has counted, and takes over what it has cut off.
    pub(super) async fn add_relayed(&self, counted: &mut Vec<Counted>) {
        let Some(predecessor) = self.predecessor() else {
            return;
        };
        match predecessor.relayed().await {
            Ok(relayed) => {
                counted.push(relayed.counted);
                self.adopt(relayed.tripped).await;
                if let Some(cut_short) = relayed.ended {
                    self.say_farewell(&cut_short).await;
                }
            }
            Err(error) => self.lose_predecessor(&*error).await,
        }
    }

    /// Adds the instances that only the process before still has requests at, and what it knows of
    /// the others.
    pub(super) async fn add_draining(&self, draining: &mut BTreeMap<String, Draining>) {
        let Some(predecessor) = self.predecessor() else {
            return;
        };
        match predecessor.followed().await {
            Ok(followed) => {
                for (instance, theirs) in &followed.draining {
                    let mine = draining.entry(instance.clone()).or_insert(Draining {
                        since_ms: theirs.since_ms,
                        until_ms: theirs.until_ms,
                        ..Draining::default()
                    });
                    mine.add(theirs);
                }
                if let Some(led) = &mut *self.led.borrow_mut() {
                    led.known = followed;
                }
            }
            Err(error) => self.lose_predecessor(&*error).await,
        }
    }

    /// Adds what is known of the process before.
    pub(super) fn add_arrivals(&self, arrivals: &mut BTreeMap<SocketAddr, Arrivals>) {
        let led = self.led.borrow();
        let known = led.as_ref().map(|led| &led.known.arrivals);
        let known = known
            .into_iter()
            .chain([&*self.arrivals_before.borrow()])
            .flatten()
            .map(|(address, arrivals)| (*address, *arrivals))
            .collect::<Vec<_>>();
        for (address, before) in known {
            arrivals.entry(address).or_default().add(&before);
        }
    }

    /// Takes over what the process before has cut off by itself since.
    async fn adopt(&self, tripped: Cuts) {
        let is_new = |(side, cut): &(String, _)| {
            let state = self.state.borrow();
            let cut: &crate::control::Tripped = cut;
            !state.cuts.contains_key(side) && cut::is_armed(&state.asked, side, cut.round)
        };
        let new: Vec<_> = tripped.into_iter().filter(is_new).collect();
        if !new.is_empty() {
            let _installing = self.installing.lock().await;
            let (asked, mut cuts) = {
                let state = self.state.borrow();
                (Arc::clone(&state.asked), state.cuts.clone())
            };
            cuts.extend(new);
            self.install(asked, cuts).await;
        }
    }

    /// The process before has ended.
    async fn say_farewell(&self, cut_short: &CutShort) {
        cut_short.tell("the process before has ended");
        if let Some(led) = self.led.take() {
            for (address, arrivals) in led.known.arrivals {
                let mut before = self.arrivals_before.borrow_mut();
                before.entry(address).or_default().add(&arrivals);
            }
        }
    }

    /// The process before does not answer. Nobody knows by which table it goes on: it has to end.
    async fn lose_predecessor(&self, error: &(dyn std::error::Error + Send + Sync + 'static)) {
        if self.led.take().is_some() {
            tracing::error!(
                %error,
                "the process before does not answer, and is ended: what it counted since is lost"
            );
            self.deposit.kill_predecessors().await;
        }
    }
}
