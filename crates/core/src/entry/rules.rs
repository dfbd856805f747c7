//! What an environment asks of a release before it lets it in.

use std::collections::BTreeSet;
use std::time::Duration;

use leadsman_gates::Gates;
use serde::{Deserialize, Serialize};

use super::calendar::{Calendar, Window};
use super::consent::ApprovalRule;
use super::pattern::RefPattern;
use super::request::Reference;
use crate::checklist::Checklists;
use crate::id::EnvironmentName;

/// How long a request may wait where nothing else is said.
const WAITS: Duration = Duration::from_secs(7 * 24 * 3600);

/// What must hold before a release enters an environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EntryRules {
    /// Whether runs of the pipeline ship what they build by themselves.
    pub automatic: bool,
    /// The environment in which it must have taken all traffic.
    pub after: Option<EnvironmentName>,
    /// The branches that it may be built from.
    pub branches: BTreeSet<RefPattern>,
    /// The tags that it may be built from.
    pub tags: BTreeSet<RefPattern>,
    /// The consent that it needs.
    pub approvals: Option<ApprovalRule>,
    /// The times in which it may enter.
    pub calendar: Calendar,
    /// The times in which the environment is worked on, by the clock of the calendar: nothing
    /// enters, and what is on its way goes no further.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub maintenance: Vec<Window>,
    /// What has to be looked at before, during and after it.
    #[serde(skip_serializing_if = "Checklists::is_empty")]
    pub checklists: Checklists,
    /// What reports on it have to say.
    #[serde(skip_serializing_if = "Gates::is_empty")]
    pub gates: Gates,
    /// How long a request may wait for all this.
    pub waits: Duration,
    /// What is different for what cannot wait; `None` where there is no such way.
    pub expedited: Option<Expedited>,
}

/// The way of what cannot wait, such as a security fix: windows do not hold it up, and it is held
/// at each step for a shorter time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expedited {
    /// How long each step is held at most.
    pub soak: Duration,
}

impl Default for EntryRules {
    fn default() -> Self {
        Self {
            automatic: false,
            after: None,
            branches: BTreeSet::new(),
            tags: BTreeSet::new(),
            approvals: None,
            calendar: Calendar::default(),
            maintenance: Vec::new(),
            checklists: Checklists::default(),
            gates: Gates::default(),
            waits: WAITS,
            expedited: None,
        }
    }
}

impl EntryRules {
    /// Whether nothing else than the default is said.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a release that is let in at all enters at once.
    pub(super) fn asks_nothing(&self) -> bool {
        let Self {
            automatic: _,
            after,
            branches: _,
            tags: _,
            approvals,
            calendar,
            maintenance,
            checklists,
            gates,
            waits: _,
            expedited: _,
        } = self;
        after.is_none()
            && approvals.is_none()
            && calendar.windows.is_empty()
            && maintenance.is_empty()
            && checklists.before.is_empty()
            && gates.is_empty()
    }

    /// Whether what was built from `reference` may enter.
    pub fn lets_in(&self, reference: Option<&Reference>) -> bool {
        let matches = |patterns: &BTreeSet<RefPattern>, name: &str| {
            patterns.iter().any(|pattern| pattern.matches(name))
        };
        match reference {
            _ if self.branches.is_empty() && self.tags.is_empty() => true,
            Some(Reference::Branch(name)) => matches(&self.branches, name),
            Some(Reference::Tag(name)) => matches(&self.tags, name),
            None => false,
        }
    }

    /// Returns what it may be built from, in words.
    pub(crate) fn origins(&self) -> String {
        let named = |kind: &str, patterns: &BTreeSet<RefPattern>| {
            let names: Vec<String> = patterns.iter().map(|it| format!("`{it}`")).collect();
            (!names.is_empty()).then(|| format!("{kind} {}", names.join(", ")))
        };
        let both = [named("branch", &self.branches), named("tag", &self.tags)];
        both.into_iter().flatten().collect::<Vec<_>>().join(" or ")
    }
}
