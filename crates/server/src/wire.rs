//! Turns what the engine shows into wire types.

use std::collections::BTreeMap;
use std::time::Duration;

use leadsman_api as api;
use leadsman_core::checklist::{Asks, ItemState, OpenItem, underway};
use leadsman_core::entry::{Approval, Freeze, Opening, Request, Window};
use leadsman_core::id::{ReleaseNumber, RevisionId, ServiceName};
use leadsman_core::route::Certificate;
use leadsman_core::time::Timestamp;
use leadsman_core::weight::Weight;
use leadsman_core::workload::{InstanceState, ObservedInstance};
use leadsman_core::{
    Closed, Deployment, End, Ended, Environment, Origin, Phase, Reason, Revision, Rollout, Routing,
    Stage, Standing, Who, sizes,
};
use leadsman_engine::{Rate, View};
use leadsman_gates::{GateResult, Outcome};

/// Returns how an environment stands.
pub(crate) fn status(view: &View) -> api::EnvironmentStatus {
    let environment = &view.environment;
    let routing = environment.routing_in_force();
    let routes = view.observed.routes.as_ref();
    api::EnvironmentStatus {
        application: environment.id.application.to_string(),
        environment: environment.id.environment.to_string(),
        version: environment.version,
        at: moment(view.at),
        url: routing.map(url),
        url_problem: match routes {
            None => Some("the data plane does not answer".to_owned()),
            Some(routes) => routes.problem.clone(),
        },
        serves: environment.serving().map(|release| release.0),
        schema: environment.schema.map(|schema| api::Schema {
            at: schema.at,
            towards: schema.towards,
            release: schema.by.0,
        }),
        deployment: newest(environment),
        queued: environment.queued.as_ref().map(|queued| api::Queued {
            release: queued.release.0,
            origin: origin(queued.origin),
            actor: queued.by.clone(),
        }),
        requests: requests(view),
        freezes: environment.freezes.iter().map(freeze).collect(),
        maintenance: environment
            .weekly_maintenance(view.at)
            .map(|works| works.to_string()),
        windows: windows(environment, view.at),
        checklists: checklists(view),
        services: services(view),
        reasons: reasons(view),
        certificates: routes
            .iter()
            .flat_map(|routes| &routes.certificates)
            .map(|certificate| wire_certificate(certificate, view.at))
            .collect(),
    }
}

/// Before this time a certificate that expires is nobody's concern: one that is obtained is renewed
/// after two thirds of its life, which is earlier even where it lives for 45 days.
const EXPIRES_SOON: Duration = Duration::from_secs(14 * 24 * 3600);

fn wire_certificate(certificate: &Certificate, now: Timestamp) -> api::Certificate {
    let Certificate {
        hosts,
        chain,
        expires_at,
        problem,
    } = certificate;
    let left = expires_at.map(|at| at.since(now));
    let soon = left.filter(|left| *left < EXPIRES_SOON).map(|left| {
        let days = left.as_secs() / (24 * 3600);
        let days = match days {
            0 => "in less than a day".to_owned(),
            1 => "in a day".to_owned(),
            days => format!("in {days} days"),
        };
        format!("the certificate in `{chain}` expires {days}; renew it")
    });
    api::Certificate {
        hosts: hosts.clone(),
        chain: chain.clone(),
        expires_at: expires_at.map(moment),
        problem: problem.clone().or(soon),
    }
}

fn requests(view: &View) -> Vec<api::Request> {
    let environment = &view.environment;
    let wire = |(release, request): (&ReleaseNumber, &Request)| {
        let source = &request.identity.source;
        let missing = request.missing(environment, *release, &view.observed, view.at);
        api::Request {
            release: release.0,
            digest: request.identity.digest.to_string(),
            commit: source.commit.clone(),
            built_from: source.reference.as_ref().map(ToString::to_string),
            authors: source.authors.iter().cloned().collect(),
            actor: request.by.clone(),
            expedited: request.expedited.clone(),
            since: moment(request.since),
            until: moment(request.expires_at(environment)),
            approvals: request.approvals.iter().map(approval).collect(),
            gates: request.gates.iter().map(gate).collect(),
            missing: missing.iter().map(ToString::to_string).collect(),
        }
    };
    environment.requests.iter().map(wire).collect()
}

