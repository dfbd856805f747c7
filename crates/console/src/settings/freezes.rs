//! The times in which nothing enters: freezes, maintenance, and the windows of the week.

use askama::Template;
use leadsman_api::words::plain;
use leadsman_api::{EnvironmentStatus, Freeze, Moment, Wanted, Windows};

use super::{Section, page};
use crate::ask::Ask;
use crate::page::{Part, Visitor};
use crate::path;
use crate::words::{Said, Shown, Tone, said, shown};

/// For how many hours a freeze can be made here; 0 is until somebody ends it.
const LASTS: [u64; 6] = [0, 1, 4, 24, 72, 168];

/// An environment, and what whoever looks may do about its freezes.
#[derive(Clone, Copy, Debug)]
pub struct Held<'a> {
    /// How it stands.
    pub status: &'a EnvironmentStatus,
    /// Whether they may let nothing enter it.
    pub freezes: bool,
    /// Whether they may let things enter again.
    pub thaws: bool,
}

#[derive(Template)]
#[template(path = "freezes.html")]
struct Of<'a> {
    visitor: &'a Visitor,
    name: String,
    address: String,
    tone: Tone,
    state: String,
    windows: Vec<Said>,
    rows: Vec<Row>,
    freeze: Option<String>,
    lasts: [(u64, &'static str); 6],
}

struct Row {
    number: u64,
    kind: &'static str,
    tone: Tone,
    state: &'static str,
    from: Shown,
    until: Option<Shown>,
    by: String,
    why: Said,
    except: String,
    thaw: Option<String>,
}

#[derive(Template)]
#[template(
    source = "<h2>Freezes and windows</h2><p>Nothing has been shipped yet.</p>",
    ext = "html"
)]
struct Nothing;

/// Returns the page of what is frozen, and when things may enter.
pub fn freezes(visitor: &Visitor, admin: bool, all: &[Held<'_>]) -> String {
    let mut parts: Vec<Part> = all.iter().map(|held| of(visitor, held)).collect();
    if parts.is_empty() {
        parts.push(Part::of("nothing", &Nothing));
    }
    let title = "Freezes and windows";
    page(visitor, admin, Section::Freezes, title, parts)
}

/// Returns the page that asks whether a freeze is to be ended.
pub fn thaw(visitor: &Visitor, status: &EnvironmentStatus, freeze: &Freeze) -> String {
    let name = name(status);
    let (number, kind) = (freeze.number, kind(freeze));
    let ask = Ask {
        label: format!("End {kind} {number} of {name}"),
        sentence: said(&format!(
            "Releases that have all else they need may enter {name} again at once. It was said by \
             {}: {}",
            freeze.actor, freeze.why
        )),
        points: Vec::new(),
        action: address(path::THAW, status, Some(number)),
        above: &[("Freezes and windows".to_owned(), path::FREEZES.to_owned())],
        hidden: Vec::new(),
        reason: Wanted::Yes,
        reason_label: None,
        grave: false,
    };
    ask.page(visitor)
}

fn name(status: &EnvironmentStatus) -> String {
    format!("{}/{}", status.application, status.environment)
}

fn address(template: &str, status: &EnvironmentStatus, number: Option<u64>) -> String {
    let number = number.map(|number| number.to_string());
    let mut values = vec![&*status.application, &*status.environment];
    values.extend(number.as_deref());
    path::fill(template, &values)
}

const fn kind(freeze: &Freeze) -> &'static str {
    if freeze.maintenance {
        "maintenance"
    } else {
        "freeze"
    }
}

fn of(visitor: &Visitor, held: &Held<'_>) -> Part {
    let (status, now) = (held.status, held.status.at);
    let there = status.freezes.iter();
    let there = there.filter(|it| it.until.is_none_or(|until| until > now));
    let rows: Vec<Row> = there.map(|freeze| row(held, freeze, now)).collect();
    let is_frozen = rows.iter().any(|row| row.tone == Tone::Care);
    let closed = status.windows.as_ref().is_some_and(|it| !it.open);
    let (tone, state) = match (is_frozen, &status.maintenance, closed) {
        (true, ..) => (Tone::Care, "nothing enters now".to_owned()),
        (false, Some(maintenance), _) => (Tone::Care, plain(maintenance)),
        (false, None, true) => (Tone::Care, "it is not the time to enter".to_owned()),
        (false, None, false) => (Tone::Good, "releases may enter".to_owned()),
    };
    let of = Of {
        visitor,
        name: name(status),
        address: path::of_environment(path::ENVIRONMENT, status),
        tone,
        state,
        windows: status.windows.as_ref().map_or_else(Vec::new, windows),
        rows,
        freeze: held.freezes.then(|| address(path::FREEZE, status, None)),
        lasts: LASTS.map(|hours| (hours, lasts(hours))),
    };
    let part = format!("freezes-{}-{}", status.application, status.environment);
    Part::of(part, &of)
}

fn row(held: &Held<'_>, freeze: &Freeze, now: Moment) -> Row {
    let (tone, state) = if freeze.from <= now {
        (Tone::Care, "on now")
    } else {
        (Tone::Plain, "is to come")
    };
    let except: Vec<String> = freeze.except.iter().map(ToString::to_string).collect();
    Row {
        number: freeze.number,
        kind: kind(freeze),
        tone,
        state,
        from: shown(freeze.from, now),
        until: freeze.until.map(|until| shown(until, now)),
        by: plain(&freeze.actor),
        why: said(&freeze.why),
        except: except.join(", "),
        thaw: held
            .thaws
            .then(|| address(path::THAW, held.status, Some(freeze.number))),
    }
}

/// Says when the windows of the week are.
fn windows(windows: &Windows) -> Vec<Said> {
    let zone = &windows.time_zone;
    let mut lines = Vec::new();
    if !windows.entry.is_empty() {
        let when = windows.entry.join("; ");
        lines.push(format!("Releases may enter {when}, by the clock of {zone}"));
    }
    if !windows.maintenance.is_empty() {
        let when = windows.maintenance.join("; ");
        lines.push(format!("It is worked on {when}, by the clock of {zone}"));
    }
    lines.iter().map(|line| said(line)).collect()
}

const fn lasts(hours: u64) -> &'static str {
    match hours {
        1 => "for an hour",
        4 => "for 4 hours",
        24 => "for a day",
        72 => "for 3 days",
        168 => "for a week",
        _ => "until somebody ends it",
    }
}
