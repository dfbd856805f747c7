//! A runtime whose instances run nowhere.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

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
        self.changed.notify_one();
        Box::pin(std::future::ready(Ok(())))
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

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
