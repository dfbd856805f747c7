//! What is written down: the log, and the access log.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::live::machine::{Machine, text};

/// What the log has of the only environment.
pub(super) struct History {
    /// Its stream, the oldest first.
    pub(super) events: Vec<Event>,
    /// The notes of its releases, which say how they behave.
    pub(super) releases: BTreeMap<u64, String>,
}

/// One event.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) kind: String,
    pub(super) actor: String,
    pub(super) sentence: String,
}

impl History {
    pub(super) fn of(machine: &Machine) -> Self {
        let history = machine.json(&["history", "--limit", "100000"]);
        let all = |at| history.pointer(at).and_then(Value::as_array).unwrap();
        let event = |event: &Value| Event {
            kind: text(event, "/kind"),
            actor: text(event, "/actor"),
            sentence: text(event, "/sentence"),
        };
        let release = |release: &Value| {
            let number = release.pointer("/number").and_then(Value::as_u64).unwrap();
            (number, text(release, "/note"))
        };
        Self {
            events: all("/events").iter().rev().map(event).collect(),
            releases: all("/releases").iter().map(release).collect(),
        }
    }
}

/// What the access log has of requests that failed, by their names.
#[derive(Default)]
pub(super) struct AccessLog(BTreeMap<String, Line>);

/// One line of it.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// Where the request went last; empty if nowhere.
    pub(super) instance: String,
    /// Why not all of the answer was passed on.
    pub(super) ended: String,
}

impl AccessLog {
    /// Reads it from a state folder.
    pub(super) fn of(state: &Path) -> Self {
        let mut lines = BTreeMap::new();
        for file in fs::read_dir(state.join("access")).into_iter().flatten() {
            let text = fs::read_to_string(file.unwrap().path()).unwrap_or_default();
            for line in text.lines() {
                // A line that a killed process did not finish is none.
                let Ok(line) = serde_json::from_str::<Value>(line) else {
                    continue;
                };
                let [id, instance, ended] =
                    ["/id", "/instance", "/ended"].map(|at| self::text(&line, at));
                lines.insert(id, Line { instance, ended });
            }
        }
        Self(lines)
    }

    pub(super) fn line(&self, name: &str) -> Option<&Line> {
        self.0.get(name)
    }
}

/// Returns the release that an instance is of: its name says so.
pub(super) fn release_of(instance: &str) -> Option<u64> {
    let mut words = instance.split('.');
    words.find_map(|word| word.strip_prefix('r')?.parse().ok())
}
