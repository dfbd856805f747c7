//! Durations, shares and sizes as people write them, and the one form in which they are shown.
//!
//! What is shown can be read again, and means the same.

use std::time::Duration;

use crate::weight::Weight;

/// The units of a duration, the largest first, in milliseconds.
const DURATION_UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
];

/// The units of a size, in bytes. Those of 1024 come first because memory comes in them.
const SIZE_UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1000),
    ("B", 1),
];

/// What [`parse_duration`] accepts, as a regular expression for the JSON Schema.
pub(super) const DURATION_PATTERN: &str = "^[0-9]+ ?(d|h|m|s|ms)( ?[0-9]+ ?(h|m|s|ms))*$";
/// What [`parse_share`] accepts.
pub(super) const SHARE_PATTERN: &str = r"^[0-9]+(\.[0-9]{1,4})? ?%$";
/// What [`parse_size`] accepts.
pub(super) const SIZE_PATTERN: &str = r"^[0-9]+(\.[0-9]{1,6})? ?(B|kB|MB|GB|TB|KiB|MiB|GiB|TiB)$";

/// Returns a duration as it is written in a project file, such as `1h30m`, to the millisecond.
pub fn duration(duration: Duration) -> String {
    let mut rest = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for (unit, millis) in DURATION_UNITS {
        if rest >= millis {
            text.push_str(&format!("{}{unit}", rest / millis));
            rest %= millis;
        }
    }
    if text.is_empty() {
        "0s".to_owned()
    } else {
        text
    }
}

/// Returns a share (1 is all) as it is written in a project file, such as `0.5%`.
pub fn share(share: f64) -> String {
    // Shares are read in ten-thousandths of a percent; rounding to them gives back what was read.
    let text = format!("{:.4}", share * 100.0);
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}

/// Returns a weight as it is written in a project file, such as `5%`.
pub fn weight(weight: Weight) -> String {
    share(f64::from(weight.hundredths()) / 10_000.0)
}

/// Returns a number of bytes as it is written in a project file, such as `512MiB`: in the largest
/// unit of which it is a whole number.
pub fn size(bytes: u64) -> String {
    let (unit, factor) = SIZE_UNITS
        .into_iter()
        .find(|(_, factor)| bytes != 0 && bytes.is_multiple_of(*factor))
        .unwrap_or(("B", 1));
    format!("{}{unit}", bytes / factor)
}

/// Reads a duration such as `500ms`, `30s` or `1h30m`.
///
/// # Errors
///
/// It is none; the text says how to mend it.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    const FORM: &str = "write it like `500ms`, `30s`, `5m`, `1h30m` or `7d`";
    let mut total: u64 = 0;
    let mut units = DURATION_UNITS.iter();
    let mut rest = text;
    while !rest.is_empty() {
        let (digits, after) = split(rest, |c| c.is_ascii_digit());
        let after = after.strip_prefix(' ').unwrap_or(after);
        let (word, after) = split(after, |c| !c.is_ascii_digit() && !c.is_whitespace());
        let number: u64 = digits.parse().map_err(|_| FORM.to_owned())?;
        if word.is_empty() {
            return Err(format!(
                "say in which unit, such as `{number}ms`, `{number}s` or `{number}m`"
            ));
        }
        if let Some(fraction) = word.strip_prefix('.')
            && fraction.is_empty()
        {
            return Err(format!(
                "whole numbers only: `1h30m` instead of 1.5h ({FORM})"
            ));
        }
        let Some((_, millis)) = units.find(|(unit, _)| *unit == word) else {
            if DURATION_UNITS.iter().any(|(unit, _)| *unit == word) {
                return Err("larger units come first, each once, such as `1h30m`".to_owned());
            }
            return Err(duration_hint(number, word).unwrap_or_else(|| FORM.to_owned()));
        };
        total = number
            .checked_mul(*millis)
            .and_then(|millis| total.checked_add(millis))
            .ok_or_else(|| "choose a shorter one".to_owned())?;
        rest = after.strip_prefix(' ').unwrap_or(after);
    }
    if text.is_empty() || text.ends_with(' ') {
        return Err(FORM.to_owned());
    }
    Ok(Duration::from_millis(total))
}

fn duration_hint(number: u64, word: &str) -> Option<String> {
    let short = match word.to_lowercase().as_str() {
        "day" | "days" | "d" => "d",
        "hour" | "hours" | "hr" | "hrs" | "h" => "h",
        "minute" | "minutes" | "min" | "mins" => "m",
        "second" | "seconds" | "sec" | "secs" | "s" => "s",
        "millisecond" | "milliseconds" | "msec" | "millis" => "ms",
        "week" | "weeks" | "w" => return Some(format!("write `{}d`", number.checked_mul(7)?)),
        _ => return None,
    };
    Some(format!("write `{number}{short}`"))
}

/// Reads a share such as `5%`, 1 being all.
///
/// # Errors
///
/// It is none; the text says how to mend it.
pub fn parse_share(text: &str) -> Result<f64, String> {
    let Some(number) = text.strip_suffix('%') else {
        return Err(match text.parse::<f64>() {
            Ok(number) if number > 0.0 && number < 1.0 => {
                format!("shares are written in percent: `{}`", share(number))
            }
            Ok(number) if (0.0..=1000.0).contains(&number) => {
                format!("shares are written in percent: `{}`", share(number / 100.0))
            }
            _ => "write it like `5%` or `0.5%`".to_owned(),
        });
    };
    let number = number.strip_suffix(' ').unwrap_or(number);
    let parts = decimal(number, 4).ok_or("write it like `5%` or `0.5%`, with up to 4 decimals")?;
    #[expect(
        clippy::cast_precision_loss,
        reason = "`decimal` bounds it far below 2^53"
    )]
    Ok(parts as f64 / 1_000_000.0)
}

