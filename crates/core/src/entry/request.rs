//! A release that waits to enter, and what it still lacks.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use leadsman_gates::{GateResult, Outcome};
use serde::{Deserialize, Serialize};

use super::calendar::Opening;
use super::rules::EntryRules;
use crate::deployment::Origin;
use crate::environment::Environment;
use crate::id::{Digest, EnvironmentName, ReleaseNumber};
use crate::observed::Observed;
use crate::release::ReleaseContent;
use crate::time::Timestamp;

/// What exactly a release is in an environment, and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The digest of what it is there: what consent is bound to.
    pub digest: Digest,
    /// Where it comes from.
    #[serde(default, skip_serializing_if = "Source::is_unknown")]
    pub source: Source,
}

/// Where a release comes from, as far as that is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Source {
    /// The commit that it was built from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The branch or the tag that was built.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<Reference>,
    /// Who wrote it: names and mail addresses.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub authors: BTreeSet<String>,
}

impl Source {
    /// Whether nothing is known.
    pub fn is_unknown(&self) -> bool {
        *self == Self::default()
    }
}

/// What a commit was called when it was built.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reference {
    /// A branch, without `refs/heads/`.
    Branch(String),
    /// A tag, without `refs/tags/`.
    Tag(String),
}

/// A release that waits to enter an environment.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// What it is in this environment.
    pub content: Arc<ReleaseContent>,
    /// What exactly that is, and where it comes from.
    pub identity: Identity,
    /// What asked for it.
    pub origin: Origin,
    /// Who asked for it.
    pub by: String,
    /// Why it cannot wait, if it takes the expedited way.
    pub expedited: Option<String>,
    /// Since when it waits.
    pub since: Timestamp,
    /// The consent that it has, in order.
    pub approvals: Vec<Approval>,
    /// What the gates said last.
    pub gates: Vec<GateResult>,
}

/// A named person's consent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Who.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// What they said about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A time in which nothing enters, but what is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Freeze {
    /// When it begins.
    pub from: Timestamp,
    /// When it ends; `None` when somebody says so.
    pub until: Option<Timestamp>,
    /// Why.
    pub why: String,
    /// Who said so.
    pub by: String,
    /// The releases that may enter all the same.
    pub except: BTreeSet<ReleaseNumber>,
}

/// What stands between a release and its environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// It has not taken all traffic in the environment that comes first.
    Earlier {
        /// That environment.
        environment: EnvironmentName,
    },
    /// Consent.
    Approvals {
        /// Whose it has.
        given: Vec<String>,
        /// How many it needs.
        needed: u8,
    },
    /// A gate, which is not open.
    Gate {
        /// Its name.
        name: String,
        /// What it says.
        sentence: String,
    },
    /// The time of day or of the week.
    Window {
        /// When it is right again; `None` if it never is.
        opens: Option<Timestamp>,
        /// The same, as the clock on the wall shows it there.
        local: String,
    },
    /// A freeze.
    Freeze {
        /// Its number.
        number: u64,
        /// Why nothing enters.
        why: String,
        /// Who said so.
        by: String,
        /// When it ends, if that is known.
        until: Option<Timestamp>,
    },
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
}

impl Request {
    /// Returns the rules that it has to meet: its own, and those of the release that serves, so that
    /// nobody loosens a rule without the consent that the rule asks for.
    pub fn rules<'a>(&'a self, environment: &'a Environment) -> Vec<&'a EntryRules> {
        rules(environment, &self.content)
    }

    /// Returns the approvals that count at the moment `now`.
    pub fn valid_approvals(&self, rules: &EntryRules, now: Timestamp) -> Vec<&Approval> {
        let Some(rule) = rules.approvals else {
            return Vec::new();
        };
        let lasts = |approval: &&Approval| now < approval.at + rule.lasts;
        self.approvals.iter().filter(lasts).collect()
    }

