//! Folds recorded facts into the state. Total: any event is folded into any state.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::checklist::{Answer, aftercare, answered};
use crate::closing::Closing;
use crate::deployment::{
    Baseline, Deployment, End, Origin, Outcome, Pause, Phase, Revision, Rollout, Stage,
};
use crate::entry::{Approval, Freeze, Request};
use crate::environment::{Ended, Environment, Queued};
use crate::event::Event;
use crate::id::{RevisionId, ServiceName};
use crate::migration::fold as migrating;
use crate::release::{KnownRelease, ReleaseContent, Standing};
use crate::spec::Strategy;
use crate::time::Timestamp;
use crate::weight::Weight;

/// Folds one recorded fact, which happened `at`, into the state.
#[must_use]
pub fn evolve(mut environment: Environment, at: Timestamp, event: &Event) -> Environment {
    environment.version += 1;
    if !matches!(event, Event::VerdictReached { .. }) {
        environment.turned_at = environment.version;
    }
    match event {
        Event::DeploymentQueued {
            release,
            content,
            origin,
            by,
            identity,
            soak_at_most,
            one_way,
        } => {
            environment.queued = Some(Queued {
                release: *release,
                content: Arc::clone(content),
                origin: *origin,
                by: by.clone(),
                identity: identity.clone(),
                soak_at_most: *soak_at_most,
                one_way: one_way.clone(),
            });
        }
        Event::DeploymentStarted {
            number,
            release,
            content,
            origin,
            rollouts,
            by,
            identity,
            one_way,
        } => {
            let rollouts = start_rollouts(&environment, event, content, rollouts, at);
            let from = environment.serving();
            environment.queued = None;
            environment.last_deployment = *number;
            let known = environment
                .releases
                .entry(*release)
                .or_insert_with(|| KnownRelease {
                    content: Arc::clone(content),
                    identity: None,
                    one_way: None,
                    standing: Standing::Candidate,
                });
            known.one_way.clone_from(one_way);
            if identity.is_some() {
                known.identity.clone_from(identity);
            }
            match origin {
                Origin::Ship | Origin::Retry => known.standing = Standing::Candidate,
                // It was promoted before and stands; the one that is left does not.
                Origin::Rollback { from, .. } => {
                    reject(&mut environment, *from, at, format!("rolled back by {by}"));
                }
            }
            environment.deployment = Some(Deployment {
                number: *number,
                release: *release,
                content: Arc::clone(content),
                from,
                origin: *origin,
                by: by.clone(),
                started_at: at,
                rollouts,
                phase: Phase::Moving,
                paused: None,
                answers: Vec::new(),
                cause: None,
                one_way: one_way.clone(),
                migration: None,
            });
        }
        Event::MigrationStarted { course } => migrating::begin(&mut environment, at, course),
        Event::MigrationEnded { failure, .. } => {
            migrating::end(&mut environment, at, failure.as_deref());
        }
        Event::OldWatched { .. } => migrating::watched(&mut environment),
        Event::RolloutStarted { service } => {
            set_stage(&mut environment, service, |_| Stage::Preparing {
                step: 0,
                since: at,
            });
        }
        Event::BaselineGivenUp { service, why } => {
            if let Some(rollout) = rollout(&mut environment, service) {
                rollout.baseline = Baseline::GivenUp { why: why.clone() };
            }
        }
        Event::WeightShifted {
            service,
            step,
            weight: _,
        } => {
            set_stage(&mut environment, service, |_| Stage::Shifting {
                step: *step,
                since: at,
            });
        }
        Event::SoakStarted { service, step } => {
            set_stage(&mut environment, service, |_| Stage::Soaking {
                step: *step,
                since: at,
            });
        }
        Event::VerdictReached { service, verdict } => {
            if let Some(rollout) = rollout(&mut environment, service) {
                rollout.verdict = Some(verdict.clone());
            }
        }
        Event::StepPassed {
            service,
            step,
            passed: _,
        } => {
            set_stage(&mut environment, service, |_| Stage::Preparing {
                step: step + 1,
                since: at,
            });
        }
        Event::StepsSkipped { service, by: _ } => {
            set_stage(&mut environment, service, |rollout| {
                leave_out_steps(rollout);
                Stage::Preparing {
                    step: rollout.strategy.steps.len().saturating_sub(1),
                    since: at,
                }
            });
        }
        Event::ServicePromoted { service, passed: _ } => {
            set_stage(&mut environment, service, |_| Stage::Promoted { at });
        }
        Event::DeploymentPromoted {} => {
            let deployment = environment.deployment.as_ref();
            let after = deployment.and_then(|it| aftercare(&environment, it, at, false));
            environment.aftercare = after;
            promote(&mut environment, at);
        }
        Event::DeploymentPaused { works, by } => {
            if let Some(deployment) = &mut environment.deployment {
                let before = deployment.paused.as_ref().map(|before| before.since);
                deployment.paused = Some(Pause {
                    since: before.unwrap_or(at),
                    works: works.clone(),
                    by: by.clone(),
                });
            }
        }
        Event::DeploymentResumed { by: _ } => {
            if let Some(deployment) = &mut environment.deployment {
                resume(deployment, at);
            }
        }
        Event::RollbackStarted { services, cause } => {
            for service in services {
                set_stage(&mut environment, service, |rollout| Stage::Returning {
                    since: at,
                    weight: rollout.weight(),
                });
            }
            if let Some(deployment) = &mut environment.deployment {
                deployment.paused = None;
                deployment.cause = Some(cause.clone());
                if matches!(deployment.phase, Phase::Frozen { .. }) {
                    deployment.phase = Phase::Moving;
                }
                if cause.rejects() && !migrating::is_not_to_blame(deployment, cause) {
                    let release = deployment.release;
                    reject(&mut environment, release, at, cause.to_string());
                }
            }
        }
        Event::ServiceReturned { service } => {
            set_stage(&mut environment, service, |_| Stage::Returned);
        }
        Event::DeploymentFrozen { why } => {
            if let Some(deployment) = &mut environment.deployment {
                deployment.phase = Phase::Frozen {
                    since: at,
                    why: why.clone(),
                };
            }
        }
        Event::DeploymentEnded { end } => finish(&mut environment, at, end),
        Event::ServicesClosed { services, how, by } => {
            let closing = Closing {
                how: *how,
                since: at,
                by: by.clone(),
            };
            let closed = services.iter().map(|name| (name.clone(), closing.clone()));
            environment.closed.extend(closed);
        }
        Event::ServicesOpened { services, by: _ } => {
            environment
                .closed
                .retain(|name, _| !services.contains(name));
        }
        Event::EntryRequested {
            release,
            content,
            identity,
            origin,
            expedited,
            one_way,
            by,
        } => {
            let request = Request {
                content: Arc::clone(content),
                identity: identity.clone(),
                origin: *origin,
                by: by.clone(),
                expedited: expedited.clone(),
                one_way: one_way.clone(),
                since: at,
                approvals: Vec::new(),
                gates: Vec::new(),
                answers: Vec::new(),
            };
            environment.requests.insert(*release, request);
        }
        Event::EntryApproved {
            release,
            note,
            owner,
            by,
            ..
        } => {
            if let Some(request) = environment.requests.get_mut(release) {
                // A person counts once; consent that is given again lasts from then on.
                request.approvals.retain(|approval| approval.by != *by);
                request.approvals.push(Approval {
                    by: by.clone(),
                    at,
                    note: note.clone(),
                    owner: *owner,
                });
            }
        }
        Event::EntryJudged { release, gates, .. } => {
            if let Some(request) = environment.requests.get_mut(release) {
                request.gates.clone_from(gates);
            }
        }
        Event::ApprovalsRevoked { release, .. } => {
            if let Some(request) = environment.requests.get_mut(release) {
                request.approvals.clear();
            }
        }
        Event::EntryRejected { release, .. }
        | Event::EntryExpired { release }
        | Event::EntryOvertaken { release, .. }
        | Event::EntryAdmitted { release, .. } => {
            environment.requests.remove(release);
        }
        Event::ItemAnswered {
            release,
            digest: _,
            when,
            item,
            asks,
            passed,
            said,
            by,
        } => {
            let answer = Answer {
                item: item.clone(),
                asked: asks.clone(),
                passed: *passed,
                said: said.clone(),
                by: by.clone(),
                at,
            };
            answered(&mut environment, *when, *release, answer);
        }
        Event::ItemMissed {
            release,
            when,
            item,
            asks,
            said: _,
        } => {
            let after = environment.aftercare.as_mut();
            let after = after.filter(|it| it.when == *when && it.release == *release);
            if let Some(after) = after {
                after.missed.push((item.clone(), asks.clone()));
            }
        }
        Event::FreezeBegun {
            number,
            from,
            until,
            maintenance,
            why,
            by,
        } => {
            environment.last_freeze = *number;
            // What is over need not be remembered for ever.
            environment.freezes.retain(|_, freeze| !freeze.is_over(at));
            let freeze = Freeze {
                from: from.unwrap_or(at),
                until: *until,
                maintenance: *maintenance,
                why: why.clone(),
                by: by.clone(),
                except: BTreeSet::new(),
            };
            environment.freezes.insert(*number, freeze);
        }
        Event::FreezeExcepted {
            number, release, ..
        } => {
            if let Some(freeze) = environment.freezes.get_mut(number) {
                freeze.except.insert(*release);
            }
        }
        Event::FreezeEnded { number, .. } => {
            environment.freezes.remove(number);
        }
    }
    environment
}

