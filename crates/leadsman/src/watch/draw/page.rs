//! Lines made of pieces of text: the one door through which text comes onto the screen.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::render::words::{clean, cut, wrapped_to};

/// How something is meant. What it means is in its words or its shape as well: there are terminals
/// without colours, and people who do not tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    /// What the eye should find first.
    Strong,
    /// What the eye may skip.
    Dim,
    Good,
    Bad,
    /// Something to look at.
    Care,
    /// Something that moves.
    Busy,
    /// What is selected, and what must not be overlooked.
    Inverse,
}

impl Tone {
    fn style(self, is_coloured: bool) -> Style {
        let style = Style::new();
        let colour = |colour: Color| {
            if is_coloured { style.fg(colour) } else { style }
        };
        match self {
            Self::Plain => style,
            Self::Strong => style.add_modifier(Modifier::BOLD),
            Self::Dim => style.add_modifier(Modifier::DIM),
            Self::Good => colour(Color::Green),
            Self::Bad => colour(Color::Red).add_modifier(Modifier::BOLD),
            Self::Care => colour(Color::Yellow),
            Self::Busy => colour(Color::Cyan),
            Self::Inverse => style.add_modifier(Modifier::REVERSED),
        }
    }

    /// Returns its shape.
    pub(super) const fn shape(self) -> &'static str {
        match self {
            Self::Good => "✓",
            Self::Bad => "✕",
            Self::Care => "!",
            Self::Busy => "▶",
            Self::Plain | Self::Strong | Self::Dim | Self::Inverse => "·",
        }
    }
}

/// Text that is shown in one way. It is on one line, and cannot command the terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    text: String,
    tone: Tone,
}

/// Makes a piece of any text.
pub(super) fn piece(tone: Tone, text: impl AsRef<str>) -> Piece {
    Piece {
        text: clean(text.as_ref()),
        tone,
    }
}

/// Makes a piece that is shown as usual.
pub(super) fn plain(text: impl AsRef<str>) -> Piece {
    piece(Tone::Plain, text)
}

/// Makes a piece that the eye may skip.
pub(super) fn dim(text: impl AsRef<str>) -> Piece {
    piece(Tone::Dim, text)
}

/// Makes a piece that the eye should find first.
pub(super) fn strong(text: impl AsRef<str>) -> Piece {
    piece(Tone::Strong, text)
}

impl Piece {
    pub(super) fn width(&self) -> usize {
        self.text.width()
    }
}

/// Lines below one another, made for so many columns.
pub(super) struct Page {
    pub(super) columns: usize,
    rows: Vec<Vec<Piece>>,
}

/// How many spaces stand between two columns of a table.
const GAP: usize = 2;

