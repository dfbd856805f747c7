//! The page of one environment: what serves, what moves, what is waited for, and what can be done.

use askama::Template;
use leadsman_api::words::{
    count, duration, latency, origin, outcome, percent, plain, rate, ratio, whole_seconds,
};
use leadsman_api::{
    Choices, Deployment, EnvironmentStatus, Event, Moment, Phase, Rollout, RolloutStage, Schema,
    Series, ServiceStatus, Side, Who,
};

use crate::bar::Bar;
use crate::chart::{Chart, charts};
use crate::checklist::checklist;
use crate::deeds::deeds;
use crate::overview::headline;
use crate::page::{Page, Part, Visitor};
use crate::path;
use crate::timeline::timeline;
use crate::words::{self, Said, Shown, Tone, phase, said, shown};

#[derive(Template)]
#[template(path = "environment_head.html")]
struct Head {
    name: String,
    tone: Tone,
    headline: String,
    url: Option<String>,
    notices: Vec<(Tone, Said)>,
    deployment: Option<Told>,
}

struct Told {
    sentence: Said,
    since: Shown,
}

#[derive(Template)]
#[template(path = "waits.html")]
struct Waits {
    reasons: Vec<Wait>,
}

struct Wait {
    sentence: Said,
    since: Shown,
    person: bool,
}

#[derive(Template)]
#[template(path = "service.html")]
struct Service {
    name: String,
    address: Option<String>,
    progress: Option<String>,
    bar: Bar,
    sides: Vec<SideRow>,
    troubles: Vec<Said>,
    soak: Option<Soak>,
    verdict: Option<Judged>,
    charts: Vec<Chart>,
}

struct SideRow {
    role: &'static str,
    class: &'static str,
    release: u64,
    address: String,
    weight: String,
    rate: String,
    errors: String,
    p95: String,
    p99: String,
    instances: String,
}

struct Soak {
    words: String,
    bar: Bar,
}