fn start_rollouts(
    environment: &Environment,
    event: &Event,
    content: &ReleaseContent,
    strategies: &BTreeMap<ServiceName, Strategy>,
    at: Timestamp,
) -> BTreeMap<ServiceName, Rollout> {
    let Event::DeploymentStarted {
        number, release, ..
    } = event
    else {
        return BTreeMap::new();
    };
    strategies
        .iter()
        .filter_map(|(name, strategy)| {
            let id = RevisionId {
                service: name.clone(),
                release: *release,
                deployment: *number,
            };
            let to = Revision {
                id,
                service: Arc::clone(content.services.get(name)?),
            };
            let from = environment.stable.get(name).cloned();
            let rollout = Rollout {
                baseline: baseline(&to.id, from.as_ref(), strategy),
                to,
                from,
                strategy: strategy.clone(),
                stage: Stage::Waiting { since: at },
                verdict: None,
                paused: Duration::ZERO,
            };
            Some((name.clone(), rollout))
        })
        .collect()
}

/// Returns what the new revision `to` is compared with.
fn baseline(to: &RevisionId, from: Option<&Revision>, strategy: &Strategy) -> Baseline {
    match from {
        // Of one and the same release the copy could not be told from what comes in.
        Some(from) if strategy.has_fresh_baseline() && from.id.release != to.release => {
            let id = RevisionId {
                release: from.id.release,
                ..to.clone()
            };
            let service = Arc::clone(&from.service);
            Baseline::Fresh(Revision { id, service })
        }
        Some(_) | None => Baseline::Stable,
    }
}

