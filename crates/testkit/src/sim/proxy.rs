//! The simulated data plane: what is in force, what drains, what it counts.

use std::collections::{BTreeMap, VecDeque};

use leadsman_analysis::Figures;
use leadsman_core::id::{EnvironmentId, InstanceId, RevisionId};
use leadsman_core::route::{AcknowledgedRoutes, Draining, Routes, Side, Tripped};
use leadsman_core::time::Timestamp;
use leadsman_engine::{SideWindow, WindowId};

use super::chance::Chance;
use super::instances::{Instances, Moment};

/// How many windows it keeps for those who come later.
const KEPT: usize = 300;

/// In what bucket of latencies ordinary answers lie, and how many buckets three times as long is.
const ORDINARY: usize = 120;
const THRICE: usize = 48;

/// The data plane as it really is.
#[derive(Debug, Default)]
pub(super) struct Proxy {
    pub(super) in_force: BTreeMap<EnvironmentId, InForce>,
    /// Grows with every change, as that of the real table does.
    pub(super) generation: u64,
    tripped: BTreeMap<RevisionId, Tripped>,
    /// Instances that get no new requests, and until when they answer older ones.
    draining: BTreeMap<InstanceId, Drains>,
    pub(super) windows: VecDeque<Closed>,
    sequence: u64,
    /// One for each process: whoever comes after a crash counts anew.
    pub(super) series: u64,
    /// What comes back after a crash.
    saved: (
        BTreeMap<EnvironmentId, InForce>,
        BTreeMap<RevisionId, Tripped>,
    ),
    unsaved: bool,
}

/// What is in force for one environment.
#[derive(Clone, Debug)]
pub(super) struct InForce {
    pub(super) version: u64,
    pub(super) routes: Routes,
}

#[derive(Clone, Copy, Debug)]
struct Drains {
    since: Moment,
    until: Moment,
    /// As the machine's clock said.
    since_wall: Timestamp,
}

/// A closed window, and from when on it can be read.
#[derive(Clone, Debug)]
pub(super) struct Closed {
    pub(super) sequence: u64,
    pub(super) readable: Moment,
    pub(super) window: SideWindow,
}

/// Who looks at it, and when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    pub(super) moment: Moment,
    pub(super) wall: Timestamp,
    pub(super) calm: bool,
}

impl Proxy {
    /// Puts routes into force, unless newer ones are. Returns whether it did.
    pub(super) fn put(
        &mut self,
        environment: &EnvironmentId,
        version: u64,
        routes: &Routes,
        saved: bool,
        seed: u64,
        now: Now,
    ) -> bool {
        let known = self.in_force.get(environment);
        if known.is_some_and(|known| known.version > version) {
            return false;
        }
        let before = known
            .map(|known| known.routes.instances())
            .unwrap_or_default();
        let mut routes = routes.clone();
        // What is gone, or alone, is not cut off any more.
        self.tripped.retain(|revision, _| {
            let mut services = routes.services.values();
            services
                .any(|sides| sides.len() > 1 && sides.iter().any(|side| side.revision == *revision))
        });
        routes.cut_off(&self.tripped);
        let after = routes.instances();
        for id in before.difference(&after) {
            let mut chance = Chance::of(seed, &format!("{id} drains at {}", now.moment));
            let takes = chance.pick(&[0, 0, 200, 3_000, 30_000]);
            self.draining.insert(
                id.clone(),
                Drains {
                    since: now.moment,
                    until: now.moment + takes,
                    since_wall: now.wall,
                },
            );
        }
        self.draining.retain(|id, _| !after.contains(id));
        self.generation += 1;
        self.in_force
            .insert(environment.clone(), InForce { version, routes });
        self.unsaved = true;
        if saved {
            self.save();
        }
        true
    }

    /// Saves what is in force.
    pub(super) fn save(&mut self) {
        if std::mem::take(&mut self.unsaved) {
            self.saved = (self.in_force.clone(), self.tripped.clone());
        }
    }

    /// Whether what is in force would not come back after a crash.
    pub(super) fn is_unsaved(&self) -> bool {
        self.unsaved
    }

    /// Whether requests may still be on their way to or from this instance.
    pub(super) fn is_busy(&self, id: &InstanceId, now: Moment) -> bool {
        let routed = || {
            let mut all = self.in_force.values();
            all.any(|in_force| in_force.routes.instances().contains(id))
        };
        let drains = self.draining.get(id);
        routed() || drains.is_some_and(|drains| drains.until > now)
    }

