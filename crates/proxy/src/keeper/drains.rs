//! Instances that left the table and may still answer requests: since when, until when, and what
//! became of those that did not end in time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Keeper;
use crate::control::{Draining, Kinds};
use crate::snapshot::Instance;
use crate::worker::Message;

/// The instances that left the table.
#[derive(Default)]
pub(super) struct Drains(Vec<Drain>);

struct Drain {
    instance: Arc<Instance>,
    since_ms: u64,
    deadline: Option<Deadline>,
    /// What was cut short at the deadline; `None` before.
    cut_short: Option<Kinds>,
    /// When it was first seen without requests.
    done_at: Option<Instant>,
}

/// A moment, by the clock that nobody sets, and as people are told it.
struct Deadline {
    at: Instant,
    unix_ms: u64,
}

impl Drains {
    /// Takes in an instance that left the table at `now`, which is `now_ms` by the wall clock, and
    /// may drain for `limit`.
    pub(super) fn add(
        &mut self,
        instance: Arc<Instance>,
        limit: Option<Duration>,
        now: Instant,
        now_ms: u64,
    ) {
        // A limit beyond what the clock can say is none.
        let deadline = limit.and_then(|limit| {
            let limit_ms = u64::try_from(limit.as_millis()).ok()?;
            Some(Deadline {
                at: now.checked_add(limit)?,
                unix_ms: now_ms.checked_add(limit_ms)?,
            })
        });
        self.0.push(Drain {
            instance,
            since_ms: now_ms,
            deadline,
            cut_short: None,
            done_at: None,
        });
    }

    pub(super) fn instances(&self) -> impl Iterator<Item = &Arc<Instance>> {
        self.0.iter().map(|drain| &drain.instance)
    }

    /// Forgets instances that are in the table again.
    pub(super) fn forget_if(&mut self, is_in: impl Fn(&Arc<Instance>) -> bool) {
        self.0.retain(|drain| !is_in(&drain.instance));
    }

    /// Forgets instances that have had nothing `in_flight` for the time `listed`.
    pub(super) fn forget_done(
        &mut self,
        in_flight: &BTreeMap<String, Kinds>,
        now: Instant,
        listed: Duration,
    ) {
        self.0.retain_mut(|drain| {
            if in_flight.contains_key(&drain.instance.name) {
                drain.done_at = None;
                return true;
            }
            now.duration_since(*drain.done_at.get_or_insert(now)) < listed
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns when the next one has to be cut short.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let open = self.0.iter().filter(|drain| drain.cut_short.is_none());
        open.filter_map(|drain| Some(drain.deadline.as_ref()?.at))
            .min()
    }

    /// Returns those whose time is up at `now`; none is returned twice.
    pub(super) fn due(&mut self, now: Instant) -> Vec<Arc<Instance>> {
        let is_due = |drain: &&mut Drain| {
            drain.cut_short.is_none() && drain.deadline.as_ref().is_some_and(|by| by.at <= now)
        };
        let due = self.0.iter_mut().filter(is_due).map(|drain| {
            drain.cut_short = Some(Kinds::default());
            Arc::clone(&drain.instance)
        });
        due.collect()
    }

    /// Takes in what was cut short of an instance.
    pub(super) fn cut_short(&mut self, instance: &Arc<Instance>, kinds: Kinds) {
        let same = |drain: &&mut Drain| Arc::ptr_eq(&drain.instance, instance);
        if let Some(drain) = self.0.iter_mut().find(same) {
            drain.cut_short.get_or_insert_default().add(kinds);
        }
    }

    pub(super) fn status(&self, in_flight: &BTreeMap<String, Kinds>) -> BTreeMap<String, Draining> {
        let status = self.0.iter().map(|drain| {
            let name = &drain.instance.name;
            // What is being cut short may have been asked about a moment before.
            let open = in_flight.get(name).filter(|_| drain.cut_short.is_none());
            let kinds = open.copied().unwrap_or_default();
            let draining = Draining {
                since_ms: drain.since_ms,
                in_flight: kinds.sum(),
                kinds,
                until_ms: drain.deadline.as_ref().map(|deadline| deadline.unix_ms),
                cut_short: drain.cut_short.unwrap_or_default(),
            };
            (name.clone(), draining)
        });
        status.collect()
    }
}

impl Keeper {
    /// Returns the instances that left the table, and how they drain; what the process before still
    /// answers is in it.
    pub(super) async fn draining(&self) -> BTreeMap<String, Draining> {
        let in_flight = self.in_flight().await;
        let mut draining = self.state.borrow().drains.status(&in_flight);
        self.add_draining(&mut draining).await;
        draining
    }

    /// Returns what instances that left the table still answer, by instance.
    async fn in_flight(&self) -> BTreeMap<String, Kinds> {
        sum(self.ask(Message::InFlight).await)
    }

    /// Cuts short what instances that left the table have not ended in time, for ever.
    pub(crate) async fn cut_short(&self) {
        loop {
            let deadline = self.state.borrow().drains.next_deadline();
            let until_due = async {
                match deadline {
                    Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = until_due => self.cut_short_due().await,
                () = self.drains.notified() => {}
            }
        }
    }

    async fn cut_short_due(&self) {
        let due = self.state.borrow_mut().drains.due(Instant::now());
        for instance in due {
            let kinds = self.ask(|done| Message::CutShort(Arc::clone(&instance), done));
            let mut sum = Kinds::default();
            kinds.await.into_iter().flatten().for_each(|of| sum.add(of));
            if sum.sum() > 0 {
                tracing::warn!(instance = instance.name, cut_short = %sum, "its time to drain is up");
            }
            self.state.borrow_mut().drains.cut_short(&instance, sum);
        }
    }

    pub(super) async fn forget_drained(&self) {
        if self.state.borrow().drains.is_empty() {
            return;
        }
        let in_flight = self.in_flight().await;
        let mut state = self.state.borrow_mut();
        let listed = self.config.drained_listed;
        state.drains.forget_done(&in_flight, Instant::now(), listed);
    }
}

/// Sums up what each worker said by instance; one that is gone said nothing.
fn sum(said: Vec<Option<BTreeMap<String, Kinds>>>) -> BTreeMap<String, Kinds> {
    let mut sum: BTreeMap<String, Kinds> = BTreeMap::new();
    for (name, kinds) in said.into_iter().flatten().flatten() {
        sum.entry(name).or_default().add(kinds);
    }
    sum
}
