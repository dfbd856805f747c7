//! A table made ready for the workers: immutable, shared by all of them, swapped as a whole.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::certificates::Shown;
use crate::slots::{Queue, Slots};
use crate::table::Table;

/// A table as the workers see it.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    pub(crate) table: Table,
    /// The instances of the table by name.
    pub(crate) instances: Instances,
    /// Who waits for room at instances, by listener and service: of those that limit it.
    pub(crate) queues: Queues,
    /// What clients are shown before they ask for anything.
    pub(crate) shown: Shown,
}

pub(crate) type Instances = BTreeMap<String, Arc<Instance>>;

pub(crate) type Queues = BTreeMap<(SocketAddr, String), Arc<Queue>>;

/// An instance as all threads see it. It outlives tables in which it stays the same.
#[derive(Debug)]
pub(crate) struct Instance {
    pub(crate) name: String,
    pub(crate) address: SocketAddr,
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

impl Snapshot {
    /// Makes `table` ready. An instance that is in `known` and did not change is the same one
    /// afterwards; a new one is believed to be healthy. Who waits in `queues` goes on waiting.
    pub(crate) fn new(table: Table, known: &Instances, queues: &Queues, shown: Shown) -> Self {
        let limited = table.listeners.iter().flat_map(|listener| {
            let limited = listener
                .services
                .iter()
                .filter(|(_, s)| s.capacity.is_some());
            limited.map(|(name, _)| (listener.address, name.clone()))
        });
        let queues = limited.map(|key| {
            let queue = queues.get(&key).cloned().unwrap_or_default();
            (key, queue)
        });
        let queues = queues.collect();
        let instances = table
            .sides()
            .flat_map(|side| &side.instances)
            .map(|(name, wanted)| {
                let same = known
                    .get(name)
                    .filter(|known| known.address == wanted.address);
                let instance = same.cloned().unwrap_or_else(|| {
                    Arc::new(Instance {
                        name: name.clone(),
                        address: wanted.address,
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
        }
    }
}
