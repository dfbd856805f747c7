//! What a shipment would do, before anything moves.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use leadsman_analysis::{GaugeLimit, Limits, Worse};
use leadsman_api::{
    Plan, PlannedAction, PlannedBaseline, PlannedChecklist, PlannedService, PlannedStep, Shipment,
};
use leadsman_core::checklist::When;
use leadsman_core::entry::{EntryRules, Identity};
use leadsman_core::id::{EnvironmentId, ReleaseNumber, ServiceName};
use leadsman_core::migration;
use leadsman_core::people::Act;
use leadsman_core::project::units;
use leadsman_core::spec::{Sizing, Step, Strategy};
use leadsman_core::time::Timestamp;
use leadsman_core::weight::Weight;
use leadsman_core::{Command, Environment, Event, Observed, ReleaseContent, decide, evolve};

use super::diff::{changes, running};
use super::{Shared, ship};
use crate::access::Caller;
use crate::extract::Sent;
use crate::problem::Failure;
use crate::serve::Server;
use crate::sight::Planned;
use crate::wire::{millis, percent};

pub(crate) async fn post(
    State(server): Shared,
    caller: Caller,
    Sent(shipment): Sent<Shipment>,
) -> Result<Json<Plan>, Failure> {
    let (new, environment) = ship::read(shipment)?;
    let (state, content, identity) = server.engine.preview(&new, environment)?;
    caller.may_in(Act::See, &state.id)?;
    let application = server.engine.releases(&state.id.application).await.ok();
    let last = application.and_then(|a| a.releases.keys().next_back().copied());
    let release = ReleaseNumber(last.map_or(1, |last| last.0 + 1));
    let mut warnings = Vec::new();
    if let Some(deployment) = &state.deployment {
        warnings.push(format!(
            "{} is on its way: it would be superseded",
            deployment.release
        ));
    }
    // Planned as if nothing else were on its way: that is how it would begin.
    let mut resting = state.clone();
    resting.deployment = None;
    resting.queued = None;
    let seen = (&observed(&server, &state), server.engine.now());
    let kept_out = kept_out(&resting, release, &content, &identity, seen);
    let same_entry = resting.entry.as_ref() == Some(&content.entry);
    resting.entry = same_entry.then(EntryRules::default);
    resting.freezes.clear();
    let admitted = ReleaseContent {
        entry: EntryRules::default(),
        ..ReleaseContent::clone(&content)
    };
    let command = Command::Ship {
        release,
        content: Arc::new(admitted),
        identity,
        expedited: None,
        one_way: None,
    };
    let (events, refused) = match decide(&resting, &command, "plan") {
        Ok(events) => (events, None),
        Err(refusal) => (Vec::new(), Some(refusal.to_string())),
    };
    warnings.extend(migration::planned(&state, &content));
    // Whatever stands in its way is said once.
    warnings.extend(kept_out.iter().cloned());
    warnings.extend(refused.filter(|refused| Some(refused) != kept_out.as_ref()));
    let rollouts = events.iter().find_map(|event| {
        if let Event::DeploymentStarted { rollouts, .. } = event {
            Some(rollouts)
        } else {
            None
        }
    });
    let rolls = |name: &ServiceName| rollouts.and_then(|rollouts| rollouts.get(name));
    let mut traffic = BTreeMap::new();
    for name in content.services.keys() {
        if rolls(name).is_some() && state.stable.contains_key(name) {
            traffic.insert(name, server.engine.traffic(&state.id, name).await?);
        }
    }
    let sees = |name: &ServiceName| {
        let (name, service) = content.services.get_key_value(name)?;
        Some(Planned {
            name: name.as_str(),
            limits: &service.spec.limits,
            strategy: rolls(name)?,
            traffic: traffic.get(name)?,
        })
    };
    let services: Vec<PlannedService> = in_order(&content)
        .into_iter()
        .map(|name| planned(&state, &content, name, rolls(name), sees(name).as_ref()))
        .chain(ending(&state, &content))
        .collect();
    let seen = content.services.keys().filter_map(sees);
    warnings.extend(seen.flat_map(|planned| planned.warnings()));
    warnings.extend(content.services.iter().filter_map(|(name, service)| {
        let strategy = rolls(name)?;
        let alone = strategy.sizing == Sizing::InTurn && service.spec.instances == 1;
        alone.then(|| format!("`{name}` rolls with one instance: both run for a moment"))
    }));
    Ok(Json(Plan {
        application: state.id.application.to_string(),
        environment: state.id.environment.to_string(),
        release: release.0,
        from: state.serving().map(|release| release.0),
        at_least_ms: millis(at_least(&content, &rolls)),
        changes: changes(running(&state).as_ref(), Some(&content)),
        services,
        checklists: checklists(&state, &content),
        warnings,
    }))
}

