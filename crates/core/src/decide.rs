//! Judges a command against the state: granted as events, or refused.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::checklist;
use crate::closing;
use crate::command::{Command, Scope};
use crate::deployment::{Cause, Deployment, End, Origin, Phase, Rollout, Stage};
use crate::entry::{self, Asked};
use crate::environment::{Environment, Queued};
use crate::event::{Event, Passed};
use crate::id::{DeploymentNumber, ReleaseNumber, ServiceName};
use crate::migration::{Migration, at_the_door, brings_back, closes_way_back, fits};
use crate::refusal::Refusal;
use crate::release::{KnownRelease, ReleaseContent, Standing};
use crate::spec::{BaselineKind, OnInconclusive, ReleasedService, Sizing, Step, Strategy};
use crate::weight::Weight;

/// Judges what `by` asks for. The events of a granted command are recorded together, on the very
/// version of the state that they were decided on.
///
/// # Errors
///
/// The refusal, where the command does not fit the state.
pub fn decide(
    environment: &Environment,
    command: &Command,
    by: &str,
) -> Result<Vec<Event>, Refusal> {
    match command {
        Command::Ship {
            release,
            content,
            identity,
            expedited,
            one_way,
        } => {
            let asked = Asked {
                release: *release,
                content,
                identity,
                expedited: expedited.as_deref(),
                origin: Origin::Ship,
                one_way: one_way.as_deref(),
            };
            ship(environment, &asked, by)
        }
        Command::Pause => pause(environment, by),
        Command::Resume => resume(environment, by),
        Command::Promote { all } => promote(environment, *all, by),
        Command::Abort => abort(environment, by),
        Command::Retry => retry(environment, by),
        Command::Rollback {
            to,
            scope,
            migrate_back,
        } => rollback(environment, *to, scope, *migrate_back, by),
        Command::Close { how, service } => closing::close(environment, *how, service.as_ref(), by),
        Command::Open { how, service } => closing::open(environment, *how, service.as_ref(), by),
        Command::Approve {
            release,
            digest,
            known_as,
            owner,
            note,
        } => {
            let owner = *owner;
            let consenting = entry::Consenting { known_as, owner };
            let (digest, note) = (digest.as_ref(), note.as_deref());
            entry::approve(environment, *release, digest, consenting, note, by)
        }
        Command::Confirm {
            item,
            when,
            release,
            digest,
            roles,
            said,
        } => {
            let confirming = checklist::Confirming {
                item,
                when: *when,
                release: *release,
                digest: digest.as_ref(),
                roles,
                said,
            };
            checklist::confirm(environment, &confirming, by)
        }
        Command::Reject { release, why } => entry::reject(environment, *release, why, by),
        Command::Freeze {
            from,
            until,
            maintenance,
            why,
        } => entry::freeze(environment, (*from, *until), *maintenance, why, by),
        Command::Except {
            freeze,
            release,
            why,
        } => entry::except(environment, *freeze, *release, why, by),
        Command::Thaw { freeze } => entry::thaw(environment, *freeze, by),
    }
}

fn ship(environment: &Environment, asked: &Asked<'_>, by: &str) -> Result<Vec<Event>, Refusal> {
    let (release, content) = (asked.release, asked.content);
    if let Some(KnownRelease {
        standing: Standing::Rejected { cause, .. },
        ..
    }) = environment.releases.get(&release)
    {
        return Err(Refusal::Rejected {
            release,
            cause: cause.clone(),
        });
    }
    if environment.is_on_its_way(release) {
        return Err(Refusal::AlreadyOnItsWay(release));
    }
    if environment.deployment.is_none() && environment.already_runs(content) {
        return Err(Refusal::AlreadyServes(release));
    }
    come_in(environment, asked, by)
}

/// Brings a release in if it may enter at once; else it waits.
fn come_in(environment: &Environment, asked: &Asked<'_>, by: &str) -> Result<Vec<Event>, Refusal> {
    at_the_door(environment, asked.release, asked.content, asked.one_way)?;
    if let Some(requested) = entry::ask(environment, asked, by)? {
        return Ok(vec![requested]);
    }
    Ok(enter(
        environment,
        Queued {
            release: asked.release,
            content: Arc::clone(asked.content),
            origin: asked.origin,
            by: by.to_owned(),
            identity: Some(asked.identity.clone()),
            soak_at_most: entry::soak_at_most(environment, asked.content, asked.expedited),
            one_way: asked.one_way.map(str::to_owned),
        },
    ))
}

