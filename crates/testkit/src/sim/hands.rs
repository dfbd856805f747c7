//! What one control has hold of: a clock, a log, a runtime, a data plane. All of it ends with it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use leadsman_core::errand::{ErrandId, ObservedErrand};
use leadsman_core::id::{EnvironmentId, InstanceId};
use leadsman_core::route::{AcknowledgedRoutes, Routes};
use leadsman_core::time::Timestamp;
use leadsman_core::workload::{ObservedInstance, Workloads};
use leadsman_engine::{BoxFuture, Clock, DataPlane, SideWindow};
use leadsman_runtime::{Output, ReadFrom, Runtime, RuntimeError};
use tokio::time::{Instant, sleep};

use super::check::Checks;
use super::gate::{Extent, Gate};
use super::instances::Moment;
use super::script::{Effect, Fault, Receiver};
use super::sea::{Kind, Sea};

/// For how long what the data plane said is believed while nothing is heard of it, in milliseconds.
const CALM: u64 = 2_000;

/// The hands of one control.
pub(super) struct Hands {
    pub(super) sea: Arc<Sea>,
    pub(super) gate: Arc<Gate>,
    /// Which control it is.
    pub(super) control: u64,
    /// The clock, which was set once.
    base: Timestamp,
    started: Instant,
    cursor: Mutex<Cursor>,
    /// What the data plane said last, and when.
    known: Mutex<BTreeMap<EnvironmentId, (Moment, Option<AcknowledgedRoutes>)>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Cursor {
    series: Option<u64>,
    sequence: u64,
}

impl Hands {
    /// Returns the hands of a control that is started now; its clock shows nothing before
    /// `recorded`.
    pub(super) fn new(sea: &Arc<Sea>, gate: &Arc<Gate>, control: u64, recorded: Timestamp) -> Self {
        let wall = {
            let truth = sea.truth();
            sea.now(&truth).wall
        };
        Self {
            sea: Arc::clone(sea),
            gate: Arc::clone(gate),
            control,
            base: wall.max(recorded),
            started: Instant::now(),
            cursor: Mutex::default(),
            known: Mutex::default(),
        }
    }

    fn instances_at(&self, environment: &EnvironmentId) -> BTreeMap<InstanceId, ObservedInstance> {
        let truth = self.sea.truth();
        let now = self.sea.moment();
        let wall = |moment: Moment| truth.wall(moment);
        truth.instances.observed(environment, now, truth.calm, wall)
    }

    /// Carries out what should run: all of it, or a part.
    fn run(&self, environment: &EnvironmentId, version: u64, desired: &Workloads, extent: Extent) {
        let mut truth = self.sea.truth();
        let truth = &mut *truth;
        let now = self.sea.now(truth);
        if !truth.checks.takes_workloads(version) {
            return;
        }
        let most = match extent {
            Extent::Whole => usize::MAX,
            Extent::Half => 1,
        };
        let natures = &truth.natures;
        let nature = |instance: &leadsman_core::workload::Instance| {
            let release = instance.revision.release;
            natures
                .get(&release)
                .copied()
                .unwrap_or(super::script::Nature::Good)
        };
        let seed = self.sea.seed;
        let started = truth
            .instances
            .start(desired, nature, seed, now.moment, most);
        for (id, errand) in &desired.errands {
            let ends = truth.errands.take_in(*id, errand, now.moment);
            if ends.is_some() {
                truth.checks.errand_begun(now.moment, *id, &truth.errands);
            }
            self.nudge_at(ends, now.moment);
        }
        let stopped = truth
            .instances
            .stop(environment, desired, seed, now.moment, most);
        truth.checks.started(now.moment, &started);
        let mut fresh = desired.clone();
        fresh.instances.retain(|id, _| started.contains(id));
        truth.checks.starts(now.moment, &fresh, &truth.errands);
        truth
            .checks
            .stopped(self.control, now.moment, &stopped, &truth.proxy);
        if !started.is_empty() || !stopped.is_empty() {
            self.sea.instances_changed.notify_waiters();
        }
    }

    /// Tells everybody once an errand has ended.
    fn nudge_at(&self, ends: Option<u64>, now: u64) {
        let Some(ends) = ends else { return };
        let sea = Arc::clone(&self.sea);
        tokio::spawn(async move {
            sleep(Duration::from_millis(ends - now)).await;
            sea.instances_changed.notify_waiters();
        });
    }