/// Returns what a gate says on the wire.
pub(crate) fn gate(gate: &GateResult) -> api::GateStatus {
    api::GateStatus {
        name: gate.name.clone(),
        outcome: match gate.outcome {
            Outcome::Open => api::GateOutcome::Open,
            Outcome::Closed => api::GateOutcome::Closed,
            Outcome::Unknown => api::GateOutcome::Unknown,
        },
        sentence: gate.sentence.clone(),
    }
}

/// Returns the checklists that are open.
fn checklists(view: &View) -> Vec<api::Checklist> {
    let lists = underway(&view.environment).into_iter();
    let list = lists.map(|list| api::Checklist {
        when: list.when.to_string(),
        release: list.release.0,
        digest: list.digest.map(ToString::to_string),
        since: moment(list.since),
        items: list
            .items(&view.observed, view.at)
            .iter()
            .map(item)
            .collect(),
    });
    list.collect()
}

fn item(open: &OpenItem<'_>) -> api::ChecklistItem {
    api::ChecklistItem {
        name: open.name.to_string(),
        asks: open.item.asks.to_string(),
        role: match &open.item.asks {
            Asks::Confirm { by, .. } => Some(by.to_string()),
            Asks::Check(_) => None,
        },
        state: match open.state {
            ItemState::Open => api::ItemState::Open,
            ItemState::Done => api::ItemState::Done,
            ItemState::Failed => api::ItemState::Failed,
            ItemState::Expired => api::ItemState::Expired,
            ItemState::Missed => api::ItemState::Missed,
        },
        said: open.said.clone(),
        actor: open.by.map(str::to_owned),
        at: open.at.map(moment),
        until: open.until.map(moment),
        rollback: open.item.rollback,
    }
}

/// Returns consent on the wire.
pub(crate) fn approval(approval: &Approval) -> api::Approval {
    api::Approval {
        actor: approval.by.clone(),
        at: moment(approval.at),
        note: approval.note.clone(),
    }
}

fn freeze((number, freeze): (&u64, &Freeze)) -> api::Freeze {
    api::Freeze {
        number: *number,
        from: moment(freeze.from),
        until: freeze.until.map(moment),
        maintenance: freeze.maintenance,
        why: freeze.why.clone(),
        actor: freeze.by.clone(),
        except: freeze.except.iter().map(|release| release.0).collect(),
    }
}

/// Returns the windows of the week by the rules of the release that serves.
fn windows(environment: &Environment, now: Timestamp) -> Option<api::Windows> {
    let rules = environment.entry_in_force()?;
    let calendar = &rules.calendar;
    if calendar.windows.is_empty() && rules.maintenance.is_empty() {
        return None;
    }
    let words = |windows: &[Window]| windows.iter().map(ToString::to_string).collect();
    let (open, until) = match calendar.at(now) {
        Opening::Open { closes } => (true, closes),
        Opening::Closed { opens, .. } => (false, opens),
    };
    Some(api::Windows {
        time_zone: calendar.time_zone.clone(),
        entry: words(&calendar.windows),
        maintenance: words(&rules.maintenance),
        open,
        until: until.map(moment),
    })
}

/// Returns where an environment is found.
fn url(routing: &Routing) -> String {
    let scheme = if routing.entrance.tls.is_some() {
        "https"
    } else {
        "http"
    };
    format!("{scheme}://{}", routing.listen)
}

/// Returns the standing of a release on the wire.
pub(crate) const fn standing(standing: &Standing) -> api::Standing {
    match standing {
        Standing::Candidate => api::Standing::Candidate,
        Standing::Promoted { .. } => api::Standing::Promoted,
        Standing::Rejected { .. } => api::Standing::Rejected,
    }
}

/// Returns a moment of the domain on the wire.
pub(crate) fn moment(timestamp: Timestamp) -> api::Moment {
    api::Moment(timestamp.as_millis())
}

fn newest(environment: &Environment) -> Option<api::Deployment> {
    match (&environment.deployment, &environment.last_end) {
        (Some(deployment), _) => Some(deployment_on_its_way(deployment)),
        (None, Some(ended)) => Some(ended_deployment(ended)),
        (None, None) => None,
    }
}

