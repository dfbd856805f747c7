//! What a person says of an item.

use std::collections::BTreeSet;

use super::item::{Asks, When};
use super::state::{Answer, underway};
use crate::environment::Environment;
use crate::event::Event;
use crate::id::{Digest, ItemName, ReleaseNumber};
use crate::people::Role;
use crate::refusal::Refusal;
use crate::time::Timestamp;

/// What a person confirms, and by what right.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Confirming<'a> {
    pub(crate) item: &'a ItemName,
    pub(crate) when: Option<When>,
    pub(crate) release: Option<ReleaseNumber>,
    pub(crate) digest: Option<&'a Digest>,
    pub(crate) roles: &'a BTreeSet<Role>,
    pub(crate) said: &'a str,
}

/// Records that a person has confirmed an item. Where two lists ask for different things under one
/// name, all of them are confirmed that the person may confirm.
pub(crate) fn confirm(
    environment: &Environment,
    confirming: &Confirming<'_>,
    by: &str,
) -> Result<Vec<Event>, Refusal> {
    let Confirming {
        item,
        when,
        release,
        digest,
        roles,
        said,
    } = *confirming;
    let lists: Vec<_> = underway(environment)
        .into_iter()
        .filter(|list| when.is_none_or(|when| list.when == when))
        .filter(|list| release.is_none_or(|release| list.release == release))
        .filter(|list| list.all().any(|(name, _)| name == item))
        .collect();
    let list = match lists.as_slice() {
        [] => {
            let mut known: Vec<ItemName> = underway(environment)
                .iter()
                .flat_map(|list| list.all().map(|(name, _)| name.clone()))
                .collect();
            known.sort();
            known.dedup();
            return Err(Refusal::NoSuchItem {
                item: item.clone(),
                known,
            });
        }
        [list] => list,
        several => {
            return Err(Refusal::WhichItem {
                item: item.clone(),
                of: several
                    .iter()
                    .map(|list| (list.release, list.when))
                    .collect(),
            });
        }
    };
    if let (Some(seen), Some(waits)) = (digest, list.digest)
        && seen != waits
    {
        return Err(Refusal::OtherDigest {
            release: list.release,
            seen: seen.clone(),
            waits: waits.clone(),
        });
    }
    let mut needed = None;
    let mut events = Vec::new();
    for (name, asked) in list.all().filter(|(name, _)| *name == item) {
        let Asks::Confirm { by: role, .. } = &asked.asks else {
            continue;
        };
        if !roles.contains(role) {
            needed = Some(*role);
            continue;
        }
        let answer = Answer {
            item: name.clone(),
            asked: asked.asks.clone(),
            passed: true,
            said: said.to_owned(),
            by: by.to_owned(),
            at: Timestamp::default(),
        };
        events.push(Event::of_answer(list, answer));
    }
    match (events.is_empty(), needed) {
        (false, _) => Ok(events),
        (true, Some(role)) => Err(Refusal::OthersConfirm {
            item: item.clone(),
            role,
        }),
        (true, None) => Err(Refusal::CheckedByMachine(item.clone())),
    }
}
