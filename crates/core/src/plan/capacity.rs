//! How many instances each side should have, and how many of them can take requests.

use std::time::Duration;

use crate::deployment::{Revision, Rollout, Stage};
use crate::id::InstanceId;
use crate::observed::Observed;
use crate::spec::Sizing;
use crate::time::Timestamp;
use crate::weight::Weight;
use crate::workload::{InstanceState, ObservedInstance};

/// How many instances each side of a rollout should have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Of the revision that comes in.
    pub to: u16,
    /// Of the one that served before.
    pub from: u16,
    /// Of the copy of that one.
    pub copy: u16,
}

/// Returns how many instances each side should have at the present stage.
pub fn sizes(rollout: &Rollout) -> Sizes {
    let whole = rollout.to.service.spec.instances;
    let from = rollout
        .from
        .as_ref()
        .map_or(0, |from| from.service.spec.instances);
    match rollout.stage {
        Stage::Waiting { .. } | Stage::Returned => Sizes {
            from,
            ..Sizes::default()
        },
        Stage::Preparing { step, .. } => {
            // Beside all requests there is no share left for the copy; until then it keeps its own.
            let beside = match rollout.step(step).weight {
                Weight::ALL => rollout.weight_before(step),
                weight => weight,
            };
            Sizes {
                to: newcomers(rollout, rollout.step(step).weight),
                from: from_at(rollout, step, from),
                copy: copies(rollout, beside),
            }
        }
        Stage::Shifting { step, .. } | Stage::Soaking { step, .. } => {
            let weight = rollout.step(step).weight;
            Sizes {
                to: newcomers(rollout, weight),
                from: from_at(rollout, step, from),
                copy: copies(rollout, weight),
            }
        }
        Stage::Promoted { .. } => Sizes {
            to: whole,
            from: if rollout.strategy.keep_warm.is_zero() {
                0
            } else {
                from
            },
            copy: 0,
        },
        // What goes back keeps what it has until its traffic is gone.
        Stage::Returning { weight, .. } => Sizes {
            to: match weight {
                Weight::NONE => 0,
                weight => weight.of_instances(whole).max(1),
            },
            from,
            copy: copies(rollout, weight),
        },
    }
}

/// Returns how many instances of the revision that comes in a step of this weight needs.
fn newcomers(rollout: &Rollout, weight: Weight) -> u16 {
    let whole = rollout.to.service.spec.instances;
    rollout.strategy.instances_at(weight, whole)
}

/// Returns how many instances of the copy belong beside a new revision of this weight: as many as
/// that has, so that the two differ in their program alone.
pub(super) fn copies(rollout: &Rollout, weight: Weight) -> u16 {
    match rollout.copy_weight(weight) {
        Weight::NONE => 0,
        _ => newcomers(rollout, weight),
    }
}

/// The old side at `step`: whole, except where it gives way in turn as the weight moves.
fn from_at(rollout: &Rollout, step: usize, whole: u16) -> u16 {
    match rollout.strategy.sizing {
        Sizing::Proportional | Sizing::Full => whole,
        Sizing::InTurn => rollout.weight_before(step).rest().of_instances(whole),
    }
}

/// Returns how many instances of `revision` are ready for requests.
pub(super) fn ready(observed: &Observed, revision: &Revision) -> u16 {
    let count = observed
        .instances
        .values()
        .filter(|seen| seen.revision == revision.id && is_ready(seen))
        .count();
    u16::try_from(count).unwrap_or(u16::MAX)
}

/// Returns how many instances of `revision` have been ready for as long as it asks for.
pub(super) fn steady(observed: &Observed, revision: &Revision, now: Timestamp) -> u16 {
    let steady = revision.service.spec.ready.steady;
    let count = observed
        .instances
        .values()
        .filter(|seen| seen.revision == revision.id && is_ready(seen))
        .filter(|seen| {
            seen.ready_since
                .is_some_and(|since| now.since(since) >= steady)
        })
        .count();
    u16::try_from(count).unwrap_or(u16::MAX)
}

/// Whether an instance can take requests.
pub(super) fn is_ready(seen: &ObservedInstance) -> bool {
    seen.state == InstanceState::Running && seen.ready_since.is_some() && seen.address.is_some()
}

/// Whether an instance may be given requests: it is ready, or it has them already and runs. What
/// has requests and is unwell is the data plane's to judge, which asks it every second.
pub(super) fn is_admitted(id: &InstanceId, seen: &ObservedInstance, observed: &Observed) -> bool {
    let serves = observed
        .routes
        .as_ref()
        .is_some_and(|routes| routes.instances.contains(id));
    let runs = matches!(
        seen.state,
        InstanceState::Running | InstanceState::Restarting
    );
    is_ready(seen) || (serves && runs && seen.address.is_some())
}

/// Returns the moment by which the instances of `revision` must be ready, if they began `since`.
pub(super) fn ready_by(revision: &Revision, since: Timestamp) -> Timestamp {
    let ready = &revision.service.spec.ready;
    since + ready.within + ready.steady
}

/// Returns the moment by which traffic must be back, if it began to go back `since`: the previous
/// revision may have to be started first.
pub(super) fn back_by(previous: Option<&Revision>, since: Timestamp) -> Timestamp {
    /// Time for the data plane to come back, should it be down just then.
    const ALLOWANCE: Duration = Duration::from_secs(30);
    match previous {
        Some(previous) => ready_by(previous, since) + ALLOWANCE,
        None => since + ALLOWANCE,
    }
}
