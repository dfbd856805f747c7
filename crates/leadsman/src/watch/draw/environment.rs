//! One environment: its services, what is waited for, what can be done, and what happened.

use leadsman_api::words::{label, origin};
use leadsman_api::{Choices, EnvironmentStatus, Event, Request};

use super::page::{Page, Tone, dim, piece, plain};
use super::standing::{comes_in, notices, serves, standing, waits};
use super::{keys, service};
use crate::failure::Failure;
use crate::render::history::happened;
use crate::render::status::reason;
use crate::render::words::{Clock, clean};
use crate::watch::model::Model;

/// From how many columns on there is room for two pages beside each other.
const WIDE: usize = 120;

/// What stands between them.
const BETWEEN: usize = 3;

/// Returns the page of what is selected.
pub(super) fn page(model: &Model, columns: usize) -> Page {
    let Some(status) = model.status() else {
        return Page::new(columns);
    };
    let clock = model.clock();
    let mut head = Page::new(columns);
    heading(&mut head, status, &clock);
    let is_wide = columns >= WIDE;
    let right = if is_wide { columns * 2 / 5 } else { columns };
    let left = if is_wide {
        columns - right - BETWEEN
    } else {
        columns
    };
    let mut waiting = Page::new(right);
    reasons(&mut waiting, status, &clock);
    for request in &status.requests {
        self::request(&mut waiting, request, &clock);
    }
    let mut services = Page::new(left);
    let series = model.known().and_then(|known| known.series.as_ref());
    // What is known of the past may be of the deployment before.
    let newest = status.deployment.as_ref().map(|it| it.number);
    let series = series.filter(|series| Some(series.deployment) == newest);
    for one in &status.services {
        let mut drawn = series.into_iter().flat_map(|series| &series.services);
        service::add(
            &mut services,
            one,
            drawn.find(|series| series.service == one.name),
        );
    }
    let mut after = Page::new(right);
    choices(&mut after, model);
    story(&mut after, model, &clock);
    if is_wide {
        waiting.gap();
        waiting.append(after);
        head.beside(services, waiting, BETWEEN);
    } else {
        head.append(waiting);
        head.append(services);
        head.gap();
        head.append(after);
    }
    head
}

fn heading(page: &mut Page, status: &EnvironmentStatus, clock: &Clock) {
    let (tone, words) = standing(status);
    let mut line = vec![
        piece(tone, format!(" {} {words}", tone.shape())),
        plain(format!("  {} serves", serves(status))),
    ];
    let next = comes_in(status);
    if !next.is_empty() {
        line.push(plain(format!("  comes in: {next}")));
    }
    if let Some(url) = &status.url {
        line.push(dim(format!("  {url}")));
    }
    page.row(line);
    if let Some(deployment) = &status.deployment {
        let (release, how) = (deployment.release, origin(deployment.origin));
        let (actor, at) = (&deployment.actor, clock.short(deployment.started_at));
        let note = deployment.note.as_deref();
        let note = note.map(|note| format!(" (“{}”)", clean(note)));
        let note = note.unwrap_or_default();
        let text = format!("release {release} was {how} by {actor} at {at}{note}");
        page.text("   ", Tone::Dim, &text);
    }
    notices(page, " ", status, clock);
}

fn reasons(page: &mut Page, status: &EnvironmentStatus, clock: &Clock) {
    for waiting in &status.reasons {
        let (mark, tone) = waits(waiting);
        page.marked(&format!(" {mark}"), tone, &reason(waiting, clock));
    }
}

/// Adds a release that waits to enter.
fn request(page: &mut Page, request: &Request, clock: &Clock) {
    let (release, actor) = (request.release, &request.actor);
    let (since, until) = (clock.since(request.since), clock.short(request.until));
    let mut text =
        format!("release {release} of {actor} waits to enter for {since}, until {until}");
    if let Some(from) = &request.built_from {
        text.push_str(&format!(", built from {from}"));
    }
    if let Some(why) = &request.expedited {
        text.push_str(&format!(", on the expedited way: {why}"));
    }
    page.marked(" ? ", Tone::Care, &text);
    for approval in &request.approvals {
        let note = approval.note.as_deref();
        let note = note.map(|note| format!(": {note}")).unwrap_or_default();
        let text = format!("approved by {}{note}", approval.actor);
        page.marked("   ✓ ", Tone::Good, &text);
    }
    for missing in &request.missing {
        page.marked("   · ", Tone::Care, &format!("lacks: {missing}"));
    }
}

/// Adds what can be done and what cannot, and why.
fn choices(page: &mut Page, model: &Model) {
    match model.known().and_then(|known| known.choices.as_ref()) {
        None => page.row([dim(" what can be done is being asked")]),
        Some(Err(failure)) => untold(page, "what can be done", failure),
        Some(Ok(choices)) => listed(page, choices),
    }
}

fn listed(page: &mut Page, choices: &Choices) {
    let keys = keys::of_choices(&choices.choices);
    page.row([dim(" what can be done now")]);
    let (mut cannot, mut is_any) = (Vec::new(), false);
    for (choice, key) in choices.choices.iter().zip(keys) {
        let label = label(choice);
        match &choice.refused {
            Some(refused) => cannot.push((label, refused)),
            None => {
                let key = key.unwrap_or(' ');
                let follows = choice.follows.as_deref().unwrap_or_default();
                let text = format!("{label}: {follows}");
                page.marked(&format!("   {key} "), Tone::Strong, &text);
                is_any = true;
            }
        }
    }
    if !is_any {
        page.row([plain("   nothing")]);
    }
    if !cannot.is_empty() {
        page.row([dim(" not now")]);
    }
    for (label, refused) in cannot {
        let (code, message) = (&refused.code, &refused.message);
        page.text("   ", Tone::Dim, &format!("{label}: {message} ({code})"));
    }
}

/// Adds what happened, the newest first.
fn story(page: &mut Page, model: &Model, clock: &Clock) {
    page.gap();
    page.row([dim(" what happened, the newest first")]);
    let events: &[Event] = match model.known().and_then(|known| known.events.as_ref()) {
        None => return page.row([dim("   is being asked")]),
        Some(Err(failure)) => return untold(page, "what happened", failure),
        Some(Ok(events)) => events,
    };
    if events.is_empty() {
        page.row([plain("   nothing yet")]);
    }
    for event in events.iter().rev() {
        let is_today = clock.date(event.at) == clock.date(clock.now);
        let at = if is_today {
            clock.exact(event.at)
        } else {
            clock.long(event.at)
        };
        let at = format!("   {at}  ");
        page.marked(&at, Tone::Dim, &happened(event));
        for line in &event.output {
            page.text(&format!("{}| ", " ".repeat(at.len())), Tone::Dim, line);
        }
    }
}

fn untold(page: &mut Page, what: &str, failure: &Failure) {
    let (code, message) = (&failure.code, &failure.message);
    let text = format!("{what} is not told: error[{code}]: {message}");
    page.marked(" ! ", Tone::Care, &text);
}