struct Judged {
    tone: Tone,
    outcome: &'static str,
    sentence: Said,
    findings: Vec<(Tone, &'static str, Said)>,
}

#[derive(Template)]
#[template(path = "requests.html")]
struct Requests {
    requests: Vec<RequestRow>,
}

struct RequestRow {
    release: u64,
    address: String,
    from: Option<Said>,
    actor: String,
    since: Shown,
    until: Shown,
    expedited: Option<Said>,
    missing: Vec<Said>,
    approvals: Vec<(String, Shown, Option<Said>)>,
    gates: Vec<(Tone, String, Said)>,
}

/// Returns the page of an environment. `events` is what happened to its newest deployment, the oldest
/// first; `series` how its sides have been doing.
pub fn environment(
    visitor: &Visitor,
    status: &EnvironmentStatus,
    choices: &Choices,
    events: &[Event],
    series: Option<&Series>,
) -> String {
    let name = format!("{}/{}", status.application, status.environment);
    let at = |template| path::of_environment(template, status);
    let above = [
        (name.clone(), at(path::ENVIRONMENT)),
        ("History".to_owned(), at(path::HISTORY)),
    ];
    let mut parts = environment_parts(status, events, series);
    // Beside what is waited for.
    parts.insert(2, environment_deeds(status, choices));
    Page {
        title: &name,
        visitor: Some(visitor),
        live: Some(at(path::ENVIRONMENT_LIVE)),
        above: &above,
        parts: &parts,
    }
    .whole()
}

/// Returns the part with what somebody can do, the only one that differs from one to the other.
pub fn environment_deeds(status: &EnvironmentStatus, choices: &Choices) -> Part {
    deeds(status, choices)
}

/// Returns its other parts, which are the same for everybody who may see it.
pub fn environment_parts(
    environment: &EnvironmentStatus,
    events: &[Event],
    series: Option<&Series>,
) -> Vec<Part> {
    let mut parts = vec![head(environment), waits(environment)];
    if !environment.requests.is_empty() {
        parts.push(requests(environment));
    }
    let lists = environment.checklists.iter();
    parts.extend(lists.map(|list| checklist(list, environment.at)));
    let services = environment.services.iter();
    parts.extend(services.map(|status| {
        let mut drawn = series.into_iter().flat_map(|series| &series.services);
        let drawn = drawn.find(|it| it.service == status.name);
        let charts = drawn.map(charts).unwrap_or_default();
        service(environment, status, charts, false)
    }));
    let now = environment.at;
    parts.push(timeline("What happened", events.iter().rev(), now));
    parts
}

fn head(status: &EnvironmentStatus) -> Part {
    let (tone, headline) = headline(status);
    let mut notices = Vec::new();
    if let Some(problem) = &status.url_problem {
        let text = format!("No requests are accepted: {problem}");
        notices.push((Tone::Bad, said(&text)));
    }
    let mut notice = |tone, text: &str| notices.push((tone, said(text)));
    for freeze in &status.freezes {
        let (number, by, why) = (freeze.number, &freeze.actor, &freeze.why);
        let what = if freeze.maintenance {
            "Maintenance"
        } else {
            "Freeze"
        };
        notice(Tone::Care, &format!("{what} {number} by {by}: {why}"));
    }
    if let Some(maintenance) = &status.maintenance {
        notice(Tone::Care, maintenance);
    }
    match status.schema {
        Some(Schema {
            at,
            towards: Some(to),
            release,
        }) => {
            let text = format!(
                "Schema {at} or {to}: the migration of release {release} has not ended well so far"
            );
            notice(Tone::Bad, &text);
        }
        Some(Schema { at, .. }) => notice(Tone::Plain, &format!("The database is at schema {at}")),
        None => {}
    }
    for certificate in &status.certificates {
        if let Some(problem) = &certificate.problem {
            notice(Tone::Care, problem);
        }
    }
    let head = Head {
        name: format!("{}/{}", status.application, status.environment),
        tone,
        headline,
        url: status.url.clone(),
        notices,
        deployment: status.deployment.as_ref().map(|it| told(it, status.at)),
    };
    Part::of("head", &head)
}

/// Says how the newest deployment stands.
fn told(deployment: &Deployment, now: Moment) -> Told {
    let (release, actor) = (deployment.release, &deployment.actor);
    let (words, _) = phase(deployment.phase);
    let how = origin(deployment.origin);
    let mut sentence = format!("Release {release}, {how} by {actor}, {words}");
    let says_why = !matches!(deployment.phase, Phase::Settled | Phase::Settling);
    if let Some(cause) = deployment.cause.as_ref().filter(|_| says_why) {
        sentence.push_str(&format!(": {cause}"));
    }
    if let Some(note) = &deployment.note {
        sentence.push_str(&format!(" (“{note}”)"));
    }
    sentence.push_str("; since");
    Told {
        sentence: said(&sentence),
        since: shown(deployment.since, now),
    }
}

fn waits(status: &EnvironmentStatus) -> Part {
    let reasons = status.reasons.iter().map(|reason| Wait {
        sentence: said(&reason.sentence),
        since: shown(reason.since, status.at),
        person: reason.who == Who::Person,
    });
    let reasons = reasons.collect();
    Part::of("waits", &Waits { reasons })
}

/// Returns the part with the sides of a service, as it is on the page of its environment or on its own.
pub(crate) fn service(
    environment: &EnvironmentStatus,
    status: &ServiceStatus,
    charts: Vec<Chart>,
    is_own: bool,
) -> Part {
    let sides = [
        ("stable", &status.stable),
        ("baseline", &status.baseline),
        ("canary", &status.canary),
        ("kept warm", &status.warm),
    ];
    let sides: Vec<(&'static str, &Side)> = sides
        .into_iter()
        .filter_map(|(role, side)| Some((role, side.as_ref()?)))
        .collect();
    let pieces: Vec<(f64, &'static str)> = sides
        .iter()
        .map(|(role, side)| (side.weight_percent, class(role)))
        .collect();
    let label: Vec<String> = sides
        .iter()
        .map(|(role, side)| format!("{role} {}", percent(side.weight_percent)))
        .collect();
    let rollout = status.rollout.as_ref();
    let moving = rollout.filter(|it| it.stage != RolloutStage::Promoted);
    let troubles = sides.iter().flat_map(|(role, side)| troubles(role, side));
    let service = Service {
        name: match is_own {
            true => "Traffic".to_owned(),
            false => status.name.clone(),
        },
        address: (!is_own).then(|| {
            let (application, environment) = (&environment.application, &environment.environment);
            path::fill(path::SERVICE, &[application, environment, &status.name])
        }),
        progress: moving.map(progress),
        bar: Bar::of(&pieces, format!("Requests: {}", label.join(", "))),
        troubles: troubles.collect(),
        soak: moving.and_then(soak),
        verdict: rollout.and_then(judged),
        charts,
        sides: sides
            .iter()
            .map(|(role, side)| row(&environment.application, role, side))
            .collect(),
    };
    Part::of(format!("service-{}", status.name), &service)
}

const fn class(role: &'static str) -> &'static str {
    match role.as_bytes() {
        b"kept warm" => "warm",
        _ => role,
    }
}

fn row(application: &str, role: &'static str, side: &Side) -> SideRow {
    let figures = side.figures.as_ref();
    let none = || "–".to_owned();
    let value = |value: Option<f64>, words: fn(f64) -> String| value.map_or_else(none, words);
    let ready = side.ready();
    SideRow {
        role,
        class: class(role),
        release: side.release,
        address: path::of_release(application, side.release),
        weight: percent(side.weight_percent),
        rate: value(figures.map(|it| it.requests_per_second), rate),
        errors: value(figures.and_then(|it| it.error_ratio), ratio),
        p95: value(figures.and_then(|it| it.p95_ms), latency),
        p99: value(figures.and_then(|it| it.p99_ms), latency),
        instances: format!("{ready} of {} ready", side.wanted),
    }
}

fn troubles(role: &'static str, side: &Side) -> Vec<Said> {
    let cut = side.cut_off.iter().map(|it| format!("{role}: {it}"));
    let instances = side.instances.iter().filter_map(|instance| {
        let detail = instance.detail.as_ref()?;
        Some(format!("`{}`: {detail}", instance.id))
    });
    cut.chain(instances).map(|text| said(&text)).collect()
}

fn progress(rollout: &Rollout) -> String {
    let (step, steps) = (rollout.step, rollout.steps);
    let weight = percent(rollout.weight_percent);
    match rollout.stage {
        RolloutStage::Waiting => "waits for its turn".to_owned(),
        RolloutStage::Preparing => format!("prepares step {step} of {steps}"),
        RolloutStage::Shifting => format!("step {step} of {steps}: goes to {weight}"),
        RolloutStage::Soaking => format!("step {step} of {steps} holds {weight}"),
        RolloutStage::Promoted => "has all requests".to_owned(),
        RolloutStage::Returning => "goes back".to_owned(),
        RolloutStage::Returned => "went back".to_owned(),
    }
}

fn soak(rollout: &Rollout) -> Option<Soak> {
    let whole = rollout
        .soak_ms
        .filter(|_| rollout.stage == RolloutStage::Soaking)?;
    let done = rollout.soaked_ms;
    let long = |millis| duration(whole_seconds(millis));
    let words = if done >= whole {
        format!(
            "Held for {}, the soak of {} is over",
            long(done),
            long(whole)
        )
    } else {
        format!("Soaks for {} more, of {}", long(whole - done), long(whole))
    };
    let share = if whole == 0 {
        100.0
    } else {
        done.min(whole) as f64 / whole as f64 * 100.0
    };
    let bar = Bar::of(&[(share, "soaked")], words.clone());
    Some(Soak { words, bar })
}

fn judged(rollout: &Rollout) -> Option<Judged> {
    let verdict = rollout.verdict.as_ref()?;
    let findings = verdict.findings.iter().map(|finding| {
        let tone = words::outcome(finding.outcome);
        (tone, outcome(finding.outcome), said(&finding.sentence))
    });
    Some(Judged {
        tone: words::outcome(verdict.outcome),
        outcome: outcome(verdict.outcome),
        sentence: said(&format!(
            "after {}: {}",
            count(verdict.requests, "request"),
            verdict.sentence
        )),
        findings: findings.collect(),
    })
}

fn requests(status: &EnvironmentStatus) -> Part {
    let now = status.at;
    let row = |request: &leadsman_api::Request| RequestRow {
        release: request.release,
        address: path::of_release(&status.application, request.release),
        from: request.built_from.as_deref().map(said),
        actor: plain(&request.actor),
        since: shown(request.since, now),
        until: shown(request.until, now),
        expedited: request.expedited.as_deref().map(said),
        missing: request.missing.iter().map(|it| said(it)).collect(),
        approvals: request
            .approvals
            .iter()
            .map(|it| {
                let note = it.note.as_deref().map(said);
                (plain(&it.actor), shown(it.at, now), note)
            })
            .collect(),
        gates: request
            .gates
            .iter()
            .map(|gate| {
                let tone = match gate.outcome {
                    leadsman_api::GateOutcome::Open => Tone::Good,
                    leadsman_api::GateOutcome::Closed => Tone::Bad,
                    leadsman_api::GateOutcome::Unknown => Tone::Care,
                };
                (tone, gate.name.clone(), said(&gate.sentence))
            })
            .collect(),
    };
    let requests = status.requests.iter().map(row).collect();
    Part::of("requests", &Requests { requests })
}