/// Returns why the release would not enter at once, where it would not: it would have to wait, or
/// would not be let in at all. Nothing is on its way.
fn kept_out(
    resting: &Environment,
    release: ReleaseNumber,
    content: &Arc<ReleaseContent>,
    identity: &Identity,
    (observed, now): (&Observed, Timestamp),
) -> Option<String> {
    let command = Command::Ship {
        release,
        content: Arc::clone(content),
        identity: identity.clone(),
        expedited: None,
        one_way: None,
    };
    match decide(resting, &command, "plan") {
        Err(refusal) => Some(refusal.to_string()),
        Ok(events) => match events.as_slice() {
            [requested @ Event::EntryRequested { .. }] => {
                let waiting = evolve(resting.clone(), now, requested);
                let mut request = waiting.requests.get(&release)?.clone();
                request.gates = request.judged(&waiting, release, observed, now);
                let missing = request.missing(&waiting, release, observed, now);
                let lacks: Vec<String> = missing.iter().map(ToString::to_string).collect();
                Some(if lacks.is_empty() {
                    requested.to_string()
                } else {
                    format!("{requested}: {}", lacks.join("; "))
                })
            }
            _ => None,
        },
    }
}

/// Returns what is looked at on the way, by the release's own rules and by those that hold.
fn checklists(state: &Environment, content: &ReleaseContent) -> Vec<PlannedChecklist> {
    let rules = || state.entry_in_force().into_iter().chain([&content.entry]);
    let list = |when: When| {
        let asked = rules().flat_map(|rules| rules.checklists.get(when));
        let mut items: Vec<String> = asked
            .map(|(name, item)| format!("`{name}`: {}", item.asks))
            .collect();
        items.sort_unstable();
        items.dedup();
        let when = when.to_string();
        (!items.is_empty()).then_some(PlannedChecklist { when, items })
    };
    When::ALL.into_iter().filter_map(list).collect()
}

/// Returns what an environment sees of the world, as far as a release that waits is concerned.
fn observed(server: &Server, state: &Environment) -> Observed {
    let views = server.engine.views();
    let views = views.borrow();
    let seen = views.environments.get(&state.id);
    let same = |id: &&EnvironmentId| id.application == state.id.application;
    let others = views.environments.iter().filter(|(id, _)| same(id));
    let elsewhere = others.map(|(id, view)| {
        let promoted = view.environment.promoted().collect();
        (id.environment.clone(), promoted)
    });
    Observed {
        elsewhere: elsewhere.collect(),
        people: server.engine.people(),
        ..seen.map(|view| view.observed.clone()).unwrap_or_default()
    }
}

/// Returns the services in an order in which each comes after those that it waits for.
fn in_order(content: &ReleaseContent) -> Vec<&ServiceName> {
    let mut order: Vec<&ServiceName> = Vec::new();
    while order.len() < content.services.len() {
        let next = content.services.iter().find(|(name, service)| {
            let after = &service.spec.after;
            !order.contains(name) && after.iter().all(|needed| order.contains(&needed))
        });
        // The project file has been checked for cycles; were there one, the rest has no order.
        let Some((name, _)) = next else { break };
        order.push(name);
    }
    order
}

fn planned(
    state: &Environment,
    content: &ReleaseContent,
    name: &ServiceName,
    strategy: Option<&Strategy>,
    sees: Option<&Planned<'_>>,
) -> PlannedService {
    let spec = content.services.get(name).map(|service| &service.spec);
    let instances = spec.map_or(0, |spec| spec.instances);
    let step = |(index, step): (usize, &Step), strategy: &Strategy| {
        let instances = strategy.instances_at(step.weight, instances);
        let beside = step.weight.beside();
        let has_baseline = strategy.has_fresh_baseline() && beside > Weight::NONE;
        PlannedStep {
            weight_percent: percent(step.weight),
            soak_ms: step.soak.map(millis),
            instances,
            baseline: has_baseline.then(|| PlannedBaseline {
                weight_percent: percent(beside),
                instances,
            }),
            sight: sees.and_then(|sees| sees.step(index)),
        }
    };
    PlannedService {
        name: name.to_string(),
        action: match (strategy, state.stable.contains_key(name)) {
            (None, _) => PlannedAction::Keep,
            (Some(_), true) => PlannedAction::Roll,
            (Some(_), false) => PlannedAction::Start,
        },
        after: spec
            .into_iter()
            .flat_map(|s| &s.after)
            .map(ToString::to_string)
            .collect(),
        instances,
        steps: strategy.map_or_else(Vec::new, |strategy| {
            strategy
                .steps
                .iter()
                .enumerate()
                .map(|each| step(each, strategy))
                .collect()
        }),
        traffic: sees.and_then(Planned::traffic),
        limits: match (spec, strategy) {
            (Some(spec), Some(_)) => limits(&spec.limits),
            (None, _) | (_, None) => Vec::new(),
        },
        keep_warm_ms: strategy.map_or(0, |strategy| millis(strategy.keep_warm)),
    }
}

