//! What people ask for about entering.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::freeze::Freeze;
use super::request::{Identity, Request, rules};
use crate::deployment::Origin;
use crate::environment::Environment;
use crate::event::Event;
use crate::id::{Digest, ReleaseNumber};
use crate::refusal::Refusal;
use crate::release::ReleaseContent;
use crate::time::Timestamp;

/// How many requests may wait in one environment.
const REQUESTS_MAX: usize = 50;

/// A release that asks to enter.
pub(crate) struct Asked<'a> {
    pub(crate) release: ReleaseNumber,
    pub(crate) content: &'a Arc<ReleaseContent>,
    pub(crate) identity: &'a Identity,
    pub(crate) expedited: Option<&'a str>,
    pub(crate) origin: Origin,
    pub(crate) one_way: Option<&'a str>,
}

/// Judges a release that asks to enter: `None` if it may at once.
pub(crate) fn ask(
    environment: &Environment,
    asked: &Asked<'_>,
    by: &str,
) -> Result<Option<Event>, Refusal> {
    let release = asked.release;
    if environment.requests.contains_key(&release) {
        return Err(Refusal::AlreadyRequested(release));
    }
    let rules = rules(environment, asked.content);
    let reference = asked.identity.source.reference.as_ref();
    if let Some(rules) = rules.iter().find(|rules| !rules.lets_in(reference)) {
        return Err(Refusal::NotFromHere {
            release,
            from: reference.map(ToString::to_string),
            wanted: rules.origins(),
        });
    }
    if asked.expedited.is_some() && rules.iter().any(|rules| rules.expedited.is_none()) {
        return Err(Refusal::NoExpeditedWay(environment.id.clone()));
    }
    if asks_nothing(environment, asked.content) {
        return Ok(None);
    }
    if environment.requests.len() >= REQUESTS_MAX {
        return Err(Refusal::TooManyRequests(REQUESTS_MAX));
    }
    Ok(Some(Event::EntryRequested {
        release,
        content: Arc::clone(asked.content),
        identity: asked.identity.clone(),
        origin: asked.origin,
        expedited: asked.expedited.map(str::to_owned),
        one_way: asked.one_way.map(str::to_owned),
        by: by.to_owned(),
    }))
}

/// Whether `content` enters at once.
pub(crate) fn asks_nothing(environment: &Environment, content: &ReleaseContent) -> bool {
    let rules = rules(environment, content);
    // A freeze may begin and end by itself, which only who knows the time can say.
    environment.freezes.is_empty() && rules.iter().all(|rules| rules.asks_nothing())
}

/// Who consents, beside their name.
#[derive(Clone, Copy)]
pub(crate) struct Consenting<'a> {
    /// What else they are called, for a comparison with the authors.
    pub(crate) known_as: &'a BTreeSet<String>,
    /// Whether they own the state folder.
    pub(crate) owner: bool,
}

/// Adds somebody's consent; `digest` is what they have looked at.
pub(crate) fn approve(
    environment: &Environment,
    release: ReleaseNumber,
    digest: Option<&Digest>,
    consenting: Consenting<'_>,
    note: Option<&str>,
    by: &str,
) -> Result<Vec<Event>, Refusal> {
    let request = waiting(environment, release)?;
    if let Some(seen) = digest.filter(|digest| **digest != request.identity.digest) {
        return Err(Refusal::OtherDigest {
            release,
            seen: seen.clone(),
            waits: request.identity.digest.clone(),
        });
    }
    let rules = request.rules(environment);
    let approvals = || rules.iter().filter_map(|rules| rules.approvals.as_ref());
    if approvals().next().is_none() {
        return Err(Refusal::NoApprovalNeeded(release));
    }
    let wrote = is_author(request, by)
        || consenting
            .known_as
            .iter()
            .any(|name| is_author(request, name));
    if wrote && approvals().any(|rule| !rule.by_author) {
        return Err(Refusal::OwnRelease(release));
    }
    // One whose consent has run out may give it again: only who knows the time can say.
    Ok(vec![Event::EntryApproved {
        release,
        digest: request.identity.digest.clone(),
        note: note.map(str::to_owned),
        owner: consenting.owner,
        by: by.to_owned(),
    }])
}

fn is_author(request: &Request, name: &str) -> bool {
    let same = |author: &String| author.eq_ignore_ascii_case(name);
    same(&request.by) || request.identity.source.authors.iter().any(same)
}

/// Refuses a release that waits.
pub(crate) fn reject(
    environment: &Environment,
    release: ReleaseNumber,
    why: &str,
    by: &str,
) -> Result<Vec<Event>, Refusal> {
    waiting(environment, release)?;
    Ok(vec![Event::EntryRejected {
        release,
        why: why.to_owned(),
        by: by.to_owned(),
    }])
}

/// Keeps releases out for a time. In a maintenance window what is on its way goes no further either;
/// it ends by itself, so that nobody has to remember it.
pub(crate) fn freeze(
    environment: &Environment,
    (from, until): (Option<Timestamp>, Option<Timestamp>),
    maintenance: bool,
    why: &str,
    by: &str,
) -> Result<Vec<Event>, Refusal> {
    if maintenance && until.is_none() {
        return Err(Refusal::NoEnd);
    }
    if until.is_some_and(|until| until <= from.unwrap_or_default()) {
        return Err(Refusal::EndsBeforeItBegins);
    }
    Ok(vec![Event::FreezeBegun {
        number: environment.last_freeze + 1,
        from,
        until,
        maintenance,
        why: why.to_owned(),
        by: by.to_owned(),
    }])
}

/// Ends a freeze; without a number, the only one.
pub(crate) fn thaw(
    environment: &Environment,
    number: Option<u64>,
    by: &str,
) -> Result<Vec<Event>, Refusal> {
    let (number, _) = named(environment, number)?;
    Ok(vec![Event::FreezeEnded {
        number,
        by: by.to_owned(),
    }])
}

/// Lets one release in although nothing else enters.
pub(crate) fn except(
    environment: &Environment,
    number: Option<u64>,
    release: ReleaseNumber,
    why: &str,
    by: &str,
) -> Result<Vec<Event>, Refusal> {
    let (number, freeze) = named(environment, number)?;
    if freeze.except.contains(&release) {
        return Err(Refusal::AlreadyExcepted { release, number });
    }
    Ok(vec![Event::FreezeExcepted {
        number,
        release,
        why: why.to_owned(),
        by: by.to_owned(),
    }])
}

fn named(environment: &Environment, number: Option<u64>) -> Result<(u64, &Freeze), Refusal> {
    let mut all = environment.freezes.iter();
    let found = match number {
        Some(number) => environment.freezes.get_key_value(&number),
        None => all.next().filter(|_| all.next().is_none()),
    };
    let found = found.map(|(number, freeze)| (*number, freeze));
    found.ok_or_else(|| Refusal::NoSuchFreeze {
        environment: environment.id.clone(),
        known: environment.freezes.keys().copied().collect(),
    })
}

fn waiting(environment: &Environment, release: ReleaseNumber) -> Result<&Request, Refusal> {
    let request = environment.requests.get(&release);
    request.ok_or_else(|| Refusal::NotRequested {
        release,
        environment: environment.id.clone(),
    })
}
