//! What lies over the page: what follows from a choice, what did not come of it, and the keys.

use leadsman_api::Wanted;
use leadsman_api::words::{is_grave, label};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::{Block, Clear, Widget as _};

use super::keys;
use super::page::{Page, Tone, dim, piece, plain, strong};
use crate::failure::Failure;
use crate::render::words::width;
use crate::watch::model::{Confirm, Dialog, Model};

/// How wide a dialog is at most: text is read best so.
const WIDEST: u16 = 76;

/// Draws what lies over the page.
pub(super) fn draw(
    model: &Model,
    dialog: &Dialog,
    is_coloured: bool,
    area: Rect,
    buffer: &mut Buffer,
) {
    // Where there is little room, there is none for a frame.
    let is_framed = area.width >= 24 && area.height >= 8;
    let frame = u16::from(is_framed);
    let outer = if is_framed {
        WIDEST.min(area.width.saturating_sub(4))
    } else {
        area.width
    };
    let columns = usize::from(outer.saturating_sub(2 * frame));
    // Nothing touches the frame.
    let text = columns.saturating_sub(usize::from(frame));
    // The title names what it is about, and the keys stand last: both stay where the rest is cut.
    let (title, page, keys) = match dialog {
        Dialog::Help => (
            " keys ".to_owned(),
            help(model, text),
            "any key closes this",
        ),
        Dialog::Confirm(confirm) => {
            let title = format!(" {}? ", label(&confirm.choice));
            let keys = if confirm.is_given {
                "control is being told"
            } else {
                "Enter does it   Esc leaves it"
            };
            (title, self::confirm(confirm, text), keys)
        }
        Dialog::Refused { label, failure } => (
            format!(" {label}: not done "),
            refused(failure, text),
            "any key closes this",
        ),
    };
    let wanted = u16::try_from(page.len() + 2).unwrap_or(u16::MAX);
    let height = wanted.saturating_add(2 * frame).min(area.height);
    let outer = Rect {
        x: area.x + (area.width - outer) / 2,
        y: area.y + (area.height - height) / 2,
        width: outer,
        height,
    };
    // What lies behind does not touch it either.
    let around = Rect {
        x: outer.x.saturating_sub(2 * frame),
        width: outer.width + 4 * frame,
        ..outer
    };
    Clear.render(around.intersection(area), buffer);
    let mut inner = outer;
    if is_framed {
        let block = Block::bordered();
        inner = block.inner(outer);
        block.render(outer, buffer);
        let mut name = Page::new(columns);
        name.row([strong(title)]);
        let above = Rect {
            y: outer.y,
            height: 1,
            ..inner
        };
        name.draw(0, is_coloured, above, buffer);
    } else {
        let mut name = Page::new(columns);
        name.row([piece(Tone::Inverse, title)]);
        name.draw(
            0,
            is_coloured,
            Rect {
                height: inner.height.min(1),
                ..inner
            },
            buffer,
        );
        inner.y += inner.height.min(1);
        inner.height = inner.height.saturating_sub(1);
    }
    let below = inner.height.min(1);
    let last = Rect {
        y: inner.bottom() - below,
        height: below,
        ..inner
    };
    inner.height -= below;
    // What is written stands last, and has to be seen while it is.
    let first = match dialog {
        Dialog::Confirm(_) => page.len().saturating_sub(usize::from(inner.height)),
        Dialog::Help | Dialog::Refused { .. } => 0,
    };
    page.draw(first, is_coloured, inner, buffer);
    let mut line = Page::new(columns);
    line.row([plain(" "), piece(Tone::Inverse, format!(" {keys} "))]);
    line.draw(0, is_coloured, last, buffer);
}

fn confirm(confirm: &Confirm, columns: usize) -> Page {
    let mut page = Page::new(columns);
    let (application, environment) = (&confirm.target.application, &confirm.target.environment);
    let follows = confirm.choice.follows.as_deref().unwrap_or_default();
    let tone = if is_grave(&confirm.choice) {
        Tone::Bad
    } else {
        Tone::Strong
    };
    page.text(
        " ",
        tone,
        &format!("{application}/{environment}: {follows}"),
    );
    for means in &confirm.means {
        page.marked("   · ", Tone::Dim, means);
    }
    page.gap();
    let asks = match confirm.choice.reason {
        Wanted::Yes => "why (it has to be said):",
        Wanted::Maybe => "a note (may be left empty):",
        Wanted::No => "why, for the audit (may be left empty):",
    };
    if confirm.lacks_reason {
        page.row([piece(Tone::Care, format!(" ! {asks}"))]);
    } else {
        page.row([dim(format!(" {asks}"))]);
    }
    // The end of what is written is what is being written.
    let room = columns.saturating_sub(6);
    let mut text = String::new();
    for letter in confirm.text.chars().rev() {
        if width(&text) + width(letter.encode_utf8(&mut [0; 4])) > room {
            break;
        }
        text.insert(0, letter);
    }
    page.row([plain(" > "), strong(text), piece(Tone::Inverse, " ")]);
    page
}

fn refused(failure: &Failure, columns: usize) -> Page {
    let mut page = Page::new(columns);
    let (code, message) = (&failure.code, &failure.message);
    page.text(" ", Tone::Bad, &format!("error[{code}]: {message}"));
    for cause in &failure.causes {
        page.text("   ", Tone::Plain, &format!("caused by: {cause}"));
    }
    for hint in &failure.hints {
        page.text("   ", Tone::Plain, &format!("hint: {hint}"));
    }
    let more = format!("`leadsman explain {code}` says more");
    page.text("   ", Tone::Dim, &more);
    page
}

fn help(model: &Model, columns: usize) -> Page {
    let mut page = Page::new(columns);
    let rows = keys::KEYS.iter();
    page.table(
        1,
        rows.map(|(key, what)| vec![strong(key), plain(what)])
            .collect(),
    );
    let Some(choices) = model.choices() else {
        return page;
    };
    page.gap();
    let keys = keys::of_choices(&choices.choices);
    let rows = choices
        .choices
        .iter()
        .zip(keys)
        .filter_map(|(choice, key)| {
            let now = match &choice.refused {
                None => "",
                Some(_) => "not now",
            };
            let key = key?.to_string();
            Some(vec![strong(key), plain(label(choice)), dim(now)])
        });
    page.table(1, rows.collect());
    page
}
