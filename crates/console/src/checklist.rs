//! A checklist that is open: what has to be looked at, and how each item stands.

use askama::Template;
use leadsman_api::words::plain;
use leadsman_api::{Checklist, ChecklistItem, ItemState, Moment};

use crate::page::Part;
use crate::words::{Said, Shown, Tone, said, shown};

#[derive(Template)]
#[template(path = "checklist.html")]
struct List {
    release: u64,
    when: &'static str,
    since: Shown,
    rows: Vec<Row>,
}

struct Row {
    name: String,
    asks: Said,
    who: String,
    tone: Tone,
    state: &'static str,
    said: Option<Said>,
    by: Option<(String, Option<Shown>)>,
    until: Option<(&'static str, Shown)>,
}

/// Returns the part with an open checklist.
pub(crate) fn checklist(list: &Checklist, now: Moment) -> Part {
    let template = List {
        release: list.release,
        when: list_words(&list.when),
        since: shown(list.since, now),
        rows: list.items.iter().map(|item| row(item, now)).collect(),
    };
    let when = list.when.replace('_', "-");
    Part::of(format!("checklist-{}-{when}", list.release), &template)
}

/// Returns when a checklist has to be done, in words.
pub(crate) fn list_words(when: &str) -> &'static str {
    match when {
        "before" => "before it gets traffic",
        "during" => "before it gets all traffic",
        "after" => "after it got all traffic",
        "after_rollback" => "after it went back",
        _ => "besides",
    }
}

fn row(item: &ChecklistItem, now: Moment) -> Row {
    let (tone, state) = match item.state {
        ItemState::Open if item.role.is_some() => (Tone::Care, "waits for a person"),
        ItemState::Open => (Tone::Busy, "is being found out"),
        ItemState::Done => (Tone::Good, "holds"),
        ItemState::Failed => (Tone::Bad, "does not hold"),
        ItemState::Expired => (Tone::Care, "counts no longer"),
        ItemState::Missed => (Tone::Bad, "was not done in time"),
    };
    let what = match (item.state, item.rollback) {
        (ItemState::Done, _) => "counts until",
        (_, true) => "else it goes back,",
        (_, false) => "until",
    };
    Row {
        name: item.name.clone(),
        asks: said(&item.asks),
        who: match &item.role {
            Some(role) => format!("a person who is {role}"),
            None => "the machine".to_owned(),
        },
        tone,
        state,
        said: item.said.as_deref().map(said),
        by: item.actor.as_deref().map(|actor| {
            let at = item.at.map(|at| shown(at, now));
            (plain(actor), at)
        }),
        until: item.until.map(|until| (what, shown(until, now))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(state: ItemState, role: Option<&str>) -> ChecklistItem {
        ChecklistItem {
            name: "told".to_owned(),
            asks: "support <knows>".to_owned(),
            role: role.map(str::to_owned),
            state,
            said: Some("by `mail`".to_owned()),
            actor: Some("ben".to_owned()),
            at: Some(Moment(1_790_000_000_000)),
            until: Some(Moment(1_790_000_600_000)),
            rollback: false,
        }
    }

    #[test]
    fn every_item_says_how_it_stands_and_for_whom_it_waits() {
        for (state, role, words, who) in [
            (
                ItemState::Open,
                Some("operator"),
                "waits for a person",
                "a person who is operator",
            ),
            (ItemState::Open, None, "is being found out", "the machine"),
            (ItemState::Done, None, "holds", "the machine"),
            (ItemState::Failed, None, "does not hold", "the machine"),
            (
                ItemState::Expired,
                Some("admin"),
                "counts no longer",
                "a person who is admin",
            ),
            (
                ItemState::Missed,
                None,
                "was not done in time",
                "the machine",
            ),
        ] {
            let list = Checklist {
                when: "after_rollback".to_owned(),
                release: 7,
                digest: None,
                since: Moment(1_790_000_000_000),
                items: vec![item(state, role)],
            };
            let part = checklist(&list, Moment(1_790_000_060_000));
            assert_eq!(part.name, "checklist-7-after-rollback");
            for there in [
                words,
                who,
                "support &#60;knows&#62;",
                "by <code>mail</code>",
            ] {
                assert!(part.html.contains(there), "{there}: {}", part.html);
            }
        }
    }
}
