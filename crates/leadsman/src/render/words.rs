//! Numbers, moments and texts, as people read them.

use jiff::tz::TimeZone;
use leadsman_api::{Moment, Outcome};

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

/// Rounds milliseconds down to whole seconds, unless nothing would be left.
pub(crate) const fn whole_seconds(millis: u64) -> u64 {
    if millis < 1000 {
        millis
    } else {
        millis - millis % 1000
    }
}

/// Returns a duration as it is written in a project file, by its two largest units: `4m12s`.
pub(crate) fn duration(millis: u64) -> String {
    const UNITS: [(u64, &str); 5] = [
        (86_400_000, "d"),
        (3_600_000, "h"),
        (60_000, "m"),
        (1000, "s"),
        (1, "ms"),
    ];
    let Some(first) = UNITS.iter().position(|(size, _)| millis >= *size) else {
        return "0s".to_owned();
    };
    let mut text = String::new();
    let mut rest = millis;
    for (size, unit) in UNITS.iter().skip(first).take(2) {
        if rest >= *size {
            text.push_str(&format!("{}{unit}", rest / size));
        }
        rest %= size;
    }
    text
}

/// Returns percent with up to two decimals: `12.5 %`.
pub(crate) fn percent(percent: f64) -> String {
    let text = format!("{percent:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{text} %")
}

/// Returns a measured ratio as percent: two significant digits below 10 %, whole above.
pub(crate) fn ratio(ratio: f64) -> String {
    let value = ratio * 100.0;
    let decimals = if value == 0.0 || value >= 9.95 {
        0
    } else if value >= 0.095 {
        1
    } else {
        2
    };
    format!("{value:.decimals$} %")
}

/// Returns a latency: `81 ms`, `1.24 s`.
pub(crate) fn latency(millis: f64) -> String {
    if millis >= 999.5 {
        format!("{:.2} s", millis / 1000.0)
    } else if millis >= 9.95 {
        format!("{millis:.0} ms")
    } else {
        format!("{millis:.1} ms")
    }
}

/// Returns a rate of requests: `12.3/s`.
pub(crate) fn rate(per_second: f64) -> String {
    if per_second >= 99.95 {
        format!("{per_second:.0}/s")
    } else {
        format!("{per_second:.1}/s")
    }
}

/// Returns a size in bytes: `38 MiB`.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    for (unit, name) in UNITS {
        if bytes >= unit {
            let tenths = u128::from(bytes) * 10 / u128::from(unit);
            return if tenths >= 100 {
                format!("{} {name}", tenths / 10)
            } else {
                format!("{}.{} {name}", tenths / 10, tenths % 10)
            };
        }
    }
    format!("{bytes} B")
}

/// Returns `count` with its word, which is in the singular.
pub(crate) fn count(count: u64, word: &str) -> String {
    if count == 1 {
        format!("{count} {word}")
    } else {
        format!("{count} {word}s")
    }
}

/// Returns an outcome of the judge.
pub(crate) const fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Pass => "pass",
        Outcome::Fail => "fail",
        Outcome::Inconclusive => "inconclusive",
        Outcome::NoData => "no data",
        Outcome::SourceError => "source error",
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
    anstream::adapter::strip_str(text)
        .to_string()
        .chars()
        .map(|c| if c == '\t' || c == '\n' { ' ' } else { c })
        .filter(|c| !c.is_control() && !turns_direction(*c))
        .collect()
}

/// Whether a character turns the direction of writing, so that text reads as what it is not.
const fn turns_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Breaks `text` into lines of at most [`PAGE`] columns where it has spaces; the first one begins
/// with `first`, the others with as many spaces. Ends with a line end.
pub(crate) fn wrapped(first: &str, text: &str) -> String {
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
        if index > 0 && column + 1 + length > PAGE {
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
    anstream::adapter::strip_str(text)
        .to_string()
        .chars()
        .count()
}

/// Cuts a line to at most `columns` columns. A line that has to be cut loses its styles.
pub(crate) fn cut(line: &str, columns: usize) -> String {
    if width(line) <= columns {
        return line.to_owned();
    }
    let plain = anstream::adapter::strip_str(line).to_string();
    let mut cut: String = plain.chars().take(columns.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_by_their_two_largest_units() {
        for (millis, expected) in [
            (0, "0s"),
            (350, "350ms"),
            (1000, "1s"),
            (252_000, "4m12s"),
            (600_000, "10m"),
            (3_605_000, "1h"),
            (3_660_000, "1h1m"),
            (90_000_000, "1d1h"),
        ] {
            assert_eq!(duration(millis), expected, "{millis}");
        }
    }

    #[test]
    fn numbers_have_the_digits_that_matter() {
        for (value, expected) in [
            (0.0, "0 %"),
            (0.0004, "0.04 %"),
            (0.001, "0.1 %"),
            (0.051, "5.1 %"),
            (0.5, "50 %"),
        ] {
            assert_eq!(ratio(value), expected);
        }
        for (value, expected) in [
            (5.0, "5 %"),
            (12.5, "12.5 %"),
            (0.01, "0.01 %"),
            (100.0, "100 %"),
        ] {
            assert_eq!(percent(value), expected);
        }
        for (value, expected) in [(4.25, "4.2 ms"), (81.4, "81 ms"), (1240.0, "1.24 s")] {
            assert_eq!(latency(value), expected);
        }
        for (value, expected) in [
            (512, "512 B"),
            (1536, "1.5 KiB"),
            (38 << 20, "38 MiB"),
            (3 << 29, "1.5 GiB"),
        ] {
            assert_eq!(size(value), expected);
        }
    }

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
    }

    #[test]
    fn a_bar_is_full_only_at_its_end() {
        assert_eq!(bar(0, 10, 4), "░░░░");
        assert_eq!(bar(9, 10, 4), "███░");
        assert_eq!(bar(11, 10, 4), "████");
    }
}
