//! What is asked of a release before it enters an environment.

use std::collections::BTreeSet;
use std::time::Duration;

use schemars::json_schema;

use super::codes::{CYCLE, UNKNOWN_NAME};
use super::entry_values::{ReferenceText, WindowText, ZoneText};
use super::keys::keys;
use super::model::{Environment, File};
use super::read::{Located, Reader, Setting};
use super::shape::{List, Short, short_form};
use super::suggest;
use super::values::{Name, Time, True, Whole, Word};
use crate::entry::{ApprovalRule, Calendar, EntryRules, Expedited, RefPattern};
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
    /// The consent that a release needs.
    #[schemars(extend("required" = ["count"]))]
    struct Approvals("`approvals`") {
        /// How many people.
        count: Whole<1, 20>,
        /// `true`: who wrote or shipped it may be one of them.
        by_author: Word<True>,
        /// How long each consent lasts.
        #[schemars(extend("default" = "1d"))]
        lasts: Time<MINUTE, { 365 * DAY }>,
    }
}

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
    let windows = keys.windows.get().into_iter().flat_map(|list| &list.items);
    let default = EntryRules::default();
    Some(EntryRules {
        automatic: keys.automatic.get().is_some(),
        after,
        branches: patterns(&keys.branches),
        tags: patterns(&keys.tags),
        approvals: match keys.approvals.get() {
            Some(Short(approvals)) => Some(ApprovalRule {
                count: u8::try_from(approvals.count.get()?.0).ok()?,
                by_author: approvals.by_author.get().is_some(),
                lasts: approvals.lasts.get().map_or(LASTS, |lasts| lasts.0),
            }),
            None => None,
        },
        calendar: Calendar {
            time_zone: keys
                .time_zone
                .get()
                .map_or(default.calendar.time_zone, |zone| zone.0.clone()),
            windows: windows.map(|window| window.0.clone()).collect(),
        },
        // They stand beside it in the file.
        gates: default.gates,
        waits: keys.waits.get().map_or(default.waits, |waits| waits.0),
        expedited: keys.expedited.get().map(|soak| Expedited { soak: soak.0 }),
    })
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
