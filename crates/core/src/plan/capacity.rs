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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sizes {
    /// Of the revision that comes in.
    pub(super) to: u16,
    /// Of the one that served before.
    pub(super) from: u16,
}

/// Returns how many instances each side should have at the present stage.
pub(super) fn sizes(rollout: &Rollout) -> Sizes {
    let whole = rollout.to.service.spec.instances;
    let whole_from = rollout
        .from
        .as_ref()
        .map_or(0, |from| from.service.spec.instances);
    match rollout.stage {
        Stage::Waiting { .. } | Stage::Returned => Sizes {
            to: 0,
            from: whole_from,
        },
        Stage::Preparing { step, .. }
        | Stage::Shifting { step, .. }
        | Stage::Soaking { step, .. } => {
            let to = match rollout.strategy.sizing {
                Sizing::Proportional | Sizing::InTurn => {
                    rollout.step(step).weight.of_instances(whole).max(1)
                }
                Sizing::Full => whole,
            };
            Sizes {
                to,
                from: from_at(rollout, step, whole_from),
            }
        }
        Stage::Promoted { .. } => {
            let kept = if rollout.strategy.keep_warm.is_zero() {
                0
            } else {
                whole_from
            };
            Sizes {
                to: whole,
                from: kept,
            }
        }
        // What goes back keeps what it has until its traffic is gone.
        Stage::Returning { weight, .. } => {
            let to = if weight == Weight::NONE {
                0
            } else {
                weight.of_instances(whole).max(1)
            };
            Sizes {
                to,
                from: whole_from,
            }
        }
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
