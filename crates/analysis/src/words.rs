//! Numbers as a person would say them.

use std::time::Duration;

use crate::Histogram;
use crate::histogram::BUCKETS;

/// Writes a share such as `5.1 %`: one decimal, or the first digit that is not 0.
pub(crate) fn share(share: f64) -> String {
    format!("{} %", trimmed(share * 100.0, share_decimals(share)))
}

/// Writes a share and the limit it is held against with enough decimals to tell them apart, where
/// five are enough.
pub(crate) fn share_and_limit(share: f64, limit: f64) -> (String, String) {
    let (share, limit) = (share * 100.0, limit * 100.0);
    let told_apart = |decimals: &usize| trimmed(share, *decimals) != trimmed(limit, *decimals);
    let least = share_decimals(share / 100.0);
    let decimals = if (share - limit).abs() < 1e-9 {
        least
    } else {
        (least..=5).find(told_apart).unwrap_or(least)
    };
    let limit_decimals = share_decimals(limit / 100.0).max(3);
    (
        format!("{} %", trimmed(share, decimals)),
        format!("{} %", trimmed(limit, limit_decimals)),
    )
}

/// Writes a number of no known unit and the limit it is held against, in four digits or as many as
/// tell them apart, where nine are enough.
pub(crate) fn number_and_limit(number: f64, limit: f64) -> (String, String) {
    let told_apart = |digits: &usize| significant(number, *digits) != significant(limit, *digits);
    let digits = (4..=9).find(told_apart).unwrap_or(4);
    (significant(number, digits), significant(limit, digits))
}

/// Writes a number with this many digits that say something, and no zeros at the end.
fn significant(number: f64, digits: usize) -> String {
    if number == 0.0 {
        return "0".to_owned();
    }
    let magnitude = number.abs().log10().floor();
    if !(-5.0..15.0).contains(&magnitude) {
        return format!("{number:.*e}", digits - 1);
    }
    // Whole digits are always written: 123456, not 123500.
    let decimals = (digits as f64 - 1.0 - magnitude).max(0.0) as usize;
    trimmed(number, decimals)
}

/// Writes a margin between shares such as `+1 point` or `+0.5 points`.
pub(crate) fn points(margin: f64) -> String {
    let points = trimmed(margin * 100.0, 3);
    let unit = if points == "1" { "point" } else { "points" };
    format!("+{points} {unit}")
}

/// Writes how much longer something may be, such as `+20 %`.
pub(crate) fn longer(ratio: f64) -> String {
    format!("+{} %", trimmed(ratio * 100.0, 3))
}

/// Writes a latency such as `430 ms`, with as many digits as a histogram can know; what lies in
/// its overflow is `over 83 s`.
pub(crate) fn latency(latency: Duration) -> String {
    let longest = Histogram::edge(BUCKETS - 2);
    if latency > longest {
        return format!("over {}", duration(longest));
    }
    duration(latency)
}

/// Writes a duration such as `0.35 ms`, `4.2 ms`, `430 ms`, `1.25 s` or `90 s`.
pub(crate) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    let milliseconds = seconds * 1e3;
    match milliseconds {
        ..0.9995 => format!("{} ms", trimmed(milliseconds, 2)),
        ..9.995 => format!("{} ms", trimmed(milliseconds, 1)),
        ..999.5 => format!("{} ms", trimmed(milliseconds, 0)),
        ..9_995.0 => format!("{} s", trimmed(seconds, 2)),
        _ => format!("{} s", trimmed(seconds, 0)),
    }
}

/// Writes how strong evidence is, given its natural logarithm, such as `3,100 : 1`.
pub(crate) fn odds(log_e: f64) -> String {
    /// What is larger is not told apart any more.
    const MOST: f64 = 1e9;
    let odds = log_e.exp();
    if odds > MOST {
        return format!("over {} : 1", count(MOST));
    }
    // Two digits: nobody should take it for more exact than it is.
    let unit = 10_f64.powf(odds.log10().floor() - 1.0).max(1.0);
    format!("{} : 1", count((odds / unit).floor() * unit))
}

/// Writes a whole number with a comma between thousands.
pub(crate) fn count(number: f64) -> String {
    let digits = format!("{:.0}", number.max(0.0));
    let mut written = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            written.push(',');
        }
        written.push(digit);
    }
    written
}

/// Writes a time that is only expected, such as `40 s`, `3 min`, `5 h` or `12 d`.
pub(crate) fn rough(seconds: f64) -> String {
    let (amount, unit) = match seconds {
        ..90.0 => (seconds, "s"),
        ..5_400.0 => (seconds / 60.0, "min"),
        ..172_800.0 => (seconds / 3_600.0, "h"),
        _ => (seconds / 86_400.0, "d"),
    };
    format!("{} {unit}", count(amount.ceil().max(1.0)))
}

/// Writes `1 request` or `412 requests`.
pub(crate) fn requests(requests: u64) -> String {
    let unit = if requests == 1 { "request" } else { "requests" };
    format!("{} {unit}", count(requests as f64))
}

