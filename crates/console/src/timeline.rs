//! What happened, in order.

use askama::Template;
use leadsman_api::words::plain;
use leadsman_api::{Event, Moment};

use crate::page::Part;
use crate::words::{Said, Shown, said, shown};

#[derive(Template)]
#[template(path = "timeline.html")]
struct Timeline<'a> {
    title: &'a str,
    events: Vec<Row>,
}

struct Row {
    at: Shown,
    sentence: Said,
    actor: Option<String>,
    output: Vec<String>,
}

/// Returns what happened, as it is told.
pub(crate) fn timeline<'a>(
    title: &str,
    events: impl Iterator<Item = &'a Event>,
    now: Moment,
) -> Part {
    let events = events.map(|event| Row {
        at: shown(event.at, now),
        sentence: said(&event.sentence),
        actor: (event.actor != "leadsman").then(|| plain(&event.actor)),
        output: event.output.iter().map(|line| plain(line)).collect(),
    });
    let events = events.collect();
    Part::of("timeline", &Timeline { title, events })
}
