//! Times of the week, by the clock of a place.

use std::fmt;
use std::str::FromStr;

use jiff::civil::{Time, Weekday};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{ToSpan as _, Zoned};
use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const UTC: &str = "UTC";
const DAY_MINUTES: u16 = 24 * 60;

/// When a release may enter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Calendar {
    /// By whose clock, as the time zone database calls it.
    pub time_zone: String,
    /// The windows; always, if there is none.
    pub windows: Vec<Window>,
}

/// A part of some days of the week, such as `Mon-Fri 09:00-16:00`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Window {
    /// A bit for each day of the week, the lowest for Monday.
    days: u8,
    /// The minute of the day at which it opens.
    from: u16,
    /// The minute of the day at which it closes; past 24 hours where that is on the next day.
    to: u16,
}

/// A text is no window.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no window: write one like `Mon-Fri 09:00-16:00`, `Sat,Sun 22:00-02:00` or `Tue`")]
pub struct InvalidWindow(pub String);

/// There is no such time zone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no time zone `{0}`")]
pub struct UnknownTimeZone(pub String);

/// Whether it is the right time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opening {
    /// It is.
    Open {
        /// Until when; `None` is for ever.
        closes: Option<Timestamp>,
    },
    /// It is not.
    Closed {
        /// When it will be; `None` is never.
        opens: Option<Timestamp>,
        /// That moment by the clock of the place.
        local: String,
    },
}

impl Default for Calendar {
    fn default() -> Self {
        Self {
            time_zone: UTC.to_owned(),
            windows: Vec::new(),
        }
    }
}

/// Whether the time zone database knows `name`. The database is part of the program: what holds does
/// not depend on the machine.
pub fn is_time_zone(name: &str) -> bool {
    zone(name).is_ok()
}

fn zone(name: &str) -> Result<TimeZone, UnknownTimeZone> {
    let zone = TimeZoneDatabase::bundled().get(name);
    zone.map_err(|_| UnknownTimeZone(name.to_owned()))
}

impl Calendar {
    /// Says whether a release may enter at the moment `now`. A calendar in a time zone that is not
    /// known is closed.
    pub fn at(&self, now: Timestamp) -> Opening {
        if self.windows.is_empty() {
            return Opening::Open { closes: None };
        }
        let never = Opening::Closed {
            opens: None,
            local: String::new(),
        };
        let millis = i64::try_from(now.as_millis());
        let moment = millis
            .ok()
            .and_then(|it| jiff::Timestamp::from_millisecond(it).ok());
        let (Ok(zone), Some(moment)) = (zone(&self.time_zone), moment) else {
            return never;
        };
        let now = moment.to_zoned(zone);
        let mut next: Option<Zoned> = None;
        let mut closes: Option<Zoned> = None;
        // From yesterday, whose windows may go on past midnight, to the same day next week.
        for day in -1..=7 {
            let Ok(date) = now.date().checked_add(day.days()) else {
                continue;
            };
            for window in &self.windows {
                if window.days & bit(date.weekday()) == 0 {
                    continue;
                }
                let at = |minute: u16| {
                    let days = i64::from(minute / DAY_MINUTES);
                    let date = date.checked_add(days.days()).ok()?;
                    let minute = minute % DAY_MINUTES;
                    let hour = i8::try_from(minute / 60).ok()?;
                    let time = Time::new(hour, i8::try_from(minute % 60).ok()?, 0, 0).ok()?;
                    date.to_datetime(time)
                        .to_zoned(now.time_zone().clone())
                        .ok()
                };
                let (Some(from), Some(to)) = (at(window.from), at(window.to)) else {
                    continue;
                };
                if from <= now && now < to {
                    closes = Some(closes.map_or(to.clone(), |known| known.max(to)));
                } else if from > now {
                    next = Some(next.map_or(from.clone(), |known| known.min(from)));
                }
            }
        }
        match (closes, next) {
            (Some(closes), _) => Opening::Open {
                closes: Some(timestamp(&closes)),
            },
            (None, Some(opens)) => Opening::Closed {
                opens: Some(timestamp(&opens)),
                local: local(&opens),
            },
            (None, None) => never,
        }
    }
}