/// Returns a deployment that is not finished.
pub(crate) fn deployment_on_its_way(deployment: &Deployment) -> api::Deployment {
    let returning = deployment
        .rollouts
        .values()
        .find_map(|rollout| match rollout.stage {
            Stage::Returning { since, .. } => Some(since),
            Stage::Waiting { .. }
            | Stage::Preparing { .. }
            | Stage::Shifting { .. }
            | Stage::Soaking { .. }
            | Stage::Promoted { .. }
            | Stage::Returned => None,
        });
    let (phase, since) = match (&deployment.phase, &deployment.paused, returning) {
        (Phase::Frozen { since, .. }, _, _) => (api::Phase::Frozen, *since),
        (_, Some(pause), _) => (api::Phase::Paused, pause.since),
        (_, None, Some(since)) => (api::Phase::Returning, since),
        (Phase::Settling { since }, None, None) => (api::Phase::Settling, *since),
        (Phase::Moving, None, None) => (api::Phase::Moving, deployment.started_at),
    };
    let cause = match &deployment.phase {
        Phase::Frozen { why, .. } => Some(why.clone()),
        Phase::Moving | Phase::Settling { .. } => {
            deployment.cause.as_ref().map(ToString::to_string)
        }
    };
    api::Deployment {
        number: deployment.number.0,
        release: deployment.release.0,
        from: deployment.from.map(|release| release.0),
        origin: origin(deployment.origin),
        phase,
        since: moment(since),
        started_at: moment(deployment.started_at),
        actor: deployment.by.clone(),
        note: None,
        cause,
    }
}

/// Returns a deployment that is finished.
pub(crate) fn ended_deployment(ended: &Ended) -> api::Deployment {
    api::Deployment {
        number: ended.number.0,
        release: ended.release.0,
        from: ended.from.map(|release| release.0),
        origin: origin(ended.origin),
        phase: match &ended.end {
            End::Settled => api::Phase::Settled,
            End::RolledBack => api::Phase::RolledBack,
            End::Superseded { .. } => api::Phase::Superseded,
            End::Abandoned => api::Phase::Abandoned,
        },
        since: moment(ended.at),
        started_at: moment(ended.started_at),
        actor: ended.by.clone(),
        note: None,
        cause: ended.cause.as_ref().map(ToString::to_string),
    }
}

fn origin(origin: Origin) -> api::Origin {
    match origin {
        Origin::Ship => api::Origin::Ship,
        Origin::Retry => api::Origin::Retry,
        Origin::Rollback { .. } => api::Origin::Rollback,
    }
}

fn services(view: &View) -> Vec<api::ServiceStatus> {
    let environment = &view.environment;
    let rollouts = environment
        .deployment
        .as_ref()
        .map(|deployment| &deployment.rollouts);
    let mut services: BTreeMap<&str, api::ServiceStatus> = environment
        .stable
        .iter()
        .map(|(name, stable)| {
            let status = api::ServiceStatus {
                name: name.to_string(),
                stable: Some(side(view, stable, stable.service.spec.instances)),
                canary: None,
                baseline: None,
                warm: None,
                rollout: None,
                closed: closing(environment, name),
            };
            (name.as_str(), status)
        })
        .collect();
    for (name, rollout) in rollouts.into_iter().flatten() {
        let sizes = sizes(rollout);
        let from = rollout
            .from
            .as_ref()
            .map(|from| side(view, from, sizes.from));
        let to = side(view, &rollout.to, sizes.to);
        let copy = rollout.copy().map(|copy| side(view, copy, sizes.copy));
        // From promotion on the new revision is what serves, and the old one the way back.
        let (stable, canary, baseline, warm) = match rollout.stage {
            Stage::Promoted { .. } => (Some(to), None, None, from),
            Stage::Waiting { .. } | Stage::Returned => (from, None, None, None),
            Stage::Preparing { .. }
            | Stage::Shifting { .. }
            | Stage::Soaking { .. }
            | Stage::Returning { .. } => (from, Some(to), copy, None),
        };
        let status = api::ServiceStatus {
            name: name.to_string(),
            stable,
            canary,
            baseline,
            warm,
            rollout: Some(self::rollout(view, rollout)),
            closed: closing(environment, name),
        };
        services.insert(name.as_str(), status);
    }
    services.into_values().collect()
}

fn closing(environment: &Environment, service: &ServiceName) -> Option<api::Closing> {
    let closing = environment.closed.get(service)?;
    Some(api::Closing {
        how: match closing.how {
            Closed::Held => api::Closed::Held,
            Closed::Maintenance => api::Closed::Maintenance,
        },
        since: moment(closing.since),
        actor: closing.by.clone(),
    })
}

