//! Which lists there are just now, and how each item stands.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::item::{Asks, Check, Item, When, fresh};
use super::watch::{Checked, gate};
use crate::deployment::{Deployment, Origin};
use crate::entry::rules;
use crate::environment::Environment;
use crate::event::Event;
use crate::id::{Digest, ItemName, ReleaseNumber};
use crate::observed::Observed;
use crate::release::ReleaseContent;
use crate::time::Timestamp;

/// What was found out, or said, about an item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The item.
    pub item: ItemName,
    /// What was asked.
    pub asked: Asks,
    /// Whether it holds.
    pub passed: bool,
    /// What was found, or said, in words.
    pub said: String,
    /// Who: a person, or the engine.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// A list that is worked through after something happened. Nothing waits for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aftercare {
    /// Which list.
    pub when: When,
    /// The release that it is about.
    pub release: ReleaseNumber,
    /// What exactly that is.
    pub digest: Option<Digest>,
    /// Since when.
    pub since: Timestamp,
    /// What is asked.
    pub items: Vec<(ItemName, Item)>,
    /// What was answered.
    pub answers: Vec<Answer>,
    /// What was not done in time.
    pub missed: Vec<(ItemName, Asks)>,
}

/// A list that is open just now.
#[derive(Clone, Debug, PartialEq)]
pub struct Underway<'a> {
    /// Which list.
    pub when: When,
    /// The release that it is about.
    pub release: ReleaseNumber,
    /// What exactly that is, where it is known.
    pub digest: Option<&'a Digest>,
    /// Since when.
    pub since: Timestamp,
    environment: &'a Environment,
    items: Vec<(&'a ItemName, &'a Item)>,
    answers: &'a [Answer],
    missed: &'a [(ItemName, Asks)],
}

/// How an item stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemState {
    /// Nobody has answered.
    Open,
    /// It holds.
    Done,
    /// The machine has found that it does not hold, or could not find out.
    Failed,
    /// What a person said about it counts no longer.
    Expired,
    /// It was not done in time.
    Missed,
}

/// An item of a list that is open just now.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenItem<'a> {
    /// Its name.
    pub name: &'a ItemName,
    /// What it asks.
    pub item: &'a Item,
    /// How it stands.
    pub state: ItemState,
    /// What was found or said, in words.
    pub said: Option<String>,
    /// Who has answered.
    pub by: Option<&'a str>,
    /// When.
    pub at: Option<Timestamp>,
    /// Until when it may stay open, or what was said counts.
    pub until: Option<Timestamp>,
}

/// Returns the lists that are open just now.
pub fn underway(environment: &Environment) -> Vec<Underway<'_>> {
    let mut lists = Vec::new();
    for (release, request) in &environment.requests {
        lists.push(Underway {
            when: When::Before,
            release: *release,
            digest: Some(&request.identity.digest),
            since: request.since,
            environment,
            items: items(environment, &request.content, When::Before),
            answers: &request.answers,
            missed: &[],
        });
    }
    lists.extend(
        environment
            .deployment
            .as_ref()
            .and_then(|it| during(environment, it)),
    );
    if let Some(after) = &environment.aftercare {
        lists.push(Underway {
            when: after.when,
            release: after.release,
            digest: after.digest.as_ref(),
            since: after.since,
            environment,
            items: after
                .items
                .iter()
                .map(|(name, item)| (name, item))
                .collect(),
            answers: &after.answers,
            missed: &after.missed,
        });
    }
    lists.retain(|list| !list.items.is_empty());
    lists
}

fn during<'a>(environment: &'a Environment, deployment: &'a Deployment) -> Option<Underway<'a>> {
    let known = environment.releases.get(&deployment.release);
    let identity = known.and_then(|known| known.identity.as_ref());
    deployment.goes_forward().then(|| Underway {
        when: When::During,
        release: deployment.release,
        digest: identity.map(|identity| &identity.digest),
        since: deployment.started_at,
        environment,
        items: items(environment, &deployment.content, When::During),
        answers: &deployment.answers,
        missed: &[],
    })
}

