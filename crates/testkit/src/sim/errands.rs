//! Commands that are run once, and the database that migrations change, as they really are.

use std::collections::BTreeMap;

use leadsman_core::errand::{Errand, ErrandEnd, ErrandId, ErrandKind, ObservedErrand};
use leadsman_core::id::ReleaseNumber;

use super::instances::Moment;
use super::script::{Fate, Migrates};

/// All errands of a world, and what they change.
#[derive(Debug, Default)]
pub(super) struct Errands {
    pub(super) all: BTreeMap<ErrandId, Running>,
    /// The schema of the database.
    pub(super) schema: u64,
    /// What releases say of the schema, and how their migrations go.
    pub(super) migrates: BTreeMap<ReleaseNumber, Migrates>,
}

/// One errand as it really is.
#[derive(Clone, Debug)]
pub(super) struct Running {
    pub(super) errand: Errand,
    begun: Moment,
    /// When it ends by itself or by its timeout, and whether well.
    ends: (Moment, Option<&'static str>),
    over: Option<ErrandEnd>,
}

/// How long an errand takes that does what it should, in milliseconds.
const TAKES: u64 = 4_000;

impl Errands {
    /// Begins an errand, or has it come to its end. What was begun is not begun again. Returns when it
    /// ends, if it was begun just now.
    pub(super) fn take_in(&mut self, id: ErrandId, errand: &Errand, now: Moment) -> Option<Moment> {
        if let Some(running) = self.all.get_mut(&id) {
            if errand.ended && running.over.is_none() {
                running.finish(now, Some("ended because somebody asked for it"));
            }
            return None;
        }
        let fate = self.migrates.get(&errand.release).map(|it| it.fate);
        let timeout = u64::try_from(errand.timeout.as_millis()).unwrap_or(u64::MAX);
        let ends = match fate.unwrap_or(Fate::Good) {
            Fate::Good => (now + TAKES, None),
            Fate::Fails => (now + TAKES / 2, Some("`migrate` exited with status 1")),
            Fate::Hangs => (now + timeout, Some("it took longer than its `timeout`")),
        };
        let mut running = Running {
            errand: errand.clone(),
            begun: now,
            ends,
            over: None,
        };
        if errand.ended {
            running.finish(now, Some("ended because somebody asked for it"));
        }
        self.all.insert(id, running);
        (!errand.ended).then_some(ends.0)
    }

    /// Goes on to `now`.
    pub(super) fn advance(&mut self, now: Moment) {
        for (id, running) in &mut self.all {
            let (at, failure) = running.ends;
            if running.over.is_some() || now < at {
                continue;
            }
            running.finish(at, failure);
            let to = running.errand.env.get("LEADSMAN_SCHEMA_TO");
            if let (None, ErrandKind::Migration, Some(to)) = (failure, id.kind, to) {
                self.schema = to.parse().expect("it was told a number");
            }
        }
    }

    /// Kills the runners of all that runs. Returns whether there was any.
    pub(super) fn kill(&mut self, now: Moment) -> bool {
        let mut killed = false;
        for running in self.all.values_mut().filter(|it| it.over.is_none()) {
            running.finish(now, Some("its runner was killed"));
            killed = true;
        }
        killed
    }

    /// Returns what `release` works with, where that is not the schema that there is.
    pub(super) fn misfit(&self, release: ReleaseNumber) -> Option<String> {
        let migrates = self.migrates.get(&release)?;
        let (from, to, schema) = (migrates.from, migrates.to, self.schema);
        let fits = from <= schema && schema <= to;
        (!fits).then(|| format!("{release} works with {from} to {to}, the schema is {schema}"))
    }

    /// Returns the migrations that run at this moment.
    pub(super) fn migrating(&self) -> impl Iterator<Item = ErrandId> {
        let runs = self.all.iter().filter(|(_, it)| it.over.is_none());
        runs.map(|(id, _)| *id)
            .filter(|id| id.kind == ErrandKind::Migration)
    }

    pub(super) fn observed(&self) -> BTreeMap<ErrandId, ObservedErrand> {
        let seen = |running: &Running| match &running.over {
            None => ObservedErrand::Running(None),
            Some(end) => ObservedErrand::Over(end.clone()),
        };
        self.all.iter().map(|(id, it)| (*id, seen(it))).collect()
    }
}

impl Running {
    fn finish(&mut self, at: Moment, failure: Option<&str>) {
        self.over = Some(ErrandEnd {
            failure: failure.map(str::to_owned),
            last: Vec::new(),
            took: std::time::Duration::from_millis(at - self.begun),
        });
    }
}