    /// Puts routes into force.
    fn put(&self, environment: &EnvironmentId, version: u64, planned_on: u64, routes: &Routes) {
        let mut truth = self.sea.truth();
        let truth = &mut *truth;
        let now = self.sea.now(truth);
        if truth.trouble.is(Kind::PlaneDown, now.moment) {
            return;
        }
        let seed = self.sea.seed;
        let saved = !truth.trouble.is(Kind::Unsaved, now.moment);
        if truth
            .proxy
            .put(environment, version, routes, saved, seed, now)
        {
            truth
                .checks
                .put(self.control, now.moment, planned_on, routes);
            let errands = &truth.errands;
            truth.checks.routes_meet_schema(now.moment, routes, errands);
        }
        self.sea.proxy_changed.notify_waiters();
    }

    fn answer_of_plane(&self, environment: &EnvironmentId) -> Option<AcknowledgedRoutes> {
        let truth = self.sea.truth();
        let now = self.sea.moment();
        let is = |kind| truth.trouble.is(kind, now);
        if is(Kind::Silent) || is(Kind::PlaneDown) {
            return None;
        }
        let mut acknowledged = truth.proxy.acknowledged(environment, now);
        if truth.proxy.is_unsaved() {
            acknowledged.unsaved = Some("no space is left".to_owned());
        }
        Some(acknowledged)
    }

    fn refresh(&self, environment: &EnvironmentId) {
        let answer = (self.sea.moment(), self.answer_of_plane(environment));
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(environment.clone(), answer);
    }

    /// Asks the data plane anew; returns whether it says something else than it did.
    fn hears_news(&self) -> bool {
        let known = || {
            self.known
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone()
        };
        let before = known();
        before
            .keys()
            .for_each(|environment| self.refresh(environment));
        let said = |known: BTreeMap<_, (Moment, Option<AcknowledgedRoutes>)>| {
            let said = known.into_iter().map(|(environment, (_, answer))| {
                let answer = answer.map(AcknowledgedRoutes::of_any_generation);
                (environment, answer)
            });
            said.collect::<Vec<_>>()
        };
        said(before) != said(known())
    }

    /// Returns what the data plane said last, if that is not too long ago.
    fn known(&self, environment: &EnvironmentId) -> Option<Option<AcknowledgedRoutes>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, answer) = known.get(environment)?;
        (self.sea.moment() < at + CALM).then(|| answer.clone())
    }

    fn next_effect(&self, receiver: Receiver) -> Option<Effect> {
        let mut truth = self.sea.truth();
        let effect = truth.trouble.next_effect(receiver)?;
        let fault = Fault::Effect(receiver, effect).kind();
        truth.trouble.count(fault);
        let now = self.sea.moment();
        truth
            .checks
            .tell(now, || format!("{fault} on its way to the {receiver}"));
        Some(effect)
    }
}

/// A clock of one control.
pub(super) struct HandClock(pub(super) Arc<Hands>);

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        self.0.base + self.0.started.elapsed()
    }

    fn sleep_until(&self, moment: Timestamp) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let left = moment.since(self.now());
            sleep(left + Duration::from_millis(1)).await;
            self.0.gate.pass().await;
        })
    }
}

/// The runtime, as one control has it.
pub(super) struct HandRuntime(pub(super) Arc<Hands>);

impl Runtime for HandRuntime {
    fn apply<'a>(
        &'a self,
        environment: &'a EnvironmentId,
        version: u64,
        desired: &'a Workloads,
    ) -> BoxFuture<'a, Result<(), RuntimeError>> {
        Box::pin(async move {
            let hands = &self.0;
            let extent = hands.gate.pass().await;
            let now = hands.sea.moment();
            let told = |checks: &mut Checks| {
                checks.told_workloads(hands.control, now, version, desired);
            };
            told(&mut hands.sea.truth().checks);
            let later = |after: Duration| {
                let (hands, environment, desired) =
                    (Arc::clone(hands), environment.clone(), desired.clone());
                tokio::spawn(async move {
                    sleep(after).await;
                    hands.run(&environment, version, &desired, Extent::Whole);
                });
            };
            match hands.next_effect(Receiver::Runtime) {
                None => hands.run(environment, version, desired, extent),
                Some(Effect::Lost) => {}
                Some(Effect::Late(after)) => later(after),
                Some(Effect::Repeated(after)) => {
                    hands.run(environment, version, desired, extent);
                    later(after);
                }
                Some(Effect::Slow(after)) => {
                    hands.run(environment, version, desired, extent);
                    sleep(after).await;
                }
                Some(Effect::Failing) => {
                    return Err(RuntimeError::new("take in what should run: it was refused"));
                }
            }
            hands.gate.pass().await;
            Ok(())
        })
    }

    fn observe<'a>(
        &'a self,
        environment: &'a EnvironmentId,
    ) -> BoxFuture<'a, Result<BTreeMap<InstanceId, ObservedInstance>, RuntimeError>> {
        Box::pin(async move {
            self.0.gate.pass().await;
            Ok(self.0.instances_at(environment))
        })
    }

    fn errands<'a>(
        &'a self,
        _environment: &'a EnvironmentId,
    ) -> BoxFuture<'a, Result<BTreeMap<ErrandId, ObservedErrand>, RuntimeError>> {
        Box::pin(async move {
            self.0.gate.pass().await;
            Ok(self.0.sea.truth().errands.observed())
        })
    }

    fn changed(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.0.sea.instances_changed.notified())
    }

    fn output<'a>(
        &'a self,
        instance: &'a InstanceId,
        _from: ReadFrom,
    ) -> BoxFuture<'a, Result<Output, RuntimeError>> {
        let error = RuntimeError::new(format!("read the output of `{instance}`: it has none"));
        Box::pin(std::future::ready(Err(error)))
    }
}