/// Returns what is asked of a release: by its own rules, and by those of the release that serves.
fn items<'a>(
    environment: &'a Environment,
    content: &'a ReleaseContent,
    when: When,
) -> Vec<(&'a ItemName, &'a Item)> {
    let mut items: Vec<(&ItemName, &Item)> = Vec::new();
    for rules in rules(environment, content) {
        for one in rules.checklists.get(when) {
            if !items.contains(&one) {
                items.push(one);
            }
        }
    }
    items
}

/// Returns the list that begins when a release got all traffic, or went back.
pub(crate) fn aftercare(
    environment: &Environment,
    deployment: &Deployment,
    at: Timestamp,
    went_back: bool,
) -> Option<Aftercare> {
    let returned = went_back || matches!(deployment.origin, Origin::Rollback { .. });
    let when = if returned {
        When::AfterRollback
    } else {
        When::After
    };
    let known = environment.releases.get(&deployment.release);
    let identity = known.and_then(|known| known.identity.as_ref());
    let items = items(environment, &deployment.content, when);
    (!items.is_empty()).then(|| Aftercare {
        when,
        release: deployment.release,
        digest: identity.map(|identity| identity.digest.clone()),
        since: at,
        items: items
            .into_iter()
            .map(|(name, item)| (name.clone(), item.clone()))
            .collect(),
        answers: Vec::new(),
        missed: Vec::new(),
    })
}

/// Takes an answer into the list that it belongs to. Of two to the same item the later one counts.
pub(crate) fn answered(
    environment: &mut Environment,
    when: When,
    release: ReleaseNumber,
    answer: Answer,
) {
    let answers = match when {
        When::Before => environment
            .requests
            .get_mut(&release)
            .map(|it| &mut it.answers),
        When::During => {
            let deployment = environment.deployment.as_mut();
            let deployment = deployment.filter(|deployment| deployment.release == release);
            deployment.map(|deployment| &mut deployment.answers)
        }
        When::After | When::AfterRollback => {
            let after = environment.aftercare.as_mut();
            let after = after.filter(|after| after.when == when && after.release == release);
            after.map(|after| &mut after.answers)
        }
    };
    if let Some(answers) = answers {
        answers.retain(|known| known.item != answer.item || known.asked != answer.asked);
        answers.push(answer);
    }
}

impl<'a> Underway<'a> {
    /// Returns its items as they stand at the moment `now`.
    pub fn items(&self, observed: &Observed, now: Timestamp) -> Vec<OpenItem<'a>> {
        let checks = self.checks().map(|(_, check)| check);
        let fresh = fresh(checks);
        let items = self.items.iter();
        items
            .map(|(name, item)| self.item(name, item, observed, now, fresh))
            .collect()
    }

    fn item(
        &self,
        name: &'a ItemName,
        item: &'a Item,
        observed: &Observed,
        now: Timestamp,
        fresh: std::time::Duration,
    ) -> OpenItem<'a> {
        let answer = self.answer(name, item);
        let missed = self.missed.iter();
        let missed = missed
            .clone()
            .any(|(it, asks)| it == name && *asks == item.asks);
        let deadline = self.when.comes_after().then(|| self.since + item.within);
        let open = OpenItem {
            name,
            item,
            state: ItemState::Open,
            said: None,
            by: answer.map(|answer| answer.by.as_str()),
            at: answer.map(|answer| answer.at),
            until: deadline,
        };
        let seen = OpenItem {
            said: answer.map(|answer| answer.said.clone()),
            ..open.clone()
        };
        let passed = answer.is_some_and(|answer| answer.passed);
        match &item.asks {
            // What comes after was done once it was done; nothing waits for it.
            _ if passed && self.when.comes_after() => OpenItem {
                state: ItemState::Done,
                until: None,
                ..seen
            },
            _ if missed => OpenItem {
                state: ItemState::Missed,
                ..seen
            },
            Asks::Confirm { lasts, .. } => match answer {
                Some(answer) if now < answer.at + *lasts => OpenItem {
                    state: ItemState::Done,
                    until: Some(answer.at + *lasts),
                    ..seen
                },
                Some(_) => OpenItem {
                    state: ItemState::Expired,
                    ..seen
                },
                None => open,
            },
            Asks::Check(check) => match self.found(check, observed, now) {
                Some(found) if !found.passed => OpenItem {
                    state: ItemState::Failed,
                    said: Some(found.said),
                    at: Some(found.at),
                    ..seen
                },
                // What is recorded and what is found now both say so.
                Some(found) if passed && now <= found.at + fresh => OpenItem {
                    state: ItemState::Done,
                    said: Some(found.said),
                    at: Some(found.at),
                    ..seen
                },
                Some(_) => open,
                None if answer.is_some_and(|answer| !answer.passed) => OpenItem {
                    state: ItemState::Failed,
                    ..seen
                },
                None => open,
            },
        }
    }

    /// Returns what was recorded of an item.
    pub(super) fn answer(&self, name: &ItemName, item: &Item) -> Option<&'a Answer> {
        let mut answers = self.answers.iter();
        answers.find(|answer| answer.item == *name && answer.asked == item.asks)
    }

    /// Returns what the machine has found of a check since the list was opened.
    pub(super) fn found(
        &self,
        check: &Check,
        observed: &Observed,
        now: Timestamp,
    ) -> Option<Checked> {
        if let Check::Gate { name } = check {
            return Some(gate(self.environment, self, name, observed, now));
        }
        let found = observed.checks.get(check);
        found.filter(|found| found.at >= self.since).cloned()
    }

    /// Returns what the machine is asked.
    pub(super) fn checks(&self) -> impl Iterator<Item = (&'a ItemName, &'a Check)> {
        let items = self.items.iter();
        items.filter_map(|(name, item)| Some((*name, item.asks.check()?)))
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (&'a ItemName, &'a Item)> {
        self.items.iter().copied()
    }
}

