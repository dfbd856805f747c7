//! A data plane without requests: it acknowledges, and its figures are made up second by second.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use leadsman_analysis::Figures;
use leadsman_core::id::{EnvironmentId, ReleaseNumber};
use leadsman_core::route::{AcknowledgedRoutes, Draining, Routes, Tripped};
use leadsman_core::time::Timestamp;
use leadsman_core::weight::Weight;
use leadsman_engine::{BoxFuture, Clock as _, DataPlane, SideWindow, WindowId};
use tokio::sync::Notify;

use crate::clock::TestClock;

/// A data plane that acknowledges at once. A hundred requests a second come in for each service
/// and are spread by weight; each takes ten milliseconds or less and is answered well, unless its
/// release was said to fail.
#[derive(Debug)]
pub struct FakePlane {
    clock: TestClock,
    routes: Mutex<BTreeMap<EnvironmentId, Routes>>,
    draining: Mutex<BTreeMap<EnvironmentId, AcknowledgedRoutes>>,
    failing: Mutex<BTreeSet<ReleaseNumber>>,
    doomed: Mutex<BTreeSet<ReleaseNumber>>,
    silent: Mutex<bool>,
    /// Whether who listens is not told of windows for now.
    held: Mutex<bool>,
    /// The windows that were held back.
    unread: Mutex<Vec<SideWindow>>,
    /// How often something was put into force.
    generation: Mutex<u64>,
    /// The second in which the last window ended.
    ended: Mutex<u64>,
    /// The last windows, which whoever begins to listen is told again.
    kept: Mutex<VecDeque<SideWindow>>,
    /// How many of them nobody who listens now has been told.
    untold: Mutex<usize>,
    changed: Notify,
}

/// In milliseconds.
const SECOND: u64 = 1_000;

/// How many windows are kept.
const KEPT: usize = 300;

impl FakePlane {
    /// Returns a data plane that goes by `clock`.
    pub fn new(clock: TestClock) -> Self {
        Self {
            clock,
            routes: Mutex::default(),
            draining: Mutex::default(),
            failing: Mutex::default(),
            doomed: Mutex::default(),
            silent: Mutex::default(),
            held: Mutex::default(),
            unread: Mutex::default(),
            generation: Mutex::default(),
            ended: Mutex::new(clock.now().as_millis() / SECOND),
            kept: Mutex::default(),
            untold: Mutex::default(),
            changed: Notify::new(),
        }
    }

    /// Somebody else listens from now on, who has been told nothing yet.
    pub fn tell_anew(&self) {
        *locked(&self.untold) = locked(&self.kept).len();
    }

    /// Every request to this release fails from now on.
    pub fn fail(&self, release: ReleaseNumber) {
        locked(&self.failing).insert(release);
    }

    /// Cuts this release off by itself, wherever it has requests.
    pub fn trip(&self, release: ReleaseNumber) {
        let mut known = locked(&self.draining);
        for (environment, routes) in &mut *locked(&self.routes) {
            let Some(acknowledged) = known.get_mut(environment) else {
                continue;
            };
            let sides = routes.services.values().flatten();
            for side in sides.filter(|side| side.revision.release == release) {
                let revision = side.revision.clone();
                acknowledged.tripped.insert(revision, self.tripped());
            }
            routes.cut_off(&acknowledged.tripped);
            acknowledged.weights = routes.weights();
        }
        self.changed.notify_one();
    }

    /// Cuts this release off as soon as it has requests: that it had any is heard together with
    /// that it has none any more.
    pub fn doom(&self, release: ReleaseNumber) {
        locked(&self.doomed).insert(release);
    }

    fn tripped(&self) -> Tripped {
        Tripped {
            at: self.clock.now(),
            requests: 3,
            sentence: "3 of 3 answers failed on the new revision while 0 of 57 did on stable: cut \
                       off by the data plane"
                .to_owned(),
        }
    }

    /// Makes it stop answering, or answer again.
    pub fn silence(&self, silent: bool) {
        *locked(&self.silent) = silent;
        self.changed.notify_one();
    }

    /// Holds windows back until they are all told together, as one who was stopped for a while hears
    /// of them.
    pub fn hold_windows(&self, held: bool) {
        *locked(&self.held) = held;
    }

    /// Returns the share of `release` over all services; of the service where it is largest.
    pub fn share(&self, release: ReleaseNumber) -> Weight {
        let routes = locked(&self.routes);
        let sides = routes
            .values()
            .flat_map(|routes| routes.services.values().flatten());
        sides
            .filter(|side| side.revision.release == release)
            .map(|side| side.weight)
            .max()
            .unwrap_or_default()
    }

    /// Returns the present second.
    fn second(&self) -> u64 {
        self.clock.now().as_millis() / SECOND
    }

