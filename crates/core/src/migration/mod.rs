//! Migrations: what a release needs of the schema of the application's database, and how it gets it.
//!
//! A release declares the schema that its migration brings about and the schemas that its program
//! works with. Which schema the database is at is known from what was recorded, never by asking it.
//! What follows from both is decided here: whether a release may come in, what has to be run first,
//! and whether there is a way back.

mod door;
pub(crate) mod fold;
mod need;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use door::planned;
pub(crate) use door::{at_the_door, brings_back, closes_way_back, fits};
pub(crate) use need::{Need, need, smoke, task};

use crate::id::{ReleaseNumber, ServiceName};
use crate::pipeline::SecretSource;
use crate::time::Timestamp;

/// What a release says of the schema of the database.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Migration {
    /// The service whose artifact, environment, user and limits it has.
    pub service: ServiceName,
    /// The command that brings the schema to `schema`.
    pub run: Vec<String>,
    /// The command that brings it back to an earlier one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back: Option<Vec<String>>,
    /// What the schema is afterwards.
    pub schema: u64,
    /// The schemas that the release's program works with.
    pub works_with: SchemaRange,
    /// How long it may take.
    pub timeout: Duration,
    /// Environment variables whose values nobody may see.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, SecretSource>,
    /// How long what serves is watched on the new schema before what is new gets a request.
    #[serde(default, skip_serializing_if = "Duration::is_zero")]
    pub watch_old: Duration,
    /// What a release that serves is asked by meanwhile: a command that ends well if it works.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub smoke: Option<Vec<String>>,
}

/// The schemas from one to another, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchemaRange {
    /// The first.
    pub from: u64,
    /// The last.
    pub to: u64,
}

/// Which schema a database is at, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schema {
    /// What it is, or was before a migration that did not end well.
    pub at: u64,
    /// Where a migration was to bring it that did not end well, or has not ended: it may be there.
    pub towards: Option<u64>,
    /// The release whose migration brought it here, or tries to. It knows every way back from here.
    pub by: ReleaseNumber,
}

/// A migration that is run once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Course {
    /// The release whose artifact it runs from.
    pub release: ReleaseNumber,
    /// The command.
    pub command: Vec<String>,
    /// Whether it brings the schema back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub back: bool,
    /// What the schema is before; `None` where nothing is known of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<u64>,
    /// What it is afterwards.
    pub to: u64,
}

/// Where the migration of a deployment is.
#[derive(Clone, Debug, PartialEq)]
pub struct Migrating {
    /// What is run.
    pub course: Course,
    /// How far it is.
    pub stage: MigrationStage,
}

/// How far a migration is.
#[derive(Clone, Debug, PartialEq)]
pub enum MigrationStage {
    /// It runs.
    Running {
        /// Since when.
        since: Timestamp,
    },
    /// It has ended well, and what serves is watched on the new schema.
    Watched {
        /// Since when.
        since: Timestamp,
    },
    /// It has ended well, and nothing more is waited for.
    Done,
    /// It has ended otherwise.
    Failed,
}

impl Migration {
    /// Returns what holds where releases of both kinds serve beside each other: the schemas that both
    /// work with, and otherwise what `newer` says.
    #[must_use]
    pub(crate) fn beside(newer: Option<&Self>, older: Option<&Self>) -> Option<Self> {
        let (Some(newer), Some(older)) = (newer, older) else {
            return newer.or(older).cloned();
        };
        let (a, b) = (newer.works_with, older.works_with);
        Some(Self {
            works_with: SchemaRange {
                from: a.from.max(b.from),
                to: a.to.min(b.to),
            },
            ..newer.clone()
        })
    }
}

impl SchemaRange {
    /// Returns the range of one schema.
    pub const fn only(schema: u64) -> Self {
        Self {
            from: schema,
            to: schema,
        }
    }

    /// Whether `schema` is one of them.
    pub fn contains(&self, schema: u64) -> bool {
        (self.from..=self.to).contains(&schema)
    }
}

impl fmt::Display for SchemaRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to } = self;
        if from == to {
            write!(f, "{from}")
        } else {
            write!(f, "{from}..{to}")
        }
    }
}

impl Schema {
    /// Whether every schema that it may be is one of `range`.
    pub fn is_in(&self, range: SchemaRange) -> bool {
        range.contains(self.at) && self.towards.is_none_or(|to| range.contains(to))
    }

    /// Whether it is known to be `schema`.
    pub fn is(&self, schema: u64) -> bool {
        self.at == schema && self.towards.is_none()
    }

    /// Returns the newest schema that it may be.
    pub fn newest(&self) -> u64 {
        self.at.max(self.towards.unwrap_or_default())
    }
}

impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.towards {
            None => write!(f, "{}", self.at),
            Some(towards) => write!(f, "{} or {towards}", self.at),
        }
    }
}

impl Course {
    /// Returns the command as a person would type it.
    pub fn words(&self) -> String {
        self.command.join(" ")
    }
}

impl Migrating {
    /// Whether something of it still runs, or is to.
    pub fn is_running(&self) -> bool {
        matches!(self.stage, MigrationStage::Running { .. })
    }
}

impl fmt::Display for Course {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            release, from, to, ..
        } = self;
        let way = if self.back { "back " } else { "" };
        match from {
            Some(from) => write!(f, "the schema is brought {way}from {from} to {to}")?,
            None => write!(f, "the schema is brought {way}to {to}")?,
        }
        write!(f, " by {release} with `{}`", self.words())
    }
}