/// Brings a release in: at once, or as soon as the present deployment has made room.
pub(crate) fn enter(environment: &Environment, next: Queued) -> Vec<Event> {
    let Some(deployment) = &environment.deployment else {
        return vec![start(environment, next)];
    };
    // Where the schema leaves no way back, what has requests keeps them.
    let closed = closes_way_back(environment, deployment);
    if let Some(refusal) = closed.filter(|_| deployment.phase == Phase::Moving) {
        let stays = Event::DeploymentFrozen {
            why: refusal.to_string(),
        };
        let frozen = crate::evolve(environment.clone(), deployment.started_at, &stays);
        let mut events = vec![stays];
        events.extend(enter(&frozen, next));
        return events;
    }
    // A promoted or frozen deployment has nothing left to take back: what serves, serves.
    let room = match deployment.phase {
        Phase::Settling { .. } if !deployment.is_returning() => Some(End::Settled),
        Phase::Frozen { .. } => Some(End::Superseded { by: next.release }),
        Phase::Settling { .. } | Phase::Moving => None,
    };
    if let Some(end) = room {
        let ended = Event::DeploymentEnded { end };
        let after = crate::evolve(environment.clone(), deployment.started_at, &ended);
        return vec![ended, start(&after, next)];
    }
    let moving: BTreeSet<ServiceName> = deployment
        .rollouts
        .iter()
        .filter(|(_, r)| !r.is_at_rest() && !matches!(r.stage, Stage::Returning { .. }))
        .map(|(name, _)| name.clone())
        .collect();
    let cause = Cause::Superseded { by: next.release };
    let mut events = Vec::new();
    if !moving.is_empty() {
        events.push(Event::RollbackStarted {
            services: moving,
            cause,
        });
    }
    events.push(Event::DeploymentQueued {
        release: next.release,
        content: next.content,
        origin: next.origin,
        by: next.by,
        identity: next.identity,
        soak_at_most: next.soak_at_most,
        one_way: next.one_way,
    });
    events
}

/// Returns the event with which `next` begins, given that no deployment is under way.
pub(crate) fn start(environment: &Environment, next: Queued) -> Event {
    let rollouts = next
        .content
        .services
        .iter()
        .filter(|(name, service)| match environment.stable.get(*name) {
            Some(stable) => !service.runs_the_same_as(&stable.service),
            None => true,
        })
        .map(|(name, service)| (name.clone(), way(environment, name, service, &next)))
        .collect();
    Event::DeploymentStarted {
        number: DeploymentNumber(environment.last_deployment.0 + 1),
        release: next.release,
        content: next.content,
        origin: next.origin,
        rollouts,
        by: next.by,
        identity: next.identity,
        one_way: next.one_way,
    }
}

/// Returns the way that a service takes: its strategy, but all at once where there is nothing to
/// compare with, or where the release has proven itself before. Nothing is kept warm then: there
/// is no previous revision, or it is the one that was just left for a reason.
fn way(
    environment: &Environment,
    name: &ServiceName,
    service: &ReleasedService,
    next: &Queued,
) -> Strategy {
    let strategy = &service.spec.strategy;
    let is_rollback = matches!(next.origin, Origin::Rollback { .. });
    if environment.stable.contains_key(name) && !is_rollback {
        let mut strategy = strategy.clone();
        for step in &mut strategy.steps {
            let shorter = step.soak.zip(next.soak_at_most);
            step.soak = shorter.map(|(soak, most)| soak.min(most)).or(step.soak);
        }
        return strategy;
    }
    Strategy {
        steps: vec![Step {
            weight: Weight::ALL,
            soak: None,
        }],
        sizing: Sizing::Full,
        keep_warm: Duration::ZERO,
        patience: strategy.patience,
        on_inconclusive: OnInconclusive::Hold,
        baseline: BaselineKind::Stable,
    }
}

fn pause(environment: &Environment, by: &str) -> Result<Vec<Event>, Refusal> {
    let deployment = moving(environment)?;
    match &deployment.paused {
        // Who pauses it in a maintenance window wants it to stay so afterwards.
        Some(pause) if pause.works.is_none() => Err(Refusal::AlreadyPaused {
            by: pause.by.clone(),
        }),
        Some(_) | None => Ok(vec![Event::DeploymentPaused {
            works: None,
            by: by.to_owned(),
        }]),
    }
}

