//! What has to be looked at before, during and after a release.

use std::time::Duration;

use super::checklist_values::{AddressText, FullPath, HostAndPort, SaidText};
use super::codes::{CONTRADICTION, MISSING_KEY};
use super::effective::{Lines, list as words, or_null, scalar};
use super::keys::keys;
use super::model::Environment;
use super::problem::Span;
use super::read::{Reader, Setting};
use super::shape::Map;
use super::texts::{Command, Host};
use super::units;
use super::values::{Memory, Name, NameKey, Time, True, Whole, Word};
use crate::checklist::{Asks, Check, Checklist, Checklists, Item, When};
use crate::people::Role;

const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;
const DAY: u64 = 24 * 60 * MINUTE;

/// How long what comes after may stay open where nothing else is said.
const WITHIN: Duration = Duration::from_secs(3600);

/// How long it counts what somebody has confirmed where nothing else is said.
const LASTS: Duration = Duration::from_secs(24 * 3600);

/// How long a command may take where nothing else is said.
const TIMEOUT: Duration = Duration::from_secs(30);

const HTTPS: u16 = 443;

keys! {
    /// What has to be looked at, by the machine or by a person, before, during and after a release. What
    /// is not done holds up the way forward, and never the way back.
    struct ChecklistKeys("`checklists`") {
        /// What must be done before a release gets any traffic.
        before: Map<NameKey, ChecklistItem, 20>,
        /// What must be done before it gets all traffic: its last step waits for it.
        during: Map<NameKey, ChecklistItem, 20>,
        /// What is to be done after it got all traffic. Nothing waits for it.
        after: Map<NameKey, ChecklistItem, 20>,
        /// What is to be done after it went back. Nothing waits for it.
        after_rollback: Map<NameKey, ChecklistItem, 20>,
    }
    empty: Left;
}

keys! {
    /// One item of a checklist. It asks one thing: `free`, `available`, `host`, `name`, `connect`,
    /// `newest`, `run` and `gate` ask the machine, `confirm` asks a person.
    struct ChecklistItem("an item") {
        /// So much of a disk is free, such as `10GiB`.
        free: Memory,
        /// The full path of a file or a folder on that disk.
        #[schemars(extend("default" = "/"))]
        at: FullPath,
        /// So much memory can be had, such as `2GiB`.
        available: Memory,
        /// A host that shows a certificate, which is valid for some time yet.
        host: Host,
        /// The port at which it does.
        #[schemars(extend("default" = HTTPS))]
        port: Whole<1, 65535>,
        /// For how many days.
        #[schemars(extend("default" = 14))]
        days: Whole<1, 3650>,
        /// A name that the machine can resolve.
        name: Host,
        /// The address that it has; left out, any.
        address: AddressText,
        /// A host and a port at which somebody listens, such as `db.internal:5432`.
        connect: HostAndPort,
        /// A folder whose newest file is not old, by its full path: backups, for example.
        newest: FullPath,
        /// How old that file may be.
        #[schemars(extend("default" = "24h"))]
        age: Time<MINUTE, { 3650 * DAY }>,
        /// A command that ends with status 0, run in the folder of the project file. What it writes is
        /// not kept.
        run: Command,
        /// How long it may take.
        #[schemars(extend("default" = "30s"))]
        timeout: Time<SECOND, { 10 * MINUTE }>,
        /// A gate of this environment that is open.
        gate: Name,
        /// What a person says is so: one sentence.
        confirm: SaidText,
        /// The role that they need.
        #[schemars(extend("default" = "operator"))]
        by: Word<Role>,
        /// How long it counts.
        #[schemars(extend("default" = "1d"))]
        lasts: Time<MINUTE, { 365 * DAY }>,
        /// For how long it may stay open in `after` and `after_rollback` before it counts as missed.
        #[schemars(extend("default" = "1h"))]
        within: Time<SECOND, { 30 * DAY }>,
        /// `true`, in `after`: the release goes back if it is missed. The way back is kept that long.
        rollback: Word<True>,
    }
    one_of: free, available, host, name, connect, newest, run, gate, confirm;
    check: check_item;
}

/// Returns what an environment asks.
pub(super) fn resolve(keys: &Environment, reader: &mut Reader) -> Option<Checklists> {
    let keys = match &keys.checklists {
        Setting::Given(keys) => keys,
        Setting::Absent | Setting::Removed => return Some(Checklists::default()),
        Setting::Broken => return None,
    };
    Some(Checklists {
        before: list(&keys.before, When::Before, reader)?,
        during: list(&keys.during, When::During, reader)?,
        after: list(&keys.after, When::After, reader)?,
        after_rollback: list(&keys.after_rollback, When::AfterRollback, reader)?,
    })
}

fn list(
    keys: &Setting<Map<NameKey, ChecklistItem, 20>>,
    when: When,
    reader: &mut Reader,
) -> Option<Checklist> {
    let mut list = Checklist::new();
    for (name, item) in keys.get().into_iter().flat_map(|map| &map.entries) {
        let Setting::Given(item) = item else {
            continue;
        };
        if item.rollback.is_present() && when != When::After {
            let message = format!("nothing goes back for an item of `{when}`");
            let hint = "take `rollback` out: what is not done here is waited for, or only shown";
            reader.note(&CONTRADICTION, name.at, message, hint);
            return None;
        }
        if item.within.is_present() && !when.comes_after() {
            let message = format!("an item of `{when}` is waited for, however long it takes");
            let hint = "take `within` out; how long a release may wait says `waits` of `entry`";
            reader.note(&CONTRADICTION, name.at, message, hint);
            return None;
        }
        list.insert(name.value.parse().ok()?, resolved(item)?);
    }
    Some(list)
}