    pub(super) fn acknowledged(
        &self,
        environment: &EnvironmentId,
        now: Moment,
    ) -> AcknowledgedRoutes {
        let Some(InForce { routes, .. }) = self.in_force.get(environment) else {
            return AcknowledgedRoutes::default();
        };
        let draining = self
            .draining
            .iter()
            .filter(|(id, _)| id.is_of(environment))
            .map(|(id, drains)| {
                let draining = Draining {
                    since: drains.since_wall,
                    in_flight: u64::from(drains.until > now),
                };
                (id.clone(), draining)
            });
        AcknowledgedRoutes {
            generation: self.generation,
            weights: routes.weights(),
            instances: routes.instances(),
            draining: draining.collect(),
            tripped: self.tripped.clone(),
            ..AcknowledgedRoutes::default()
        }
    }

    /// Cuts off what its tripwire watches, wherever it has requests.
    pub(super) fn trip(&mut self, wall: Timestamp) -> bool {
        let mut any = false;
        for InForce { routes, .. } in self.in_force.values_mut() {
            for (service, watch) in &routes.watches {
                let Some(wire) = &watch.tripwire else {
                    continue;
                };
                let sides = routes.services.get(service).into_iter().flatten();
                let has_requests = |side: &Side| side.weight.hundredths() > 0;
                if !sides
                    .clone()
                    .any(|side| side.revision == wire.canary && has_requests(side))
                {
                    continue;
                }
                let tripped = Tripped {
                    at: wall,
                    requests: 3,
                    sentence: "3 of 3 answers failed: cut off by the data plane".to_owned(),
                };
                self.tripped.insert(wire.canary.clone(), tripped);
                any = true;
            }
            routes.cut_off(&self.tripped);
        }
        // A cut is kept on the disk at once.
        self.unsaved |= any;
        any
    }

    /// Another process with the saved table: what was counted and not read is gone.
    pub(super) fn restart(&mut self) {
        (self.in_force, self.tripped) = self.saved.clone();
        self.unsaved = false;
        self.windows.clear();
        self.draining.clear();
        self.series += 1;
        self.sequence = 0;
    }

    /// Counts what came of the requests of one window, and closes it.
    pub(super) fn count(
        &mut self,
        instances: &Instances,
        requests: u64,
        seconds: f64,
        seed: u64,
        now: Now,
    ) -> SideWindow {
        self.draining
            .retain(|_, drains| drains.until > now.moment || now.moment < drains.since + 60_000);
        let mut chance = Chance::of(seed, &format!("window {}", now.moment));
        let mut sides = BTreeMap::new();
        for (environment, InForce { routes, .. }) in &self.in_force {
            for side in routes.services.values().flatten() {
                let share = requests * u64::from(side.weight.hundredths());
                // What is left over of a request comes by chance.
                let count = share / 10_000 + u64::from(chance.below(10_000) < share % 10_000);
                if count > 0 {
                    let figures = answers(side, instances, count, &mut chance, now);
                    sides.insert((environment.clone(), side.revision.clone()), figures);
                }
            }
        }
        SideWindow {
            id: WindowId {
                series: self.series,
                sequence: self.sequence + 1,
            },
            started_at: now.wall,
            fresh: true,
            seconds,
            generation: Some(self.generation),
            sides,
            references: BTreeMap::new(),
            ejected: BTreeMap::new(),
        }
    }

    pub(super) fn keep(&mut self, window: SideWindow, readable: Moment) {
        self.sequence += 1;
        self.windows.push_back(Closed {
            sequence: self.sequence,
            readable,
            window,
        });
        while self.windows.len() > KEPT {
            self.windows.pop_front();
        }
    }
}

/// Returns what came of `count` requests to the instances of a side. Those that answer take over
/// from those that do not.
fn answers(
    side: &Side,
    instances: &Instances,
    count: u64,
    chance: &mut Chance,
    now: Now,
) -> Figures {
    let all = side.instances.keys().filter_map(|id| instances.all.get(id));
    let answering: Vec<_> = all.filter(|running| running.answers(now.moment)).collect();
    let mut figures = Figures {
        requests: count,
        ..Figures::default()
    };
    let number = answering.len() as u64;
    if number == 0 {
        figures.errors = count;
        return figures;
    }
    for (index, running) in answering.iter().enumerate() {
        let index = index as u64;
        let mine = count / number + u64::from(index < count % number);
        let (failing, times) = running.quality(now.moment, now.calm);
        let failed = mine * failing / 100 + u64::from(chance.below(100) < mine * failing % 100);
        figures.errors += failed;
        let bucket = ORDINARY + if times > 1 { THRICE } else { 0 };
        let good = mine - failed;
        // Answers of one program differ a little.
        let slower = good / 10;
        figures.latency.count_in(bucket, good - slower);
        let further = usize::try_from(chance.below(6)).unwrap_or(0);
        figures.latency.count_in(bucket + further, slower);
    }
    figures
}