/// Joins sentences as in `a`, `a and b`, `a, b and c`.
pub(crate) fn list(parts: &[&str]) -> String {
    match parts {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [others @ .., last] => format!("{} and {last}", others.join(", ")),
    }
}

/// How many decimals a share in per cent needs: one, or as many as reach its first digit.
fn share_decimals(share: f64) -> usize {
    match share * 100.0 {
        0.095.. => 1,
        0.0095.. => 2,
        0.00095.. => 3,
        0.000_095.. => 4,
        _ => 5,
    }
}

/// Writes `value` with at most `decimals` decimals and no zeros at their end.
fn trimmed(value: f64, decimals: usize) -> String {
    let written = format!("{value:.decimals$}");
    if decimals == 0 {
        return written;
    }
    written
        .trim_end_matches('0')
        .trim_end_matches('.')
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_have_sensible_digits() {
        for (value, written) in [
            (0.0, "0 %"),
            (1.0, "100 %"),
            (0.05, "5 %"),
            (0.0513, "5.1 %"),
            (0.123_45, "12.3 %"),
            (0.004, "0.4 %"),
            (0.000_2, "0.02 %"),
            (0.000_002, "0.0002 %"),
        ] {
            assert_eq!(share(value), written);
        }
    }

    #[test]
    fn a_share_just_beyond_its_limit_is_told_apart_from_it() {
        for (value, limit, written) in [
            (0.0513, 0.05, ("5.1 %", "5 %")),
            (0.050_2, 0.05, ("5.02 %", "5 %")),
            (0.050_002, 0.05, ("5.0002 %", "5 %")),
            (0.05, 0.05, ("5 %", "5 %")),
            (0.0, 0.000_5, ("0 %", "0.05 %")),
            (0.02, 0.012_5, ("2 %", "1.25 %")),
        ] {
            let (value, limit) = share_and_limit(value, limit);
            assert_eq!((value.as_str(), limit.as_str()), written);
        }
    }

    #[test]
    fn numbers_of_any_size_are_readable_and_told_apart_from_their_limit() {
        for (number, limit, written) in [
            (150.0, 100.0, ("150", "100")),
            (0.0, 100.0, ("0", "100")),
            (-3.25, 0.5, ("-3.25", "0.5")),
            (123_456.7, 100.0, ("123457", "100")),
            (0.012_345_6, 0.01, ("0.01235", "0.01")),
            (100.000_02, 100.0, ("100.00002", "100")),
            (100.0, 100.0, ("100", "100")),
            (1.5e30, 2.5e-9, ("1.500e30", "2.500e-9")),
        ] {
            let (said, said_limit) = number_and_limit(number, limit);
            assert_eq!((said.as_str(), said_limit.as_str()), written);
        }
    }

    #[test]
    fn margins_and_ratios_are_readable() {
        assert_eq!(points(0.01), "+1 point");
        assert_eq!(points(0.005), "+0.5 points");
        assert_eq!(points(0.0), "+0 points");
        assert_eq!(longer(0.2), "+20 %");
        assert_eq!(longer(0.125), "+12.5 %");
    }

    #[test]
    fn durations_are_readable() {
        for (nanoseconds, written) in [
            (100_000, "0.1 ms"),
            (345_678, "0.35 ms"),
            (999_700, "1 ms"),
            (4_240_000, "4.2 ms"),
            (9_996_000, "10 ms"),
            (430_300_000, "430 ms"),
            (999_600_000, "1 s"),
            (1_254_000_000, "1.25 s"),
            (10_000_000_000, "10 s"),
            (90_000_000_000, "90 s"),
        ] {
            assert_eq!(duration(Duration::from_nanos(nanoseconds)), written);
        }
        assert_eq!(latency(Duration::MAX), "over 83 s");
        assert_eq!(latency(Duration::from_millis(80)), "80 ms");
    }

    #[test]
    fn odds_say_no_more_than_is_known() {
        for (odds, written) in [
            (1.0, "1 : 1"),
            (12.9, "12 : 1"),
            (3_199.0, "3,100 : 1"),
            (1.0e7, "10,000,000 : 1"),
            (1.0e12, "over 1,000,000,000 : 1"),
        ] {
            assert_eq!(super::odds(f64::ln(odds) + 1e-9), written);
        }
    }

    #[test]
    fn what_is_only_expected_is_rounded_up() {
        for (seconds, written) in [
            (0.2, "1 s"),
            (89.0, "89 s"),
            (91.0, "2 min"),
            (5_400.0, "2 h"),
            (400_000.0, "5 d"),
        ] {
            assert_eq!(rough(seconds), written);
        }
        assert_eq!(count(1_234_567.0), "1,234,567");
        assert_eq!(count(999.0), "999");
    }

    #[test]
    fn lists_read_like_sentences() {
        assert_eq!(list(&[]), "");
        assert_eq!(list(&["a"]), "a");
        assert_eq!(list(&["a", "b"]), "a and b");
        assert_eq!(list(&["a", "b", "c"]), "a, b and c");
        assert_eq!(requests(1), "1 request");
        assert_eq!(requests(412), "412 requests");
    }
}
