//! Days, without a clock and without a zone: the caller says which day it is, in UTC.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A day, by how many have passed since 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Day(i32);

impl Day {
    /// Returns the day with so many before it since 1970-01-01. Those before the year 0 and behind
    /// 9999 are none.
    pub fn since_epoch(days: i64) -> Option<Self> {
        let days = i32::try_from(days).ok()?;
        (-719_528..=2_932_896).contains(&days).then_some(Self(days))
    }

    /// Reads a day written as `2026-11-22`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let mut part = |length: usize| {
            let part = parts.next()?;
            let fits = part.len() == length && part.bytes().all(|b| b.is_ascii_digit());
            fits.then(|| part.parse::<i64>().ok()).flatten()
        };
        let (year, month, day) = (part(4)?, part(2)?, part(2)?);
        let since = Self::since_epoch(days(year, month, day))?;
        // A day that its month does not have would be one of the next month.
        (parts.next().is_none() && since.civil() == (year, month, day)).then_some(since)
    }

    /// Returns how many days lie between 1970-01-01 and it.
    pub fn days_since_epoch(self) -> i64 {
        i64::from(self.0)
    }

    /// Returns the day so many days later.
    #[must_use]
    pub fn plus(self, days: u32) -> Self {
        let days = i64::from(self.0) + i64::from(days);
        Self::since_epoch(days).unwrap_or(Self(2_932_896))
    }

    /// Returns year, month and day: the inverse of [`days`].
    fn civil(self) -> (i64, i64, i64) {
        let shifted = i64::from(self.0) + 719_468;
        let era = shifted.div_euclid(146_097);
        let of_era = shifted.rem_euclid(146_097);
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * of_year + 2) / 153;
        let day = of_year - (153 * from_march + 2) / 5 + 1;
        let month = if from_march < 10 {
            from_march + 3
        } else {
            from_march - 9
        };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        (year, month, day)
    }
}

/// Returns how many days have passed since 1970-01-01. Years are counted from March, so that the day
/// that some of them have more is their last; 400 of them, an era, have the same number of days.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let from_march = (month + 9) % 12;
    let of_year = (153 * from_march + 2) / 5 + day - 1;
    let of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year;
    era * 146_097 + of_era - 719_468
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.civil();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

impl From<Day> for String {
    fn from(day: Day) -> Self {
        day.to_string()
    }
}

impl TryFrom<String> for Day {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| format!("`{text}` is not a day"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_from_1970_on() {
        for (text, since) in [
            ("1970-01-01", 0),
            ("1969-12-31", -1),
            ("2000-02-29", 11_016),
            ("2026-11-22", 20_779),
            ("9999-12-31", 2_932_896),
            ("0000-01-01", -719_528),
        ] {
            assert_eq!(Day::parse(text), Some(Day(since)), "{text}");
            assert_eq!(Day(since).to_string(), text);
        }
        for text in [
            "",
            "2026-2-1",
            "2026-02-30",
            "2100-02-29",
            "2026-13-01",
            "2026-00-10",
            "2026-01-00",
            "2026-01-01-",
            "+026-01-01",
        ] {
            assert_eq!(Day::parse(text), None, "{text}");
        }
        for since in (-719_528..2_932_896).step_by(17) {
            let day = Day(since);
            assert_eq!(Day::parse(&day.to_string()), Some(day));
        }
    }
}