fn resume(environment: &Environment, by: &str) -> Result<Vec<Event>, Refusal> {
    let deployment = moving(environment)?;
    held(deployment)?;
    match &deployment.paused {
        Some(_) => Ok(vec![Event::DeploymentResumed { by: by.to_owned() }]),
        None => Err(Refusal::NotPaused),
    }
}

/// Refuses what would let a deployment go on in a maintenance window.
fn held(deployment: &Deployment) -> Result<(), Refusal> {
    let works = deployment.paused.as_ref().and_then(|it| it.works.clone());
    works.map_or(Ok(()), |works| {
        let release = deployment.release;
        Err(Refusal::InMaintenance { release, works })
    })
}

fn promote(environment: &Environment, all: bool, by: &str) -> Result<Vec<Event>, Refusal> {
    let deployment = moving(environment)?;
    held(deployment)?;
    let by = by.to_owned();
    let mut events = Vec::new();
    if deployment.paused.is_some() {
        events.push(Event::DeploymentResumed { by: by.clone() });
    }
    let before = events.len();
    for (service, rollout) in &deployment.rollouts {
        events.extend(promote_service(service, rollout, all, &by));
    }
    if events.len() == before {
        let why = "instances are still being prepared, or weights acknowledged".to_owned();
        return Err(Refusal::NoStepToPass(why));
    }
    Ok(events)
}

fn promote_service(service: &ServiceName, rollout: &Rollout, all: bool, by: &str) -> Option<Event> {
    let (service, by) = (service.clone(), by.to_owned());
    match rollout.stage {
        Stage::Soaking { step, .. } if rollout.is_last(step) => Some(Event::ServicePromoted {
            service,
            passed: Passed::ByHand { by },
        }),
        Stage::Preparing { step, .. }
        | Stage::Shifting { step, .. }
        | Stage::Soaking { step, .. }
            if all && !rollout.is_last(step) =>
        {
            Some(Event::StepsSkipped { service, by })
        }
        Stage::Soaking { step, .. } => Some(Event::StepPassed {
            service,
            step,
            passed: Passed::ByHand { by },
        }),
        Stage::Waiting { .. }
        | Stage::Preparing { .. }
        | Stage::Shifting { .. }
        | Stage::Promoted { .. }
        | Stage::Returning { .. }
        | Stage::Returned => None,
    }
}

fn abort(environment: &Environment, by: &str) -> Result<Vec<Event>, Refusal> {
    let deployment = active(environment)?;
    if matches!(deployment.phase, Phase::Frozen { .. }) {
        let ended = Event::DeploymentEnded {
            end: End::Abandoned,
        };
        let after = crate::evolve(environment.clone(), deployment.started_at, &ended);
        // What waited for this one to be gone need not wait any longer.
        let next = environment.queued.clone();
        let next = next.map(|queued| start(&after, queued));
        return Ok(std::iter::once(ended).chain(next).collect());
    }
    moving(environment)?;
    if let Some(refusal) = closes_way_back(environment, deployment) {
        return Err(refusal);
    }
    let services = deployment.rollouts.keys().cloned().collect();
    Ok(vec![Event::RollbackStarted {
        services,
        cause: Cause::Aborted { by: by.to_owned() },
    }])
}

