//! Numbers as sentences have them.

/// Writes a count with a comma before each group of three digits.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut written = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            written.push(',');
        }
        written.push(digit);
    }
    written
}

/// Writes how many of something there are: a word that takes an `s` where there is not just one.
pub(crate) fn counted(number: u64, word: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {word}{plural}", count(number))
}

/// Writes a number with at most three digits behind the point.
pub(crate) fn number(number: f64) -> String {
    let written = format!("{number:.3}");
    let written = written.trim_end_matches('0').trim_end_matches('.');
    match written {
        "" | "-0" => "0".to_owned(),
        // Not nothing, but less than can be seen.
        "0" if number.abs() > 0.0 => format!("{number:e}"),
        written => written.to_owned(),
    }
}

/// Writes a share of 1 in percent, rounded down: what misses a bound is not shown as if it reached it.
pub(crate) fn percent_down(share: f64) -> String {
    // What is written as 85.1 may be a little less as a float.
    let tenths = (share * 1000.0 + 1e-9).floor();
    format!("{} %", number(tenths / 10.0))
}

/// Writes a share of 1 in percent.
pub(crate) fn percent(share: f64) -> String {
    format!("{} %", number(share * 100.0))
}

/// Writes milliseconds.
pub(crate) fn millis(millis: f64) -> String {
    format!("{} ms", number(millis))
}

/// Joins what is told one by one, at most `most` of it.
pub(crate) fn some_of(all: &[String], most: usize) -> String {
    let told = all.get(..most).unwrap_or(all).join(", ");
    match all.len().saturating_sub(most) {
        0 => told,
        more => format!("{told} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_they_are_read() {
        for (of, written) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (12_310, "12,310"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(count(of), written);
        }
        for (of, written) in [(0, "0 tests"), (1, "1 test"), (1000, "1,000 tests")] {
            assert_eq!(counted(of, "test"), written);
        }
        for (of, written) in [
            (0.0, "0"),
            (-0.0, "0"),
            (262.0, "262"),
            (0.0626, "0.063"),
            (213.5, "213.5"),
            (1e-9, "1e-9"),
            (-4.25, "-4.25"),
        ] {
            assert_eq!(number(of), written);
        }
        for (of, written) in [
            (0.84999, "84.9 %"),
            (0.85, "85 %"),
            (1.0, "100 %"),
            (0.851, "85.1 %"),
        ] {
            assert_eq!(percent_down(of), written);
        }
        let all = ["a", "b", "c"].map(str::to_owned);
        assert_eq!(some_of(&all, 2), "a, b and 1 more");
        assert_eq!(some_of(&all, 3), "a, b, c");
    }
}
