//! A table made ready for the workers: immutable, shared by all of them, swapped as a whole.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use crate::certificates::Shown;
use crate::rates::{Bucket, Buckets, Clock};
use crate::slots::{Queue, Slots};
use crate::table::{Address, Protocol, Rule, Table};

/// A table as the workers see it.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    pub(crate) table: Table,
    /// The instances of the table by name.
    pub(crate) instances: Instances,
    /// Who waits for room at instances, by listener and service: of those that limit it.
    pub(crate) queues: Queues,
    /// How many requests were made of rules that limit it.
    pub(crate) rates: Arc<Rates>,
    /// What clients are shown before they ask for anything.
    pub(crate) shown: Shown,
}

pub(crate) type Instances = BTreeMap<String, Arc<Instance>>;

pub(crate) type Queues = BTreeMap<(SocketAddr, String), Arc<Queue>>;

/// An instance as all threads see it. It outlives tables in which it stays the same.
#[derive(Debug)]
pub(crate) struct Instance {
    pub(crate) name: String,
    pub(crate) address: Address,
    pub(crate) protocol: Protocol,
    healthy: AtomicBool,
    /// How many requests it has, where that is limited.
    pub(crate) slots: Arc<Slots>,
}

impl Instance {
    /// Returns whether it is believed to answer.
    pub(crate) fn is_healthy(&self) -> bool {
        self.healthy.load(Ordering::Relaxed)
    }

    /// Says whether it is believed to answer. Returns whether that is news.
    pub(crate) fn set_healthy(&self, healthy: bool) -> bool {
        // Read first: under a flood of failures the cache line is then not written again and again.
        self.is_healthy() != healthy && self.healthy.swap(healthy, Ordering::Relaxed) != healthy
    }
}

/// How many requests were made lately.
#[derive(Debug, Default)]
pub(crate) struct Rates {
    pub(crate) clock: Clock,
    /// By clients, of any rule; made when there is the first one.
    pub(crate) clients: Arc<OnceLock<Buckets>>,
    /// By all together, of each rule that limits it.
    pub(crate) rules: BTreeMap<u64, Arc<Bucket>>,
}

impl Rates {
    /// Makes room for what `table` limits, and goes on with what was counted before.
    fn of(table: &Table, before: &Self) -> Self {
        let rules = table.listeners.iter().flat_map(|listener| {
            let limited = |rule: &&Rule| {
                let limits = rule.limits.as_ref();
                limits.is_some_and(|limits| limits.in_all.is_some())
            };
            let limited = listener.rules.iter().filter(limited);
            limited.map(|rule| rule.identity(listener.address))
        });
        let rules = rules.map(|rule| {
            let known = before.rules.get(&rule);
            (rule, known.cloned().unwrap_or_default())
        });
        Self {
            clock: before.clock,
            clients: Arc::clone(&before.clients),
            rules: rules.collect(),
        }
    }
}

impl Snapshot {
    /// Makes `table` ready. An instance that is in `known` and did not change is the same one
    /// afterwards; a new one is believed to be healthy. What was counted goes on from `before`.
    pub(crate) fn new(table: Table, known: &Instances, before: &Self, shown: Shown) -> Self {
        let rates = Arc::new(Rates::of(&table, &before.rates));
        let limited = table.listeners.iter().flat_map(|listener| {
            let limited = listener
                .services
                .iter()
                .filter(|(_, s)| s.capacity.is_some());
            limited.map(|(name, _)| (listener.address, name.clone()))
        });
        let queues = limited.map(|key| {
            let queue = before.queues.get(&key).cloned().unwrap_or_default();
            (key, queue)
        });
        let queues = queues.collect();
        let wanted = table.sides().flat_map(|side| {
            let instances = side.instances.iter();
            instances.map(|(name, wanted)| (name, wanted, side.protocol))
        });
        let instances = wanted
            .map(|(name, wanted, protocol)| {
                let same = known
                    .get(name)
                    .filter(|known| known.address == wanted.address && known.protocol == protocol);
                let instance = same.cloned().unwrap_or_else(|| {
                    Arc::new(Instance {
                        name: name.clone(),
                        address: wanted.address.clone(),
                        protocol,
                        healthy: AtomicBool::new(true),
                        slots: Arc::default(),
                    })
                });
                (name.clone(), instance)
            })
            .collect();
        Self {
            table,
            instances,
            queues,
            shown,
            rates,
        }
    }
}
