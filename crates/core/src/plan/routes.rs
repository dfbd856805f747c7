//! Where requests should go.

use std::collections::BTreeMap;

use super::capacity::{is_admitted, ready};
use super::treatments::treatments;
use super::watches::watches;
use super::workloads::wanted;
use crate::deployment::{Revision, Rollout, Stage};
use crate::environment::Environment;
use crate::id::{InstanceId, ServiceName};
use crate::observed::Observed;
use crate::route::{Routes, Side};
use crate::spec::Sizing;
use crate::weight::Weight;
use crate::workload::Instance;

/// Returns where requests should go.
pub(super) fn routes(environment: &Environment, observed: &Observed) -> Option<Routes> {
    let routing = environment.routing_in_force()?;
    let wanted = wanted(environment);
    let mut services: BTreeMap<ServiceName, Vec<Side>> = environment
        .stable
        .iter()
        .map(|(name, stable)| (name, admit(&wanted, observed, &[(stable, Weight::ALL)])))
        .map(|(name, sides)| (name.clone(), sides))
        .collect();
    for (name, rollout) in environment.deployment.iter().flat_map(|d| &d.rollouts) {
        let mut admitted = admit(&wanted, observed, &sides(rollout, observed));
        fill_up(&mut admitted, rollout.copy());
        services.insert(name.clone(), admitted);
    }
    let watches = watches(environment, &services);
    let treatments = treatments(environment, &services);
    let mut routes = Routes {
        listen: routing.listen,
        entrance: routing.entrance.clone(),
        rules: routing.rules.clone(),
        services,
        watches,
        treatments,
    };
    if let Some(acknowledged) = &observed.routes {
        // They stay among the sides, or the data plane would forget that it cut them off.
        routes.cut_off(&acknowledged.tripped);
    }
    Some(routes)
}

/// Returns the sides of a rollout with their decided weights, the one to fall back on last.
fn sides<'a>(rollout: &'a Rollout, observed: &Observed) -> Vec<(&'a Revision, Weight)> {
    let weight = match rollout.stage {
        Stage::Returning { weight, .. } => weight_on_the_way_back(rollout, weight, observed),
        Stage::Waiting { .. }
        | Stage::Preparing { .. }
        | Stage::Shifting { .. }
        | Stage::Soaking { .. }
        | Stage::Promoted { .. }
        | Stage::Returned => rollout.weight(),
    };
    let Some(from) = &rollout.from else {
        return if weight == Weight::NONE {
            Vec::new()
        } else {
            vec![(&rollout.to, Weight::ALL)]
        };
    };
    match (weight, rollout.stage) {
        // What is not trusted with requests yet, or any more, is no way back either.
        (Weight::NONE, _) => vec![(from, Weight::ALL)],
        (_, Stage::Promoted { .. }) => vec![(&rollout.to, Weight::ALL), (from, Weight::NONE)],
        _ => match rollout.copy() {
            // The revision that served is there for whatever the copy cannot take.
            Some(copy) if ready(observed, copy) > 0 => {
                let share = rollout.copy_weight(weight);
                let rest = weight.and(share).rest();
                vec![(from, rest), (copy, share), (&rollout.to, weight)]
            }
            Some(_) | None => vec![(from, weight.rest()), (&rollout.to, weight)],
        },
    }
}

/// Traffic goes back only as fast as the previous revision can take it. Where that stayed whole
/// (canary, blue/green), one ready instance is enough to begin and all goes at once; where it
/// shrank (rolling), its share is that of its instances.
pub(super) fn weight_on_the_way_back(
    rollout: &Rollout,
    weight: Weight,
    observed: &Observed,
) -> Weight {
    let Some(from) = &rollout.from else {
        return Weight::NONE;
    };
    let ready = ready(observed, from);
    match rollout.strategy.sizing {
        Sizing::Proportional | Sizing::Full if ready > 0 => Weight::NONE,
        Sizing::Proportional | Sizing::Full => weight,
        Sizing::InTurn => {
            let whole = from.service.spec.instances;
            weight.min(Weight::of(ready.min(whole), whole).rest())
        }
    }
}

/// Gives each side its instances, and leaves out those that have none (`ready-before-traffic`).
fn admit(
    wanted: &BTreeMap<InstanceId, Instance>,
    observed: &Observed,
    sides: &[(&Revision, Weight)],
) -> Vec<Side> {
    sides
        .iter()
        .map(|(revision, weight)| Side {
            revision: revision.id.clone(),
            weight: *weight,
            instances: instances(wanted, observed, revision),
            protocol: revision.service.spec.protocol,
            probe: revision.service.spec.ready.probe.clone(),
            drain: revision.service.spec.stop.drain,
        })
        .filter(|side| !side.instances.is_empty())
        .collect()
}

/// Gives the weight of sides that were left out to those that are there, so that all still sum to
/// 100 % (`weights-sum`). The copy is there to be compared with: it gets more than its share only
/// where nothing else is left.
fn fill_up(sides: &mut [Side], copy: Option<&Revision>) {
    let sum: u16 = sides.iter().map(|side| side.weight.hundredths()).sum();
    let missing = Weight::ALL.hundredths().saturating_sub(sum);
    let is_copy = |side: &Side| copy.is_some_and(|copy| copy.id == side.revision);
    if let Some(side) = sides
        .iter_mut()
        .max_by_key(|side| (!is_copy(side), side.weight))
    {
        side.weight = Weight::from_hundredths(side.weight.hundredths() + missing);
    }
}

fn instances(
    wanted: &BTreeMap<InstanceId, Instance>,
    observed: &Observed,
    revision: &Revision,
) -> BTreeMap<InstanceId, std::net::SocketAddr> {
    observed
        .instances
        .iter()
        .filter(|(id, seen)| seen.revision == revision.id && wanted.contains_key(*id))
        .filter(|(id, seen)| is_admitted(id, seen, observed))
        .filter_map(|(id, seen)| Some((id.clone(), seen.address?)))
        .collect()
}
