//! Why a deployment is not finished, and when to look again.

use leadsman_analysis::Outcome;

use super::capacity::{back_by, copies, ready, ready_by, sizes, steady};
use super::facts::{settled_at, waits_for};
use super::migrating;
use crate::checklist::{self, When};
use crate::deployment::{Baseline, Deployment, Phase, Revision, Rollout, Stage};
use crate::entry;
use crate::environment::Environment;
use crate::id::ServiceName;
use crate::observed::Observed;
use crate::reason::{Reason, Waiting, Who};
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
        reasons.extend(as_a_whole(environment, deployment, now));
        reasons.extend(migrating::reason(environment, deployment, observed, now));
        if !matches!(deployment.phase, Phase::Frozen { .. }) {
            reasons.extend(deployment.rollouts.iter().filter_map(|(name, r)| {
                of_rollout(environment, deployment, name, r, observed, now)
            }));
        }
    }
    let moving = environment.deployment.as_ref();
    let moving = moving.filter(|deployment| deployment.goes_forward());
    let turns = moving.map(|it| entry::turns(environment, &it.content, now));
    let turns = turns.into_iter().flatten();
    let wake_at = reasons
        .iter()
        .filter_map(|reason| reason.until)
        .chain(drained_by(environment, observed))
        .chain(turns)
        .filter(|until| *until > now)
        .min();
    (reasons, wake_at)
}

fn as_a_whole(
    environment: &Environment,
    deployment: &Deployment,
    now: Timestamp,
) -> Option<Reason> {
    if let Some(pause) = &deployment.paused {
        if let Some(works) = &pause.works {
            return Some(Reason {
                waiting: Waiting::Maintenance {
                    works: works.clone(),
                },
                since: pause.since,
                until: entry::works(environment, deployment.release, &deployment.content, now)
                    .and_then(|works| works.until),
                who: Who::Either(&["thaw", "abort"]),
            });
        }
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
            let until = settled_at(environment, deployment);
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
    environment: &Environment,
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
            let on: Vec<_> = waits_for(deployment, rollout).cloned().collect();
            // It waits for what the deployment as a whole waits for.
            if on.is_empty() {
                return None;
            }
            reason(
                Waiting::Dependencies { service, on },
                since,
                None,
                Who::Leadsman,
            )
        }
        Stage::Preparing { step, since } => {
            let (revision, needed) = (&rollout.to, sizes(rollout).to);
            let beside = copies(rollout, rollout.step(step).weight);
            let (waiting, until) = match rollout.copy() {
                // The copy is named where it alone is still waited for.
                Some(copy) if beside > 0 && steady(observed, revision, now) >= needed => {
                    let waiting = Waiting::Baseline {
                        service,
                        ready: ready(observed, copy),
                        needed: beside,
                        detail: unready(observed, copy),
                    };
                    (waiting, steady_at(observed, copy, beside, since))
                }
                Some(_) | None => {
                    let open = || checklist::holds_back(environment, deployment, observed, now);
                    let is_ready = steady(observed, revision, now) >= needed;
                    let last = is_ready && rollout.is_last(step);
                    if let Some(open) = last.then(open).filter(|open| !open.is_empty()) {
                        let (when, release) = (When::During, deployment.release);
                        let waiting = Waiting::Checklist {
                            when,
                            release,
                            open,
                        };
                        return reason(waiting, since, None, Who::Either(&["confirm", "abort"]));
                    }
                    let waiting = Waiting::Ready {
                        service,
                        ready: ready(observed, revision),
                        needed,
                        detail: unready(observed, revision),
                    };
                    (waiting, steady_at(observed, revision, needed, since))
                }
            };
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
            let given_up = match &rollout.baseline {
                Baseline::GivenUp { why } => Some(why.clone()),
                Baseline::Stable | Baseline::Fresh(_) => None,
            };
            if now < until {
                let (step, left) = (step + 1, until.since(now));
                let waiting = Waiting::Soak {
                    service,
                    weight,
                    step,
                    steps,
                    left,
                    given_up,
                };
                return reason(waiting, since, Some(until), HOLD);
            }
            let verdict = observed.verdicts.get(name);
            // Where the judge is sure and it stays all the same, it is held by a person.
            if verdict.is_some_and(|verdict| verdict.outcome == Outcome::Pass) {
                return None;
            }
            let patient_until = rollout.patient_until(step, since).unwrap_or(until);
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
                given_up,
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

/// Returns what stands between an instance of `revision` and being ready, where one is not.
fn unready(observed: &Observed, revision: &Revision) -> Option<String> {
    observed
        .instances
        .values()
        .filter(|seen| seen.revision == revision.id && seen.ready_since.is_none())
        .find_map(|seen| seen.detail.clone())
}

/// Returns when `needed` instances of `revision` will have been ready for long enough; while not so
/// many are ready, when they must be, if they began `since`.
fn steady_at(observed: &Observed, revision: &Revision, needed: u16, since: Timestamp) -> Timestamp {
    let steady = revision.service.spec.ready.steady;
    let last = observed
        .instances
        .values()
        .filter(|seen| seen.revision == revision.id)
        .filter_map(|seen| Some(seen.ready_since? + steady))
        .max();
    match last {
        Some(last) if ready(observed, revision) >= needed => last,
        Some(_) | None => ready_by(revision, since),
    }
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
