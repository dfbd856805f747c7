//! What the keeper shows of the sums.

use std::collections::BTreeMap;

use super::Keeper;
use crate::control::Kinds;
use crate::figures::Counted;
use crate::metrics::Shown;
use crate::snapshot::Instance;
use crate::worker::Message;

impl Keeper {
    /// Adds what was counted in a window to the sums.
    pub(super) fn sum_up(&self, counted: &Counted) {
        let state = self.state.borrow();
        let mut totals = self.totals.borrow_mut();
        totals.add(counted, &state.snapshot.table);
    }

    /// Returns the sums as Prometheus reads them: what was counted up to the last window, and what
    /// is so at this moment.
    pub(crate) async fn metrics(&self) -> String {
        let mut in_flight: BTreeMap<String, Kinds> = BTreeMap::new();
        for of_worker in self.ask(Message::AllInFlight).await.into_iter().flatten() {
            for (instance, kinds) in of_worker {
                in_flight.entry(instance).or_default().add(kinds);
            }
        }
        let arrivals = self.arrivals().await;
        let state = self.state.borrow();
        let instances = &state.snapshot.instances;
        let is_healthy = |name: &str| instances.get(name).is_some_and(|i| Instance::is_healthy(i));
        Shown {
            program: &self.config.program,
            started_at: self.started_at.as_secs_f64(),
            totals: &self.totals.borrow(),
            table: &state.snapshot.table,
            tripped: state.cuts.len(),
            is_saved: state.unsaved.is_none(),
            is_healthy: &is_healthy,
            in_flight: &in_flight,
            arrivals: &arrivals,
            certificates: &self.certificates(&state),
            told: &self.told.told(),
        }
        .text()
    }
}