fn retry(environment: &Environment, by: &str) -> Result<Vec<Event>, Refusal> {
    if let Some(deployment) = &environment.deployment {
        return match (&deployment.phase, &deployment.cause) {
            (Phase::Frozen { .. }, Some(cause)) => {
                let returning = |r: &Rollout| matches!(r.stage, Stage::Returning { .. });
                Ok(vec![Event::RollbackStarted {
                    services: names(deployment, returning),
                    cause: cause.clone(),
                }])
            }
            (Phase::Frozen { why, .. }, None) => Err(Refusal::Frozen {
                release: deployment.release,
                why: why.clone(),
            }),
            (Phase::Moving | Phase::Settling { .. }, _) => {
                Err(Refusal::AlreadyOnItsWay(deployment.release))
            }
        };
    }
    // The last deployment, if it did not stay; else the newest release that was rejected.
    let last = environment
        .last_end
        .as_ref()
        .filter(|ended| ended.end == End::RolledBack);
    let rejected = environment
        .releases
        .iter()
        .rev()
        .find_map(|(number, known)| {
            matches!(known.standing, Standing::Rejected { .. }).then_some(*number)
        });
    let release = last
        .map(|ended| ended.release)
        .or(rejected)
        .ok_or_else(|| Refusal::NothingToRetry(environment.id.clone()))?;
    let known = environment
        .releases
        .get(&release)
        .ok_or_else(|| Refusal::NothingToRetry(environment.id.clone()))?;
    let asks = |identity| Asked {
        release,
        content: &known.content,
        identity,
        expedited: None,
        origin: Origin::Retry,
        one_way: known.one_way.as_deref(),
    };
    if let Some(identity) = &known.identity {
        return come_in(environment, &asks(identity), by);
    }
    if !entry::asks_nothing(environment, &known.content) {
        return Err(Refusal::NotRequested {
            release,
            environment: environment.id.clone(),
        });
    }
    let content = Arc::clone(&known.content);
    at_the_door(environment, release, &content, known.one_way.as_deref())?;
    let next = Queued {
        release,
        content,
        origin: Origin::Retry,
        by: by.to_owned(),
        identity: None,
        soak_at_most: None,
        one_way: known.one_way.clone(),
    };
    Ok(enter(environment, next))
}

fn rollback(
    environment: &Environment,
    to: Option<ReleaseNumber>,
    scope: &Scope,
    migrate_back: bool,
    by: &str,
) -> Result<Vec<Event>, Refusal> {
    // The schema is the application's: it goes back with all of it.
    let migrate_back = migrate_back && *scope == Scope::All;
    let mut to = to;
    if let Some(deployment) = &environment.deployment
        && (to.is_none() || to == environment.previous_of(deployment))
    {
        if !migrate_back {
            if let Some(refusal) = closes_way_back(environment, deployment) {
                return Err(refusal);
            }
            return take_back(deployment, scope, by);
        }
        to = environment.previous_of(deployment);
    }
    if *scope == Scope::Canary {
        return Err(Refusal::NothingOnItsWay(environment.id.clone()));
    }
    let from = match &environment.deployment {
        Some(deployment) => deployment.release,
        None => environment
            .serving()
            .ok_or_else(|| Refusal::NoPrevious(environment.id.clone()))?,
    };
    let target = match to {
        Some(release) => release,
        None => environment
            .previous()
            .ok_or_else(|| Refusal::NoPrevious(environment.id.clone()))?,
    };
    let content = target_content(environment, target, scope)?;
    if environment.deployment.is_none() && environment.already_runs(&content) && !migrate_back {
        return Err(Refusal::AlreadyServes(target));
    }
    if migrate_back {
        brings_back(environment, target, &content)?;
    } else {
        fits(environment, target, &content)?;
    }
    let origin = Origin::Rollback { from, migrate_back };
    let known = environment.releases.get(&target);
    let identity = known.and_then(|known| known.identity.clone());
    Ok(enter(
        environment,
        Queued {
            release: target,
            content,
            origin,
            by: by.to_owned(),
            identity,
            soak_at_most: None,
            one_way: None,
        },
    ))
}

/// Takes a deployment that is not finished back, wholly or in part.
fn take_back(deployment: &Deployment, scope: &Scope, by: &str) -> Result<Vec<Event>, Refusal> {
    if let Phase::Frozen { why, .. } = &deployment.phase {
        return Err(Refusal::Frozen {
            release: deployment.release,
            why: why.clone(),
        });
    }
    let services = match scope {
        Scope::All => names(deployment, |rollout| rollout.stage != Stage::Returned),
        Scope::Canary => names(deployment, |rollout| !rollout.is_at_rest()),
        Scope::Service(service) => {
            let Some(rollout) = deployment.rollouts.get(service) else {
                return Err(Refusal::NotPartOfIt {
                    service: service.clone(),
                });
            };
            if rollout.stage == Stage::Returned {
                return Err(Refusal::AlreadyReturning(deployment.release));
            }
            with_dependents(deployment, service)
        }
    };
    let going = |name: &ServiceName| {
        deployment
            .rollouts
            .get(name)
            .is_some_and(|r| matches!(r.stage, Stage::Returning { .. }))
    };
    if !services.is_empty() && services.iter().all(going) {
        return Err(Refusal::AlreadyReturning(deployment.release));
    }
    if services.is_empty() && *scope == Scope::Canary {
        return Err(Refusal::AlreadyPromoted(deployment.release));
    }
    let promoted_without_previous = services.iter().any(|name| {
        deployment
            .rollouts
            .get(name)
            .is_some_and(|r| r.from.is_none() && matches!(r.stage, Stage::Promoted { .. }))
    });
    if promoted_without_previous {
        return Err(Refusal::NoWayBack(deployment.release));
    }
    Ok(vec![Event::RollbackStarted {
        services,
        cause: Cause::RolledBack { by: by.to_owned() },
    }])
}