    /// Returns what was counted in a second.
    fn figures(&self, second: u64) -> SideWindow {
        let failing = locked(&self.failing).clone();
        let mut sides = BTreeMap::new();
        for (environment, routes) in &*locked(&self.routes) {
            for side in routes.services.values().flatten() {
                let watch = routes.watches.get(&side.revision.service);
                let limits = watch.map(|watch| watch.over);
                let limits = limits.filter(|limits| limits.iter().any(Option::is_some));
                let requests = u64::from(side.weight.hundredths()) / 100;
                let mut figures = Figures {
                    requests,
                    over: limits.map(|_| [0; 2]),
                    ..Figures::default()
                };
                for request in 0..requests {
                    // One is faster, by which a second can be told from the next.
                    let faster = if request == 0 { second % 9 } else { 0 };
                    let took = Duration::from_millis(10 - faster);
                    figures.latency.record(took);
                    let counts = figures.over.iter_mut().flatten();
                    for (count, limit) in counts.zip(limits.iter().flatten()) {
                        *count += u64::from(limit.is_some_and(|limit| took > limit));
                    }
                }
                if failing.contains(&side.revision.release) {
                    figures.errors = requests;
                }
                if requests > 0 {
                    sides.insert((environment.clone(), side.revision.clone()), figures);
                }
            }
        }
        SideWindow {
            id: WindowId {
                series: 1,
                sequence: second,
            },
            started_at: Timestamp::from_millis(second * SECOND),
            fresh: true,
            seconds: 1.0,
            generation: Some(*locked(&self.generation)),
            sides,
            references: BTreeMap::new(),
            ejected: BTreeMap::new(),
        }
    }
}

impl DataPlane for FakePlane {
    fn apply<'a>(
        &'a self,
        environment: &'a EnvironmentId,
        _version: u64,
        routes: &'a Routes,
    ) -> BoxFuture<'a, ()> {
        if !*locked(&self.silent) {
            let mut known = locked(&self.draining);
            let before = known.remove(environment).unwrap_or_default();
            let mut tripped = before.tripped;
            tripped.retain(|revision, _| {
                let mut sides = routes.services.values().flatten();
                sides.any(|side| side.revision == *revision)
            });
            let doomed = locked(&self.doomed).clone();
            let sides = routes.services.values().flatten();
            let sides = sides.filter(|side| side.weight > Weight::NONE);
            for side in sides.filter(|side| doomed.contains(&side.revision.release)) {
                tripped.insert(side.revision.clone(), self.tripped());
            }
            let mut routes = routes.clone();
            routes.cut_off(&tripped);
            let (weights, instances) = (routes.weights(), routes.instances());
            let since = self.clock.now();
            let draining = before
                .instances
                .difference(&instances)
                .map(|id| {
                    (
                        id.clone(),
                        Draining {
                            since,
                            in_flight: 0,
                        },
                    )
                })
                .collect();
            let mut generation = locked(&self.generation);
            *generation += 1;
            let acknowledged = AcknowledgedRoutes {
                generation: *generation,
                weights,
                instances,
                draining,
                tripped,
                ..AcknowledgedRoutes::default()
            };
            known.insert(environment.clone(), acknowledged);
            locked(&self.routes).insert(environment.clone(), routes);
        }
        Box::pin(std::future::ready(()))
    }

    fn acknowledged(&self, environment: &EnvironmentId) -> Option<AcknowledgedRoutes> {
        let silent = *locked(&self.silent);
        (!silent).then(|| {
            locked(&self.draining)
                .get(environment)
                .cloned()
                .unwrap_or_default()
        })
    }

    fn changed(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.changed.notified())
    }

    fn windows(&self) -> BoxFuture<'_, Result<Vec<SideWindow>, String>> {
        Box::pin(async {
            let untold = std::mem::take(&mut *locked(&self.untold));
            if untold > 0 {
                let kept = locked(&self.kept);
                let untold = kept.iter().skip(kept.len() - untold).cloned();
                let old = |window| SideWindow {
                    fresh: false,
                    ..window
                };
                return Ok(untold.map(old).collect());
            }
            loop {
                // Windows end on the second, whether or not somebody listens.
                while *locked(&self.ended) == self.second() {
                    let under_way = self.clock.now().as_millis() % SECOND;
                    tokio::time::sleep(Duration::from_millis(SECOND - under_way)).await;
                }
                let begun = std::mem::replace(&mut *locked(&self.ended), self.second());
                if *locked(&self.silent) {
                    return Err("the data plane does not answer".to_owned());
                }
                let fresh: Vec<_> = (begun..self.second()).map(|at| self.figures(at)).collect();
                let mut kept = locked(&self.kept);
                kept.extend(fresh.iter().cloned());
                while kept.len() > KEPT {
                    kept.pop_front();
                }
                let mut unread = locked(&self.unread);
                unread.extend(fresh);
                if !*locked(&self.held) {
                    return Ok(std::mem::take(&mut *unread));
                }
            }
        })
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