fn rollout(view: &View, rollout: &Rollout) -> api::Rollout {
    let index = rollout.step_index();
    let step = index.map(|index| rollout.step(index));
    let soaked = match rollout.stage {
        Stage::Soaking { since, .. } => view.at.since(since),
        Stage::Waiting { .. }
        | Stage::Preparing { .. }
        | Stage::Shifting { .. }
        | Stage::Promoted { .. }
        | Stage::Returning { .. }
        | Stage::Returned => Duration::ZERO,
    };
    let steps = rollout.strategy.steps.len();
    let number = match rollout.stage {
        Stage::Promoted { .. } => steps,
        _ => index.map_or(0, |index| index + 1),
    };
    let verdict = view.observed.verdicts.get(&rollout.to.id.service);
    api::Rollout {
        stage: match rollout.stage {
            Stage::Waiting { .. } => api::RolloutStage::Waiting,
            Stage::Preparing { .. } => api::RolloutStage::Preparing,
            Stage::Shifting { .. } => api::RolloutStage::Shifting,
            Stage::Soaking { .. } => api::RolloutStage::Soaking,
            Stage::Promoted { .. } => api::RolloutStage::Promoted,
            Stage::Returning { .. } => api::RolloutStage::Returning,
            Stage::Returned => api::RolloutStage::Returned,
        },
        step: u16::try_from(number).unwrap_or(u16::MAX),
        steps: u16::try_from(steps).unwrap_or(u16::MAX),
        weight_percent: percent(step.map_or_else(|| rollout.weight(), |step| step.weight)),
        weights_percent: (0..steps)
            .map(|index| percent(rollout.step(index).weight))
            .collect(),
        soak_ms: step.and_then(|step| step.soak).map(millis),
        soaked_ms: millis(soaked),
        verdict: verdict.map(wire_verdict),
    }
}

/// Returns a verdict on the wire.
pub(crate) fn wire_verdict(verdict: &leadsman_analysis::Verdict) -> api::Verdict {
    let finding = |finding: &leadsman_analysis::Finding| api::Finding {
        metric: match &finding.metric {
            leadsman_analysis::Metric::Errors => "errors",
            leadsman_analysis::Metric::P95 => "p95",
            leadsman_analysis::Metric::P99 => "p99",
            leadsman_analysis::Metric::Memory => "memory",
            leadsman_analysis::Metric::Cpu => "cpu",
            leadsman_analysis::Metric::Restarts => "restarts",
            leadsman_analysis::Metric::Named(name) => name,
        }
        .to_owned(),
        outcome: outcome(finding.outcome),
        difference: finding.difference,
        sentence: finding.sentence.clone(),
    };
    api::Verdict {
        outcome: outcome(verdict.outcome),
        requests: verdict.requests,
        sentence: verdict.sentence.clone(),
        findings: verdict.findings.iter().map(finding).collect(),
        evidence: verdict.evidence.as_ref().map(evidence),
    }
}

fn evidence(evidence: &leadsman_analysis::Evidence) -> api::Evidence {
    let leadsman_analysis::Evidence {
        log_e,
        log_e_strict,
        log_e_alone,
        warn,
        fails_in,
        passes_in,
    } = *evidence;
    api::Evidence {
        log_e,
        log_e_strict,
        log_e_alone,
        warn,
        fails_in_ms: fails_in.map(in_ms),
        passes_in_ms: passes_in.map(in_ms),
    }
}

fn outcome(outcome: leadsman_analysis::Outcome) -> api::Outcome {
    match outcome {
        leadsman_analysis::Outcome::Pass => api::Outcome::Pass,
        leadsman_analysis::Outcome::Fail => api::Outcome::Fail,
        leadsman_analysis::Outcome::Inconclusive => api::Outcome::Inconclusive,
        leadsman_analysis::Outcome::NoData => api::Outcome::NoData,
        leadsman_analysis::Outcome::SourceError => api::Outcome::SourceError,
    }
}

fn side(view: &View, revision: &Revision, wanted: u16) -> api::Side {
    let id = &revision.id;
    let routes = view.observed.routes.as_ref();
    let in_force = routes.and_then(|routes| routes.weights.get(&id.service));
    let tripped = routes.and_then(|routes| routes.tripped.get(id));
    let weight = in_force
        .and_then(|weights| weights.get(id))
        .copied()
        .unwrap_or_default();
    api::Side {
        release: id.release.0,
        deployment: id.deployment.0,
        weight_percent: percent(weight),
        wanted,
        instances: instances(view, id),
        figures: view.rates.get(id).map(figures),
        cut_off: tripped.map(|tripped| tripped.sentence.clone()),
    }
}

