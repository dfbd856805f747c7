//! A runtime whose instances run nowhere.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use leadsman_core::errand::{Errand, ErrandEnd, ErrandId, ObservedErrand};
use leadsman_core::id::{EnvironmentId, InstanceId, ReleaseNumber};
use leadsman_core::time::Timestamp;
use leadsman_core::workload::{InstanceState, ObservedInstance, Workloads};
use leadsman_runtime::{BoxFuture, Output, ReadFrom, Runtime, RuntimeError};
use tokio::sync::Notify;

/// A runtime whose instances are ready at once, unless they are told otherwise.
#[derive(Debug, Default)]
pub struct FakeRuntime {
    instances: Mutex<BTreeMap<InstanceId, ObservedInstance>>,
    /// How many instances of a release become ready, where that is not all of them.
    ready_at_most: Mutex<BTreeMap<ReleaseNumber, usize>>,
    breaks_off: Mutex<bool>,
    errands: Mutex<BTreeMap<(EnvironmentId, ErrandId), (Errand, ObservedErrand)>>,
    /// Whether errands go on until a test says how they end.
    errands_wait: Mutex<bool>,
    changed: Notify,
}

impl FakeRuntime {
    /// Instances of this release will not become ready.
    pub fn never_ready(&self, release: ReleaseNumber) {
        self.ready_at_most(release, 0);
    }

    /// Instances of this release that are started from now on become ready only while there are
    /// fewer than `count`.
    pub fn ready_at_most(&self, release: ReleaseNumber, count: usize) {
        locked(&self.ready_at_most).insert(release, count);
    }

    /// The next observation panics, as a mistake of ours would.
    pub fn break_off(&self) {
        *locked(&self.breaks_off) = true;
        self.changed.notify_one();
    }

    /// Errands go on from now on until [`Self::end_errand`] says how they end. Else each ends well at
    /// once.
    pub fn errands_wait(&self) {
        *locked(&self.errands_wait) = true;
    }

    /// Ends an errand that runs: well, or for the reason that is given.
    ///
    /// # Panics
    /// If it does not run.
    pub fn end_errand(&self, environment: &EnvironmentId, id: ErrandId, failure: Option<&str>) {
        let mut errands = locked(&self.errands);
        let (_, seen) = errands
            .get_mut(&(environment.clone(), id))
            .expect("it was begun");
        *seen = over(failure);
        drop(errands);
        self.changed.notify_one();
    }

    /// Returns the errands that were begun.
    pub fn errands_begun(&self) -> Vec<(ErrandId, Errand)> {
        let errands = locked(&self.errands);
        let begun = errands.iter();
        begun
            .map(|((_, id), (errand, _))| (*id, errand.clone()))
            .collect()
    }

    /// Changes what is seen of every instance of `release`.
    pub fn touch(&self, release: ReleaseNumber, change: impl Fn(&mut ObservedInstance)) {
        let mut instances = locked(&self.instances);
        instances
            .values_mut()
            .filter(|seen| seen.revision.release == release)
            .for_each(change);
        drop(instances);
        self.changed.notify_one();
    }

    /// Returns how many instances of `release` there are.
    pub fn count(&self, release: ReleaseNumber) -> usize {
        let instances = locked(&self.instances);
        instances
            .values()
            .filter(|seen| seen.revision.release == release)
            .count()
    }
}

impl Runtime for FakeRuntime {
    fn apply<'a>(
        &'a self,
        environment: &'a EnvironmentId,
        _version: u64,
        desired: &'a Workloads,
    ) -> BoxFuture<'a, Result<(), RuntimeError>> {
        let mut instances = locked(&self.instances);
        instances.retain(|id, _| !id.is_of(environment) || desired.instances.contains_key(id));
        for (id, instance) in &desired.instances {
            let port = 20_000 + u16::try_from(instances.len()).unwrap_or(0);
            let release = instance.revision.release;
            let others = instances
                .values()
                .filter(|seen| seen.revision.release == release)
                .count();
            let ready = locked(&self.ready_at_most)
                .get(&release)
                .is_none_or(|most| others < *most);
            instances
                .entry(id.clone())
                .or_insert_with(|| ObservedInstance {
                    revision: instance.revision.clone(),
                    state: InstanceState::Running,
                    address: Some(([127, 0, 0, 1], port).into()),
                    started_at: Timestamp::from_millis(0),
                    ready_since: ready.then_some(Timestamp::from_millis(0)),
                    restarts: 0,
                    memory: None,
                    cpu: None,
                    detail: (!ready).then(|| "GET /health: connection refused".to_owned()),
                });
        }
        let mut errands = locked(&self.errands);
        for (id, errand) in &desired.errands {
            let key = (environment.clone(), *id);
            let waits = *locked(&self.errands_wait);
            let (_, seen) = errands.entry(key).or_insert_with(|| {
                let seen = if waits {
                    ObservedErrand::Running(None)
                } else {
                    over(None)
                };
                (errand.clone(), seen)
            });
            if errand.ended && matches!(seen, ObservedErrand::Running(_)) {
                *seen = over(Some("ended because somebody asked for it"));
            }
        }
        drop(errands);
        self.changed.notify_one();
        Box::pin(std::future::ready(Ok(())))
    }

    fn errands<'a>(
        &'a self,
        environment: &'a EnvironmentId,
    ) -> BoxFuture<'a, Result<BTreeMap<ErrandId, ObservedErrand>, RuntimeError>> {
        let errands = locked(&self.errands);
        let mine = errands.iter().filter(|((of, _), _)| of == environment);
        let seen = mine
            .map(|((_, id), (_, seen))| (*id, seen.clone()))
            .collect();
        Box::pin(std::future::ready(Ok(seen)))
    }

    fn observe<'a>(
        &'a self,
        environment: &'a EnvironmentId,
    ) -> BoxFuture<'a, Result<BTreeMap<InstanceId, ObservedInstance>, RuntimeError>> {
        let breaks_off = std::mem::take(&mut *locked(&self.breaks_off));
        assert!(!breaks_off, "a test asked for this");
        let mut instances = locked(&self.instances).clone();
        instances.retain(|id, _| id.is_of(environment));
        Box::pin(std::future::ready(Ok(instances)))
    }

    fn changed(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.changed.notified())
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

fn over(failure: Option<&str>) -> ObservedErrand {
    ObservedErrand::Over(ErrandEnd {
        failure: failure.map(str::to_owned),
        last: Vec::new(),
        took: Duration::from_secs(1),
    })
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
