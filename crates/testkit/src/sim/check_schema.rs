//! What must always hold of migrations, checked against the database as it really is.

use leadsman_core::errand::{ErrandId, ErrandKind};
use leadsman_core::route::Routes;
use leadsman_core::weight::Weight;
use leadsman_core::workload::Workloads;

use super::check::Checks;
use super::errands::Errands;
use super::instances::Moment;

impl Checks {
    /// An errand was begun.
    pub(super) fn errand_begun(&mut self, at: Moment, id: ErrandId, errands: &Errands) {
        self.tell(at, || format!("begins {id}"));
        if id.kind != ErrandKind::Migration {
            return;
        }
        let recorded = self.was_ever(|state| {
            let deployment = state.deployment.as_ref();
            deployment.is_some_and(|it| it.number == id.deployment && it.migration.is_some())
        });
        let broken = (!recorded).then(|| format!("{id} is begun, and nothing is recorded of it"));
        self.check("migrated-once", at, broken);
        let other = errands.migrating().find(|other| *other != id);
        let broken = other.map(|other| format!("{id} is begun while {other} runs"));
        self.check("migrated-once", at, broken);
    }

    /// Instances are started.
    pub(super) fn starts(&mut self, at: Moment, desired: &Workloads, errands: &Errands) {
        if self.insisted {
            return;
        }
        for instance in desired.instances.values() {
            let broken = errands.misfit(instance.revision.release);
            let broken = broken.map(|why| format!("{} is started: {why}", instance.revision));
            self.check("migrated-before-traffic", at, broken);
        }
    }

    /// Routes are put into force.
    pub(super) fn routes_meet_schema(&mut self, at: Moment, routes: &Routes, errands: &Errands) {
        if self.insisted {
            return;
        }
        for side in routes.services.values().flatten() {
            if side.weight > Weight::NONE {
                let broken = errands.misfit(side.revision.release);
                let broken = broken.map(|why| format!("{} has requests: {why}", side.revision));
                self.check("within-range", at, broken);
            }
        }
    }
}
