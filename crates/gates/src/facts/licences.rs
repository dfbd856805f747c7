//! What a release is made of, and under which licences.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use serde::{Deserialize, Serialize};

/// How many components under one licence are kept with their names. The others are counted.
const NAMES_MOST: usize = 100;

/// How many licences are kept by themselves. The components under others count as without one.
const LICENCES_MOST: usize = 500;

/// One component of a release, while a report is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Component {
    /// Its name with its version, such as `serde@1.0.229`.
    pub name: String,
    /// Its licences: SPDX expressions or names. All of them hold at once.
    pub licences: Vec<String>,
}

/// What a release is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Components {
    /// How many components there are.
    pub total: u64,
    /// They, by their licence: an SPDX expression or a name; empty where none is stated.
    pub licences: BTreeMap<String, Licensed>,
}

/// The components under one licence.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Licensed {
    /// How many there are.
    pub total: u64,
    /// Their names with their versions, sorted, as far as they are kept.
    pub names: Vec<String>,
}

impl Components {
    /// Makes components of a list in which the same one may stand more than once.
    pub(crate) fn of(mut list: Vec<Component>) -> Self {
        list.sort_by(|one, other| (&one.name, &one.licences).cmp(&(&other.name, &other.licences)));
        list.dedup();
        let mut components = Self::default();
        for Component { name, licences } in list {
            components.total += 1;
            components.keep(
                joined(licences),
                Licensed {
                    total: 1,
                    names: vec![name],
                },
            );
        }
        components
    }

    fn keep(&mut self, licence: String, more: Licensed) {
        let full = self.licences.len() >= LICENCES_MOST && !self.licences.contains_key(&licence);
        let licence = if full { String::new() } else { licence };
        match self.licences.entry(licence) {
            Entry::Vacant(place) => {
                place.insert(more);
            }
            Entry::Occupied(mut known) => {
                let known = known.get_mut();
                // A component that two reports name counts once, as far as its name is kept.
                let new = more.names.iter().filter(|name| !known.names.contains(name));
                let new: Vec<String> = new.cloned().collect();
                let unnamed = more.total.saturating_sub(more.names.len() as u64);
                known.total = known
                    .total
                    .saturating_add(unnamed)
                    .saturating_add(new.len() as u64);
                known.names.extend(new);
                known.names.sort_unstable();
                known.names.truncate(NAMES_MOST);
            }
        }
    }

    pub(crate) fn and(mut self, other: Self) -> Self {
        for (licence, components) in other.licences {
            self.keep(licence, components);
        }
        let totals = self.licences.values().map(|licensed| licensed.total);
        self.total = totals.fold(0, u64::saturating_add);
        self
    }
}

/// Writes licences that hold at once as one. Names with blanks stay names: no expression has them.
fn joined(mut licences: Vec<String>) -> String {
    licences.sort_unstable();
    licences.dedup();
    let is_choice = |licence: &String| licence.contains(" OR ");
    match licences.as_slice() {
        [one] => one.clone(),
        _ => {
            let in_brackets = licences.iter().map(|licence| {
                if is_choice(licence) && !licence.starts_with('(') {
                    format!("({licence})")
                } else {
                    licence.clone()
                }
            });
            in_brackets.collect::<Vec<_>>().join(" AND ")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn component(name: &str, licences: &[&str]) -> Component {
        Component {
            name: name.to_owned(),
            licences: licences.iter().map(|&licence| licence.to_owned()).collect(),
        }
    }

    #[test]
    fn components_count_once_under_all_their_licences() {
        let list = vec![
            component("a@1", &["MIT"]),
            component("a@1", &["MIT"]),
            component("b@1", &["MIT OR Apache-2.0", "Zlib"]),
            component("c@1", &[]),
        ];
        let components = Components::of(list.clone());
        let seen: Vec<_> = components.licences.iter().collect();
        let names = |names: &[&str]| Licensed {
            total: names.len() as u64,
            names: names.iter().map(|&name| name.to_owned()).collect(),
        };
        assert_eq!(components.total, 3);
        assert_eq!(
            seen,
            [
                (&String::new(), &names(&["c@1"])),
                (&"(MIT OR Apache-2.0) AND Zlib".to_owned(), &names(&["b@1"])),
                (&"MIT".to_owned(), &names(&["a@1"])),
            ]
        );
        let again = components.clone().and(Components::of(list));
        assert_eq!(again, components);
    }

    #[test]
    fn names_have_a_bound_and_counts_have_none() {
        let list = (0..1000).map(|n| component(&format!("c{n:04}"), &["MIT"]));
        let components = Components::of(list.collect());
        assert_eq!(components.total, 1000);
        let mit = &components.licences["MIT"];
        assert_eq!((mit.total, mit.names.len()), (1000, NAMES_MOST));
    }
}
