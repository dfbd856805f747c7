//! What somebody looks for, as they typed it: it stays in the address, so that a search can be kept and
//! passed on.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use leadsman_api::{AuditQuery, HistoryQuery, Moment, Phase, RunsQuery};
use serde::Deserialize;

use crate::path::with_query;

/// What was typed makes no sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unclear(pub String);

/// What is looked for in the history of an environment. A field that was left empty asks for nothing.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct HistorySearch {
    /// The number of a release.
    pub release: String,
    /// The first digits of a commit.
    pub commit: String,
    /// Who asked for it.
    pub actor: String,
    /// What it came to.
    pub phase: String,
    /// The first day, in UTC.
    pub since: String,
    /// The last day, in UTC.
    pub until: String,
    /// Where the page begins.
    pub before: String,
}

/// What is looked for in the audit.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct AuditSearch {
    /// Who did it.
    pub actor: String,
    /// What kind of event it is.
    pub kind: String,
    /// The application or environment.
    pub about: String,
    /// The first day, in UTC.
    pub since: String,
    /// The last day, in UTC.
    pub until: String,
    /// Whether to leave out what nobody asked for: anything but nothing says so.
    pub people: String,
    /// Where the page begins.
    pub before: String,
}

/// Which runs are looked for.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct RunsSearch {
    /// The application.
    pub application: String,
    /// Where the page begins.
    pub before: String,
}

impl HistorySearch {
    /// Returns what it asks of the API.
    ///
    /// # Errors
    ///
    /// What was typed makes no sense.
    pub fn query(&self) -> Result<HistoryQuery, Unclear> {
        Ok(HistoryQuery {
            limit: None,
            before: number(&self.before, "a page begins at")?,
            release: number(&self.release, "a release is known by")?,
            commit: given(&self.commit),
            actor: given(&self.actor),
            phase: phase(&self.phase)?,
            since: day(&self.since)?.map(|day| day.0),
            until: day_after(&self.until)?.map(|day| day.0),
        })
    }

    /// Returns where the same is looked for on the page that begins at `before`; `None` is the newest.
    pub(crate) fn address(&self, path: &str, before: Option<u64>) -> String {
        let pairs = [
            ("release", given(&self.release)),
            ("commit", given(&self.commit)),
            ("actor", given(&self.actor)),
            ("phase", given(&self.phase)),
            ("since", given(&self.since)),
            ("until", given(&self.until)),
            ("before", before.map(|before| before.to_string())),
        ];
        with_query(path, &pairs)
    }
}

impl AuditSearch {
    /// Returns what it asks of the API.
    ///
    /// # Errors
    ///
    /// What was typed makes no sense.
    pub fn query(&self) -> Result<AuditQuery, Unclear> {
        Ok(AuditQuery {
            actor: given(&self.actor),
            kind: given(&self.kind),
            about: given(&self.about),
            since: day(&self.since)?.map(|day| day.0),
            until: day_after(&self.until)?.map(|day| day.0),
            people: given(&self.people).map(|_| true),
            before: number(&self.before, "a page begins at")?,
            limit: None,
        })
    }

    /// Returns where the same is looked for on the page that begins at `before`; `None` is the newest.
    pub(crate) fn address(&self, path: &str, before: Option<u64>) -> String {
        let pairs = [
            ("actor", given(&self.actor)),
            ("kind", given(&self.kind)),
            ("about", given(&self.about)),
            ("since", given(&self.since)),
            ("until", given(&self.until)),
            ("people", given(&self.people)),
            ("before", before.map(|before| before.to_string())),
        ];
        with_query(path, &pairs)
    }
}

impl RunsSearch {
    /// Returns what it asks of the API.
    pub fn query(&self) -> RunsQuery {
        RunsQuery {
            application: given(&self.application),
            before: given(&self.before),
            limit: None,
        }
    }

