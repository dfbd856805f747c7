//! Times in which nothing enters, and those in which nothing goes on either.

use std::collections::BTreeSet;
use std::fmt;

use super::calendar::{Calendar, Opening};
use super::request::rules;
use super::rules::EntryRules;
use crate::environment::Environment;
use crate::id::ReleaseNumber;
use crate::release::ReleaseContent;
use crate::time::Timestamp;

/// A time in which nothing enters, but what is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Freeze {
    /// When it begins.
    pub from: Timestamp,
    /// When it ends; `None` when somebody says so.
    pub until: Option<Timestamp>,
    /// Whether it is a maintenance window: what is on its way goes no further either.
    pub maintenance: bool,
    /// Why.
    pub why: String,
    /// Who said so.
    pub by: String,
    /// The releases that may enter, and go on, all the same.
    pub except: BTreeSet<ReleaseNumber>,
}

/// A time in which nothing enters, as it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Works {
    /// Until when, if that is known.
    pub until: Option<Timestamp>,
    what: String,
}

impl Freeze {
    /// Whether it keeps `release` out at the moment `now`.
    pub fn holds(&self, release: ReleaseNumber, now: Timestamp) -> bool {
        self.is_on(now) && !self.except.contains(&release)
    }

    /// Whether it is in force at the moment `now`.
    fn is_on(&self, now: Timestamp) -> bool {
        self.from <= now && !self.is_over(now)
    }

    /// Whether it has ended by the moment `now`.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.until.is_some_and(|until| until <= now)
    }

    pub(super) fn works(&self, number: u64) -> Works {
        let kind = if self.maintenance {
            "maintenance window"
        } else {
            "freeze"
        };
        let (by, why) = (&self.by, &self.why);
        Works {
            until: self.until,
            what: format!("{kind} {number} by {by}: {why}"),
        }
    }
}

impl EntryRules {
    /// Returns the maintenance windows of the week.
    fn maintenance(&self) -> Calendar {
        Calendar {
            time_zone: self.calendar.time_zone.clone(),
            windows: self.maintenance.clone(),
        }
    }

    /// Returns the maintenance window of the week that is on at the moment `now`.
    pub(super) fn works(&self, now: Timestamp) -> Option<Works> {
        let calendar = self.maintenance();
        match calendar.at(now) {
            Opening::Open { closes } if !self.maintenance.is_empty() => Some(Works {
                until: closes,
                what: match closes.and_then(|closes| calendar.local(closes)) {
                    Some(local) => format!("the maintenance window ends on {local}"),
                    None => "the maintenance window never ends".to_owned(),
                },
            }),
            Opening::Open { .. } | Opening::Closed { .. } => None,
        }
    }

    /// Returns when the next maintenance window of the week begins, or the present one ends.
    pub(super) fn turns(&self, now: Timestamp) -> Option<Timestamp> {
        match self.maintenance().at(now) {
            Opening::Open { closes } => closes,
            Opening::Closed { opens, .. } => opens,
        }
    }
}

impl Environment {
    /// Returns the maintenance window of the week that is on at the moment `now`, by the rules of the
    /// release that serves.
    pub fn weekly_maintenance(&self, now: Timestamp) -> Option<Works> {
        self.entry_in_force()?.works(now)
    }
}

/// Returns the maintenance window in which `release`, which is on its way, goes no further at the
/// moment `now`.
pub(crate) fn works(
    environment: &Environment,
    release: ReleaseNumber,
    content: &ReleaseContent,
    now: Timestamp,
) -> Option<Works> {
    let declared = environment.freezes.iter();
    let mut declared =
        declared.filter(|(_, freeze)| freeze.maintenance && freeze.holds(release, now));
    let weekly = || {
        let rules = rules(environment, content);
        rules.into_iter().find_map(|rules| rules.works(now))
    };
    let declared = declared
        .next()
        .map(|(number, freeze)| freeze.works(*number));
    declared.or_else(weekly)
}

/// Returns when maintenance windows begin or end by themselves.
pub(crate) fn turns(
    environment: &Environment,
    content: &ReleaseContent,
    now: Timestamp,
) -> Vec<Timestamp> {
    let declared = environment.freezes.values().filter(|it| it.maintenance);
    let declared = declared.flat_map(|it| [Some(it.from), it.until]);
    let rules = rules(environment, content);
    let weekly = rules.iter().map(|rules| rules.turns(now));
    declared
        .chain(weekly)
        .flatten()
        .filter(|at| *at > now)
        .collect()
}

impl fmt::Display for Works {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}
