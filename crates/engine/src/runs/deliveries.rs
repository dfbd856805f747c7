//! What webhooks delivered that began a run, so that the same delivery begins no other.
//!
//! It is recorded with the run itself, so that there is no moment at which one is known and the
//! other is not, and nothing is forgotten when control ends.

use std::collections::BTreeMap;

use leadsman_core::run::{Delivery, Run, RunId};
use leadsman_core::time::Timestamp;

/// How many are remembered. An older one names a commit that the branch has left since, and so
/// begins nothing either.
const REMEMBERED: usize = 10_000;

/// The deliveries that began a run, by when they did.
#[derive(Default)]
pub(super) struct Deliveries(BTreeMap<(Timestamp, RunId), Delivery>);

impl Deliveries {
    /// Remembers the delivery that `run` began by, if it did.
    pub(super) fn add(&mut self, run: &Run) {
        let Some(delivery) = &run.about.delivery else {
            return;
        };
        let key = (run.started_at, run.id.clone());
        self.0.insert(key, delivery.clone());
        while self.0.len() > REMEMBERED {
            self.0.pop_first();
        }
    }

    /// Returns the run that `delivery` began already.
    pub(super) fn taken(&self, delivery: &Delivery) -> Option<&RunId> {
        let mut known = self.0.iter();
        let found = known.find(|(_, known)| known.is(delivery));
        found.map(|((_, run), _)| run)
    }
}
