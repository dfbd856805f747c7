//! What should run.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::capacity::sizes;
use crate::deployment::Revision;
use crate::environment::Environment;
use crate::id::InstanceId;
use crate::migration::{smoke, task};
use crate::observed::Observed;
use crate::time::Timestamp;
use crate::workload::{Instance, InstanceState, ObservedInstance, Workloads};

/// Returns what should run: what is wanted, and what is not wanted any more but cannot be missed
/// yet.
pub(super) fn workloads(
    environment: &Environment,
    observed: &Observed,
    now: Timestamp,
) -> Workloads {
    let mut instances = wanted(environment);
    for (id, seen) in &observed.instances {
        if !instances.contains_key(id)
            && !can_go(id, seen, environment, observed, now)
            && let Some(instance) = known(environment, seen)
        {
            instances.insert(id.clone(), instance);
        }
    }
    let errands = [task(environment), smoke(environment)];
    Workloads {
        instances,
        errands: errands.into_iter().flatten().collect(),
    }
}

/// Returns the instances that are wanted for what they do, draining aside.
pub(super) fn wanted(environment: &Environment) -> BTreeMap<InstanceId, Instance> {
    let mut wanted = BTreeMap::new();
    let mut want = |revision: &Revision, count: u16| {
        for ordinal in 1..=count {
            let id = InstanceId::new(&environment.id, &revision.id, ordinal);
            let service = Arc::clone(&revision.service);
            wanted.insert(
                id,
                Instance {
                    revision: revision.id.clone(),
                    service,
                },
            );
        }
    };
    let rollouts = environment
        .deployment
        .as_ref()
        .map(|deployment| &deployment.rollouts);
    for (name, stable) in &environment.stable {
        if !rollouts.is_some_and(|rollouts| rollouts.contains_key(name)) {
            want(stable, stable.service.spec.instances);
        }
    }
    for rollout in rollouts.into_iter().flat_map(BTreeMap::values) {
        let sizes = sizes(rollout);
        want(&rollout.to, sizes.to);
        if let Some(from) = &rollout.from {
            want(from, sizes.from);
        }
        if let Some(copy) = rollout.copy() {
            want(copy, sizes.copy);
        }
    }
    wanted
}

/// How long after the time to drain the data plane may take to cut short what is left, and to say
/// so. One that does not is not waited for.
const CUT_SHORT_WITHIN: Duration = Duration::from_secs(1);

/// Whether an instance that is not wanted any more may be stopped: `ack-before-removal`.
fn can_go(
    id: &InstanceId,
    seen: &ObservedInstance,
    environment: &Environment,
    observed: &Observed,
    now: Timestamp,
) -> bool {
    if matches!(seen.state, InstanceState::Stopping | InstanceState::Broken) {
        return true;
    }
    let Some(routes) = &observed.routes else {
        // Nobody says that it gets no requests.
        return false;
    };
    if routes.instances.contains(id) || routes.unsaved.is_some() {
        return false;
    }
    let Some(draining) = routes.draining.get(id) else {
        return true;
    };
    let patience = known(environment, seen).map(|instance| instance.service.spec.stop.drain);
    let waited = now.since(draining.since);
    draining.in_flight == 0 || patience.is_none_or(|drain| waited >= drain + CUT_SHORT_WITHIN)
}

/// Returns what an observed instance is, from the release that it belongs to.
fn known(environment: &Environment, seen: &ObservedInstance) -> Option<Instance> {
    let release = environment.releases.get(&seen.revision.release)?;
    let service = release.content.services.get(&seen.revision.service)?;
    Some(Instance {
        revision: seen.revision.clone(),
        service: Arc::clone(service),
    })
}
