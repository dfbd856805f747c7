//! The migration of a deployment: when it begins, what came of it, and whether what serves works
//! on the new schema. Nothing of the release is started before.

use super::capacity::is_ready;
use crate::deployment::{Cause, Deployment, Phase, Stage};
use crate::environment::Environment;
use crate::errand::{ErrandEnd, ErrandId, ErrandKind, ObservedErrand};
use crate::event::Event;
use crate::migration::{self, MigrationStage, Need};
use crate::observed::Observed;
use crate::reason::{Reason, Waiting, Who};
use crate::time::Timestamp;

/// Returns what holds now of the migration of `deployment` and is not recorded.
pub(super) fn facts(
    environment: &Environment,
    deployment: &Deployment,
    observed: &Observed,
    now: Timestamp,
) -> Vec<Event> {
    let Some(migrating) = &deployment.migration else {
        return begin(environment, deployment);
    };
    match migrating.stage {
        MigrationStage::Running { .. } => ended(environment, deployment, observed),
        MigrationStage::Watched { since } => watched(environment, deployment, observed, since, now),
        MigrationStage::Done | MigrationStage::Failed => Vec::new(),
    }
}

fn begin(environment: &Environment, deployment: &Deployment) -> Vec<Event> {
    if !deployment.brings_something() || deployment.paused.is_some() || !is_untouched(deployment) {
        return Vec::new();
    }
    match migration::need(environment, deployment) {
        Need::Nothing => Vec::new(),
        Need::Course(course) => vec![Event::MigrationStarted { course }],
        Need::Refused(detail) => vec![back(deployment, Cause::NotMigrated { detail })],
    }
}

/// Whether nothing of the release has begun.
fn is_untouched(deployment: &Deployment) -> bool {
    let waits = |stage| {
        let back = matches!(stage, Stage::Returning { .. } | Stage::Returned);
        back || matches!(stage, Stage::Waiting { .. })
    };
    deployment.phase == Phase::Moving && deployment.rollouts.values().all(|r| waits(r.stage))
}

fn back(deployment: &Deployment, cause: Cause) -> Event {
    let moving = deployment.rollouts.iter();
    let moving = moving.filter(|(_, rollout)| !rollout.is_at_rest());
    Event::RollbackStarted {
        services: moving.map(|(name, _)| name.clone()).collect(),
        cause,
    }
}

fn over<'a>(
    deployment: &Deployment,
    kind: ErrandKind,
    observed: &'a Observed,
) -> Option<&'a ErrandEnd> {
    let id = ErrandId {
        deployment: deployment.number,
        kind,
    };
    match observed.errands.get(&id)? {
        ObservedErrand::Over(end) => Some(end),
        ObservedErrand::Running(_) => None,
    }
}

fn ended(environment: &Environment, deployment: &Deployment, observed: &Observed) -> Vec<Event> {
    let Some(end) = over(deployment, ErrandKind::Migration, observed) else {
        return Vec::new();
    };
    let mut facts = vec![Event::MigrationEnded {
        failure: end.failure.clone(),
        last: end.last.clone(),
        took: end.took,
    }];
    // Who took it back has said why; who only supersedes it has not. Who ships the very same again
    // wants it tried again, and it must not be rejected meanwhile.
    let superseded = matches!(deployment.cause, Some(Cause::Superseded { .. }));
    let next = environment.queued.as_ref().map(|queued| queued.release);
    let again = next == Some(deployment.release);
    let said = !deployment.brings_something() && (!superseded || again);
    if let Some(failure) = end.failure.clone().filter(|_| !said) {
        let detail = failure;
        facts.push(back(deployment, Cause::NotMigrated { detail }));
    }
    facts
}

fn watched(
    environment: &Environment,
    deployment: &Deployment,
    observed: &Observed,
    since: Timestamp,
    now: Timestamp,
) -> Vec<Event> {
    if !deployment.brings_something() {
        return Vec::new();
    }
    if let Some(detail) = unwell(environment, deployment, observed, since) {
        return vec![back(deployment, Cause::OldUnwell { detail })];
    }
    let asked = migration::smoke(environment).is_some();
    let answered = over(deployment, ErrandKind::Smoke, observed).is_some();
    if now < watched_until(deployment, since) || asked && !answered {
        return Vec::new();
    }
    let schema = deployment.migration.as_ref().map(|it| it.course.to);
    vec![Event::OldWatched {
        release: environment.serving(),
        schema: schema.unwrap_or_default(),
    }]
}

