//! What is asked of a release before it enters an environment.

use std::collections::BTreeSet;
use std::time::Duration;

use schemars::json_schema;

use super::codes::{CONTRADICTION, CYCLE, MISSING_KEY, OUT_OF_RANGE, UNKNOWN_NAME};
use super::entry_values::{PersonText, ReferenceText, WindowText, ZoneText};
use super::keys::keys;
use super::model::{Environment, File};
use super::problem::Span;
use super::read::{Located, Reader, Setting};
use super::shape::{List, Short, short_form};
use super::suggest;
use super::values::{Name, Time, True, Whole, Word};
use crate::entry::{self, ApprovalRule, Calendar, EntryRules, Expedited, RefPattern, Voters};
use crate::id::EnvironmentName;

const MINUTE: u64 = 60_000;
const DAY: u64 = 24 * 60 * MINUTE;

/// How long consent lasts where nothing else is said.
const LASTS: Duration = Duration::from_secs(24 * 3600);

keys! {
    /// What is asked of a release before it enters. A release that is shipped waits until nothing is
    /// missing, and then enters by itself. The rules of the release that serves hold beside its own,
    /// so that nobody loosens one without the consent that it asks for. The way back is never asked
    /// for anything.
    struct Entry("`entry`") {
        /// `true`: a run of the pipeline ships what it has built into this environment by itself.
        automatic: Word<True>,
        /// The environment in which the release must have taken all traffic before.
        after: Name,
        /// The branches that it may be built from, such as `[main, "release/*"]`. Where neither
        /// `branches` nor `tags` are given, it may be built from anything.
        branches: List<ReferenceText, 50>,
        /// The tags that it may be built from, such as `["v*"]`.
        tags: List<ReferenceText, 50>,
        /// The consent that it needs. In short: how many people.
        approvals: Short<Approvals>,
        /// The times of the week in which it may enter, such as `Mon-Fri 09:00-16:00`; left out, at
        /// any time.
        windows: List<WindowText, 50>,
        /// The times of the week in which the environment is worked on, such as `Sun 02:00-04:00`:
        /// nothing enters, what is on its way goes no further, and the way back is free.
        maintenance: List<WindowText, 50>,
        /// By whose clock.
        #[schemars(extend("default" = "UTC"))]
        time_zone: ZoneText,
        /// How long it may wait before it is given up.
        #[schemars(extend("default" = "7d"))]
        waits: Time<MINUTE, { 365 * DAY }>,
        /// How long each step is held at most on the way of what cannot wait, such as a security
        /// fix, for `leadsman ship --expedite`: windows do not hold it up. All else is asked of it,
        /// too. Left out, there is no such way.
        expedited: Time<1, { 30 * DAY }>,
    }
    empty: Left;
}

keys! {
    /// The consent that a release needs: of so many people, or of some people in particular.
    struct Approvals("`approvals`") {
        /// How many people in all; left out, as many as `needs` asks for.
        count: Whole<1, 20>,
        /// Who has to be among them, such as `[security, product]`: one of each team. Each person
        /// counts for one of them only.
        needs: List<Short<Need>, 10>,
        /// `true`: who wrote or shipped it may be one of them.
        by_author: Word<True>,
        /// How long each consent lasts.
        #[schemars(extend("default" = "1d"))]
        lasts: Time<MINUTE, { 365 * DAY }>,
    }
    check: check_approvals;
}

keys! {
    /// So many of some people. In short: the name of a team, of which it is one.
    struct Need("what is needed") {
        /// A team: those who are made part of it with `leadsman people join`.
        team: Name,
        /// These people, by their names.
        people: List<PersonText, 50>,
        /// How many of them.
        #[schemars(extend("default" = 1))]
        count: Whole<1, 20>,
    }
    one_of: team, people;
    check: check_need;
}

short_form!(
    Need { team },
    json_schema!({ "title": "name of a team", "type": "string", "pattern": "^[a-z]([a-z0-9-]*[a-z0-9])?$" })
);

short_form!(
    Approvals { count },
    json_schema!({ "title": "whole number, 1 to 20", "type": "integer", "minimum": 1, "maximum": 20 })
);

/// Returns what the environment `name` asks of a release, or notes what stands in the way.
pub(super) fn resolve(
    file: &File,
    name: &Located<String>,
    keys: &Environment,
    reader: &mut Reader,
) -> Option<EntryRules> {
    let keys = match &keys.entry {
        Setting::Given(keys) => keys,
        Setting::Absent | Setting::Removed => return Some(EntryRules::default()),
        Setting::Broken => return None,
    };
    let after = match keys.after.get() {
        Some(after) => Some(earlier(file, name, after, reader)?),
        None => None,
    };
    let patterns = |list: &Setting<List<ReferenceText, 50>>| {
        let items = list.get().into_iter().flat_map(|list| &list.items);
        items
            .map(|text| text.0.clone())
            .collect::<BTreeSet<RefPattern>>()
    };
    let windows = |list: &Setting<List<WindowText, 50>>| {
        let items = list.get().into_iter().flat_map(|list| &list.items);
        items.map(|window| window.0.clone()).collect()
    };
    let default = EntryRules::default();
    Some(EntryRules {
        automatic: keys.automatic.get().is_some(),
        after,
        branches: patterns(&keys.branches),
        tags: patterns(&keys.tags),
        approvals: match keys.approvals.get() {
            Some(Short(approvals)) => Some(consent(approvals)?),
            None => None,
        },
        calendar: Calendar {
            time_zone: keys
                .time_zone
                .get()
                .map_or(default.calendar.time_zone, |zone| zone.0.clone()),
            windows: windows(&keys.windows),
        },
        maintenance: windows(&keys.maintenance),
        // They stand beside it in the file.
        gates: default.gates,
        checklists: default.checklists,
        waits: keys.waits.get().map_or(default.waits, |waits| waits.0),
        expedited: keys.expedited.get().map(|soak| Expedited { soak: soak.0 }),
    })
}