/// Reads a size such as `512MiB`. The error says how to mend it.
pub(super) fn parse_size(text: &str) -> Result<u64, String> {
    const FORM: &str = "write it like `512MiB` or `1.5GiB`";
    let (number, unit) = split(text, |c| c.is_ascii_digit() || c == '.');
    let unit = unit.strip_prefix(' ').unwrap_or(unit);
    if let ("", Ok(bytes)) = (unit, number.parse::<u64>()) {
        let meant = if bytes < 1 << 20 {
            format!("{bytes}MiB")
        } else {
            size(bytes)
        };
        return Err(format!("say in which unit, such as `{meant}`"));
    }
    let millionths = decimal(number, 6).ok_or_else(|| FORM.to_owned())?;
    let Some((_, factor)) = SIZE_UNITS.into_iter().find(|(known, _)| *known == unit) else {
        let binary = match unit.to_lowercase().as_str() {
            "k" | "kb" | "kib" | "ki" => "KiB",
            "m" | "mb" | "mib" | "mi" => "MiB",
            "g" | "gb" | "gib" | "gi" => "GiB",
            "t" | "tb" | "tib" | "ti" => "TiB",
            _ => return Err(FORM.to_owned()),
        };
        return Err(format!("write `{number}{binary}`, which counts in 1024s"));
    };
    let bytes = u128::from(millionths) * u128::from(factor);
    if !bytes.is_multiple_of(1_000_000) {
        return Err("choose one that is a whole number of bytes".to_owned());
    }
    u64::try_from(bytes / 1_000_000).map_err(|_| "choose a smaller one".to_owned())
}

/// Splits after the characters that `belongs` accepts.
fn split(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !belongs(c)).unwrap_or(text.len()))
}

/// Reads a decimal number of at most nine digits before the point, times ten to the `decimals`.
fn decimal(text: &str, decimals: usize) -> Option<u64> {
    let (whole, fraction) = match text.split_once('.') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (text, ""),
    };
    let digits = |text: &str| text.chars().all(|c| c.is_ascii_digit());
    if whole.is_empty() || whole.len() > 9 || fraction.len() > decimals {
        return None;
    }
    if !digits(whole) || !digits(fraction) {
        return None;
    }
    format!("{whole}{fraction:0<decimals$}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_shown() {
        for (text, millis, shown) in [
            ("500ms", 500, "500ms"),
            ("30s", 30_000, "30s"),
            ("90s", 90_000, "1m30s"),
            ("1h30m", 5_400_000, "1h30m"),
            ("1h 30 m", 5_400_000, "1h30m"),
            ("7d", 604_800_000, "7d"),
            ("0s", 0, "0s"),
            ("1m500ms", 60_500, "1m500ms"),
        ] {
            let read = parse_duration(text).unwrap();
            assert_eq!(read, Duration::from_millis(millis), "{text}");
            assert_eq!(duration(read), shown);
        }
    }

    #[test]
    fn a_duration_that_is_not_one_says_what_to_write() {
        for (text, hint) in [
            ("30", "say in which unit, such as `30ms`, `30s` or `30m`"),
            ("5min", "write `5m`"),
            ("2 hours", "write `2h`"),
            ("2w", "write `14d`"),
            ("1.5h", "whole numbers only"),
            ("30m1h", "larger units come first"),
            ("", "write it like"),
            ("-5s", "write it like"),
            ("5s5s", "larger units come first"),
            ("5s ", "write it like"),
            ("99999999999999999999s", "write it like"),
            ("999999999999999999d", "choose a shorter one"),
        ] {
            let error = parse_duration(text).unwrap_err();
            assert!(error.starts_with(hint), "{text}: {error}");
        }
    }

    #[test]
    fn shares_are_read_and_shown() {
        for (text, shown) in [
            ("5%", "5%"),
            ("5 %", "5%"),
            ("0.5%", "0.5%"),
            ("7.25%", "7.25%"),
            ("0%", "0%"),
        ] {
            assert_eq!(share(parse_share(text).unwrap()), shown);
        }
        for hundredths in 0..=10_000 {
            let weight = Weight::from_hundredths(hundredths);
            let read = parse_share(&super::weight(weight)).unwrap();
            assert!(
                (read * 10_000.0 - f64::from(hundredths)).abs() < 1e-6,
                "{weight}"
            );
        }
        assert_eq!(
            parse_share("0.05").unwrap_err(),
            "shares are written in percent: `5%`"
        );
        assert_eq!(
            parse_share("5").unwrap_err(),
            "shares are written in percent: `5%`"
        );
        for bad in [
            "%",
            ".5%",
            "5.%",
            "-1%",
            "1e3%",
            "NaN",
            "0.00001%",
            "9999999999%",
        ] {
            assert!(parse_share(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_are_read_and_shown() {
        for (text, bytes, shown) in [
            ("512MiB", 536_870_912, "512MiB"),
            ("1.5GiB", 1_610_612_736, "1536MiB"),
            ("100MB", 100_000_000, "100MB"),
            ("1 kB", 1000, "1kB"),
            ("7B", 7, "7B"),
        ] {
            assert_eq!(parse_size(text).unwrap(), bytes);
            assert_eq!(size(bytes), shown);
            assert_eq!(parse_size(shown).unwrap(), bytes);
        }
        assert_eq!(
            parse_size("64k").unwrap_err(),
            "write `64KiB`, which counts in 1024s"
        );
        assert_eq!(
            parse_size("512").unwrap_err(),
            "say in which unit, such as `512MiB`"
        );
        for bad in ["", "MiB", "1.5B", "-1MiB", "99999999999TiB", "1 potato"] {
            assert!(parse_size(bad).is_err(), "{bad}");
        }
    }
}
