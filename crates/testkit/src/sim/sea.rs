//! The world that all controls of a simulation share, as it really is.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use leadsman_core::id::{EnvironmentId, ReleaseNumber};
use leadsman_core::time::Timestamp;
use leadsman_store::memory::MemoryLog;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::check::Checks;
use super::errands::Errands;
use super::guarded::MEMORY;
use super::instances::{Instances, Moment};
use super::proxy::{Now, Proxy};
use super::script::{Effect, Nature, Receiver, Setting};
use crate::inspector::FakeInspector;
use crate::metrics::FakeMetrics;

/// What the machine's clock shows at the beginning, in milliseconds.
const BEGINNING: u64 = 1_800_000_000_000;

/// Everything that is there whoever looks at it.
pub(super) struct Sea {
    pub(super) seed: u64,
    pub(super) setting: Setting,
    /// What is on the disk.
    pub(super) log: MemoryLog,
    started: Instant,
    truth: Mutex<Truth>,
    /// What is no count of requests.
    pub(super) metrics: FakeMetrics,
    /// What the machine says to checklists.
    pub(super) inspector: FakeInspector,
    /// Something about an instance may have changed.
    pub(super) instances_changed: Notify,
    /// Something about the data plane may have changed.
    pub(super) proxy_changed: Notify,
    /// A window was closed.
    pub(super) window_closed: Notify,
}

/// What changes.
pub(super) struct Truth {
    pub(super) instances: Instances,
    pub(super) proxy: Proxy,
    pub(super) errands: Errands,
    pub(super) natures: BTreeMap<ReleaseNumber, Nature>,
    pub(super) trouble: Trouble,
    pub(super) checks: Checks,
    /// How far the machine's clock is from where it would be, in milliseconds.
    clock_offset: i64,
    /// Whether nothing breaks any more.
    pub(super) calm: bool,
}

/// What is broken, and until when.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    until: BTreeMap<Kind, Moment>,
    pub(super) effects: BTreeMap<Receiver, VecDeque<Effect>>,
    /// How often each kind of fault really happened.
    pub(super) counts: BTreeMap<&'static str, u64>,
}

/// What may be broken for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    LogRefuses,
    DiskFull,
    LogLies,
    LogUnreadable,
    Silent,
    Unsaved,
    PlaneDown,
    FiguresMissing,
    FiguresLate,
    FiguresTwice,
    FiguresAbsurd,
}

impl Sea {
    /// Returns the world at its beginning. Must be called within a tokio runtime.
    pub(super) fn new(seed: u64, setting: Setting, checks: Checks) -> Arc<Self> {
        Arc::new(Self {
            seed,
            setting,
            log: MemoryLog::new(),
            started: Instant::now(),
            truth: Mutex::new(Truth {
                instances: Instances::default(),
                proxy: Proxy::default(),
                errands: Errands::default(),
                natures: BTreeMap::new(),
                trouble: Trouble::default(),
                checks,
                clock_offset: 0,
                calm: false,
            }),
            metrics: FakeMetrics::default(),
            inspector: FakeInspector::default(),
            instances_changed: Notify::new(),
            proxy_changed: Notify::new(),
            window_closed: Notify::new(),
        })
    }

    pub(super) fn moment(&self) -> Moment {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Returns the truth at this moment.
    pub(super) fn truth(&self) -> MutexGuard<'_, Truth> {
        let mut truth = self.truth.lock().unwrap_or_else(PoisonError::into_inner);
        let (now, calm) = (self.moment(), truth.calm);
        truth.instances.advance(now, calm);
        truth.errands.advance(now);
        truth
    }

    /// Returns what the machine's clock shows.
    pub(super) fn wall(&self) -> Timestamp {
        let moment = self.moment();
        self.truth().wall(moment)
    }

    /// From now on the machine says that all is well, or that it is not.
    pub(super) fn machine(&self, holds: bool) {
        let why = (!holds).then_some("nothing is left");
        self.inspector.fail(&MEMORY, why);
        let moment = self.moment();
        self.truth().checks.gated.machine(moment, holds);
    }

    pub(super) fn now(&self, truth: &Truth) -> Now {
        let moment = self.moment();
        Now {
            moment,
            wall: truth.wall(moment),
            calm: truth.calm,
        }
    }
}

impl Truth {
    /// Returns what the machine's clock shows at `moment`.
    pub(super) fn wall(&self, moment: Moment) -> Timestamp {
        let millis = (BEGINNING + moment).saturating_add_signed(self.clock_offset);
        Timestamp::from_millis(millis)
    }

    pub(super) fn set_clock(&mut self, by: i64) {
        self.clock_offset += by;
    }
}

impl Trouble {
    pub(super) fn begin(&mut self, kind: Kind, now: Moment, length: Duration) {
        let length = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
        let until = self.until.entry(kind).or_default();
        *until = (*until).max(now + length);
    }

    pub(super) fn is(&self, kind: Kind, now: Moment) -> bool {
        self.until.get(&kind).is_some_and(|until| now < *until)
    }

    /// Ends all of it.
    pub(super) fn end(&mut self) {
        self.until.clear();
        self.effects.clear();
    }

    pub(super) fn next_effect(&mut self, receiver: Receiver) -> Option<Effect> {
        self.effects.get_mut(&receiver)?.pop_front()
    }

    pub(super) fn count(&mut self, kind: &'static str) {
        *self.counts.entry(kind).or_default() += 1;
    }
}

/// Returns the one environment of a simulation.
pub(super) fn environment() -> EnvironmentId {
    EnvironmentId {
        application: "shop".parse().expect("a usable name"),
        environment: "production".parse().expect("a usable name"),
    }
}
