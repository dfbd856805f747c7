//! From the model to cells: pure functions.

mod dialog;
mod environment;
mod overview;
pub(super) mod page;
mod service;
mod spark;
mod standing;

#[cfg(test)]
mod tests;

use leadsman_api::words::{count, label};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use self::page::{Page, Piece, Tone, dim, piece, plain, strong};
use super::keys;
use super::model::Model;

/// From how many lines on there is room for everything around the page.
const ROOMY: u16 = 14;

/// Draws everything, and returns how far down the page can be scrolled.
pub(super) fn whole(model: &Model, is_coloured: bool, area: Rect, buffer: &mut Buffer) -> usize {
    let area = area.intersection(buffer.area);
    let columns = usize::from(area.width);
    let (mut above, below) = (head(model, columns), foot(model, columns, area.height));
    above.append(lost(model, columns, area.height));
    let mut rest = area;
    let head = take_top(&mut rest, above.len(), area.height / 2);
    above.draw(0, is_coloured, head, buffer);
    let foot = take_bottom(&mut rest, below.len(), area.height / 3);
    below.draw(0, is_coloured, foot, buffer);

    let height = usize::from(rest.height);
    let deepest = if model.is_open {
        let page = environment::page(model, columns);
        let deepest = page.len().saturating_sub(height);
        page.draw(model.scroll.min(deepest), is_coloured, rest, buffer);
        deepest
    } else {
        let (page, selected) = overview::page(model, columns);
        // What is selected is always in sight, from its first line on.
        let last = selected.end.saturating_sub(height);
        page.draw(last.min(selected.start), is_coloured, rest, buffer);
        0
    };
    if let Some(dialog) = &model.dialog {
        dialog::draw(model, dialog, is_coloured, area, buffer);
    }
    deepest
}

/// Takes lines off the top of what is left: as many as are wanted, and no more than `most`.
fn take_top(rest: &mut Rect, wanted: usize, most: u16) -> Rect {
    let height = u16::try_from(wanted).unwrap_or(u16::MAX).min(most);
    let taken = Rect { height, ..*rest };
    rest.y += height;
    rest.height -= height;
    taken
}

/// Takes lines off the bottom of what is left.
fn take_bottom(rest: &mut Rect, wanted: usize, most: u16) -> Rect {
    let height = u16::try_from(wanted).unwrap_or(u16::MAX).min(most);
    rest.height -= height;
    Rect {
        y: rest.y + rest.height,
        height,
        ..*rest
    }
}

/// Says what is watched, and of when the picture is.
fn head(model: &Model, columns: usize) -> Page {
    let mut page = Page::new(columns);
    let mut what = match (model.is_open, model.status()) {
        (true, Some(status)) => format!("{}/{}", status.application, status.environment),
        _ => {
            let all = model.overview.environments.len() as u64;
            format!("Leadsman  {}", count(all, "environment"))
        }
    };
    if let Some(server) = &model.shown.server {
        what.push_str(&format!("  at {server}"));
    }
    let at = model.clock().exact(model.overview.at);
    let when = match model.lost_since() {
        Some(_) => format!("old: of {at}"),
        None => at,
    };
    let what = strong(format!(" {what}"));
    let room = columns
        .saturating_sub(1)
        .saturating_sub(what.width() + crate::render::words::width(&when));
    page.row([what, plain(" ".repeat(room.max(2))), dim(when)]);
    page
}

/// Says that control is not reached, since when and why.
fn lost(model: &Model, columns: usize, height: u16) -> Page {
    let mut page = Page::new(columns);
    let Some(since) = model.lost_since() else {
        return page;
    };
    let clock = model.own_clock();
    let text = format!(
        "control is not reached since {}, for {}; it is tried again and again",
        clock.exact(since),
        clock.since(since)
    );
    page.text(" ! ", Tone::Bad, &text);
    if let Some(failure) = model.failure.as_ref().filter(|_| height >= ROOMY) {
        let text = format!("error[{}]: {}", failure.code, failure.message);
        page.text("   ", Tone::Plain, &text);
        page.text(
            "   ",
            Tone::Dim,
            "what is shown is how things stood then; what serves goes on serving",
        );
    }
    page
}

/// Says what came of the last key, what can be done, and the keys.
fn foot(model: &Model, columns: usize, height: u16) -> Page {
    let mut page = Page::new(columns);
    if let Some(notice) = &model.notice {
        let tone = if notice.is_done {
            Tone::Good
        } else {
            Tone::Care
        };
        page.marked(&format!(" {} ", tone.shape()), tone, &notice.text);
    }
    if height >= ROOMY {
        page.append(can(model, columns));
    }
    let keys: &[(&str, &str)] = if model.is_open {
        &[
            ("↑↓", "scroll"),
            ("Esc", "back"),
            ("?", "keys"),
            ("q", "end"),
        ]
    } else {
        &[
            ("↑↓", "select"),
            ("Enter", "open"),
            ("?", "keys"),
            ("q", "end"),
        ]
    };
    let mut line = Vec::new();
    for (key, what) in keys {
        line.extend([plain(" "), strong(key), dim(format!(" {what} "))]);
    }
    page.row(line);
    page
}

/// Returns what can be done now, each with its key.
fn can(model: &Model, columns: usize) -> Page {
    let mut page = Page::new(columns);
    let Some(choices) = model.choices() else {
        return page;
    };
    let keys = keys::of_choices(&choices.choices);
    let can = choices.choices.iter().zip(keys);
    let can = can.filter(|(choice, _)| choice.refused.is_none());
    let (mut line, mut used): (Vec<Piece>, usize) = (Vec::new(), 0);
    for (choice, key) in can {
        let key = key.map(String::from).unwrap_or_default();
        let pieces = [
            plain(" "),
            piece(Tone::Strong, key),
            plain(format!(" {} ", label(choice))),
        ];
        let wide: usize = pieces.iter().map(Piece::width).sum();
        if used + wide > columns && !line.is_empty() {
            page.row(std::mem::take(&mut line));
            used = 0;
        }
        used += wide;
        line.extend(pieces);
    }
    if !line.is_empty() {
        page.row(line);
    }
    page
}
