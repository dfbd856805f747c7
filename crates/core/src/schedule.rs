//! When something is due by the clock: the five fields of cron.
//!
//! It says of a minute whether it is meant, and knows neither the present moment nor time zones:
//! whoever drives it walks the minutes of a wall clock. As cron has it, of the day of the month and
//! the day of the week either is enough where both are restricted.

/// Minutes, hours, days of the month, months and days of the week that are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cron {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    any_day: bool,
    any_weekday: bool,
}

/// A minute of a wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WallMinute {
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 1 to 31.
    pub day: u8,
    /// 1 to 12.
    pub month: u8,
    /// 0 for Sunday to 6.
    pub weekday: u8,
}

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

impl Cron {
    /// Reads five fields such as `0 3 * * mon-fri`. The error says how to mend it.
    ///
    /// # Errors
    ///
    /// It is something else.
    pub fn parse(text: &str) -> Result<Self, String> {
        let fields: Vec<&str> = text.split_ascii_whitespace().collect();
        let [minutes, hours, days, months, weekdays] = fields.as_slice() else {
            return Err(format!(
                "five fields are expected, and there are {}: minute, hour, day, month, weekday",
                fields.len()
            ));
        };
        let mut weekday_set = set(weekdays, 0, 7, &WEEKDAYS, 0)?;
        // 7 is Sunday, too.
        if weekday_set & (1 << 7) != 0 {
            weekday_set = weekday_set & !(1 << 7) | 1;
        }
        let cron = Self {
            minutes: set(minutes, 0, 59, &[], 0)?,
            hours: set(hours, 0, 23, &[], 0)?,
            days: set(days, 1, 31, &[], 0)?,
            months: set(months, 1, 12, &MONTHS, 1)?,
            weekdays: weekday_set,
            any_day: days.starts_with('*'),
            any_weekday: weekdays.starts_with('*'),
        };
        if cron.can_be() {
            Ok(cron)
        } else {
            Err("none of these months has such a day".to_owned())
        }
    }

    /// Whether there is any such day in any year.
    fn can_be(&self) -> bool {
        const LENGTHS: [u8; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        if !self.any_weekday {
            return true;
        }
        let days = |length: u8| (1..=length).any(|day| self.days & (1 << day) != 0);
        (1_u8..)
            .zip(LENGTHS)
            .any(|(month, length)| self.months & (1 << month) != 0 && days(length))
    }

    /// Whether this minute is meant.
    pub fn is_due(&self, at: WallMinute) -> bool {
        let has = |set: u64, value: u8| set & (1_u64 << value) != 0;
        let (day, weekday) = (has(self.days, at.day), has(self.weekdays, at.weekday));
        let day_is_meant = match (self.any_day, self.any_weekday) {
            (false, false) => day || weekday,
            _ => day && weekday,
        };
        has(self.minutes, at.minute)
            && has(self.hours, at.hour)
            && has(self.months, at.month)
            && day_is_meant
    }
}

/// Returns the values that a field names, as bits.
fn set(field: &str, least: u8, most: u8, names: &[&str], first: u8) -> Result<u64, String> {
    let value = |text: &str| -> Result<u8, String> {
        let lower = text.to_ascii_lowercase();
        let named = (first..).zip(names).find(|(_, name)| **name == lower);
        let number = match named {
            Some((number, _)) => Some(number),
            None if text.len() <= 2 && text.bytes().all(|b| b.is_ascii_digit()) => {
                text.parse().ok()
            }
            None => None,
        };
        number
            .filter(|number| (least..=most).contains(number))
            .ok_or_else(|| format!("`{text}` is not a number from {least} to {most}"))
    };
    let mut bits = 0;
    for part in field.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => {
                let step = step.parse::<u8>().ok().filter(|step| *step > 0);
                (range, step.ok_or_else(|| format!("`{part}` has no step"))?)
            }
            None => (part, 1),
        };
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (least, most),
            Some((from, to)) => (value(from)?, value(to)?),
            // `5/10` is from 5 on.
            None if part.contains('/') => (value(range)?, most),
            None => (value(range)?, value(range)?),
        };
        if from > to {
            return Err(format!("`{range}` ends before it begins"));
        }
        for value in (from..=to).step_by(usize::from(step)) {
            bits |= 1 << value;
        }
    }
    Ok(bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: u8, hour: u8, day: u8, month: u8, weekday: u8) -> WallMinute {
        WallMinute {
            minute,
            hour,
            day,
            month,
            weekday,
        }
    }

    #[test]
    fn minutes_are_due_that_all_fields_name() {
        for (text, moment, due) in [
            ("0 3 * * *", at(0, 3, 9, 4, 2), true),
            ("0 3 * * *", at(1, 3, 9, 4, 2), false),
            ("*/15 * * * *", at(45, 0, 1, 1, 0), true),
            ("*/15 * * * *", at(50, 0, 1, 1, 0), false),
            ("5/20 * * * *", at(25, 0, 1, 1, 0), true),
            ("0 0 * jan-mar mon,fri", at(0, 0, 9, 2, 5), true),
            ("0 0 * jan-mar mon,fri", at(0, 0, 9, 4, 5), false),
            ("0 0 * * 7", at(0, 0, 9, 4, 0), true),
            // Either day is enough where both are restricted.
            ("0 0 13 * fri", at(0, 0, 13, 4, 1), true),
            ("0 0 13 * fri", at(0, 0, 12, 4, 5), true),
            ("0 0 13 * fri", at(0, 0, 12, 4, 1), false),
        ] {
            assert_eq!(
                Cron::parse(text).unwrap().is_due(moment),
                due,
                "{text} {moment:?}"
            );
        }
    }

    #[test]
    fn what_is_no_schedule_is_said() {
        for bad in [
            "",
            "0 3 * *",
            "0 3 * * * *",
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "* * * 13 *",
            "* * * * 8",
            "a * * * *",
            "5-1 * * * *",
            "*/0 * * * *",
            "* * 30 feb *",
            "-1 * * * *",
            "1,,2 * * * *",
            "999999999999 * * * *",
        ] {
            assert!(Cron::parse(bad).is_err(), "{bad}");
        }
    }
}
