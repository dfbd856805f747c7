//! What was counted since the process was started, for whoever wants sums and not windows.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::rc::Rc;

use serde::{Deserialize, Serialize};

use crate::figures::{Counted, SideFigures};
use crate::table::{Service, Side, Table};

/// For how many windows something that left the table and counts nothing is still shown: whoever
/// reads the sums now and then must get the last one.
const WINDOWS_SHOWN: u64 = 900;

/// What was counted since the process was started.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    window: u64,
    sides: BTreeMap<String, OfSide>,
    refused: BTreeMap<String, u64>,
    ejected: BTreeMap<String, Ejections>,
}

/// The sums of one side.
#[derive(Debug)]
pub(crate) struct OfSide {
    /// The side's labels, as they are shown.
    pub(crate) labels: Rc<str>,
    pub(crate) users: SideFigures,
    pub(crate) testers: SideFigures,
    pub(crate) mirrored: SideFigures,
    pub(crate) moved: Moved,
    counted_in: u64,
}

/// Which of a side's figures.
type Kind = fn(&mut OfSide) -> &mut SideFigures;

#[derive(Debug, Default)]
struct Ejections {
    count: u64,
    counted_in: u64,
}

/// What passed through to a side, and back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Moved {
    /// Bytes of the bodies of requests.
    pub(crate) bytes_in: u64,
    /// Bytes of the bodies of answers.
    pub(crate) bytes_out: u64,
    /// Requests that came after another instance could not answer them.
    pub(crate) retries: u64,
}

impl Moved {
    pub(crate) fn add(&mut self, other: Self) {
        self.bytes_in += other.bytes_in;
        self.bytes_out += other.bytes_out;
        self.retries += other.retries;
    }
}

impl Totals {
    /// Adds what was counted in a window, under this table.
    pub(crate) fn add(&mut self, counted: &Counted, table: &Table) {
        self.window += 1;
        let now = self.window;
        let labels = labels_of_sides(table);
        for (name, labels) in &labels {
            self.side(name, labels);
        }
        let kinds: [(_, Kind); 3] = [
            (&counted.sides, |side| &mut side.users),
            (&counted.testers, |side| &mut side.testers),
            (&counted.mirrored, |side| &mut side.mirrored),
        ];
        for (figures, kind) in kinds {
            for (name, figures) in figures {
                let side = self.side(name, "");
                kind(side).add(figures);
                side.counted_in = now;
            }
        }
        for (name, moved) in &counted.moved {
            let side = self.side(name, "");
            side.moved.add(*moved);
            side.counted_in = now;
        }
        for (reason, count) in &counted.refused {
            *self.refused.entry(reason.to_string()).or_default() += count;
        }
        for (instance, count) in &counted.ejected {
            let ejections = self.ejected.entry(instance.clone()).or_default();
            ejections.count += count;
            ejections.counted_in = now;
        }
        let instances: BTreeSet<&String> = table
            .sides()
            .flat_map(|side| side.instances.keys())
            .collect();
        let is_recent = |counted_in: u64| now - counted_in < WINDOWS_SHOWN;
        self.sides
            .retain(|name, side| labels.contains_key(name.as_str()) || is_recent(side.counted_in));
        self.ejected
            .retain(|name, of| instances.contains(name) || is_recent(of.counted_in));
    }

    /// Returns the sums of a side, which is known from now on. Of one that has left the table the
    /// labels are those that it had.
    fn side(&mut self, name: &str, labels: &str) -> &mut OfSide {
        if !self.sides.contains_key(name) {
            let alone = || format!("side=\"{}\"", escaped(name));
            let shown = if labels.is_empty() {
                alone()
            } else {
                labels.to_owned()
            };
            let side = OfSide {
                labels: shown.into(),
                users: SideFigures::default(),
                testers: SideFigures::default(),
                mirrored: SideFigures::default(),
                moved: Moved::default(),
                counted_in: self.window,
            };
            self.sides.insert(name.to_owned(), side);
        }
        let side = self.sides.get_mut(name).expect("it is there by now");
        if !labels.is_empty() && *side.labels != *labels {
            side.labels = labels.into();
        }
        side
    }

