//! A data plane without requests: it acknowledges, and its figures are made up second by second.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use leadsman_analysis::Figures;
use leadsman_core::id::{EnvironmentId, ReleaseNumber};
use leadsman_core::route::{AcknowledgedRoutes, Draining, Routes};
use leadsman_core::weight::Weight;
use leadsman_engine::{BoxFuture, Clock as _, DataPlane, SideWindow};
use tokio::sync::Notify;

use crate::clock::TestClock;

/// A data plane that acknowledges at once. A hundred requests a second come in for each service
/// and are spread by weight; each takes ten milliseconds and is answered well, unless its release
/// was said to fail.
#[derive(Debug)]
pub struct FakePlane {
    clock: TestClock,
    routes: Mutex<BTreeMap<EnvironmentId, Routes>>,
    draining: Mutex<BTreeMap<EnvironmentId, AcknowledgedRoutes>>,
    failing: Mutex<BTreeSet<ReleaseNumber>>,
    silent: Mutex<bool>,
    changed: Notify,
}

impl FakePlane {
    /// Returns a data plane that goes by `clock`.
    pub fn new(clock: TestClock) -> Self {
        Self {
            clock,
            routes: Mutex::default(),
            draining: Mutex::default(),
            failing: Mutex::default(),
            silent: Mutex::default(),
            changed: Notify::new(),
        }
    }

    /// Every request to this release fails from now on.
    pub fn fail(&self, release: ReleaseNumber) {
        locked(&self.failing).insert(release);
    }

    /// Makes it stop answering, or answer again.
    pub fn silence(&self, silent: bool) {
        *locked(&self.silent) = silent;
        self.changed.notify_one();
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

    fn figures(&self) -> SideWindow {
        let failing = locked(&self.failing).clone();
        let mut sides = BTreeMap::new();
        for (environment, routes) in &*locked(&self.routes) {
            for side in routes.services.values().flatten() {
                let requests = u64::from(side.weight.hundredths()) / 100;
                let mut figures = Figures {
                    requests,
                    ..Figures::default()
                };
                for _ in 0..requests {
                    figures.latency.record(Duration::from_millis(10));
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
            started_at: self.clock.now(),
            fresh: true,
            seconds: 1.0,
            sides,
        }
    }
}

impl DataPlane for FakePlane {
    fn apply<'a>(
        &'a self,
        environment: &'a EnvironmentId,
        routes: &'a Routes,
    ) -> BoxFuture<'a, ()> {
        if !*locked(&self.silent) {
            let (weights, instances) = (routes.weights(), routes.instances());
            let mut known = locked(&self.draining);
            let before = known.remove(environment).unwrap_or_default();
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
            let acknowledged = AcknowledgedRoutes {
                weights,
                instances,
                draining,
                problem: None,
                unsaved: None,
            };
            known.insert(environment.clone(), acknowledged);
            locked(&self.routes).insert(environment.clone(), routes.clone());
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
            tokio::time::sleep(Duration::from_secs(1)).await;
            if *locked(&self.silent) {
                return Err("the data plane does not answer".to_owned());
            }
            Ok(vec![self.figures()])
        })
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