fn instances(view: &View, revision: &RevisionId) -> Vec<api::Instance> {
    let draining = view.observed.routes.as_ref().map(|routes| &routes.draining);
    let routes = view.observed.routes.as_ref();
    let unhealthy = routes.map(|routes| &routes.unhealthy);
    let instance = |(id, seen): (&leadsman_core::id::InstanceId, &ObservedInstance)| {
        let drains = draining.is_some_and(|draining| draining.contains_key(id));
        api::Instance {
            id: id.to_string(),
            state: match seen.state {
                InstanceState::Running if drains => api::InstanceState::Draining,
                InstanceState::Running => api::InstanceState::Running,
                InstanceState::Starting => api::InstanceState::Starting,
                InstanceState::Restarting => api::InstanceState::Restarting,
                InstanceState::Broken => api::InstanceState::Broken,
                InstanceState::Stopping => api::InstanceState::Stopping,
            },
            ready: seen.ready_since.is_some(),
            started_at: moment(seen.started_at),
            restarts: seen.restarts,
            memory_bytes: seen.memory,
            address: seen.address.map(|address| address.to_string()),
            detail: seen.detail.clone(),
            unhealthy: unhealthy.is_some_and(|unhealthy| unhealthy.contains(id)),
            ejected: view.ejected.get(id).copied().unwrap_or(0),
        }
    };
    let of_revision = view
        .observed
        .instances
        .iter()
        .filter(|(_, s)| s.revision == *revision);
    of_revision.map(instance).collect()
}

fn figures(rate: &Rate) -> api::Figures {
    api::Figures {
        window_ms: millis(rate.over),
        requests_per_second: rate.requests_per_second,
        error_ratio: rate.errors,
        p95_ms: rate.p95.map(latency_ms),
        p99_ms: rate.p99.map(latency_ms),
    }
}

fn reasons(view: &View) -> Vec<api::Reason> {
    let mut reasons: Vec<api::Reason> = view.reasons.iter().map(reason).collect();
    if let Some(problem) = &view.problem {
        reasons.insert(
            0,
            api::Reason {
                kind: "not_recorded".to_owned(),
                service: None,
                sentence: format!("nothing can be recorded, so nothing moves: {problem}"),
                since: moment(view.at),
                until: None,
                who: api::Who::Person,
                commands: Vec::new(),
            },
        );
    }
    reasons
}

fn reason(reason: &Reason) -> api::Reason {
    let (who, commands) = match reason.who {
        Who::Leadsman => (api::Who::Leadsman, [].as_slice()),
        Who::Person(commands) => (api::Who::Person, commands),
        Who::Either(commands) => (api::Who::Either, commands),
    };
    api::Reason {
        kind: reason.waiting.kind().to_owned(),
        service: reason.waiting.service().map(ToString::to_string),
        sentence: reason.sentence(),
        since: moment(reason.since),
        until: reason.until.map(moment),
        who,
        commands: commands
            .iter()
            .map(|command| format!("leadsman {command}"))
            .collect(),
    }
}

/// Returns a latency in milliseconds.
pub(crate) fn latency_ms(latency: Duration) -> f64 {
    latency.as_secs_f64() * 1000.0
}

/// Returns seconds in whole milliseconds.
pub(crate) fn in_ms(seconds: f64) -> u64 {
    Duration::try_from_secs_f64(seconds).map_or(u64::MAX, millis)
}

/// Returns a weight in percent.
pub(crate) fn percent(weight: Weight) -> f64 {
    f64::from(weight.hundredths()) / 100.0
}

/// Returns a duration in whole milliseconds.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_that_expire_soon_are_a_problem_before_they_do() {
        const DAY: u64 = 24 * 3600 * 1000;
        let now = Timestamp::from_millis(1_000 * DAY);
        for (left, problem, expected) in [
            (14 * DAY, None, None),
            (14 * DAY - 1, None, Some("expires in 13 days")),
            (2 * DAY - 1, None, Some("expires in a day")),
            (5, None, Some("expires in less than a day")),
            (
                5,
                Some("does not fit its key"),
                Some("does not fit its key"),
            ),
        ] {
            let certificate = Certificate {
                hosts: vec!["a.example".to_owned()],
                chain: "/etc/a.pem".to_owned(),
                expires_at: Some(now + Duration::from_millis(left)),
                problem: problem.map(str::to_owned),
            };
            let told = wire_certificate(&certificate, now).problem;
            let fits = match (&told, expected) {
                (Some(told), Some(expected)) => told.contains(expected),
                (None, None) => true,
                (Some(_), None) | (None, Some(_)) => false,
            };
            assert!(fits, "{left}: {told:?}");
        }
    }
}