    /// Returns where the same is looked for on the page that begins at `before`; `None` is the newest.
    pub(crate) fn address(&self, path: &str, before: Option<&str>) -> String {
        let pairs = [
            ("application", given(&self.application)),
            ("before", before.map(str::to_owned)),
        ];
        with_query(path, &pairs)
    }
}

/// Returns what was typed; what was left empty is nothing.
fn given(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

fn number(text: &str, what: &str) -> Result<Option<u64>, Unclear> {
    let number = given(text).map(|text| {
        let number = text.parse();
        number.map_err(|_| Unclear(format!("{what} its number, and `{text}` is none")))
    });
    number.transpose()
}

fn phase(text: &str) -> Result<Option<Phase>, Unclear> {
    let phase = given(text).map(|text| {
        let phase = Phase::ALL.into_iter().find(|phase| phase.as_str() == text);
        phase.ok_or_else(|| Unclear(format!("no deployment comes to `{text}`")))
    });
    phase.transpose()
}

/// Returns the moment at which a day begins in UTC.
fn day(text: &str) -> Result<Option<Moment>, Unclear> {
    date(text)?.map(begins).transpose()
}

/// Returns the moment at which a day is over in UTC.
fn day_after(text: &str) -> Result<Option<Moment>, Unclear> {
    let next = |date: Date| date.tomorrow().map_err(|_| too_far(date));
    let date = date(text)?.map(next).transpose()?;
    date.map(begins).transpose()
}

fn date(text: &str) -> Result<Option<Date>, Unclear> {
    let date = given(text).map(|text| {
        let date = text.parse::<Date>();
        date.map_err(|_| Unclear(format!("a day is written like 2026-09-21, not `{text}`")))
    });
    date.transpose()
}

fn begins(date: Date) -> Result<Moment, Unclear> {
    let zoned = date.to_zoned(TimeZone::UTC);
    let millis = zoned.ok().map(|zoned| zoned.timestamp().as_millisecond());
    let millis = millis.and_then(|millis| u64::try_from(millis).ok());
    millis.map(Moment).ok_or_else(|| too_far(date))
}

fn too_far(date: Date) -> Unclear {
    Unclear(format!("nothing is known of {date}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_empty_asks_for_nothing() {
        let nothing = HistorySearch {
            release: " ".to_owned(),
            ..HistorySearch::default()
        };
        assert_eq!(nothing.query(), Ok(HistoryQuery::default()));
        assert_eq!(nothing.address("/h", None), "/h");
        assert_eq!(AuditSearch::default().query(), Ok(AuditQuery::default()));
    }

    #[test]
    fn days_are_whole_and_in_utc() {
        let search = HistorySearch {
            since: "2026-09-21".to_owned(),
            until: "2026-09-21".to_owned(),
            ..HistorySearch::default()
        };
        let query = search.query().unwrap();
        let (since, until) = (query.since.unwrap(), query.until.unwrap());
        assert_eq!(since, 1_789_948_800_000);
        assert_eq!(until - since, 24 * 3_600_000);
    }

    #[test]
    fn what_makes_no_sense_is_said_and_what_was_typed_stays_in_the_address() {
        for (field, text) in [
            ("release", "seven"),
            ("release", "-1"),
            ("release", "99999999999999999999"),
            ("phase", "gone"),
            ("since", "21.9.2026"),
            ("since", "1960-01-01"),
            ("until", "9999-12-31"),
            ("before", "x"),
        ] {
            let mut search = HistorySearch::default();
            let given = match field {
                "release" => &mut search.release,
                "phase" => &mut search.phase,
                "since" => &mut search.since,
                "until" => &mut search.until,
                _ => &mut search.before,
            };
            *given = text.to_owned();
            assert!(search.query().is_err(), "{field} {text}");
        }
        let search = AuditSearch {
            actor: "mia & co".to_owned(),
            people: "yes".to_owned(),
            ..AuditSearch::default()
        };
        assert_eq!(
            search.address("/audit", Some(7)),
            "/audit?actor=mia%20%26%20co&people=yes&before=7"
        );
    }
}