fn consent(keys: &Approvals) -> Option<ApprovalRule> {
    let needs = needs(keys).map(|need| {
        let of = match (need.team.get(), need.people.get()) {
            (Some(Name(team)), _) => Voters::Team(team.value.parse().ok()?),
            (None, Some(people)) => {
                Voters::People(people.items.iter().map(|name| name.0.clone()).collect())
            }
            (None, None) => return None,
        };
        let count = many(&need.count).unwrap_or(1);
        Some(entry::Need { count, of })
    });
    let needs: Vec<entry::Need> = needs.collect::<Option<_>>()?;
    let all: u32 = needs.iter().map(|need| u32::from(need.count)).sum();
    let count = many(&keys.count).or_else(|| u8::try_from(all).ok())?;
    Some(ApprovalRule {
        count,
        needs,
        by_author: keys.by_author.get().is_some(),
        lasts: keys.lasts.get().map_or(LASTS, |lasts| lasts.0),
    })
}

fn needs(keys: &Approvals) -> impl Iterator<Item = &Need> {
    let needs = keys.needs.get().into_iter().flat_map(|list| &list.items);
    needs.map(|Short(need)| need)
}

fn many(count: &Setting<Whole<1, 20>>) -> Option<u8> {
    count.get().and_then(|count| u8::try_from(count.0).ok())
}

fn check_approvals(keys: &Approvals, at: Span, reader: &mut Reader) {
    let is_empty = |list: &List<Short<Need>, 10>| list.items.is_empty();
    let needs_none = keys.needs.is_missing() || keys.needs.get().is_some_and(is_empty);
    if keys.count.is_missing() && needs_none {
        let hint = "add `count: 2`, or `needs: [security, product]`";
        let message = "`approvals` says neither how many people nor which ones";
        reader.note(&MISSING_KEY, at, message, hint);
    }
    let all: u32 = needs(keys)
        .map(|need| u32::from(many(&need.count).unwrap_or(1)))
        .sum();
    let fewer = many(&keys.count).is_some_and(|count| u32::from(count) < all);
    if fewer {
        let message = format!("`needs` asks for {all} people, and `count` for fewer");
        reader.note(
            &CONTRADICTION,
            at,
            message,
            "leave `count` out, or make it larger",
        );
    }
    if all > 20 {
        let message = format!("`needs` asks for {all} people");
        reader.note(&OUT_OF_RANGE, at, message, "20 is the most");
    }
}

fn check_need(need: &Need, at: Span, reader: &mut Reader) {
    if need.team.is_missing() && need.people.is_missing() {
        let hint = "write the name of a team, or `people: [anna, ben]`";
        reader.note(&MISSING_KEY, at, "nobody is named", hint);
    }
    let names = need.people.get().map(|list| {
        let names = list.items.iter().map(|name| &name.0);
        names.collect::<BTreeSet<_>>().len()
    });
    let count = usize::from(many(&need.count).unwrap_or(1));
    if let Some(names) = names.filter(|names| *names < count) {
        let message = format!("{count} of {names} people cannot be had");
        reader.note(
            &CONTRADICTION,
            at,
            message,
            "name more people, or ask for fewer",
        );
    }
}

/// Looks up the environment that comes first. Following it from one to the next must not lead back.
fn earlier(
    file: &File,
    name: &Located<String>,
    after: &Name,
    reader: &mut Reader,
) -> Option<EnvironmentName> {
    let Name(first) = after;
    let environments = file.environments.get()?;
    // A file of one environment may be a part of what there is.
    let is_whole = environments.entries.len() > 1;
    if is_whole && environments.get(&first.value).is_none() {
        let message = format!("there is no environment `{}`", first.value);
        let hint = suggest::hint(&first.value, environments.keys());
        reader.note(&UNKNOWN_NAME, first.at, message, hint);
        return None;
    }
    let mut at = first.value.clone();
    for _ in 0..environments.entries.len() {
        if at == name.value {
            let message = format!("`{}` waits for itself", name.value);
            let hint = "let the first environment wait for none";
            reader.note(&CYCLE, first.at, message, hint);
            return None;
        }
        let next = environments.get(&at).and_then(Setting::get);
        let next = next.and_then(|keys| keys.entry.get()?.after.get());
        match next {
            Some(Name(next)) => at = next.value.clone(),
            None => break,
        }
    }
    EnvironmentName::try_from(first.value.clone()).ok()
}