/// The data plane, as one control has it.
pub(super) struct HandPlane(pub(super) Arc<Hands>);

impl DataPlane for HandPlane {
    fn apply<'a>(
        &'a self,
        environment: &'a EnvironmentId,
        version: u64,
        routes: &'a Routes,
    ) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let hands = &self.0;
            hands.gate.pass().await;
            let (planned_on, generation) = {
                let mut truth = hands.sea.truth();
                let now = hands.sea.moment();
                let checks = &mut truth.checks;
                let planned_on = checks.told_routes(hands.control, now, version, routes);
                (planned_on, truth.proxy.generation)
            };
            let put = move |hands: &Hands, environment: &EnvironmentId, routes: &Routes| {
                hands.put(environment, version, planned_on, routes);
            };
            // As with the real one: a table that was made from another than the one in force is
            // refused.
            let later = |after: Duration, generation: u64| {
                let (hands, environment, routes) =
                    (Arc::clone(hands), environment.clone(), routes.clone());
                tokio::spawn(async move {
                    sleep(after).await;
                    let in_force = hands.sea.truth().proxy.generation;
                    if in_force == generation {
                        put(&hands, &environment, &routes);
                    }
                });
            };
            match hands.next_effect(Receiver::Plane) {
                None => put(hands, environment, routes),
                Some(Effect::Lost | Effect::Failing) => {}
                Some(Effect::Late(after)) => later(after, generation),
                Some(Effect::Repeated(after)) => {
                    put(hands, environment, routes);
                    later(after, generation + 1);
                }
                Some(Effect::Slow(after)) => {
                    put(hands, environment, routes);
                    sleep(after).await;
                }
            }
            hands.gate.pass().await;
            hands.refresh(environment);
        })
    }

    fn acknowledged(&self, environment: &EnvironmentId) -> Option<AcknowledgedRoutes> {
        if let Some(answer) = self.0.known(environment) {
            return answer;
        }
        self.0.refresh(environment);
        self.0.known(environment).flatten()
    }

    fn changed(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            loop {
                self.0.sea.proxy_changed.notified().await;
                if self.0.hears_news() {
                    return;
                }
            }
        })
    }

    fn windows(&self) -> BoxFuture<'_, Result<Vec<SideWindow>, String>> {
        Box::pin(async move {
            let hands = &self.0;
            loop {
                let closed = hands.sea.window_closed.notified();
                hands.gate.pass().await;
                if let Some(answer) = self.read() {
                    if answer.is_err() {
                        sleep(Duration::from_secs(1)).await;
                    }
                    return answer;
                }
                closed.await;
            }
        })
    }
}

impl HandPlane {
    /// Returns the windows since the last time; `None` where there is none.
    fn read(&self) -> Option<Result<Vec<SideWindow>, String>> {
        let truth = self.0.sea.truth();
        let now = self.0.sea.moment();
        let is = |kind| truth.trouble.is(kind, now);
        if is(Kind::Silent) || is(Kind::PlaneDown) {
            return Some(Err("the data plane does not answer".to_owned()));
        }
        let mut cursor = self.0.cursor.lock().unwrap_or_else(PoisonError::into_inner);
        let before = *cursor;
        let same = before.series == Some(truth.proxy.series);
        let after = if same { before.sequence } else { 0 };
        let fresh = before.series.is_some();
        let twice = usize::from(is(Kind::FiguresTwice)) + 1;
        let mut windows = Vec::new();
        let mut last = after;
        let kept = truth.proxy.windows.iter();
        for closed in kept.filter(|closed| closed.sequence > after && closed.readable <= now) {
            let window = SideWindow {
                fresh,
                ..closed.window.clone()
            };
            windows.extend(std::iter::repeat_n(window, twice));
            last = closed.sequence;
        }
        *cursor = Cursor {
            series: Some(truth.proxy.series),
            sequence: last,
        };
        (!windows.is_empty()).then_some(Ok(windows))
    }
}
