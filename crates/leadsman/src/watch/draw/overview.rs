//! Every environment: what serves, what moves, and what waits for whom.

use std::ops::Range;

use leadsman_api::words::outcome;
use leadsman_api::{EnvironmentStatus, RolloutStage};

use super::page::{Page, Piece, dim, piece, plain, strong};
use super::standing::{comes_in, judged, notices, serves, soak, standing, step, waits};
use crate::render::status::reason;
use crate::render::words::{Clock, cut};
use crate::watch::model::Model;

/// How deep what is said of an environment stands below its name.
const INDENT: &str = "    ";

/// Returns the page, and which of its lines are about what is selected.
pub(super) fn page(model: &Model, columns: usize) -> (Page, Range<usize>) {
    let mut page = Page::new(columns);
    let all = &model.overview.environments;
    if all.is_empty() {
        page.row([]);
        page.row([plain("   nothing has been shipped yet")]);
        page.row([dim("   ship the first release with `leadsman ship`")]);
        return (page, 0..0);
    }
    let clock = model.clock();
    // One table, so that the columns of all environments stand below one another.
    let mut rows = vec![
        [" ", "ENVIRONMENT", "PHASE", "SERVES", "COMES IN"]
            .map(dim)
            .into(),
    ];
    rows.extend(all.iter().enumerate().map(|(index, status)| {
        let is_selected = index == model.selected;
        first_row(status, is_selected)
    }));
    let mut heads = Page::new(columns);
    heads.table(0, rows);
    // Indentation, mark and gap stand before the name.
    heads.invert(model.selected + 1, 3);
    let mut heads = heads.into_rows();
    page.row(heads.next().unwrap_or_default());
    let mut selected = 0..0;
    for (index, (status, head)) in all.iter().zip(heads).enumerate() {
        let begin = page.len();
        page.row(head);
        moving(&mut page, status);
        let is_selected = index == model.selected;
        if is_selected {
            notices(&mut page, INDENT, status, &clock);
        } else {
            brief_notices(&mut page, status, &clock);
        }
        reasons(&mut page, status, is_selected, &clock);
        if is_selected {
            selected = begin..page.len();
        }
    }
    (page, selected)
}

fn first_row(status: &EnvironmentStatus, is_selected: bool) -> Vec<Piece> {
    let (tone, words) = standing(status);
    let name = format!("{}/{}", status.application, status.environment);
    vec![
        plain(if is_selected { "▸" } else { " " }),
        strong(name),
        piece(tone, format!("{} {words}", tone.shape())),
        plain(serves(status)),
        plain(comes_in(status)),
    ]
}

/// Adds a line for each service that moves.
fn moving(page: &mut Page, status: &EnvironmentStatus) {
    let mut rows = Vec::new();
    for service in &status.services {
        let moves = service.rollout.as_ref();
        let Some(rollout) = moves.filter(|it| it.stage != RolloutStage::Promoted) else {
            continue;
        };
        let verdict = rollout.verdict.as_ref();
        rows.push(vec![
            plain(&service.name),
            plain(step(rollout)),
            plain(soak(rollout)),
            verdict.map_or_else(
                || plain(""),
                |it| piece(judged(it.outcome), outcome(it.outcome)),
            ),
        ]);
    }
    page.table(INDENT.len(), rows);
}

/// Adds the first line of what a person should know: all of it is there once it is selected.
fn brief_notices(page: &mut Page, status: &EnvironmentStatus, clock: &Clock) {
    let mut whole = Page::new(usize::MAX / 2);
    notices(&mut whole, INDENT, status, clock);
    if let Some(first) = whole.into_rows().next() {
        page.row(first);
    }
}

/// Adds what is waited for: in one line, or all of it where it is selected.
fn reasons(page: &mut Page, status: &EnvironmentStatus, is_whole: bool, clock: &Clock) {
    if is_whole {
        for waiting in &status.reasons {
            let (mark, tone) = waits(waiting);
            page.marked(&format!("{INDENT}{mark}"), tone, &reason(waiting, clock));
        }
        return;
    }
    let Some(first) = status.reasons.first() else {
        return;
    };
    let (mark, tone) = waits(first);
    let more = match status.reasons.len() - 1 {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    let room = page
        .columns
        .saturating_sub(INDENT.len() + mark.len() + more.len());
    page.row([
        piece(tone, format!("{INDENT}{mark}")),
        plain(cut(&reason(first, clock), room.max(1))),
        dim(more),
    ]);
}
