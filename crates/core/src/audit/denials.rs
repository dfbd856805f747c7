//! Keeps what is denied from filling the disk.
//!
//! The first of its kind is written down at once. What is equal to it (the same person, place,
//! act and code) is counted from then on, and the count is written down at most once
//! an hour. In an hour no more than [`EVENTS_PER_HOUR`] are written down one by one, and no more
//! than [`KINDS_MAX`] kinds are told apart, however many somebody thinks up; the rest is one count.
//! So a flood costs less than 400 events an hour, and no denial goes without leaving a trace. What is still counted is lost with the process:
//! the first one never is.

use std::collections::BTreeMap;
use std::time::Duration;

use super::asked::Asked;
use super::event::{Denied, Event};
use crate::time::Timestamp;

/// For how long equal ones are counted before the count is written down.
const COUNTED_FOR: Duration = Duration::from_secs(3600);

/// How many kinds are told apart.
const KINDS_MAX: usize = 256;

/// How many are written down one by one in an hour.
const EVENTS_PER_HOUR: u32 = 120;

const HOUR: Duration = Duration::from_secs(3600);

/// What makes two denials equal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    by: String,
    asked: Asked,
    refused: bool,
    act: String,
    on: Option<String>,
    code: String,
}

/// How often something came again.
#[derive(Clone, Debug)]
struct Again {
    why: String,
    count: u64,
    since: Timestamp,
    /// When it was written down last.
    written_at: Timestamp,
}

/// Counts what is denied. An event that comes out of it is to be recorded.
#[derive(Clone, Debug, Default)]
pub struct Denials {
    known: BTreeMap<Key, Again>,
    hour_began: Timestamp,
    /// How many were written down since then.
    written: u32,
    left_out: u64,
    left_out_since: Timestamp,
    left_out_at: Timestamp,
}

/// An event of the audit with who caused it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// Who it was denied to; the engine itself where that is not one.
    pub by: Option<String>,
    /// From where.
    pub asked: Option<Asked>,
    /// What is to be recorded.
    pub event: Event,
}

impl Denials {
    /// Takes note of a denial at `now`; returns what is to be recorded of it.
    pub fn note(&mut self, now: Timestamp, by: &str, asked: &Asked, event: &Event) -> Option<Due> {
        let (denied, refused) = match event {
            Event::Denied(denied) => (denied, false),
            Event::Refused(denied) => (denied, true),
            Event::LeftOut { .. } | Event::Acted { .. } => return None,
        };
        let key = Key {
            by: by.to_owned(),
            // A reason is chosen freely by whoever asks, and so would make each one different.
            asked: Asked {
                why: None,
                ..asked.clone()
            },
            refused,
            act: denied.act.clone(),
            on: denied.on.clone(),
            code: denied.code.clone(),
        };
        if let Some(again) = self.known.get_mut(&key) {
            if again.count == 0 {
                again.since = now;
            }
            again.count += 1;
            return None;
        }
        if !self.may_write(now) {
            if self.left_out == 0 {
                self.left_out_since = now;
            }
            self.left_out += 1;
            return None;
        }
        let again = Again {
            why: denied.why.clone(),
            count: 0,
            since: now,
            written_at: now,
        };
        self.known.insert(key, again);
        Some(Due {
            by: Some(by.to_owned()),
            asked: Some(asked.clone()),
            event: event.clone(),
        })
    }

    /// Returns the counts that are to be recorded at `now`; all of them if it is the `end`.
    pub fn due(&mut self, now: Timestamp, end: bool) -> Vec<Due> {
        let is_due = |at: Timestamp| end || now.since(at) >= COUNTED_FOR;
        let mut due = Vec::new();
        let ripe = self.known.iter_mut();
        for (key, again) in ripe.filter(|(_, again)| again.count > 0 && is_due(again.written_at)) {
            let denied = Denied {
                act: key.act.clone(),
                on: key.on.clone(),
                code: key.code.clone(),
                why: again.why.clone(),
                count: std::mem::take(&mut again.count),
                since: again.since,
            };
            again.written_at = now;
            due.push(Due {
                by: Some(key.by.clone()),
                asked: Some(key.asked.clone()),
                event: if key.refused {
                    Event::Refused(denied)
                } else {
                    Event::Denied(denied)
                },
            });
        }
        self.known
            .retain(|_, again| again.count > 0 || now.since(again.written_at) < COUNTED_FOR);
        if self.left_out > 0 && is_due(self.left_out_at) {
            self.left_out_at = now;
            due.push(Due {
                by: None,
                asked: None,
                event: Event::LeftOut {
                    count: std::mem::take(&mut self.left_out),
                    since: self.left_out_since,
                },
            });
        }
        due
    }

