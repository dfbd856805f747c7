//! Sides that were cut off: what is asked for becomes what is in force.

use crate::saved::Cuts;
use crate::table::{Service, Table};

/// Returns `asked` as it can be in force: a side that was cut off has no weight; its share goes to
/// the first other side that has an instance. Where none has, it keeps it: failing is no worse than
/// refusing.
pub(crate) fn in_force(asked: &Table, cuts: &Cuts) -> Table {
    let mut table = asked.clone();
    if !cuts.is_empty() {
        services_mut(&mut table).for_each(|service| cut(service, cuts));
    }
    table
}

/// Forgets those cuts that `asked` ends: the side is gone, its tripwire is in a higher round, or it
/// is the only one left. The last means that whoever decides made do with it (a person who gave up
/// on a blocked way back): were it still cut off, the next revision beside it would get everything.
pub(crate) fn forget(cuts: &mut Cuts, asked: &Table) {
    cuts.retain(|side, tripped| {
        let of_side = services(asked).find(|service| has(service, side));
        let rearmed = |service: &Service| {
            let tripwire = service.tripwire.as_ref();
            tripwire.is_some_and(|wire| wire.canary == *side && wire.round > tripped.round)
        };
        of_side.is_some_and(|service| !rearmed(service) && service.sides.len() > 1)
    });
}

/// Whether `asked` has a tripwire that may cut off `side` in this round.
pub(crate) fn is_armed(asked: &Table, side: &str, round: u32) -> bool {
    services(asked)
        .filter_map(|service| service.tripwire.as_ref())
        .any(|wire| wire.canary == side && wire.round == round)
}

fn cut(service: &mut Service, cuts: &Cuts) {
    let is_cut = |name: &String| cuts.contains_key(name);
    let mut sides = service.sides.iter();
    let heir = sides.position(|side| !is_cut(&side.name) && !side.instances.is_empty());
    let Some(heir) = heir else { return };
    let mut share = 0;
    for side in service.sides.iter_mut().filter(|side| is_cut(&side.name)) {
        share += std::mem::take(&mut side.weight);
    }
    service.sides[heir].weight += share;
}

fn has(service: &Service, side: &str) -> bool {
    service.sides.iter().any(|of| of.name == side)
}

fn services(table: &Table) -> impl Iterator<Item = &Service> {
    table.listeners.iter().flat_map(|l| l.services.values())
}

fn services_mut(table: &mut Table) -> impl Iterator<Item = &mut Service> {
    let listeners = table.listeners.iter_mut();
    listeners.flat_map(|listener| listener.services.values_mut())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::net::SocketAddr;

    use leadsman_analysis::tripwire::Trip;

    use super::*;
    use crate::control::Tripped;
    use crate::table::{Instance, Listener, Side, Tripwire};

    /// Sides with their weights; one whose name begins with `-` has no instance.
    fn table(sides: &[(&str, u32)], round: Option<u32>) -> Table {
        let sides = sides.iter().map(|(name, weight)| {
            let address = SocketAddr::from(([127, 0, 0, 1], 80)).into();
            let health = None;
            let instance = ("i".to_owned(), Instance { address, health });
            let instances = (!name.starts_with('-')).then_some(instance);
            Side {
                name: (*name).to_owned(),
                weight: *weight,
                instances: instances.into_iter().collect(),
                ..Side::default()
            }
        });
        let service = Service {
            sides: sides.collect(),
            tripwire: round.map(|round| Tripwire {
                canary: "new".to_owned(),
                baseline: "old".to_owned(),
                limit: 0.05,
                alpha: 0.001,
                round,
            }),
            ..Service::default()
        };
        let listener = Listener {
            services: BTreeMap::from([("web".to_owned(), service)]),
            ..Listener::at(([127, 0, 0, 1], 0).into())
        };
        Table {
            generation: 1,
            listeners: vec![listener],
            ..Table::default()
        }
    }

    fn cuts(sides: &[&str]) -> Cuts {
        let tripped = Tripped {
            at_ms: 0,
            seen: Trip::default(),
            sentence: String::new(),
            round: 1,
        };
        let of = |side: &&str| ((*side).to_owned(), tripped.clone());
        sides.iter().map(of).collect()
    }

    #[test]
    fn the_share_of_what_is_cut_off_goes_to_the_first_other_side() {
        type Sides = &'static [(&'static str, u32)];
        let cases: [(Sides, &[&str], Sides); 6] = [
            (
                &[("old", 9500), ("new", 500)],
                &[],
                &[("old", 9500), ("new", 500)],
            ),
            (
                &[("old", 9500), ("new", 500)],
                &["new"],
                &[("old", 10_000), ("new", 0)],
            ),
            (
                &[("old", 0), ("copy", 5000), ("new", 5000)],
                &["new"],
                &[("old", 5000), ("copy", 5000), ("new", 0)],
            ),
            (
                &[("old", 0), ("new", 10_000)],
                &["new"],
                &[("old", 10_000), ("new", 0)],
            ),
            (
                &[("-old", 0), ("new", 10_000)],
                &["new"],
                &[("-old", 0), ("new", 10_000)],
            ),
            (
                &[("old", 9500), ("new", 500)],
                &["gone"],
                &[("old", 9500), ("new", 500)],
            ),
        ];
        for (asked, cut, wanted) in cases {
            let found = in_force(&table(asked, None), &cuts(cut));
            assert_eq!(found, table(wanted, None), "{asked:?} without {cut:?}");
        }
    }

    #[test]
    fn a_cut_is_forgotten_where_nothing_else_is_left() {
        let mut cuts = cuts(&["new"]);
        forget(&mut cuts, &table(&[("-old", 0), ("new", 10_000)], None));
        assert!(!cuts.is_empty());
        forget(&mut cuts, &table(&[("new", 10_000)], None));
        assert!(cuts.is_empty());
    }

    #[test]
    fn a_cut_is_forgotten_with_its_side_or_by_a_new_round() {
        for (sides, round, remembered) in [
            (["old", "new"], Some(1), true),
            (["old", "new"], Some(0), true),
            (["old", "new"], None, true),
            (["old", "new"], Some(2), false),
            (["old", "newer"], Some(1), false),
        ] {
            let mut cuts = cuts(&["new"]);
            let asked = table(&sides.map(|side| (side, 5000)), round);
            forget(&mut cuts, &asked);
            assert_eq!(!cuts.is_empty(), remembered, "{sides:?} {round:?}");
        }
    }
}
