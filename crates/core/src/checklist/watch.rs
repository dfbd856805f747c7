//! What follows from the answers, and what has to be asked.

use std::collections::BTreeMap;
use std::time::Duration;

use leadsman_gates::Outcome;

use super::item::{Asks, Check, Item, When};
use super::state::{Answer, ItemState, OpenItem, Underway, underway};
use crate::deployment::{Cause, Deployment, Phase, Stage};
use crate::entry::gates_of;
use crate::environment::Environment;
use crate::event::Event;
use crate::id::ItemName;
use crate::observed::Observed;
use crate::people::ENGINE;
use crate::reason::{Reason, Waiting, Who};
use crate::time::Timestamp;

/// How often the machine is asked what counts at once.
const SOON: Duration = Duration::from_secs(5);

/// How often it is asked what is only shown meanwhile.
const SHOWN: Duration = Duration::from_secs(300);

/// What the machine has found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// When.
    pub at: Timestamp,
    /// Whether it holds. What could not be found out does not.
    pub passed: bool,
    /// What was found, in words.
    pub said: String,
}

/// Returns what holds now of the lists and is not recorded yet.
pub(crate) fn facts(environment: &Environment, observed: &Observed, now: Timestamp) -> Vec<Event> {
    let mut facts = Vec::new();
    for list in underway(environment) {
        for open in list.items(observed, now) {
            let is_over = matches!(open.state, ItemState::Missed)
                || (open.state == ItemState::Done && list.when.comes_after());
            if is_over {
                continue;
            }
            facts.extend(found(&list, &open, observed, now));
            let late = list.when.comes_after() && open.until.is_some_and(|until| until <= now);
            if late && facts.is_empty() {
                facts.push(Event::ItemMissed {
                    release: list.release,
                    when: list.when,
                    item: open.name.clone(),
                    asks: open.item.asks.clone(),
                    said: open.to_string(),
                });
            }
        }
    }
    facts
}

/// Returns what the machine has found, where that is not what it had found before.
fn found(
    list: &Underway<'_>,
    open: &OpenItem<'_>,
    observed: &Observed,
    now: Timestamp,
) -> Option<Event> {
    let check = open.item.asks.check()?;
    let found = list.found(check, observed, now)?;
    let known = list.answer(open.name, open.item);
    if known.is_some_and(|known| known.passed == found.passed) {
        return None;
    }
    let answer = Answer {
        item: open.name.clone(),
        asked: open.item.asks.clone(),
        passed: found.passed,
        said: found.said,
        by: ENGINE.to_owned(),
        at: now,
    };
    Some(Event::of_answer(list, answer))
}

/// Returns what a gate says of the release of a list.
pub(super) fn gate(
    environment: &Environment,
    list: &Underway<'_>,
    name: &str,
    observed: &Observed,
    now: Timestamp,
) -> Checked {
    let waiting = environment.requests.get(&list.release);
    let waiting = waiting.filter(|_| list.when == When::Before);
    let waiting = waiting.map(|request| (&*request.content, &request.identity));
    let known = environment.releases.get(&list.release);
    let known = known.and_then(|known| Some((&*known.content, known.identity.as_ref()?)));
    let results = waiting
        .or(known)
        .map_or_else(Vec::new, |(content, identity)| {
            gates_of(
                environment,
                (list.release, content, identity),
                observed,
                now,
            )
        });
    let result = results.iter().find(|result| result.name == name);
    Checked {
        at: now,
        passed: result.is_some_and(|result| result.outcome == Outcome::Open),
        said: result.map_or_else(
            || format!("there is no gate `{name}`"),
            |result| result.sentence.clone(),
        ),
    }
}

/// Returns what the machine is to be asked, each with when, and when to look again besides.
pub(crate) fn questions(
    environment: &Environment,
    observed: &Observed,
    now: Timestamp,
) -> (BTreeMap<Check, Timestamp>, Option<Timestamp>) {
    let mut questions: BTreeMap<Check, Timestamp> = BTreeMap::new();
    let mut wake_at: Vec<Timestamp> = Vec::new();
    for list in underway(environment) {
        let every = every(environment, &list, observed, now);
        for open in list.items(observed, now) {
            wake_at.extend(open.until);
            let is_over = match open.state {
                ItemState::Missed => true,
                ItemState::Done => list.when.comes_after(),
                ItemState::Open | ItemState::Failed | ItemState::Expired => false,
            };
            let Some((check, every)) = open.item.asks.check().zip(every) else {
                continue;
            };
            if is_over
                || matches!(check, Check::Gate { .. })
                || !may_be_asked(environment, &list, open.name, open.item, observed, now)
            {
                continue;
            }
            // Another control may have recorded a beginning that lies ahead of this one's clock.
            let since = list.since.min(now);
            let due = match observed.checks.get(check) {
                Some(known) if known.at >= since => known.at + every,
                Some(_) | None => now,
            };
            let known = questions.entry(check.clone()).or_insert(due);
            *known = due.min(*known);
        }
    }
    let wake_at = wake_at.into_iter().filter(|at| *at > now).min();
    (questions, wake_at)
}

