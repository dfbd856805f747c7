//! A release that waits to enter, and what it still lacks.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use leadsman_gates::{GateResult, Outcome};
use serde::{Deserialize, Serialize};

use super::calendar::Opening;
use super::consent::{Consent, Need};
use super::freeze::Works;
use super::rules::EntryRules;
use crate::checklist::{self, Answer};
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
    /// Why it comes in although its migration leaves no way back.
    pub one_way: Option<String>,
    /// Since when it waits.
    pub since: Timestamp,
    /// The consent that it has, in order.
    pub approvals: Vec<Approval>,
    /// What the gates said last.
    pub gates: Vec<GateResult>,
    /// What was answered of its checklist.
    pub answers: Vec<Answer>,
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
    /// Whether they own the state folder, and so may approve without being a person.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub owner: bool,
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
        needed: usize,
        /// Who has to be among them still.
        lacking: Vec<Need>,
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
    /// An item of the checklist, which is not done.
    Item(String),
    /// A freeze, or a maintenance window.
    Closed(Works),
}

impl Request {
    /// Returns the rules that it has to meet: its own, and those of the release that serves, so that
    /// nobody loosens a rule without the consent that the rule asks for.
    pub fn rules<'a>(&'a self, environment: &'a Environment) -> Vec<&'a EntryRules> {
        rules(environment, &self.content)
    }

    /// Returns what of its consent counts for these rules; `None` where they ask for none.
    fn consent(
        &self,
        rules: &EntryRules,
        environment: &Environment,
        observed: &Observed,
        now: Timestamp,
    ) -> Option<Consent<'_>> {
        let rule = rules.approvals.as_ref()?;
        Some(rule.count(&self.approvals, &observed.people, &environment.id, now))
    }

    /// Whether it has the consent that its rules ask for.
    pub(crate) fn has_consent(
        &self,
        environment: &Environment,
        observed: &Observed,
        now: Timestamp,
    ) -> bool {
        let mut rules = self.rules(environment).into_iter();
        rules.all(|rules| {
            let consent = self.consent(rules, environment, observed, now);
            consent.is_none_or(|consent| consent.is_enough())
        })
    }

    /// Returns the approvals that count for any of the rules at the moment `now`, each once.
    pub(super) fn counted_approvals(
        &self,
        environment: &Environment,
        observed: &Observed,
        now: Timestamp,
    ) -> Vec<Approval> {
        let consents = self.rules(environment).into_iter();
        let consents = consents.filter_map(|rules| self.consent(rules, environment, observed, now));
        let counts: Vec<&Approval> = consents.flat_map(|consent| consent.given).collect();
        let counted = self.approvals.iter().filter(|one| counts.contains(one));
        counted.cloned().collect()
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
            if let Some(consent) = self.consent(rules, environment, observed, now)
                && !consent.is_enough()
            {
                let given = consent.given.iter();
                add(Missing::Approvals {
                    given: given.map(|approval| approval.by.clone()).collect(),
                    needed: consent.needed,
                    lacking: consent.lacking,
                });
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
        let undone = checklist::lacks(environment, release, observed, now);
        undone.into_iter().map(Missing::Item).for_each(&mut add);
        for (number, freeze) in &environment.freezes {
            if freeze.holds(release, now) {
                add(Missing::Closed(freeze.works(*number)));
            }
        }
        for rules in self.rules(environment) {
            rules
                .works(now)
                .into_iter()
                .map(Missing::Closed)
                .for_each(&mut add);
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

impl Missing {
    /// Whether it is an item of the checklist.
    pub(crate) const fn is_of_checklist(&self) -> bool {
        matches!(self, Self::Item(_))
    }
}

/// Returns the rules that `content` has to meet to enter.
pub(crate) fn rules<'a>(
    environment: &'a Environment,
    content: &'a ReleaseContent,
) -> Vec<&'a EntryRules> {
    let mut rules = vec![&content.entry];
    let serving = environment.entry_in_force();
    rules.extend(serving.filter(|entry| **entry != content.entry));
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
            Self::Approvals {
                given,
                needed,
                lacking,
            } => {
                let have = given.len();
                write!(f, "{have} of {needed} approvals")?;
                if !given.is_empty() {
                    write!(f, " (by {})", given.join(", "))?;
                }
                for (index, need) in lacking.iter().enumerate() {
                    let before = if index == 0 { ", still" } else { " and" };
                    write!(f, "{before} {need}")?;
                }
                Ok(())
            }
            Self::Gate { name, sentence } => write!(f, "gate `{name}`: {sentence}"),
            Self::Window {
                opens: Some(_),
                local,
            } => write!(f, "the next window opens on {local}"),
            Self::Window { opens: None, .. } => write!(f, "no window ever opens"),
            Self::Item(said) => write!(f, "checklist: {said}"),
            Self::Closed(works) => works.fmt(f),
        }
    }
}
