//! What was deployed, and what happened.

use askama::Template;
use leadsman_api::words::{duration, origin, plain, whole_seconds};
use leadsman_api::{Deployment, History, Moment, Phase};

use crate::page::{Page, Part, Visitor};
use crate::path;
use crate::search::HistorySearch;
use crate::timeline::timeline;
use crate::words::{Said, Shown, Tone, phase, said, shown};

#[derive(Template)]
#[template(path = "history.html")]
struct Table {
    name: String,
    here: String,
    search: HistorySearch,
    phases: Vec<(&'static str, &'static str, bool)>,
    rows: Vec<Row>,
}

#[derive(Template)]
#[template(path = "pages.html")]
struct Pages {
    older: Option<String>,
    newest: Option<String>,
}

struct Row {
    began: Shown,
    release: u64,
    address: String,
    tone: Tone,
    came_to: &'static str,
    took: String,
    by: String,
    why: Said,
}

/// Returns the page of what was deployed to an environment, as far as `search` asks for it.
pub fn history(
    visitor: &Visitor,
    history: &History,
    search: &HistorySearch,
    now: Moment,
) -> String {
    let name = format!("{}/{}", history.application, history.environment);
    let above = [(
        name.clone(),
        path::fill(
            path::ENVIRONMENT,
            &[&history.application, &history.environment],
        ),
    )];
    let rows = history.deployments.iter();
    let rows = rows.map(|it| row(&history.application, it, now)).collect();
    let title = format!("History of {name}");
    let here = path::fill(path::HISTORY, &[&history.application, &history.environment]);
    let phases = Phase::ALL.map(|it| {
        let (words, _) = phase(it);
        (it.as_str(), words, it.as_str() == search.phase.trim())
    });
    let is_newest = search.before.trim().is_empty();
    let pages = Pages {
        older: history
            .next
            .map(|before| search.address(&here, Some(before))),
        newest: (!is_newest).then(|| search.address(&here, None)),
    };
    let table = Table {
        name,
        here,
        search: search.clone(),
        phases: phases.into(),
        rows,
    };
    let events = history.events.iter();
    Page {
        title: &title,
        visitor: Some(visitor),
        live: None,
        above: &above,
        parts: &[
            Part::of("deployments", &table),
            timeline("What happened, the newest first", events, now),
            Part::of("pages", &pages),
        ],
    }
    .whole()
}

fn row(application: &str, deployment: &Deployment, now: Moment) -> Row {
    let (came_to, tone) = phase(deployment.phase);
    let over = deployment.phase.is_over() || deployment.phase.is_promoted();
    let end = if over { deployment.since } else { now };
    let took = end.millis_since(deployment.started_at);
    let why = [&deployment.cause, &deployment.note];
    let why: Vec<&str> = why.into_iter().flatten().map(String::as_str).collect();
    let actor = plain(&deployment.actor);
    Row {
        began: shown(deployment.started_at, now),
        release: deployment.release,
        address: path::of_release(application, deployment.release),
        tone,
        came_to,
        took: duration(whole_seconds(took)),
        by: format!("{} by {actor}", origin(deployment.origin)),
        why: said(&why.join("; ")),
    }
}
