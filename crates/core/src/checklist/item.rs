//! What a checklist asks.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::ItemName;
use crate::people::Role;
use crate::project::units;
use crate::reason::duration;

/// How long an answer of the machine counts where every check of a list answers at once: long enough
/// for one pass of the engine, too short for much to change.
const FRESH: Duration = Duration::from_secs(15);

/// When a list has to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// Before the release gets any traffic.
    Before,
    /// Before it gets all traffic.
    During,
    /// After it got all traffic.
    After,
    /// After it went back.
    AfterRollback,
}

/// The checklists of an environment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Checklists {
    /// Before a release gets any traffic.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub before: Checklist,
    /// Before it gets all traffic.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub during: Checklist,
    /// After it got all traffic.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub after: Checklist,
    /// After it went back.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub after_rollback: Checklist,
}

/// The items of one list, by name.
pub type Checklist = BTreeMap<ItemName, Item>;

/// One thing that has to be looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// What is asked.
    pub asks: Asks,
    /// For how long it may stay open in a list of what comes after.
    pub within: Duration,
    /// Whether the release goes back if it is not done by then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rollback: bool,
}

/// What is asked, and of whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Asks {
    /// The machine.
    Check(Check),
    /// A person.
    Confirm {
        /// What they say is so.
        what: String,
        /// The role that they need.
        by: Role,
        /// How long it counts.
        lasts: Duration,
    },
}

/// What the machine finds out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// That so much of a disk is free.
    Disk {
        /// A path on it.
        at: String,
        /// So many bytes.
        free: u64,
    },
    /// That so much memory can be had.
    Memory {
        /// So many bytes.
        available: u64,
    },
    /// That a certificate does not end soon.
    Certificate {
        /// The host that shows it.
        host: String,
        /// The port.
        port: u16,
        /// For how many days it has to be valid.
        days: u16,
    },
    /// That a name is known.
    Dns {
        /// The name.
        name: String,
        /// The address that it has to have; any, where none is given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        address: Option<IpAddr>,
    },
    /// That somebody listens.
    Connect {
        /// The host.
        host: String,
        /// The port.
        port: u16,
    },
    /// That the newest file of a folder is not old.
    Newest {
        /// The folder, or the file.
        folder: String,
        /// How old it may be.
        age: Duration,
    },
    /// That a command ends with status 0.
    Command {
        /// The command.
        run: Vec<String>,
        /// How long it may take.
        timeout: Duration,
        /// The folder that it runs in.
        #[serde(default)]
        folder: String,
    },
    /// That a gate is open.
    Gate {
        /// Its name.
        name: String,
    },
}

impl Check {
    /// Returns how long it may take to find out.
    pub fn timeout(&self) -> Duration {
        match self {
            Self::Command { timeout, .. } => *timeout,
            Self::Disk { .. }
            | Self::Memory { .. }
            | Self::Certificate { .. }
            | Self::Dns { .. }
            | Self::Connect { .. }
            | Self::Newest { .. }
            | Self::Gate { .. } => Duration::from_secs(10),
        }
    }
}

impl Asks {
    /// Returns what the machine has to find out, if it is asked.
    pub fn check(&self) -> Option<&Check> {
        match self {
            Self::Check(check) => Some(check),
            Self::Confirm { .. } => None,
        }
    }
}

impl Checklists {
    /// Whether nothing is asked.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Returns a list.
    pub fn get(&self, when: When) -> &Checklist {
        match when {
            When::Before => &self.before,
            When::During => &self.during,
            When::After => &self.after,
            When::AfterRollback => &self.after_rollback,
        }
    }

    /// Has commands run in `folder`.
    #[must_use]
    pub fn in_folder(mut self, folder: &str) -> Self {
        let lists = [
            &mut self.before,
            &mut self.during,
            &mut self.after,
            &mut self.after_rollback,
        ];
        for item in lists.into_iter().flat_map(BTreeMap::values_mut) {
            if let Asks::Check(Check::Command { folder: place, .. }) = &mut item.asks {
                folder.clone_into(place);
            }
        }
        self
    }
}

/// Returns how long an answer of the machine counts in a list of which these are the checks: each of
/// them has to be found out while the others count.
pub(super) fn fresh<'a>(checks: impl Iterator<Item = &'a Check>) -> Duration {
    FRESH + checks.map(Check::timeout).max().unwrap_or_default()
}

impl When {
    /// Every one, in order.
    pub const ALL: [Self; 4] = [Self::Before, Self::During, Self::After, Self::AfterRollback];

    /// Returns the word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::During => "during",
            Self::After => "after",
            Self::AfterRollback => "after_rollback",
        }
    }

    /// Whether it comes after, so that it is not waited for.
    pub const fn comes_after(self) -> bool {
        matches!(self, Self::After | Self::AfterRollback)
    }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|when| when.as_str() == text);
        found.ok_or_else(|| {
            format!("`{text}` is no checklist, but before, during, after and after_rollback")
        })
    }
}

/// What has to hold, in words.
impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disk { at, free } => write!(f, "{} free in `{at}`", units::size(*free)),
            Self::Memory { available } => write!(f, "{} of memory", units::size(*available)),
            Self::Certificate { host, port, days } => {
                write!(f, "the certificate of {host}:{port} valid for {days} days")
            }
            Self::Dns {
                name,
                address: None,
            } => write!(f, "`{name}` resolves"),
            Self::Dns {
                name,
                address: Some(address),
            } => write!(f, "`{name}` resolves to {address}"),
            Self::Connect { host, port } => write!(f, "{host}:{port} accepts connections"),
            Self::Newest { folder, age } => {
                let age = duration(*age);
                write!(f, "the newest file in `{folder}` no older than {age}")
            }
            Self::Command { run, .. } => {
                write!(
                    f,
                    "the command `{}`",
                    run.first().map_or("", String::as_str)
                )
            }
            Self::Gate { name } => write!(f, "gate `{name}` open"),
        }
    }
}

impl fmt::Display for Asks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Check(check) => check.fmt(f),
            Self::Confirm { what, .. } => f.write_str(what),
        }
    }
}