fn rollout<'a>(environment: &'a mut Environment, service: &ServiceName) -> Option<&'a mut Rollout> {
    environment.deployment.as_mut()?.rollouts.get_mut(service)
}

/// Leaves out the steps between the one whose weight is decided and the last one. Were they counted as
/// passed, the new revision would seem to have a weight that it never got, and the old side would
/// shrink for it.
fn leave_out_steps(rollout: &mut Rollout) {
    let Some(step) = rollout.step_index() else {
        return;
    };
    let decided = !matches!(rollout.stage, Stage::Preparing { .. });
    let next = step + usize::from(decided);
    let last = rollout.strategy.steps.len().saturating_sub(1);
    if next < last {
        rollout.strategy.steps.drain(next..last);
    }
}

/// Moves a rollout to another stage. What the judge said belongs to the stage that is left.
fn set_stage(
    environment: &mut Environment,
    service: &ServiceName,
    stage: impl FnOnce(&mut Rollout) -> Stage,
) {
    if let Some(rollout) = rollout(environment, service) {
        rollout.stage = stage(rollout);
        rollout.verdict = None;
        rollout.paused = Duration::ZERO;
    }
}

fn resume(deployment: &mut Deployment, at: Timestamp) {
    let Some(pause) = deployment.paused.take() else {
        return;
    };
    for rollout in deployment.rollouts.values_mut() {
        if let Stage::Soaking { since, .. } = rollout.stage {
            rollout.paused += at.since(since.max(pause.since));
        }
    }
}

