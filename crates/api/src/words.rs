//! Numbers and texts as people read them: the same in a terminal and on a page.

mod choice;

use crate::{Origin, Outcome, Phase};

pub use choice::{is_grave, label, means};

/// Rounds milliseconds down to whole seconds, unless nothing would be left.
pub const fn whole_seconds(millis: u64) -> u64 {
    if millis < 1000 {
        millis
    } else {
        millis - millis % 1000
    }
}

/// Returns a duration as it is written in a project file, by its two largest units: `4m12s`.
pub fn duration(millis: u64) -> String {
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
pub fn percent(percent: f64) -> String {
    let text = format!("{percent:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{text} %")
}

/// Returns a measured ratio as percent: two significant digits below 10 %, whole above.
pub fn ratio(ratio: f64) -> String {
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
pub fn latency(millis: f64) -> String {
    if millis >= 999.5 {
        format!("{:.2} s", millis / 1000.0)
    } else if millis >= 9.95 {
        format!("{millis:.0} ms")
    } else {
        format!("{millis:.1} ms")
    }
}

/// Returns a rate of requests: `12.3/s`.
pub fn rate(per_second: f64) -> String {
    if per_second >= 99.95 {
        format!("{per_second:.0}/s")
    } else {
        format!("{per_second:.1}/s")
    }
}

/// Returns a size in bytes: `38 MiB`.
pub fn size(bytes: u64) -> String {
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
pub fn count(count: u64, word: &str) -> String {
    if count == 1 {
        format!("{count} {word}")
    } else {
        format!("{count} {word}s")
    }
}

/// Returns an outcome of the judge.
pub const fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Pass => "pass",
        Outcome::Fail => "fail",
        Outcome::Inconclusive => "inconclusive",
        Outcome::NoData => "no data",
        Outcome::SourceError => "source error",
    }
}

/// Returns where a deployment is, as in "release 4 is on its way" without the first three words.
pub const fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Moving => "on its way",
        Phase::Paused => "paused",
        Phase::Returning => "goes back",
        Phase::Frozen => "frozen",
        Phase::Settling => "settling",
        Phase::Settled => "serves",
        Phase::RolledBack => "went back",
        Phase::Superseded => "superseded",
        Phase::Abandoned => "given up",
    }
}

/// Returns what asked for a deployment, as in "shipped by mia".
pub const fn origin(origin: Origin) -> &'static str {
    match origin {
        Origin::Ship => "shipped",
        Origin::Retry => "tried again",
        Origin::Rollback => "brought back",
    }
}

/// Returns `text` without what could command who shows it: on one line, without control characters,
/// and without those that turn the direction of writing.
pub fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c == '\t' || c == '\n' { ' ' } else { c })
        .filter(|c| !c.is_control() && !turns_direction(*c))
        .collect()
}

/// Whether a character turns the direction of writing, so that text reads as what it is not.
const fn turns_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
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
    fn text_is_one_line_that_reads_as_what_it_is() {
        assert_eq!(plain("a\x1bb\u{202e}c\td\ne\r"), "abc d e");
    }
}