impl Calendar {
    /// Returns a moment by the clock of the place; `None` where there is none.
    pub(super) fn local(&self, at: Timestamp) -> Option<String> {
        let millis = i64::try_from(at.as_millis()).ok()?;
        let moment = jiff::Timestamp::from_millisecond(millis).ok()?;
        let zone = zone(&self.time_zone).ok()?;
        Some(local(&moment.to_zoned(zone)))
    }
}

fn local(zoned: &Zoned) -> String {
    zoned.strftime("%A %F %H:%M %Z").to_string()
}

fn timestamp(zoned: &Zoned) -> Timestamp {
    let millis = zoned.timestamp().as_millisecond();
    Timestamp::from_millis(u64::try_from(millis).unwrap_or(0))
}

fn bit(day: Weekday) -> u8 {
    1 << day.to_monday_zero_offset()
}

impl FromStr for Window {
    type Err = InvalidWindow;

    fn from_str(text: &str) -> Result<Self, InvalidWindow> {
        let invalid = || InvalidWindow(text.to_owned());
        let mut words = text.split_ascii_whitespace();
        let days = words.next().ok_or_else(invalid)?;
        let times = words.next().unwrap_or("00:00-24:00");
        if words.next().is_some() {
            return Err(invalid());
        }
        let days = parse_days(days).ok_or_else(invalid)?;
        let (from, to) = times.split_once('-').ok_or_else(invalid)?;
        let from = parse_minute(from).filter(|from| *from < DAY_MINUTES);
        let (from, to) = (
            from.ok_or_else(invalid)?,
            parse_minute(to).ok_or_else(invalid)?,
        );
        // One that ends before it begins ends on the next day.
        let to = if to > from { to } else { to + DAY_MINUTES };
        Ok(Self { days, from, to })
    }
}

fn parse_days(text: &str) -> Option<u8> {
    let position = |name: &str| DAYS.iter().position(|day| day.eq_ignore_ascii_case(name));
    let mut days = 0;
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (mut day, last) = (position(first)?, position(last)?);
        loop {
            days |= 1 << day;
            if day == last {
                break;
            }
            day = (day + 1) % DAYS.len();
        }
    }
    Some(days)
}

fn parse_minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let number = |text: &str| {
        let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse::<u16>().ok()).flatten()
    };
    let (hour, minute) = (number(hour)?, number(minute)?);
    let all = hour * 60 + minute;
    (minute < 60 && all <= DAY_MINUTES).then_some(all)
}

impl TryFrom<String> for Window {
    type Error = InvalidWindow;

    fn try_from(text: String) -> Result<Self, InvalidWindow> {
        text.parse()
    }
}

