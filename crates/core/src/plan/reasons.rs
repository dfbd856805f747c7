//! Why a deployment is not finished, and when to look again.

use std::time::Duration;

use leadsman_analysis::{Outcome, Verdict};

use super::capacity::{back_by, ready, ready_by, sizes};
use super::facts::{settled_at, waits_for};
use crate::deployment::{Deployment, Phase, Rollout, Stage};
use crate::environment::Environment;
use crate::id::ServiceName;
use crate::observed::Observed;
use crate::reason::{Helps, Reason, Waiting, Who};
use crate::spec::OnInconclusive;
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
            let verdict = observed.verdicts.get(name);
            // Where the judge is sure and it stays all the same, it is held by a person.
            if verdict.is_some_and(|verdict| verdict.outcome == Outcome::Pass) {
                return None;
            }
            let patient_until = until + rollout.strategy.patience;
            let then = rollout.strategy.on_inconclusive;
            let undecided = verdict.is_some_and(|v| v.outcome == Outcome::Inconclusive);
            // What has no figures waits for a person, whatever the strategy says.
            let applies = now < patient_until
                && deployment.paused.is_none()
                && (undecided || then != OnInconclusive::Advance);
            let waiting = Waiting::Verdict {
                service,
                weight,
                sentence: verdict.map_or_else(
                    || "no figures so far".to_owned(),
                    |verdict| verdict.sentence.clone(),
                ),
                helps: helps(verdict, now.since(since)),
                then: applies.then(|| (then, patient_until.since(now))),
            };
            reason(waiting, since, Some(patient_until), HOLD)
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

/// Returns what would make the judge sure whose verdict this is, after a step was held for `held`.
fn helps(verdict: Option<&Verdict>, held: Duration) -> Helps {
    /// What takes longer does not come: by then everything is different.
    const FORESEEABLE: Duration = Duration::from_secs(30 * 86_400);
    let Some(verdict) = verdict else {
        return Helps::Figures;
    };
    match verdict.outcome {
        Outcome::SourceError => Helps::Figures,
        Outcome::NoData => Helps::Requests,
        Outcome::Pass | Outcome::Fail | Outcome::Inconclusive => {
            let left = verdict.evidence.and_then(|evidence| evidence.passes_in);
            let left = left.and_then(|seconds| Duration::try_from_secs_f64(seconds.ceil()).ok());
            let left = left.filter(|left| *left <= FORESEEABLE);
            left.map_or(Helps::Requests, |left| Helps::Time {
                left,
                requests: requests_in(left, verdict.requests, held),
            })
        }
    }
}

/// Returns how many requests come in `left` if so many came in `held`.
fn requests_in(left: Duration, requests: u64, held: Duration) -> u64 {
    let expected = u128::from(requests) * left.as_millis() / held.as_millis().max(1);
    u64::try_from(expected).unwrap_or(u64::MAX)
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
