//! A share as a picture.

use askama::Template;

/// How wide a bar is, in units of its own.
const WIDTH: f64 = 400.0;

/// A bar that shows how requests are split.
#[derive(Template)]
#[template(path = "bar.html")]
pub(crate) struct Bar {
    pieces: Vec<Piece>,
    label: String,
}

struct Piece {
    x: String,
    width: String,
    class: &'static str,
}

impl Bar {
    /// Returns a bar with these pieces: how many percent each takes, and its class.
    pub(crate) fn of(pieces: &[(f64, &'static str)], label: String) -> Self {
        let mut x = 0.0;
        let place = |(percent, class): &(f64, &'static str)| {
            let width = percent.clamp(0.0, 100.0) / 100.0 * WIDTH;
            let piece = Piece {
                x: format!("{x:.1}"),
                width: format!("{width:.1}"),
                class,
            };
            x += width;
            piece
        };
        Self {
            pieces: pieces.iter().map(place).collect(),
            label,
        }
    }
}

impl askama::filters::HtmlSafe for Bar {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_follow_each_other() {
        let bar = Bar::of(&[(75.0, "stable"), (25.0, "canary")], "3 to 1".to_owned());
        let places: Vec<_> = bar.pieces.iter().map(|it| (&*it.x, &*it.width)).collect();
        assert_eq!(places, [("0.0", "300.0"), ("300.0", "100.0")]);
    }
}
