//! What must always hold, each under the name that the documents and the tests use.
//!
//! The functions look at one moment: a state, what was seen, and what was planned from both.
//! `gated` and `replay-equals-live` concern what surrounds the domain and are checked there;
//! `one-at-a-time` holds by the type of [`Environment::deployment`].

use std::fmt;

use crate::deployment::{Phase, Stage};
use crate::environment::Environment;
use crate::event::{Event, Passed};
use crate::invariant_schema::{migrated_before_traffic, within_range};
use crate::observed::Observed;
use crate::plan::Plan;
use crate::spec::{OnInconclusive, Sizing};
use crate::weight::Weight;
use crate::workload::InstanceState;
use leadsman_analysis::Outcome;

/// An invariant that does not hold, and where it does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The invariant's name.
    pub invariant: &'static str,
    /// Where it does not hold.
    pub detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` does not hold: {}", self.invariant, self.detail)
    }
}

/// Returns the invariants that do not hold at this moment.
pub fn check(environment: &Environment, observed: &Observed, plan: &Plan) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut broken = |invariant, detail| violations.push(Violation { invariant, detail });
    weights_sum(plan, &mut broken);
    ready_before_traffic(observed, plan, &mut broken);
    ack_before_removal(environment, observed, plan, &mut broken);
    no_silent_pass(environment, plan, &mut broken);
    way_back(environment, plan, &mut broken);
    no_more_than_beside(environment, observed, plan, &mut broken);
    always_a_reason(environment, plan, &mut broken);
    migrated_before_traffic(environment, plan, &mut broken);
    within_range(environment, plan, &mut broken);
    violations
}

pub(crate) type Broken<'a> = dyn FnMut(&'static str, String) + 'a;

/// The weights of a route sum to 100 %.
fn weights_sum(plan: &Plan, broken: &mut Broken<'_>) {
    for (name, sides) in plan.routes.iter().flat_map(|routes| &routes.services) {
        let sum: u32 = sides
            .iter()
            .map(|side| u32::from(side.weight.hundredths()))
            .sum();
        if !sides.is_empty() && sum != u32::from(Weight::ALL.hundredths()) {
            broken(
                "weights-sum",
                format!("`{name}`: {sum} hundredths of a percent"),
            );
        }
    }
}

/// No weight for a side that is not ready and large enough for it.
fn ready_before_traffic(observed: &Observed, plan: &Plan, broken: &mut Broken<'_>) {
    for side in plan
        .routes
        .iter()
        .flat_map(|routes| routes.services.values().flatten())
    {
        let serves = |id| {
            observed
                .routes
                .as_ref()
                .is_some_and(|r| r.instances.contains(id))
        };
        for id in side.instances.keys() {
            let ready = observed.instances.get(id).is_some_and(|seen| {
                seen.state == InstanceState::Running && seen.ready_since.is_some()
            });
            if !ready && !serves(id) {
                broken("ready-before-traffic", format!("`{id}` is not ready"));
            }
        }
        if side.instances.is_empty() && side.weight > Weight::NONE {
            broken(
                "ready-before-traffic",
                format!("{} has no instance", side.revision),
            );
        }
    }
}

/// An instance is removed only after the data plane acknowledged a table without it.
fn ack_before_removal(
    environment: &Environment,
    observed: &Observed,
    plan: &Plan,
    broken: &mut Broken<'_>,
) {
    for (id, seen) in &observed.instances {
        let known = environment.releases.contains_key(&seen.revision.release);
        let gone = !plan.workloads.instances.contains_key(id);
        let alive = !matches!(seen.state, InstanceState::Stopping | InstanceState::Broken);
        let may_get_requests = observed
            .routes
            .as_ref()
            .is_none_or(|routes| routes.instances.contains(id));
        if known && gone && alive && may_get_requests {
            broken(
                "ack-before-removal",
                format!("`{id}` may still get requests"),
            );
        }
    }
}

/// No step that soaks ends without a verdict made of closed windows in which there were requests.
/// One that proves nothing is enough only where the strategy says so, and is recorded as that.
fn no_silent_pass(environment: &Environment, plan: &Plan, broken: &mut Broken<'_>) {
    for fact in &plan.facts {
        let (Event::StepPassed {
            service, passed, ..
        }
        | Event::ServicePromoted { service, passed }) = fact
        else {
            continue;
        };
        let rollout = environment
            .deployment
            .as_ref()
            .and_then(|deployment| deployment.rollouts.get(service));
        let soaked = rollout.is_some_and(|rollout| {
            rollout
                .step_index()
                .is_some_and(|step| rollout.step(step).soak.is_some())
        });
        let fits = match passed {
            Passed::Judged { verdict } => verdict.outcome == Outcome::Pass && verdict.requests > 0,
            Passed::Unproven { verdict } => {
                let wanted = rollout.is_some_and(|rollout| {
                    rollout.strategy.on_inconclusive == OnInconclusive::Advance
                });
                let clean = verdict
                    .evidence
                    .is_some_and(|evidence| !evidence.warn && !evidence.fails_first());
                wanted && clean && verdict.outcome == Outcome::Inconclusive && verdict.requests > 0
            }
            Passed::Ready => !soaked,
            Passed::ByHand { .. } => false,
        };
        if !fits {
            broken(
                "no-silent-pass",
                format!("`{service}` passed by {passed:?}"),
            );
        }
    }
}

/// Until a deployment is settled, the previous revision can take all traffic at once. A rolling
/// update gives that up for needing no second set of instances, and says so.
fn way_back(environment: &Environment, plan: &Plan, broken: &mut Broken<'_>) {
    let Some(deployment) = &environment.deployment else {
        return;
    };
    for (name, rollout) in &deployment.rollouts {
        let Some(from) = &rollout.from else { continue };
        let gave_up = rollout.strategy.sizing == Sizing::InTurn
            || (matches!(rollout.stage, Stage::Promoted { .. })
                && rollout.strategy.keep_warm.is_zero());
        if gave_up {
            continue;
        }
        let kept = plan
            .workloads
            .instances
            .values()
            .filter(|instance| instance.revision == from.id)
            .count();
        if kept < usize::from(from.service.spec.instances) {
            broken(
                "way-back",
                format!("`{name}` keeps {kept} instances of {}", from.id),
            );
        }
    }
}

/// A fresh baseline is there to be compared with and for nothing else: it has no more requests than
/// the canary beside it, none without one, and is not what requests go back to. The exception is a
/// service of which nothing else can answer.
fn no_more_than_beside(
    environment: &Environment,
    observed: &Observed,
    plan: &Plan,
    broken: &mut Broken<'_>,
) {
    let rollouts = environment.deployment.iter().flat_map(|d| &d.rollouts);
    for (name, rollout) in rollouts {
        let sides = plan.routes.as_ref().and_then(|r| r.services.get(name));
        let (Some(copy), Some(sides)) = (rollout.copy(), sides) else {
            continue;
        };
        let Some(side) = sides.iter().find(|side| side.revision == copy.id) else {
            continue;
        };
        let canary = rollout.weight();
        let has_way_back = rollout.from.as_ref().is_some_and(|from| {
            observed.instances.values().any(|seen| {
                seen.revision == from.id
                    && seen.state == InstanceState::Running
                    && seen.ready_since.is_some()
            })
        });
        let goes_back = matches!(rollout.stage, Stage::Returning { .. }) && has_way_back;
        // Of what was cut off nothing is expected, and its share has to go somewhere.
        let cut_off = |id| {
            let routes = observed.routes.as_ref();
            routes.is_some_and(|routes| routes.tripped.contains_key(id))
        };
        let mut others = sides.iter().map(|side| &side.revision);
        let alone = !others.any(|id| *id != copy.id && !cut_off(id))
            || rollout.from.as_ref().is_some_and(|from| cut_off(&from.id));
        let too_much = side.weight > canary.beside() && !alone;
        if too_much || goes_back {
            let (weight, stage) = (side.weight, rollout.stage);
            broken(
                "no-more-than-beside",
                format!("{weight} for the baseline of `{name}` beside {canary}, {stage:?}"),
            );
        }
    }
}

/// A deployment that is not finished says what it waits for, since when, and who can move it.
fn always_a_reason(environment: &Environment, plan: &Plan, broken: &mut Broken<'_>) {
    let Some(deployment) = &environment.deployment else {
        return;
    };
    // With facts to record it does not wait: it is on its way this very moment.
    if plan.facts.is_empty() && plan.reasons.is_empty() {
        let frozen = matches!(deployment.phase, Phase::Frozen { .. });
        broken(
            "always-a-reason",
            format!("{}, frozen: {frozen}", deployment.number),
        );
    }
}
