//! What the data plane watches for in the answers of each service.

use std::collections::BTreeMap;
use std::time::Duration;

use leadsman_analysis::{Limits, tripwire};

use crate::deployment::{Revision, Rollout, Stage};
use crate::environment::Environment;
use crate::id::ServiceName;
use crate::migration::closes_way_back;
use crate::route::{Side, Tripwire, Watch};
use crate::spec::Sizing;

/// A request that has no answer after this time counts as slow; later only where p99 may be longer.
const LATE: Duration = Duration::from_secs(10);

/// Returns what to watch for. During a rollout both sides are held to the limits of the revision
/// that comes in.
pub(super) fn watches(
    environment: &Environment,
    services: &BTreeMap<ServiceName, Vec<Side>>,
) -> BTreeMap<ServiceName, Watch> {
    let rollouts = environment.deployment.as_ref().map(|d| &d.rollouts);
    // Nothing may give requests back to what cannot work with the schema.
    let deployment = environment.deployment.as_ref();
    let is_closed = deployment.is_some_and(|it| closes_way_back(environment, it).is_some());
    let watch = |(name, sides): (&ServiceName, &Vec<Side>)| {
        let rollout = rollouts.and_then(|rollouts| rollouts.get(name));
        let revision = rollout
            .filter(|rollout| rollout.stage != Stage::Returned)
            .map(|rollout| &rollout.to)
            .or_else(|| environment.stable.get(name))?;
        let limits = &revision.service.spec.limits;
        let watch = Watch {
            over: [limits.p95, limits.p99],
            late: limits.p99.map_or(LATE, |limit| limit.max(LATE)),
            tripwire: rollout
                .filter(|_| !is_closed)
                .and_then(|rollout| tripwire(rollout, limits, sides)),
        };
        Some((name.clone(), watch))
    };
    services.iter().filter_map(watch).collect()
}

/// Returns the tripwire of a rollout in which both sides may get requests. A rolling update has
/// none: the old side shrank, and may not be able to take all requests at once.
fn tripwire(rollout: &Rollout, limits: &Limits, sides: &[Side]) -> Option<Tripwire> {
    match rollout.stage {
        Stage::Preparing { .. } | Stage::Shifting { .. } | Stage::Soaking { .. } => {}
        Stage::Waiting { .. }
        | Stage::Promoted { .. }
        | Stage::Returning { .. }
        | Stage::Returned => return None,
    }
    if rollout.strategy.sizing == Sizing::InTurn {
        return None;
    }
    let has = |revision: &&Revision| sides.iter().any(|side| side.revision == revision.id);
    let canary = Some(&rollout.to).filter(has)?;
    let stable = rollout.from.as_ref().filter(has)?;
    let baseline = rollout.copy().filter(has).unwrap_or(stable);
    let (limit, alpha) = (tripwire::limit(limits)?, limits.risk.tripwire);
    // Without any risk nothing can ever be shown.
    (alpha > 0.0 && alpha < 1.0).then(|| Tripwire {
        canary: canary.id.clone(),
        baseline: baseline.id.clone(),
        limit,
        alpha,
    })
}