    /// Returns the sums by side.
    pub(crate) fn sides(&self) -> impl Iterator<Item = &OfSide> {
        self.sides.values()
    }

    /// Returns how often the proxy answered itself, by reason.
    pub(crate) fn refused(&self) -> impl Iterator<Item = (&str, u64)> {
        let refused = self.refused.iter();
        refused.map(|(reason, count)| (reason.as_str(), *count))
    }

    /// Returns how often instances were left out.
    pub(crate) fn ejected(&self) -> impl Iterator<Item = (&str, u64)> {
        let ejected = self.ejected.iter();
        ejected.map(|(instance, of)| (instance.as_str(), of.count))
    }
}

/// Returns the labels of all sides of a table, by name.
pub(crate) fn labels_of_sides(table: &Table) -> BTreeMap<&str, String> {
    let services = table.listeners.iter().flat_map(|l| &l.services);
    let sides = services.flat_map(|(name, service): (&String, &Service)| {
        let sides = service.sides.iter();
        sides.map(move |side| (side.name.as_str(), labels(name, side)))
    });
    sides.collect()
}

/// Returns the labels of a side: those that it was given, else its service; and its name.
fn labels(service: &str, side: &Side) -> String {
    let mut labels = String::new();
    for (name, value) in &side.labels {
        // To a text nothing can fail.
        write!(labels, "{name}=\"{}\",", escaped(value)).ok();
    }
    if side.labels.is_empty() {
        write!(labels, "service=\"{}\",", escaped(service)).ok();
    }
    write!(labels, "side=\"{}\"", escaped(&side.name)).ok();
    labels
}

/// Returns a text as it stands between quotes.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\\' => escaped.push_str("\\\\"),
            '"' => escaped.push_str("\\\""),
            '\n' => escaped.push_str("\\n"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::table::Listener;

    fn table(sides: &[&str]) -> Table {
        let side = |name: &&str| Side {
            name: (*name).to_owned(),
            ..Side::default()
        };
        let service = Service {
            sides: sides.iter().map(side).collect(),
            ..Service::default()
        };
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut listener = Listener::at(address);
        listener.services.insert("web".to_owned(), service);
        Table {
            generation: 1,
            listeners: vec![listener],
            ..Table::default()
        }
    }

    fn counted(side: &str, bytes_out: u64) -> Counted {
        let moved = Moved {
            bytes_out,
            ..Moved::default()
        };
        Counted {
            moved: [(side.to_owned(), moved)].into(),
            ..Counted::default()
        }
    }

    #[test]
    fn sums_outlive_the_table_for_a_while_and_no_longer() {
        let mut totals = Totals::default();
        totals.add(&counted("a", 5), &table(&["a", "b"]));
        totals.add(&counted("a", 2), &table(&["b"]));
        let shown = |totals: &Totals| {
            let sides = totals.sides();
            sides
                .map(|side| (side.labels.to_string(), side.moved.bytes_out))
                .collect::<Vec<_>>()
        };
        let b = ("service=\"web\",side=\"b\"".to_owned(), 0);
        let a = ("service=\"web\",side=\"a\"".to_owned(), 7);
        assert_eq!(shown(&totals), [a.clone(), b.clone()]);
        for _ in 1..WINDOWS_SHOWN {
            totals.add(&Counted::default(), &table(&["b"]));
        }
        assert_eq!(shown(&totals), [a, b.clone()]);
        totals.add(&Counted::default(), &table(&["b"]));
        assert_eq!(shown(&totals), [b]);
    }

    #[test]
    fn labels_are_those_that_were_given() {
        let mut table = table(&["a\"\\\n"]);
        assert_eq!(
            labels_of_sides(&table)["a\"\\\n"],
            "service=\"web\",side=\"a\\\"\\\\\\n\""
        );
        let service = table.listeners[0].services.get_mut("web").unwrap();
        let labels = [("release", "7"), ("application", "shop")];
        service.sides[0].labels = labels
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        assert_eq!(
            labels_of_sides(&table)["a\"\\\n"],
            "application=\"shop\",release=\"7\",side=\"a\\\"\\\\\\n\""
        );
    }
}