    fn may_write(&mut self, now: Timestamp) -> bool {
        if now.since(self.hour_began) >= HOUR {
            self.hour_began = now;
            self.written = 0;
        }
        let may = self.written < EVENTS_PER_HOUR && self.known.len() < KINDS_MAX;
        self.written += u32::from(may);
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denied(act: &str) -> Event {
        Event::Denied(Denied {
            act: act.to_owned(),
            on: None,
            code: "L102".to_owned(),
            why: "you may not".to_owned(),
            count: 1,
            since: Timestamp::default(),
        })
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(1_000_000_000 + seconds * 1_000)
    }

    fn from(address: &str) -> Asked {
        Asked {
            from: address.to_owned(),
            ..Asked::default()
        }
    }

    fn count(due: &[Due]) -> u64 {
        due.iter()
            .map(|due| match &due.event {
                Event::Denied(denied) | Event::Refused(denied) => denied.count,
                Event::LeftOut { count, .. } => *count,
                Event::Acted { .. } => 0,
            })
            .sum()
    }

    #[test]
    fn the_first_is_written_at_once_and_the_rest_is_counted() {
        let mut denials = Denials::default();
        let asked = from("10.0.0.1");
        let first = denials.note(at(0), "mia", &asked, &denied("ship")).unwrap();
        assert_eq!(first.event, denied("ship"));
        for second in 1..=50 {
            let why = Some(format!("please, for the {second}. time"));
            let asked = Asked {
                why,
                ..asked.clone()
            };
            assert_eq!(
                denials.note(at(second), "mia", &asked, &denied("ship")),
                None
            );
        }
        assert!(
            denials
                .note(at(51), "ben", &asked, &denied("ship"))
                .is_some()
        );
        assert!(
            denials
                .note(at(51), "mia", &asked, &denied("abort"))
                .is_some()
        );
        assert_eq!(denials.due(at(3_599), false), []);
        let due = denials.due(at(3_600), false);
        assert_eq!((due.len(), count(&due)), (1, 50));
        assert_eq!(denials.due(at(9_000), false), []);
        // After a while without any, the next is a first one again.
        assert!(
            denials
                .note(at(9_000), "mia", &asked, &denied("ship"))
                .is_some()
        );
    }

    #[test]
    fn a_flood_of_kinds_is_bounded_and_nothing_is_lost() {
        let mut denials = Denials::default();
        let (mut written, mut counted) = (0, 0);
        for index in 0..100_000_u64 {
            let now = at(index / 28);
            let asked = from(&format!("10.{}.{}.1", index / 256, index % 256));
            let due = denials.note(now, "nobody", &asked, &denied("ship"));
            written += u64::from(due.is_some());
            let due = denials.due(now, false);
            written += due.len() as u64;
            counted += count(&due);
        }
        let due = denials.due(at(3_600), true);
        counted += count(&due);
        // What is written at once counts by itself.
        assert!(written <= u64::from(EVENTS_PER_HOUR) + 1, "{written}");
        assert_eq!(counted + u64::from(EVENTS_PER_HOUR), 100_000);
        assert!(denials.known.len() <= EVENTS_PER_HOUR as usize);
        assert!(
            denials
                .note(at(8_000), "mia", &from("x"), &denied("ship"))
                .is_some()
        );
    }

    #[test]
    fn days_of_ever_new_kinds_that_come_again_and_again_are_bounded() {
        let mut denials = Denials::default();
        let mut written = 0;
        for hour in 0..48 {
            for kind in 0..(120 * (hour + 1)) {
                let asked = from(&format!("10.0.{}.{}", kind / 256, kind % 256));
                let now = at(hour * 3_600 + kind % 3_000);
                let due = denials.note(now, "nobody", &asked, &denied("ship"));
                written += u64::from(due.is_some());
            }
            written += denials.due(at(hour * 3_600 + 3_599), false).len() as u64;
            assert!(denials.known.len() <= KINDS_MAX);
        }
        assert!(written <= 48 * 400, "{written}");
    }

    #[test]
    fn all_is_written_down_at_the_end() {
        let mut denials = Denials::default();
        let asked = from("unix");
        for second in 0..3 {
            drop(denials.note(at(second), "mia", &asked, &denied("ship")));
        }
        assert_eq!(count(&denials.due(at(3), true)), 2);
        assert_eq!(denials.due(at(3), true), []);
    }
}
