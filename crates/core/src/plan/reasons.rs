//! Why a deployment is not finished, and when to look again.

use super::capacity::{back_by, ready, ready_by, sizes};
use super::facts::{settled_at, waits_for};
use crate::deployment::{Deployment, Phase, Rollout, Stage};
use crate::environment::Environment;
use crate::id::ServiceName;
use crate::observed::Observed;
use crate::reason::{Reason, Waiting, Who};
use crate::time::Timestamp;
use crate::weight::Weight;

const HOLD: Who = Who::Either(&["promote", "abort", "pause"]);

/// Returns what is waited for and the next moment at which time alone changes something.
pub(super) fn reasons(
    environment: &Environment,
    observed: &Observed,
    now: Timestamp,
) -> (Vec<Reason>, Option<Timestamp>) {
    let mut reasons = Vec::new();
    if let Some(deployment) = &environment.deployment {
        if observed.routes.is_none() {
            let (since, who) = (deployment.started_at, Who::Leadsman);
            reasons.push(Reason {
                waiting: Waiting::DataPlane,
                since,
                until: None,
                who,
            });
        }
        reasons.extend(as_a_whole(deployment, now));
        if !matches!(deployment.phase, Phase::Frozen { .. }) {
            reasons.extend(
                deployment
                    .rollouts
                    .iter()
                    .filter_map(|(name, r)| of_rollout(deployment, name, r, observed, now)),
            );
        }
    }
    let wake_at = reasons
        .iter()
        .filter_map(|reason| reason.until)
        .chain(drained_by(environment, observed))
        .filter(|until| *until > now)
        .min();
    (reasons, wake_at)
}

fn as_a_whole(deployment: &Deployment, now: Timestamp) -> Option<Reason> {
    if let Some(pause) = &deployment.paused {
        return Some(Reason {
            waiting: Waiting::Paused {
                by: pause.by.clone(),
            },
            since: pause.since,
            until: None,
            who: Who::Person(&["resume", "promote", "abort"]),
        });
    }
    match &deployment.phase {
        Phase::Moving => None,
        // What goes back settles no more.
        Phase::Settling { .. } if deployment.is_returning() => None,
        Phase::Settling { since } => {
            let until = settled_at(deployment);
            Some(Reason {
                waiting: Waiting::Settling {
                    release: deployment.release,
                    left: until.since(now),
                },
                since: *since,
                until: Some(until),
                who: Who::Either(&["rollback"]),
            })
        }
        Phase::Frozen { since, why } => Some(Reason {
            waiting: Waiting::Frozen { why: why.clone() },
            since: *since,
            until: None,
            who: Who::Person(&["retry", "ship", "abort"]),
        }),
    }
}

fn of_rollout(
    deployment: &Deployment,
    name: &ServiceName,
    rollout: &Rollout,
    observed: &Observed,
    now: Timestamp,
) -> Option<Reason> {
    let service = name.clone();
    let reason = |waiting, since, until, who| {
        Some(Reason {
            waiting,
            since,
            until,
            who,
        })
    };
    match rollout.stage {
        Stage::Waiting { since } => {
            let on = waits_for(deployment, rollout).cloned().collect();
            reason(
                Waiting::Dependencies { service, on },
                since,
                None,
                Who::Leadsman,
            )
        }
        Stage::Preparing { since, .. } => {
            let detail = observed
                .instances
                .values()
                .filter(|seen| seen.revision == rollout.to.id && seen.ready_since.is_none())
                .find_map(|seen| seen.detail.clone());
            let (ready, needed) = (ready(observed, &rollout.to), sizes(rollout).to);
            let waiting = Waiting::Ready {
                service,
                ready,
                needed,
                detail,
            };
            let steady = steady_at(rollout, observed);
            let until = steady.unwrap_or_else(|| ready_by(&rollout.to, since));
            reason(waiting, since, Some(until), Who::Either(&["abort"]))
        }
        Stage::Shifting { since, .. } => {
            let problem = observed
                .routes
                .as_ref()
                .and_then(|routes| routes.problem.clone());
            let waiting = Waiting::Acknowledgement {
                service,
                weight: rollout.weight(),
                problem,
            };
            reason(waiting, since, None, Who::Either(&["abort"]))
        }
        Stage::Soaking { step, since } => {
            let until = since + rollout.step(step).soak.unwrap_or_default();
            let (weight, steps) = (rollout.weight(), rollout.strategy.steps.len());
            if now < until {
                let (step, left) = (step + 1, until.since(now));
                let waiting = Waiting::Soak {
                    service,
                    weight,
                    step,
                    steps,
                    left,
                };
                return reason(waiting, since, Some(until), HOLD);
            }
            let sentence = match observed.verdicts.get(name) {
                Some(verdict) => verdict.sentence.clone(),
                None => "no figures so far".to_owned(),
            };
            let waiting = Waiting::Verdict {
                service,
                weight,
                sentence,
            };
            reason(
                waiting,
                since,
                Some(until + rollout.strategy.patience),
                HOLD,
            )
        }
        Stage::Returning { since, weight } => {
            let from = rollout.from.as_ref();
            let cause = deployment
                .cause
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default();
            // Whether it has traffic to give back decides whether readiness is in the way.
            let needed = match from {
                Some(from) if weight > Weight::NONE => from.service.spec.instances,
                Some(_) | None => 0,
            };
            let ready = from.map_or(0, |from| ready(observed, from)).min(needed);
            let waiting = Waiting::Return {
                service,
                cause,
                ready,
                needed,
            };
            reason(waiting, since, Some(back_by(from, since)), Who::Leadsman)
        }
        Stage::Promoted { .. } | Stage::Returned => None,
    }
}

/// Returns when the first instance will have been ready for long enough, where one is on its way.
fn steady_at(rollout: &Rollout, observed: &Observed) -> Option<Timestamp> {
    let steady = rollout.to.service.spec.ready.steady;
    observed
        .instances
        .values()
        .filter(|seen| seen.revision == rollout.to.id)
        .filter_map(|seen| Some(seen.ready_since? + steady))
        .max()
}

/// Returns when instances that drain will be cut, at the latest.
fn drained_by(environment: &Environment, observed: &Observed) -> impl Iterator<Item = Timestamp> {
    observed
        .routes
        .iter()
        .flat_map(|routes| &routes.draining)
        .filter_map(|(id, draining)| {
            let revision = &observed.instances.get(id)?.revision;
            let content = &environment.releases.get(&revision.release)?.content;
            let drain = content.services.get(&revision.service)?.spec.stop.drain;
            Some(draining.since + drain)
        })
}
