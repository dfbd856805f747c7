//! How the requests of each service are treated.

use std::collections::BTreeMap;

use crate::deployment::{Revision, Rollout, Stage};
use crate::environment::Environment;
use crate::id::ServiceName;
use crate::route::{Side, Treatment};
use crate::traffic::Traffic;

/// Returns how requests are treated, for the services that ask for anything.
///
/// How a revision comes in is said by itself; how instances are treated by what serves. As with
/// routes, what a release says counts once it serves.
pub(super) fn treatments(
    environment: &Environment,
    services: &BTreeMap<ServiceName, Vec<Side>>,
) -> BTreeMap<ServiceName, Treatment> {
    let treatment = |(name, sides): (&ServiceName, &Vec<Side>)| {
        let closed = environment.closed.get(name).map(|closing| closing.how);
        let largest = sides.iter().max_by_key(|side| side.weight);
        let treatment = Treatment {
            serving: closed.and(largest).map(|side| side.revision.clone()),
            closed,
            ..treatment(environment, name, sides)?
        };
        (treatment != Treatment::default()).then(|| (name.clone(), treatment))
    };
    services.iter().filter_map(treatment).collect()
}

fn treatment(environment: &Environment, name: &ServiceName, sides: &[Side]) -> Option<Treatment> {
    let deployment = environment.deployment.as_ref();
    let rollout = deployment.and_then(|deployment| deployment.rollouts.get(name));
    let Some(rollout) = rollout else {
        let in_force = deployment.filter(|deployment| deployment.routes_are_in_force());
        let brought = in_force.and_then(|deployment| deployment.content.services.get(name));
        let service = brought.or_else(|| Some(&environment.stable.get(name)?.service))?;
        return Some(Treatment {
            traffic: service.spec.traffic.clone(),
            ..Treatment::default()
        });
    };
    let traffic = in_force(rollout);
    // Only while it comes in there is one to be tested, and another to be told from it.
    let comes_in = rollout.step_index().is_some() && !traffic.is_default();
    let of = |revision: &Revision| {
        let is_there = sides.iter().any(|side| side.revision == revision.id);
        (comes_in && is_there).then(|| revision.id.clone())
    };
    Some(Treatment {
        canary: of(&rollout.to),
        stable: rollout.from.as_ref().and_then(of),
        traffic,
        ..Treatment::default()
    })
}

fn in_force(rollout: &Rollout) -> Traffic {
    let new = &rollout.to.service.spec.traffic;
    let Some(from) = &rollout.from else {
        return new.clone();
    };
    let old = &from.service.spec.traffic;
    match rollout.stage {
        Stage::Waiting { .. } | Stage::Returned => old.clone(),
        Stage::Preparing { .. }
        | Stage::Shifting { .. }
        | Stage::Soaking { .. }
        | Stage::Returning { .. } => old.introducing(new),
        Stage::Promoted { .. } => new.clone(),
    }
}