/// Returns what of the list `when` of `release` is not done at the moment `now`.
fn undone<'a>(
    environment: &'a Environment,
    release: ReleaseNumber,
    when: When,
    observed: &Observed,
    now: Timestamp,
) -> Vec<OpenItem<'a>> {
    let lists = underway(environment).into_iter();
    let of = lists.filter(|list| list.when == when && list.release == release);
    let items = of.flat_map(|list| list.items(observed, now));
    items.filter(|item| item.state != ItemState::Done).collect()
}

/// Returns what a release that waits lacks of its list.
pub(crate) fn lacks(
    environment: &Environment,
    release: ReleaseNumber,
    observed: &Observed,
    now: Timestamp,
) -> Vec<String> {
    let undone = undone(environment, release, When::Before, observed, now);
    undone.iter().map(ToString::to_string).collect()
}

/// Returns what keeps the release that is on its way from getting all traffic.
pub(crate) fn holds_back(
    environment: &Environment,
    deployment: &Deployment,
    observed: &Observed,
    now: Timestamp,
) -> Vec<String> {
    let undone = undone(environment, deployment.release, When::During, observed, now);
    undone.iter().map(ToString::to_string).collect()
}

impl Event {
    /// Returns the event with which an answer is recorded.
    pub(super) fn of_answer(list: &Underway<'_>, answer: Answer) -> Self {
        let Answer {
            item,
            asked,
            passed,
            said,
            by,
            at: _,
        } = answer;
        Self::ItemAnswered {
            release: list.release,
            digest: list.digest.cloned(),
            when: list.when,
            item,
            asks: asked,
            passed,
            said,
            by,
        }
    }
}

impl ItemState {
    /// Returns the word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Expired => "expired",
            Self::Missed => "missed",
        }
    }
}

/// What it lacks, in words.
impl fmt::Display for OpenItem<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, asks) = (self.name, &self.item.asks);
        match (&self.said, asks) {
            (Some(said), Asks::Check(_)) => write!(f, "`{name}`: {said}"),
            (None, Asks::Check(check)) => write!(f, "`{name}`: {check}, not found out yet"),
            (Some(_), Asks::Confirm { by, .. }) => {
                write!(
                    f,
                    "`{name}` has to be confirmed again by somebody who is {by}: {asks}"
                )
            }
            (None, Asks::Confirm { by, .. }) => {
                write!(
                    f,
                    "`{name}` has to be confirmed by somebody who is {by}: {asks}"
                )
            }
        }
    }
}