fn resolved(keys: &ChecklistItem) -> Option<Item> {
    let time = |time: Option<Duration>, default| time.unwrap_or(default);
    let check = if let Some(free) = keys.free.get() {
        Check::Disk {
            at: keys
                .at
                .get()
                .map_or_else(|| "/".to_owned(), |at| at.0.clone()),
            free: free.0,
        }
    } else if let Some(available) = keys.available.get() {
        Check::Memory {
            available: available.0,
        }
    } else if let Some(host) = keys.host.get() {
        Check::Certificate {
            host: host.0.clone(),
            port: whole(&keys.port).unwrap_or(HTTPS),
            days: whole(&keys.days).unwrap_or(14),
        }
    } else if let Some(name) = keys.name.get() {
        Check::Dns {
            name: name.0.clone(),
            address: keys.address.get().map(|address| address.0),
        }
    } else if let Some(HostAndPort { host, port }) = keys.connect.get() {
        Check::Connect {
            host: host.clone(),
            port: *port,
        }
    } else if let Some(folder) = keys.newest.get() {
        Check::Newest {
            folder: folder.0.clone(),
            age: time(keys.age.get().map(|age| age.0), LASTS),
        }
    } else if let Some(run) = keys.run.get() {
        Check::Command {
            run: run.0.clone(),
            timeout: time(keys.timeout.get().map(|timeout| timeout.0), TIMEOUT),
            folder: String::new(),
        }
    } else if let Some(Name(gate)) = keys.gate.get() {
        Check::Gate {
            name: gate.value.clone(),
        }
    } else {
        let what = keys.confirm.get()?.0.clone();
        let asks = Asks::Confirm {
            what,
            by: keys.by.get().map_or(Role::Operator, |by| by.0),
            lasts: time(keys.lasts.get().map(|lasts| lasts.0), LASTS),
        };
        return Some(item(asks, keys));
    };
    Some(item(Asks::Check(check), keys))
}

fn item(asks: Asks, keys: &ChecklistItem) -> Item {
    Item {
        asks,
        within: keys.within.get().map_or(WITHIN, |within| within.0),
        rollback: keys.rollback.get().is_some(),
    }
}

fn whole<const FROM: u64, const TO: u64>(number: &Setting<Whole<FROM, TO>>) -> Option<u16> {
    u16::try_from(number.get()?.0).ok()
}

fn check_item(keys: &ChecklistItem, at: Span, reader: &mut Reader) {
    let asked = [
        ("free", keys.free.is_present()),
        ("available", keys.available.is_present()),
        ("host", keys.host.is_present()),
        ("name", keys.name.is_present()),
        ("connect", keys.connect.is_present()),
        ("newest", keys.newest.is_present()),
        ("run", keys.run.is_present()),
        ("gate", keys.gate.is_present()),
        ("confirm", keys.confirm.is_present()),
    ];
    let Some((asks, _)) = asked.iter().find(|(_, is)| *is) else {
        let hint =
            "add one, such as `confirm: \"Customers were told\"` or `connect: db.internal:5432`";
        reader.note(&MISSING_KEY, at, "the item asks nothing", hint);
        return;
    };
    let belongs = [
        ("at", keys.at.is_present(), "free"),
        ("port", keys.port.is_present(), "host"),
        ("days", keys.days.is_present(), "host"),
        ("address", keys.address.is_present(), "name"),
        ("age", keys.age.is_present(), "newest"),
        ("timeout", keys.timeout.is_present(), "run"),
        ("by", keys.by.is_present(), "confirm"),
        ("lasts", keys.lasts.is_present(), "confirm"),
    ];
    for (key, is, to) in belongs {
        if is && to != *asks {
            let message = format!("`{key}` belongs to `{to}`, and the item asks for `{asks}`");
            reader.note(&CONTRADICTION, at, message, format!("take `{key}` out"));
        }
    }
}

/// Writes the lists with every key.
pub(super) fn put(file: &mut Lines, checklists: &Checklists) {
    if checklists.is_empty() {
        file.put(2, "checklists", "null");
        return;
    }
    file.open(2, "checklists");
    for when in When::ALL {
        let list = checklists.get(when);
        if list.is_empty() {
            file.put(3, when.as_str(), "null");
            continue;
        }
        file.open(3, when.as_str());
        for (name, item) in list {
            file.open(4, name.as_str());
            put_item(file, item, when);
        }
    }
}

fn put_item(file: &mut Lines, item: &Item, when: When) {
    let mut put = |key: &str, value: String| file.put(5, key, value);
    match &item.asks {
        Asks::Confirm { what, by, lasts } => {
            put("confirm", scalar(what));
            put("by", by.to_string());
            put("lasts", units::duration(*lasts));
        }
        Asks::Check(check) => match check {
            Check::Disk { at, free } => {
                put("free", units::size(*free));
                put("at", scalar(at));
            }
            Check::Memory { available } => put("available", units::size(*available)),
            Check::Certificate { host, port, days } => {
                put("host", scalar(host));
                put("port", port.to_string());
                put("days", days.to_string());
            }
            Check::Dns { name, address } => {
                put("name", scalar(name));
                put("address", or_null(*address));
            }
            Check::Connect { host, port } => put("connect", scalar(&format!("{host}:{port}"))),
            Check::Newest { folder, age } => {
                put("newest", scalar(folder));
                put("age", units::duration(*age));
            }
            Check::Command { run, timeout, .. } => {
                put("run", words(run));
                put("timeout", units::duration(*timeout));
            }
            Check::Gate { name } => put("gate", scalar(name)),
        },
    }
    if when.comes_after() {
        put("within", units::duration(item.within));
    }
    if item.rollback {
        put("rollback", "true".to_owned());
    }
}