fn promote(environment: &mut Environment, at: Timestamp) {
    let Some(deployment) = &mut environment.deployment else {
        return;
    };
    deployment.phase = Phase::Settling { since: at };
    let release = deployment.release;
    let whole = deployment
        .rollouts
        .values()
        .all(|r| matches!(r.stage, Stage::Promoted { .. }));
    // A part of it went back: the release as a whole was never promoted.
    if whole && let Some(known) = environment.releases.get_mut(&release) {
        known.standing = Standing::Promoted { at };
        environment.promotions.push(release);
    }
}

fn reject(
    environment: &mut Environment,
    release: crate::id::ReleaseNumber,
    at: Timestamp,
    cause: String,
) {
    if let Some(known) = environment.releases.get_mut(&release) {
        known.standing = Standing::Rejected { at, cause };
    }
    // It may have been shipped once more while it went back.
    environment.queued = environment
        .queued
        .take()
        .filter(|queued| queued.release != release);
}

fn finish(environment: &mut Environment, at: Timestamp, end: &End) {
    let Some(deployment) = environment.deployment.take() else {
        return;
    };
    if *end == End::RolledBack {
        environment.aftercare = aftercare(environment, &deployment, at, true);
    }
    for (name, rollout) in &deployment.rollouts {
        // Frozen means that the previous revision could not take over: what had traffic keeps it.
        let frozen = matches!(deployment.phase, Phase::Frozen { .. });
        let survivor = if frozen && rollout.weight() > Weight::NONE {
            Some(&rollout.to)
        } else {
            rollout.survivor()
        };
        match survivor {
            Some(revision) => environment.stable.insert(name.clone(), revision.clone()),
            None => environment.stable.remove(name),
        };
    }
    environment.migration = migrating::of_what_serves(environment, &deployment);
    if deployment.routes_are_in_force() {
        environment.routing = Some(deployment.content.routing.clone());
        environment.entry = Some(deployment.content.entry.clone());
        let content = &deployment.content;
        environment
            .stable
            .retain(|name, _| content.services.contains_key(name));
        // Services that run on unchanged take over what may differ without a restart.
        for (name, stable) in &mut environment.stable {
            if !deployment.rollouts.contains_key(name)
                && let Some(service) = content.services.get(name)
            {
                stable.service = Arc::clone(service);
            }
        }
    } else if environment.routing.is_none() && !environment.stable.is_empty() {
        environment.routing = Some(deployment.content.routing.clone());
        environment.entry = Some(deployment.content.entry.clone());
    }
    let stable = &environment.stable;
    environment
        .closed
        .retain(|name, _| stable.contains_key(name));
    let outcome = Outcome::of(end, deployment.cause.as_ref());
    *environment.outcomes.entry(outcome).or_default() += 1;
    environment.last_end = Some(Ended {
        number: deployment.number,
        release: deployment.release,
        from: deployment.from,
        origin: deployment.origin,
        by: deployment.by,
        started_at: deployment.started_at,
        end: end.clone(),
        cause: deployment.cause,
        at,
    });
}