impl From<Window> for String {
    fn from(window: Window) -> Self {
        window.to_string()
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut runs: Vec<(&str, &str)> = Vec::new();
        let mut before = false;
        for (index, day) in DAYS.into_iter().enumerate() {
            let is_on = self.days & (1 << index) != 0;
            match runs.last_mut() {
                Some((_, last)) if is_on && before => *last = day,
                Some(_) | None if is_on => runs.push((day, day)),
                Some(_) | None => {}
            }
            before = is_on;
        }
        let run = |(first, last): &(&str, &str)| {
            if first == last {
                (*first).to_owned()
            } else {
                format!("{first}-{last}")
            }
        };
        let parts: Vec<String> = runs.iter().map(run).collect();
        let to = if self.to > DAY_MINUTES {
            self.to - DAY_MINUTES
        } else {
            self.to
        };
        let clock = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
        write!(f, "{} {}-{}", parts.join(","), clock(self.from), clock(to))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(text: &str) -> Result<String, InvalidWindow> {
        text.parse::<Window>().map(|window| window.to_string())
    }

    #[test]
    fn windows_are_read_and_written() {
        for (text, written) in [
            ("Mon-Fri 09:00-16:00", "Mon-Fri 09:00-16:00"),
            ("fri-mon 00:00-24:00", "Mon,Fri-Sun 00:00-24:00"),
            ("Tue", "Tue 00:00-24:00"),
            ("Sat,Sun 22:00-02:00", "Sat-Sun 22:00-02:00"),
            ("Mon,Wed,Thu 08:30-08:31", "Mon,Wed-Thu 08:30-08:31"),
            ("Mon-Mon 09:00-09:00", "Mon 09:00-09:00"),
        ] {
            assert_eq!(window(text).as_deref(), Ok(written));
        }
        for text in [
            "",
            "Monday",
            "Mon 9:00-16:00",
            "Mon 09:00",
            "Mon 24:00-25:00",
            "Mon 09:60-10:00",
            "Mon- 09:00-10:00",
            "Mon 09:00-16:00 UTC",
            "09:00-16:00",
            "Mon 0٩:00-10:00",
        ] {
            assert_eq!(window(text), Err(InvalidWindow(text.to_owned())));
        }
    }

    /// Returns the moment that clocks in UTC show as `text`.
    fn utc(text: &str) -> Timestamp {
        let moment: jiff::Timestamp = text.parse().unwrap();
        Timestamp::from_millis(u64::try_from(moment.as_millisecond()).unwrap())
    }

    #[test]
    fn windows_open_and_close_by_the_clock_of_the_place() {
        let closed = |opens: &str, local: &str| Opening::Closed {
            opens: Some(utc(opens)),
            local: local.to_owned(),
        };
        let open = |closes: &str| Opening::Open {
            closes: Some(utc(closes)),
        };
        let (office, night, gap) = ("Mon-Fri 09:00-16:00", "Sat 22:00-02:00", "Sun 02:30-03:30");
        for (windows, now, expected) in [
            (
                vec![],
                "2026-11-02T00:00:00Z",
                Opening::Open { closes: None },
            ),
            (
                vec![office],
                "2026-11-02T08:00:00Z",
                open("2026-11-02T15:00:00Z"),
            ),
            (
                vec![office],
                "2026-11-02T14:59:59Z",
                open("2026-11-02T15:00:00Z"),
            ),
            (
                vec![office],
                "2026-11-02T15:00:00Z",
                closed("2026-11-03T08:00:00Z", "Tuesday 2026-11-03 09:00 CET"),
            ),
            // From Friday on until Monday.
            (
                vec![office],
                "2026-11-06T15:00:00Z",
                closed("2026-11-09T08:00:00Z", "Monday 2026-11-09 09:00 CET"),
            ),
            // In summer an hour earlier by the sun.
            (
                vec![office],
                "2026-07-01T07:00:00Z",
                open("2026-07-01T14:00:00Z"),
            ),
            // One that goes on past midnight.
            (
                vec![night],
                "2026-11-08T00:59:00Z",
                open("2026-11-08T01:00:00Z"),
            ),
            (
                vec![night],
                "2026-11-08T01:00:00Z",
                closed("2026-11-14T21:00:00Z", "Saturday 2026-11-14 22:00 CET"),
            ),
            // Of two that overlap the longer one counts.
            (
                vec![office, "Mon 10:00-18:00"],
                "2026-11-02T09:30:00Z",
                open("2026-11-02T17:00:00Z"),
            ),
            // The night in which there is no 02:30.
            (
                vec![gap],
                "2026-03-29T00:59:00Z",
                closed("2026-03-29T01:30:00Z", "Sunday 2026-03-29 03:30 CEST"),
            ),
        ] {
            let calendar = Calendar {
                time_zone: "Europe/Berlin".to_owned(),
                windows: windows.iter().map(|text| text.parse().unwrap()).collect(),
            };
            assert_eq!(calendar.at(utc(now)), expected, "{windows:?} {now}");
        }
    }

    #[test]
    fn what_is_not_understood_is_closed() {
        let calendar = Calendar {
            time_zone: "Mars/Olympus".to_owned(),
            windows: vec!["Mon-Sun".parse().unwrap()],
        };
        let never = Opening::Closed {
            opens: None,
            local: String::new(),
        };
        assert_eq!(calendar.at(utc("2026-11-02T00:00:00Z")), never);
        assert!(is_time_zone("Europe/Berlin") && !is_time_zone("Mars/Olympus"));
    }
}
