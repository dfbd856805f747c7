//! The first page: every environment, what serves there, what moves and what waits for whom.

use std::collections::BTreeSet;

use askama::Template;
use leadsman_api::words::percent;
use leadsman_api::{EnvironmentStatus, Overview, Phase, RolloutStage, Who};

use crate::bar::Bar;
use crate::page::{Page, Part, Visitor};
use crate::path::{self, of_environment};
use crate::words::{Said, Tone, phase, said};

/// How many reasons a card shows: the page of the environment has them all.
const REASONS: usize = 3;

#[derive(Template)]
#[template(path = "overview.html")]
struct Application<'a> {
    application: &'a str,
    cards: Vec<Card>,
}

#[derive(Template)]
#[template(
    source = "<h1>Nothing has been shipped yet</h1><p>Ship a first release with <code>leadsman ship</code>.</p>",
    ext = "html"
)]
struct Nothing;

#[derive(Template)]
#[template(source = "<h1>Overview</h1>", ext = "html")]
struct Title;

struct Card {
    name: String,
    address: String,
    tone: Tone,
    headline: String,
    more: Option<Said>,
    moving: Vec<Moving>,
    waits: Vec<Wait>,
    releases: Vec<(u64, String)>,
}

struct Moving {
    name: String,
    weight: String,
    bar: Bar,
}

struct Wait {
    sentence: Said,
    person: bool,
}

/// Returns the page of everything.
pub fn overview(visitor: &Visitor, overview: &Overview) -> String {
    Page {
        title: "Overview",
        visitor: Some(visitor),
        live: Some(path::OVERVIEW_LIVE.to_owned()),
        above: &[],
        parts: &overview_parts(overview),
    }
    .whole()
}

/// Returns its parts: one for each application.
pub fn overview_parts(overview: &Overview) -> Vec<Part> {
    let all = &overview.environments;
    if all.is_empty() {
        return vec![Part::of("nothing", &Nothing)];
    }
    let of_one = all.chunk_by(|one, next| one.application == next.application);
    let part = |environments: &[EnvironmentStatus]| {
        let application = environments.first().map_or("", |it| &it.application);
        let cards = environments.iter().map(card).collect();
        let template = Application { application, cards };
        Part::of(format!("application-{application}"), &template)
    };
    let title = std::iter::once(Part::of("title", &Title));
    title.chain(of_one.map(part)).collect()
}

fn card(status: &EnvironmentStatus) -> Card {
    let (tone, headline) = headline(status);
    let moving = status.services.iter().filter_map(|service| {
        let rollout = service.rollout.as_ref()?;
        if rollout.stage == RolloutStage::Promoted {
            return None;
        }
        let weight = rollout.weight_percent;
        let label = format!("{} of requests go to the new release", percent(weight));
        Some(Moving {
            name: service.name.clone(),
            weight: percent(weight),
            bar: Bar::of(&[(weight, "canary")], label),
        })
    });
    let waits = status.reasons.iter().take(REASONS).map(|reason| Wait {
        sentence: said(&reason.sentence),
        person: reason.who == Who::Person,
    });
    let cause = status.deployment.as_ref().and_then(|deployment| {
        let failed = matches!(deployment.phase, Phase::RolledBack | Phase::Abandoned);
        let cause = deployment.cause.as_ref().filter(|_| failed)?;
        let (words, _) = phase(deployment.phase);
        let release = deployment.release;
        Some(said(&format!("Release {release} {words}: {cause}")))
    });
    let on_its_way = status.deployment.as_ref().map(|it| it.release);
    let requested = status.requests.iter().map(|it| it.release);
    let releases: BTreeSet<u64> = status
        .serves
        .into_iter()
        .chain(on_its_way)
        .chain(requested)
        .collect();
    let releases = releases.into_iter();
    Card {
        releases: releases
            .map(|release| (release, path::of_release(&status.application, release)))
            .collect(),
        name: status.environment.clone(),
        address: of_environment(path::ENVIRONMENT, status),
        tone,
        headline,
        more: cause,
        moving: moving.collect(),
        waits: waits.collect(),
    }
}

/// Says in a few words what serves, and what is on its way.
pub(crate) fn headline(status: &EnvironmentStatus) -> (Tone, String) {
    let serves = match status.serves {
        Some(release) => format!("release {release} serves"),
        None => "nothing serves yet".to_owned(),
    };
    let deployment = status.deployment.as_ref();
    let under_way = deployment.filter(|it| !it.phase.is_over() && !it.phase.is_promoted());
    match under_way {
        Some(deployment) => {
            let (words, tone) = phase(deployment.phase);
            (
                tone,
                format!("{serves}, release {} {words}", deployment.release),
            )
        }
        None if status.serves.is_some() => (Tone::Good, serves),
        None => (Tone::Plain, serves),
    }
}