/// Returns how often the checks of a list are asked; `None` while they do not matter.
fn every(
    environment: &Environment,
    list: &Underway<'_>,
    observed: &Observed,
    now: Timestamp,
) -> Option<Duration> {
    match list.when {
        When::Before => {
            let request = environment.requests.get(&list.release)?;
            let missing = request.missing(environment, list.release, observed, now);
            // What would let it in is asked again right before it does.
            let only = missing.iter().all(|lack| lack.is_of_checklist());
            Some(if only { SOON } else { SHOWN })
        }
        When::During => {
            let deployment = environment.deployment.as_ref()?;
            Some(if is_at_last_step(deployment) {
                SOON
            } else {
                SHOWN
            })
        }
        When::After | When::AfterRollback => Some(SOON),
    }
}

fn is_at_last_step(deployment: &Deployment) -> bool {
    deployment.rollouts.values().any(
        |rollout| matches!(rollout.stage, Stage::Preparing { step, .. } if rollout.is_last(step)),
    )
}

/// Whether the machine may be asked on behalf of a release. What a release brings itself is asked only
/// once it has the consent that it needs: it may be a command.
fn may_be_asked(
    environment: &Environment,
    list: &Underway<'_>,
    name: &ItemName,
    item: &Item,
    observed: &Observed,
    now: Timestamp,
) -> bool {
    let serving = environment.entry_in_force();
    let holds =
        serving.is_some_and(|rules| rules.checklists.get(list.when).get(name) == Some(item));
    let request = environment.requests.get(&list.release);
    let waiting = request.filter(|_| list.when == When::Before);
    holds || waiting.is_none_or(|request| request.has_consent(environment, observed, now))
}

/// Returns why a deployment goes back that is promoted: something that it was to be checked for
/// afterwards was not done in time.
pub(crate) fn sends_back(environment: &Environment, deployment: &Deployment) -> Option<Cause> {
    let after = environment.aftercare.as_ref()?;
    let is_its = after.when == When::After && after.release == deployment.release;
    let settling = matches!(deployment.phase, Phase::Settling { .. });
    let has_way_back = deployment.rollouts.values().any(|it| it.from.is_some());
    if !is_its || !settling || deployment.cause.is_some() || !has_way_back {
        return None;
    }
    let missed = after.missed.iter();
    missed
        .filter(|(name, asks)| {
            let mut items = after.items.iter();
            items.any(|(it, item)| it == name && item.asks == *asks && item.rollback)
        })
        .map(|(name, asks)| Cause::Unchecked {
            item: name.clone(),
            asked: asks.clone(),
        })
        .next()
}

/// Returns until when something that is open may send a release back that is promoted.
pub(crate) fn may_send_back_until(
    environment: &Environment,
    deployment: &Deployment,
) -> Option<Timestamp> {
    let after = environment.aftercare.as_ref()?;
    let is_its = after.when == When::After && after.release == deployment.release;
    let has_way_back = deployment.rollouts.values().any(|it| it.from.is_some());
    if !is_its || !has_way_back {
        return None;
    }
    let is_open = |(name, item): &&(ItemName, Item)| {
        let done = |it: &Answer| it.item == *name && it.asked == item.asks && it.passed;
        let missed = |(it, asks): &(ItemName, Asks)| it == name && *asks == item.asks;
        item.rollback && !after.answers.iter().any(done) && !after.missed.iter().any(missed)
    };
    let open = after.items.iter().filter(is_open);
    open.map(|(_, item)| after.since + item.within).max()
}

/// Returns what is open of the list that comes after.
pub(crate) fn reasons(
    environment: &Environment,
    observed: &Observed,
    now: Timestamp,
) -> Vec<Reason> {
    let lists = underway(environment).into_iter();
    let after = lists.filter(|list| list.when.comes_after());
    let reason = |list: Underway<'_>| {
        let items = list.items(observed, now);
        let open =
            |item: &&OpenItem<'_>| !matches!(item.state, ItemState::Done | ItemState::Missed);
        let open: Vec<&OpenItem<'_>> = items.iter().filter(open).collect();
        let by_hand = |item: &&&OpenItem<'_>| matches!(item.item.asks, Asks::Confirm { .. });
        let who = match open.iter().find(by_hand) {
            Some(_) => Who::Either(&["confirm"]),
            None => Who::Leadsman,
        };
        (!open.is_empty()).then(|| Reason {
            waiting: Waiting::Checklist {
                when: list.when,
                release: list.release,
                open: open.iter().map(ToString::to_string).collect(),
            },
            since: list.since,
            until: open.iter().filter_map(|item| item.until).min(),
            who,
        })
    };
    after.filter_map(reason).collect()
}