impl Page {
    pub(super) const fn new(columns: usize) -> Self {
        Self {
            columns,
            rows: Vec::new(),
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.rows.len()
    }

    /// Adds a line of pieces that follow each other.
    pub(super) fn row(&mut self, pieces: impl Into<Vec<Piece>>) {
        self.rows.push(pieces.into());
    }

    /// Adds an empty line, unless there is one already or nothing above it.
    pub(super) fn gap(&mut self) {
        if self.rows.last().is_some_and(|row| !row.is_empty()) {
            self.rows.push(Vec::new());
        }
    }

    /// Adds text in as many lines as it needs: the first one begins with `first`, the others with
    /// as many spaces.
    pub(super) fn text(&mut self, first: &str, tone: Tone, text: &str) {
        for line in folded(self.columns, first, text) {
            self.row([piece(tone, line)]);
        }
    }

    /// The same, but what begins it is shown in its tone and the text as usual.
    pub(super) fn marked(&mut self, first: &str, tone: Tone, text: &str) {
        for (index, line) in folded(self.columns, first, text).into_iter().enumerate() {
            match line.strip_prefix(first).filter(|_| index == 0) {
                Some(rest) => self.row([piece(tone, first), plain(rest)]),
                None => self.row([plain(line)]),
            }
        }
    }

    /// Adds rows whose cells stand below one another. The last cell of a row may be as long as it
    /// likes.
    pub(super) fn table(&mut self, indent: usize, rows: Vec<Vec<Piece>>) {
        let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
        let mut widths = vec![0; columns];
        for row in &rows {
            for (cell, widest) in row.iter().zip(&mut widths) {
                *widest = cell.width().max(*widest);
            }
        }
        for row in rows {
            let mut line = vec![plain(" ".repeat(indent))];
            for (cell, widest) in row.into_iter().zip(&widths) {
                // A column that is empty in every row takes no room.
                let room = if *widest > 0 {
                    widest - cell.width() + GAP
                } else {
                    0
                };
                line.push(cell);
                line.push(plain(" ".repeat(room)));
            }
            self.rows.push(line);
        }
    }

    /// Adds the lines of another page below.
    pub(super) fn append(&mut self, other: Self) {
        self.rows.extend(other.rows);
    }

    /// Adds two pages beside each other, with so many columns between them.
    pub(super) fn beside(&mut self, left: Self, right: Self, between: usize) {
        let columns = left.columns;
        let mut right = right.rows.into_iter();
        let mut left = left.rows.into_iter();
        loop {
            let (one, other) = (left.next(), right.next());
            if one.is_none() && other.is_none() {
                return;
            }
            let mut line = fitted(&one.unwrap_or_default(), columns);
            let used: usize = line.iter().map(Piece::width).sum();
            line.push(plain(" ".repeat(columns - used + between)));
            line.extend(other.unwrap_or_default());
            self.rows.push(line);
        }
    }

    /// Has one piece of one line shown in inverse.
    pub(super) fn invert(&mut self, row: usize, piece: usize) {
        let row = self.rows.get_mut(row);
        if let Some(piece) = row.and_then(|row| row.get_mut(piece)) {
            piece.tone = Tone::Inverse;
        }
    }

    /// Returns the pieces of each line.
    pub(super) fn into_rows(self) -> impl Iterator<Item = Vec<Piece>> {
        self.rows.into_iter()
    }

    /// Draws the lines from `first` on. What does not fit a line is cut, which is marked.
    pub(super) fn draw(&self, first: usize, is_coloured: bool, area: Rect, buffer: &mut Buffer) {
        let area = area.intersection(buffer.area);
        let rows = self.rows.iter().skip(first);
        for (row, y) in rows.zip(area.top()..area.bottom()) {
            let mut x = area.left();
            for piece in fitted(row, usize::from(area.width)) {
                let room = usize::from(area.right().saturating_sub(x));
                let style = piece.tone.style(is_coloured);
                (x, _) = buffer.set_stringn(x, y, &piece.text, room, style);
            }
        }
    }
}

/// Returns a line that takes at most so many columns; where it is cut, that is marked.
fn fitted(row: &[Piece], columns: usize) -> Vec<Piece> {
    let mut line = Vec::new();
    let mut room = columns;
    for piece in row {
        let is_blank = piece.text.trim_end().is_empty();
        let wide = piece.width();
        if room == 0 {
            break;
        }
        if wide > room && !is_blank {
            let text = cut(piece.text.trim_end(), room);
            let tone = piece.tone;
            line.push(Piece { text, tone });
            break;
        }
        if wide <= room {
            room -= wide;
            line.push(piece.clone());
        }
    }
    line
}

/// Returns text in lines of at most so many columns. A word that is longer is broken, too.
fn folded(columns: usize, first: &str, text: &str) -> Vec<String> {
    let columns = columns.max(1);
    let indent = first.width();
    let wrapped = wrapped_to(columns, first, &clean(text));
    let mut lines = Vec::new();
    for line in wrapped.lines() {
        let (mut part, mut used) = (String::new(), 0);
        for letter in line.chars() {
            let wide = letter.width().unwrap_or(0);
            if used + wide > columns && used > 0 {
                lines.push(std::mem::take(&mut part));
                // No text is left to be shown where its indentation alone takes all columns.
                used = if indent < columns { indent } else { 0 };
                part.push_str(&" ".repeat(used));
            }
            used += wide;
            part.push(letter);
        }
        lines.push(part);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(page: &Page) -> Vec<String> {
        let area = Rect::new(0, 0, u16::try_from(page.columns).unwrap(), 10);
        let mut buffer = Buffer::empty(area);
        page.draw(0, false, area, &mut buffer);
        crate::watch::samples::text_of(&buffer)
            .lines()
            .map(str::to_owned)
            .take(page.len())
            .collect()
    }

    #[test]
    fn text_is_broken_at_spaces_and_long_words_anywhere() {
        let mut page = Page::new(10);
        page.text("- ", Tone::Plain, "one two three abcdefghijklmnop");
        assert_eq!(
            lines(&page),
            ["- one two", "  three", "  abcdefgh", "  ijklmnop"]
        );
    }

    #[test]
    fn what_does_not_fit_is_cut_and_marked() {
        let mut page = Page::new(8);
        page.row([plain("12345678")]);
        page.row([plain("123456789")]);
        page.row([plain("1234"), strong("56789")]);
        page.row([plain("漢字漢字漢字")]);
        assert_eq!(
            lines(&page),
            ["12345678", "1234567…", "1234567…", "漢字漢…"]
        );
    }

    #[test]
    fn text_of_others_commands_nothing() {
        let mut page = Page::new(40);
        page.row([plain("a\x1b[2Jb\u{202e}c\td\u{9b}31m")]);
        page.text("", Tone::Bad, "x\x1b]0;title\x07y");
        assert_eq!(lines(&page), ["abc d31m", "xy"]);
    }

    #[test]
    fn columns_stand_below_one_another() {
        let mut page = Page::new(40);
        page.table(
            1,
            vec![
                vec![plain("a"), plain(""), plain("x")],
                vec![plain("long"), plain(""), plain("y")],
            ],
        );
        assert_eq!(lines(&page), [" a     x", " long  y"]);
    }
}