    /// Returns the approvals that count for any of the rules at the moment `now`, each once.
    pub(super) fn counted_approvals(
        &self,
        environment: &Environment,
        now: Timestamp,
    ) -> Vec<Approval> {
        let rules = self.rules(environment);
        let counts = |approval: &&Approval| {
            let mut rules = rules.iter();
            rules.any(|rules| self.valid_approvals(rules, now).contains(approval))
        };
        self.approvals.iter().filter(counts).cloned().collect()
    }

    /// Returns everything that it lacks, each once. Of gates that is what they said last: what they say
    /// now is recorded before anything is let in.
    pub fn missing(
        &self,
        environment: &Environment,
        release: ReleaseNumber,
        observed: &Observed,
        now: Timestamp,
    ) -> Vec<Missing> {
        let mut missing = Vec::new();
        let mut add = |lack| {
            if !missing.contains(&lack) {
                missing.push(lack);
            }
        };
        for rules in self.rules(environment) {
            if let Some(earlier) = &rules.after {
                let there = observed.elsewhere.get(earlier);
                if !there.is_some_and(|promoted| promoted.contains(&release)) {
                    let environment = earlier.clone();
                    add(Missing::Earlier { environment });
                }
            }
            if let Some(rule) = rules.approvals {
                let valid = self.valid_approvals(rules, now);
                if valid.len() < usize::from(rule.count) {
                    add(Missing::Approvals {
                        given: valid.iter().map(|approval| approval.by.clone()).collect(),
                        needed: rule.count,
                    });
                }
            }
            if self.expedited.is_none()
                && let Opening::Closed { opens, local } = rules.calendar.at(now)
            {
                add(Missing::Window { opens, local });
            }
        }
        for gate in &self.gates {
            if gate.outcome != Outcome::Open {
                add(Missing::Gate {
                    name: gate.name.clone(),
                    sentence: gate.sentence.clone(),
                });
            }
        }
        for (number, freeze) in &environment.freezes {
            if freeze.holds(release, now) {
                add(Missing::Freeze {
                    number: *number,
                    why: freeze.why.clone(),
                    by: freeze.by.clone(),
                    until: freeze.until,
                });
            }
        }
        missing
    }

    /// Returns when it is given up.
    pub fn expires_at(&self, environment: &Environment) -> Timestamp {
        let waits = self
            .rules(environment)
            .iter()
            .map(|rules| rules.waits)
            .min();
        self.since + waits.unwrap_or_default()
    }
}

/// Returns the rules that `content` has to meet to enter.
pub(super) fn rules<'a>(
    environment: &'a Environment,
    content: &'a ReleaseContent,
) -> Vec<&'a EntryRules> {
    let mut rules = vec![&content.entry];
    rules.extend(
        environment
            .entry
            .as_ref()
            .filter(|entry| **entry != content.entry),
    );
    rules
}

/// Returns how long each step is held at most of what takes the expedited way, for the reason
/// `expedited`. Of two rules the one that holds it longer counts.
pub(crate) fn soak_at_most(
    environment: &Environment,
    content: &ReleaseContent,
    expedited: Option<&str>,
) -> Option<Duration> {
    expedited?;
    let rules = rules(environment, content);
    let ways = rules.iter().filter_map(|rules| rules.expedited);
    ways.map(|way| way.soak).max()
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Branch(name) => write!(f, "branch `{name}`"),
            Self::Tag(name) => write!(f, "tag `{name}`"),
        }
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Earlier { environment } => {
                write!(f, "it has not taken all traffic in `{environment}`")
            }
            Self::Approvals { given, needed } => {
                let have = given.len();
                write!(f, "{have} of {needed} approvals")?;
                if !given.is_empty() {
                    write!(f, " (by {})", given.join(", "))?;
                }
                Ok(())
            }
            Self::Gate { name, sentence } => write!(f, "gate `{name}`: {sentence}"),
            Self::Window {
                opens: Some(_),
                local,
            } => write!(f, "the next window opens on {local}"),
            Self::Window { opens: None, .. } => write!(f, "no window ever opens"),
            Self::Freeze {
                number,
                why,
                by,
                until: _,
            } => {
                write!(f, "freeze {number} by {by}: {why}")
            }
        }
    }
}
