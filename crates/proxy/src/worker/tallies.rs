//! The tallies of a worker: one for each side and each kind of request.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use crate::figures::SideFigures;
use crate::totals::Moved;
use crate::worker::tally::Tally;

/// Tallies of one kind of request, by side.
#[derive(Default)]
pub(super) struct OfSides(HashMap<String, Rc<Tally>>);

/// All tallies of a worker.
#[derive(Default)]
pub(super) struct Tallies {
    /// Requests of users: what is judged.
    pub(super) users: OfSides,
    /// Requests of testers.
    pub(super) testers: OfSides,
    /// Copies of requests.
    pub(super) mirrored: OfSides,
}

impl OfSides {
    /// Returns the tally of a side, which is made where there is none.
    pub(super) fn of(&mut self, side: &str) -> Rc<Tally> {
        if let Some(tally) = self.0.get(side) {
            return Rc::clone(tally);
        }
        let tally = Rc::<Tally>::default();
        self.0.insert(side.to_owned(), Rc::clone(&tally));
        tally
    }

    /// Adds what passed through since it was taken last.
    pub(super) fn take_moved(&self, all: &mut BTreeMap<String, Moved>) {
        for (side, tally) in &self.0 {
            let moved = tally.take_moved();
            if moved != Moved::default() {
                all.entry(side.clone()).or_default().add(moved);
            }
        }
    }

    /// Returns what was counted since it was taken last.
    pub(super) fn take(&mut self) -> BTreeMap<String, SideFigures> {
        let counted = self.0.iter();
        let counted = counted
            .filter_map(|(side, tally)| Some((side.clone(), tally.take()?)))
            .collect();
        // Held only here: no route leads to it and no request will be counted in it.
        self.0.retain(|_, tally| Rc::strong_count(tally) > 1);
        counted
    }
}