/// Returns the service and all that wait for it and have not begun: they never would.
fn with_dependents(deployment: &Deployment, service: &ServiceName) -> BTreeSet<ServiceName> {
    let mut found = BTreeSet::from([service.clone()]);
    loop {
        let more: Vec<ServiceName> = deployment
            .rollouts
            .iter()
            .filter(|(name, rollout)| {
                !found.contains(*name)
                    && matches!(rollout.stage, Stage::Waiting { .. })
                    && rollout
                        .to
                        .service
                        .spec
                        .after
                        .iter()
                        .any(|needed| found.contains(needed))
            })
            .map(|(name, _)| name.clone())
            .collect();
        if more.is_empty() {
            return found;
        }
        found.extend(more);
    }
}

/// Returns what going back to `target` brings: the whole release, or what runs with one service
/// exchanged.
fn target_content(
    environment: &Environment,
    target: ReleaseNumber,
    scope: &Scope,
) -> Result<Arc<ReleaseContent>, Refusal> {
    let known = environment
        .releases
        .get(&target)
        .ok_or_else(|| Refusal::UnknownRelease {
            release: target,
            environment: environment.id.clone(),
        })?;
    if !matches!(known.standing, Standing::Promoted { .. }) {
        return Err(Refusal::NotARollbackTarget(target));
    }
    let Scope::Service(name) = scope else {
        return Ok(Arc::clone(&known.content));
    };
    let service = known
        .content
        .services
        .get(name)
        .ok_or_else(|| Refusal::UnknownService(name.clone()))?;
    let mut services: BTreeMap<_, _> = environment
        .stable
        .iter()
        .map(|(name, revision)| (name.clone(), Arc::clone(&revision.service)))
        .collect();
    services.insert(name.clone(), Arc::clone(service));
    let routing = environment
        .routing
        .clone()
        .unwrap_or_else(|| known.content.routing.clone());
    let entry = environment.entry.as_ref().unwrap_or(&known.content.entry);
    // The one runs beside the others: together they work with what both work with.
    let (whole, one) = (&environment.migration, &known.content.migration);
    Ok(Arc::new(ReleaseContent {
        routing,
        services,
        entry: entry.clone(),
        migration: Migration::beside(whole.as_ref(), one.as_ref()),
    }))
}

fn active(environment: &Environment) -> Result<&Deployment, Refusal> {
    environment
        .deployment
        .as_ref()
        .ok_or_else(|| Refusal::NothingOnItsWay(environment.id.clone()))
}

/// Returns the deployment if it is on its way forward; else the refusal that says where it is.
fn moving(environment: &Environment) -> Result<&Deployment, Refusal> {
    let deployment = active(environment)?;
    match &deployment.phase {
        _ if deployment.is_returning() => Err(Refusal::AlreadyReturning(deployment.release)),
        Phase::Moving => Ok(deployment),
        Phase::Settling { .. } => Err(Refusal::AlreadyPromoted(deployment.release)),
        Phase::Frozen { why, .. } => Err(Refusal::Frozen {
            release: deployment.release,
            why: why.clone(),
        }),
    }
}

fn names(deployment: &Deployment, which: impl Fn(&Rollout) -> bool) -> BTreeSet<ServiceName> {
    deployment
        .rollouts
        .iter()
        .filter(|(_, rollout)| which(rollout))
        .map(|(name, _)| name.clone())
        .collect()
}

impl Environment {
    /// Returns the release that serves again if `deployment` is taken back.
    fn previous_of(&self, deployment: &Deployment) -> Option<ReleaseNumber> {
        match deployment.phase {
            Phase::Settling { .. } => self.previous(),
            Phase::Moving | Phase::Frozen { .. } => self.serving(),
        }
    }
}
