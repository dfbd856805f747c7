//! Numbers, moments and texts, as people read them.

use jiff::tz::TimeZone;
use leadsman_api::Moment;
use leadsman_api::words::plain;
pub(crate) use leadsman_api::words::{
    count, duration, latency, origin, outcome, percent, rate, ratio, size, whole_seconds,
};

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// How wide a page is: what fits every terminal.
pub(crate) const PAGE: usize = 80;

/// From where moments are seen.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    /// Now.
    pub(crate) now: Moment,
    /// The time zone of the reader.
    pub(crate) zone: TimeZone,
}

impl Clock {
    /// Sees moments from `now`, in the time zone of this machine.
    pub(crate) fn at(now: Moment) -> Self {
        Self {
            now,
            zone: TimeZone::system(),
        }
    }

    /// Sees moments from this one, in the time zone of this machine.
    pub(crate) fn now() -> Self {
        let now = std::time::SystemTime::now();
        let now = now
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        Self::at(Moment(u64::try_from(now.as_millis()).unwrap_or(u64::MAX)))
    }

    /// Returns the time of day, and the date too if it is not that of now.
    pub(crate) fn short(&self, moment: Moment) -> String {
        let format = if self.date(moment) == self.date(self.now) {
            "%H:%M"
        } else {
            "%F %H:%M"
        };
        self.format(moment, format)
    }

    /// Returns the time of day to the second.
    pub(crate) fn exact(&self, moment: Moment) -> String {
        self.format(moment, "%T")
    }

    /// Returns date and time to the second.
    pub(crate) fn long(&self, moment: Moment) -> String {
        self.format(moment, "%F %T")
    }

    /// Returns how long ago `moment` was.
    pub(crate) fn since(&self, moment: Moment) -> String {
        duration(whole_seconds(self.now.millis_since(moment)))
    }

    /// Returns the date.
    pub(crate) fn date(&self, moment: Moment) -> String {
        self.format(moment, "%F")
    }

    fn format(&self, moment: Moment, format: &str) -> String {
        let millis = i64::try_from(moment.0).unwrap_or(i64::MAX);
        match jiff::Timestamp::from_millisecond(millis) {
            Ok(timestamp) => timestamp
                .to_zoned(self.zone.clone())
                .strftime(format)
                .to_string(),
            Err(_) => "?".to_owned(),
        }
    }
}

/// Returns a bar of `width` characters of which the share `part / whole` is full.
pub(crate) fn bar(part: u64, whole: u64, width: u64) -> String {
    let full = (part.min(whole) * width)
        .checked_div(whole)
        .unwrap_or(width);
    (0..width)
        .map(|index| if index < full { '█' } else { '░' })
        .collect()
}

/// Returns `text` without what could command a terminal. Text of others is printed only so: the
/// output of an instance may have found its way into a sentence.
pub(crate) fn clean(text: &str) -> String {
    plain(&anstream::adapter::strip_str(text).to_string())
}

/// Breaks `text` into lines that fit a [`PAGE`]; see [`wrapped_to`].
pub(crate) fn wrapped(first: &str, text: &str) -> String {
    wrapped_to(PAGE, first, text)
}

/// Breaks `text` into lines of at most so many columns where it has spaces; the first one begins
/// with `first`, the others with as many spaces. Ends with a line end.
pub(crate) fn wrapped_to(columns: usize, first: &str, text: &str) -> String {
    let indent = width(first);
    let mut lines = first.to_owned();
    let mut column = indent;
    let mut words = text.split_whitespace().peekable();
    let mut index = 0;
    while let Some(word) = words.next() {
        // A number stays with its unit.
        let unit = words.next_if(|next| ["%", "ms", "s"].contains(next));
        let word = &unit.map_or_else(|| word.to_owned(), |unit| format!("{word} {unit}"));
        let length = width(word);
        if index > 0 && column + 1 + length > columns {
            lines.push('\n');
            lines.push_str(&" ".repeat(indent));
            column = indent;
        } else if index > 0 {
            lines.push(' ');
            column += 1;
        }
        lines.push_str(word);
        column += length;
        index += 1;
    }
    lines.push('\n');
    lines
}

/// Returns how many columns a text takes, styles left out.
pub(crate) fn width(text: &str) -> usize {
    anstream::adapter::strip_str(text).to_string().width()
}

/// Cuts a line to at most `columns` columns. A line that has to be cut loses its styles.
pub(crate) fn cut(line: &str, columns: usize) -> String {
    if width(line) <= columns {
        return line.to_owned();
    }
    let plain = anstream::adapter::strip_str(line).to_string();
    let mut room = columns.saturating_sub(1);
    let fits = |letter: &char| {
        let wide = letter.width().unwrap_or(0);
        let fits = wide <= room;
        room = room.saturating_sub(wide);
        fits
    };
    let mut cut: String = plain.chars().take_while(fits).collect();
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_of_another_day_has_its_date() {
        let clock = Clock {
            now: Moment(1_790_000_000_000),
            zone: TimeZone::UTC,
        };
        assert_eq!(clock.short(Moment(1_790_000_000_000 - 60_000)), "14:12");
        assert_eq!(
            clock.short(Moment(1_790_000_000_000 - 86_400_000)),
            "2026-09-20 14:13"
        );
        assert_eq!(clock.since(Moment(1_790_000_000_000 - 61_500)), "1m1s");
    }

    #[test]
    fn text_of_others_cannot_command_the_terminal() {
        assert_eq!(
            clean("a\x1b[2Jb\x1b]0;title\x07c\u{202e}d\te\r\n"),
            "abcd e "
        );
    }

    #[test]
    fn long_sentences_are_broken_where_they_have_spaces() {
        let text = wrapped("  - ", &"word ".repeat(20));
        assert_eq!(text.lines().count(), 2);
        assert!(text.lines().all(|line| line.chars().count() <= PAGE));
        assert!(text.lines().nth(1).unwrap().starts_with("    word"));
        assert_eq!(cut("123456", 4), "123…");
        assert_eq!(cut("1234", 4), "1234");
        assert_eq!(cut("漢字漢", 5), "漢字…");
        assert_eq!(cut("漢字漢", 4), "漢…");
    }

    #[test]
    fn a_bar_is_full_only_at_its_end() {
        assert_eq!(bar(0, 10, 4), "░░░░");
        assert_eq!(bar(9, 10, 4), "███░");
        assert_eq!(bar(11, 10, 4), "████");
    }
}