fn watched_until(deployment: &Deployment, since: Timestamp) -> Timestamp {
    let migration = deployment.content.migration.as_ref();
    since + migration.map(|it| it.watch_old).unwrap_or_default()
}

/// Returns what shows that what serves does not work on the new schema, on which it is `since`: an
/// instance has not been ready all the time, or what it is asked by failed.
fn unwell(
    environment: &Environment,
    deployment: &Deployment,
    observed: &Observed,
    since: Timestamp,
) -> Option<String> {
    let smoke = over(deployment, ErrandKind::Smoke, observed);
    if let Some(failure) = smoke.and_then(|end| end.failure.as_ref()) {
        return Some(format!("its `smoke` failed: {failure}"));
    }
    environment.stable.iter().find_map(|(name, stable)| {
        let mine = || {
            let all = observed.instances.values();
            all.filter(|seen| seen.revision == stable.id)
        };
        let steady = mine().filter(|seen| {
            let all_the_time = seen.ready_since.is_some_and(|ready| ready <= since);
            is_ready(seen) && all_the_time
        });
        let (steady, needed) = (steady.count(), stable.service.spec.instances);
        if steady >= usize::from(needed) {
            return None;
        }
        let detail = mine().find_map(|seen| seen.detail.as_deref());
        let detail = detail.map_or_else(String::new, |detail| format!(": {detail}"));
        let release = stable.id.release;
        Some(format!(
            "{steady} of {needed} instances of `{name}` of {release} stayed ready{detail}"
        ))
    })
}

/// Whether nothing of the migration stands between the release and its first instances.
pub(super) fn is_clear(environment: &Environment, deployment: &Deployment) -> bool {
    match &deployment.migration {
        Some(migrating) => migrating.stage == MigrationStage::Done,
        None => migration::need(environment, deployment) == Need::Nothing,
    }
}

/// Whether a deployment that has nothing else to do may end: nothing of its errands runs any more.
pub(super) fn may_end(
    environment: &Environment,
    deployment: &Deployment,
    observed: &Observed,
) -> bool {
    let Some(migrating) = &deployment.migration else {
        return deployment.cause.is_some() || is_clear(environment, deployment);
    };
    match migrating.stage {
        MigrationStage::Running { .. } => false,
        MigrationStage::Watched { .. } => {
            let asked = migration::smoke(environment).is_some();
            let answered = over(deployment, ErrandKind::Smoke, observed).is_some();
            !deployment.brings_something() && (!asked || answered)
        }
        MigrationStage::Done | MigrationStage::Failed => true,
    }
}

/// Returns what is waited for.
pub(super) fn reason(
    environment: &Environment,
    deployment: &Deployment,
    observed: &Observed,
    now: Timestamp,
) -> Option<Reason> {
    let migrating = deployment.migration.as_ref()?;
    let who = Who::Either(&["abort"]);
    match migrating.stage {
        MigrationStage::Running { since } => {
            let (id, errand) = migration::task(environment)?;
            let problem = match observed.errands.get(&id) {
                Some(ObservedErrand::Running(problem)) => problem.clone(),
                Some(ObservedErrand::Over(_)) | None => None,
            };
            Some(Reason {
                waiting: Waiting::Migration {
                    course: migrating.course.clone(),
                    problem,
                },
                since,
                until: Some(since + errand.timeout),
                who,
            })
        }
        MigrationStage::Watched { since } => {
            let until = watched_until(deployment, since);
            Some(Reason {
                waiting: Waiting::OldWatched {
                    release: environment.serving(),
                    schema: migrating.course.to,
                    left: until.since(now),
                },
                since,
                until: Some(until),
                who,
            })
        }
        MigrationStage::Done | MigrationStage::Failed => None,
    }
}

/// Returns why a failed release stays where it is.
pub(super) fn frozen(cause: &Cause, refusal: &crate::refusal::Refusal) -> Event {
    let why = format!(
        "{cause}; traffic stays where it is, because {refusal}; {}",
        refusal.hint()
    );
    Event::DeploymentFrozen { why }
}