fn ending<'a>(
    state: &'a Environment,
    content: &'a ReleaseContent,
) -> impl Iterator<Item = PlannedService> + 'a {
    let gone = |name: &&ServiceName| !content.services.contains_key(*name);
    state.stable.keys().filter(gone).map(|name| PlannedService {
        name: name.to_string(),
        action: PlannedAction::Stop,
        after: Vec::new(),
        instances: 0,
        steps: Vec::new(),
        traffic: None,
        limits: Vec::new(),
        keep_warm_ms: 0,
    })
}

/// Returns the shortest time to all traffic: the longest way through the services' order.
fn at_least<'a>(
    content: &ReleaseContent,
    rolls: &impl Fn(&ServiceName) -> Option<&'a Strategy>,
) -> Duration {
    let mut done: BTreeMap<&ServiceName, Duration> = BTreeMap::new();
    for name in in_order(content) {
        let Some(service) = content.services.get(name) else {
            continue;
        };
        let own = rolls(name).map_or(Duration::ZERO, |strategy| {
            let soaks: Duration = strategy.steps.iter().filter_map(|step| step.soak).sum();
            soaks + service.spec.ready.steady
        });
        let before = service
            .spec
            .after
            .iter()
            .filter_map(|needed| done.get(needed))
            .max();
        done.insert(name, own + before.copied().unwrap_or_default());
    }
    done.into_values().max().unwrap_or_default()
}

/// Returns limits as a person would say them.
pub(crate) fn limits(limits: &Limits) -> Vec<String> {
    let percent = |share: f64| format!("{} %", (share * 10_000.0).round() / 100.0);
    let points = |share: f64| match (share * 10_000.0).round() / 100.0 {
        one if (one - 1.0).abs() < f64::EPSILON => "1 point".to_owned(),
        points => format!("{points} points"),
    };
    let millis = |duration: Duration| format!("{} ms", duration.as_millis());
    let against = &limits.against_stable;
    [
        limits
            .errors
            .map(|share| format!("errors at most {}", percent(share))),
        limits
            .p95
            .map(|limit| format!("p95 at most {}", millis(limit))),
        limits
            .p99
            .map(|limit| format!("p99 at most {}", millis(limit))),
        limits
            .memory
            .map(|share| format!("memory at most {} of its limit", percent(share))),
        limits
            .cpu
            .map(|share| format!("cpu at most {} of a core", percent(share))),
        limits
            .restarts
            .map(|count| format!("restarts at most {count}")),
        against
            .errors
            .map(|share| format!("errors at most {} above stable", points(share))),
        against
            .p95
            .map(|share| format!("p95 at most {} above stable", percent(share))),
        against
            .p99
            .map(|share| format!("p99 at most {} above stable", percent(share))),
        Some(format!("at least {} requests", limits.requests)),
    ]
    .into_iter()
    .flatten()
    .chain(
        limits
            .metrics
            .iter()
            .flat_map(|(name, limit)| gauge(name, limit)),
    )
    .collect()
}

/// Returns each limit of a metric of the service's own.
fn gauge(name: &str, limit: &GaugeLimit) -> Vec<String> {
    let held = if limit.hold.is_zero() {
        String::new()
    } else {
        format!(" for {}", units::duration(limit.hold))
    };
    let worse = match limit.worse {
        Worse::More => "above",
        Worse::Less => "below",
    };
    [
        limit.at_most.map(|most| format!("at most {most}")),
        limit.at_least.map(|least| format!("at least {least}")),
        limit
            .against_stable
            .map(|share| format!("at most {} {worse} stable", units::share(share))),
    ]
    .into_iter()
    .flatten()
    .map(|limit| format!("`{name}` {limit}{held}"))
    .collect()
}
