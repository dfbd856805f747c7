//! Asks the judge: one judge per rollout that has traffic, fed with closed windows.
//!
//! Whatever a judge is told is kept, in order, before anything is recorded that rests on it: what
//! was recorded can be judged again. Between records it is kept every few seconds; what a crash
//! loses of it, the data plane still has.

use std::collections::BTreeMap;
use std::time::Duration;

use leadsman_analysis::{Failed, Figures, Judge, Metric, Sample, Split, Told, Verdict, Window};
use leadsman_core::id::{DeploymentNumber, EnvironmentId, RevisionId, ServiceName};
use leadsman_core::time::Timestamp;
use leadsman_core::weight::Weight;
use leadsman_core::{Deployment, Environment, Observed, Revision, Rollout, Stage};
use leadsman_store::FigureRow;

use crate::data_plane::{SideWindow, WindowId};
use crate::kept;
use crate::measured;
use crate::metrics::{Judged, Polled};
use crate::traffic::Record;

/// How many intervals are kept together. A row costs a write to the disk, whatever it holds.
const TOGETHER: usize = 5;

/// How many things told are in one row at the most.
const ROW: usize = 60;

/// The judges of one environment's rollouts.
#[derive(Debug, Default)]
pub(crate) struct Judging {
    seats: BTreeMap<ServiceName, Seat>,
    /// The last window that was heard of.
    heard: Option<Timestamp>,
}

/// One rollout's judge.
#[derive(Debug)]
struct Seat {
    deployment: DeploymentNumber,
    /// How requests are split, as the judge was told last.
    split: Option<Split>,
    /// Since when, as far as this control knows.
    split_since: Option<Timestamp>,
    /// When this control told it; `None` where an earlier one did.
    split_told: Option<Timestamp>,
    /// Which routes were in force then. What was counted under earlier ones says nothing of it.
    generation: Option<u64>,
    /// What the canary is compared with, where it is compared with anything.
    beside: Option<Revision>,
    /// The restarts that the judge was told of.
    restarts: u32,
    /// Up to here old windows need not be told: they are from before the first step, or an
    /// earlier control has kept them.
    known: Known,
    /// Which window it was told last before control was started.
    last: Option<WindowId>,
    judge: Judge,
    /// What the judge was told and is not kept yet.
    unkept: Vec<(Told, Option<WindowId>)>,
    /// The last window that the judge was told of; before the first, the last one before it.
    heard: Timestamp,
    /// The moment of the last row that was kept.
    kept: Option<Timestamp>,
}

/// Where what a judge was told begins or goes on.
#[derive(Clone, Copy, Debug)]
enum Known {
    /// The first step began at this moment.
    FirstStep(Timestamp),
    /// The last window that was told, before control ended, began at this moment.
    LastWindow(Timestamp),
}

/// Returns the name under which the windows of a rollout are kept.
pub(crate) fn series(
    environment: &EnvironmentId,
    deployment: DeploymentNumber,
    service: &ServiceName,
) -> String {
    format!("{environment}/{}/{service}", deployment.0)
}

/// Returns since when a rollout is where it is, if its judge is to be listened to: from the first
/// request on, whatever it waits for, until it goes back or is over.
fn watched_since(rollout: &Rollout) -> Option<Timestamp> {
    match rollout.stage {
        Stage::Preparing { since, .. }
        | Stage::Shifting { since, .. }
        | Stage::Soaking { since, .. }
        | Stage::Promoted { at: since } => Some(since),
        Stage::Waiting { .. } | Stage::Returning { .. } | Stage::Returned => None,
    }
}

impl Judging {
    /// Makes the judges those of the rollouts whose new revision has had requests, and tells them
    /// how requests are split whenever what the data plane has in force is another split. A judge
    /// that is new is told first how the traffic has been.
    pub(crate) fn follow(
        &mut self,
        environment: &Environment,
        observed: &Observed,
        traffic: &Record,
        now: Timestamp,
    ) {
        let Some(deployment) = &environment.deployment else {
            self.seats.clear();
            return;
        };
        self.seats.retain(|service, seat| {
            seat.deployment == deployment.number && deployment.rollouts.contains_key(service)
        });
        let generation = observed.routes.as_ref().map(|routes| routes.generation);
        for (service, rollout) in &deployment.rollouts {
            let (Some(since), Some((split, beside))) =
                (watched_since(rollout), split(service, rollout, observed))
            else {
                continue;
            };
            if split.canary <= 0.0 && !self.seats.contains_key(service) {
                continue;
            }
            let heard = self.heard.unwrap_or(deployment.started_at);
            let seat = self.seats.entry(service.clone()).or_insert_with(|| {
                let mut seat = Seat::new(deployment, rollout, Known::FirstStep(since), heard);
                let from = rollout.from.iter();
                let history = from.flat_map(|from| traffic.history(&from.id));
                history.for_each(|told| seat.tell(told));
                seat
            });
            seat.beside = beside.cloned();
            if seat.split != Some(split) {
                seat.tell(Told::Step(split));
                seat.split = Some(split);
                seat.split_since = None;
                seat.split_told = Some(now);
                seat.generation = generation;
            }
            // A data plane that has lost what it knew begins anew.
            seat.generation = seat.generation.min(generation);
            seat.split_since.get_or_insert(since);
        }
    }

    /// Feeds one closed window to the judges.
    pub(crate) fn observe(
        &mut self,
        environment: &Environment,
        observed: &Observed,
        sides: &SideWindow,
    ) {
        self.heard = Some(sides.started_at);
        let Some(deployment) = &environment.deployment else {
            return;
        };
        for (service, seat) in &mut self.seats {
            let Some(rollout) = deployment.rollouts.get(service) else {
                continue;
            };
            // Moments are compared for old windows alone: a clock that is set back must not make
            // the judge deaf.
            if seat.is_before_split(sides) || (!sides.fresh && seat.knows(sides)) {
                continue;
            }
            let window = seat.window(&environment.id, rollout, observed, sides);
            seat.tell_of(Told::Window(window), Some(sides.id));
            seat.heard = sides.started_at;
            for sample in measured::samples(rollout, seat.beside.as_ref(), observed, sides.seconds)
            {
                seat.tell(Told::Sample(sample));
            }
        }
    }

    /// Returns the rollouts that are judged.
    pub(crate) fn judged<'j>(
        &'j self,
        environment: &'j Environment,
    ) -> impl Iterator<Item = (&'j ServiceName, Judged<'j>)> {
        let deployment = environment.deployment.iter();
        let rollouts = deployment.flat_map(|deployment| &deployment.rollouts);
        rollouts.filter_map(|(service, rollout)| {
            let seat = self.seats.get(service)?;
            let judged = Judged {
                deployment: seat.deployment,
                rollout,
                baseline: seat.beside.as_ref(),
                since: seat.split_since?,
            };
            Some((service, judged))
        })
    }

    /// Tells a judge what was read of a metric, or why it could not be.
    pub(crate) fn polled(&mut self, polled: Polled) {
        let Polled {
            service,
            deployment,
            metric,
            seconds,
            result,
        } = polled;
        let seat = self.seats.get_mut(&service);
        let Some(seat) = seat.filter(|seat| seat.deployment == deployment) else {
            return;
        };
        let metric = Metric::Named(metric);
        match result {
            Ok(readings) => {
                for reading in readings {
                    seat.tell(Told::Sample(Sample {
                        metric: metric.clone(),
                        seconds: reading.seconds,
                        canary: reading.canary,
                        baseline: reading.baseline,
                    }));
                }
            }
            Err(why) => seat.tell(Told::Failed(Failed {
                metric: Some(metric),
                seconds,
                why,
            })),
        }
    }

    /// Whether what the judges were told should be kept now.
    pub(crate) fn is_due(&self) -> bool {
        self.seats.values().any(Seat::is_due)
    }

    /// Returns what the judges were told since the last time, as rows to be kept.
    pub(crate) fn take_unkept(&mut self, environment: &EnvironmentId) -> Vec<FigureRow> {
        let mut rows = Vec::new();
        for (service, seat) in &mut self.seats {
            let series = series(environment, seat.deployment, service);
            for told in std::mem::take(&mut seat.unkept).chunks(ROW) {
                let items = told.iter().map(|(told, id)| kept::item(told, *id));
                let items: Vec<String> = items.collect();
                rows.push(FigureRow {
                    series: series.clone(),
                    at: seat.next_row(),
                    body: kept::body(items.iter().map(String::as_str)),
                });
            }
        }
        rows
    }

    /// Tells the judges that the figures of an interval could not be had.
    pub(crate) fn source_failed(&mut self, why: &str) {
        for seat in self.seats.values_mut() {
            seat.tell(Told::Failed(Failed {
                metric: None,
                seconds: 1.0,
                why: why.to_owned(),
            }));
        }
    }

    /// Restores the judge of one rollout from the next row that was kept, in order of time.
    pub(crate) fn restore(
        &mut self,
        deployment: &Deployment,
        service: &ServiceName,
        at: Timestamp,
        told: &[Told],
        last: Option<WindowId>,
    ) {
        let Some(rollout) = deployment.rollouts.get(service) else {
            return;
        };
        let seat = self
            .seats
            .entry(service.clone())
            .or_insert_with(|| Seat::new(deployment, rollout, Known::LastWindow(at), at));
        seat.known = Known::LastWindow(at);
        seat.last = last.or(seat.last);
        seat.kept = Some(at);
        seat.heard = at;
        for told in told {
            match told {
                Told::Window(window) => seat.restarts += window.restarts,
                Told::Step(split) => seat.split = Some(*split),
                Told::History(_) | Told::Sample(_) | Told::Failed(_) => {}
            }
            seat.judge.tell(told);
        }
    }

    pub(crate) fn verdicts(&self) -> BTreeMap<ServiceName, Verdict> {
        self.seats
            .iter()
            .map(|(service, seat)| (service.clone(), seat.judge.verdict()))
            .collect()
    }
}

impl Seat {
    fn new(deployment: &Deployment, rollout: &Rollout, known: Known, heard: Timestamp) -> Self {
        Self {
            deployment: deployment.number,
            split: None,
            split_since: None,
            split_told: None,
            generation: None,
            beside: None,
            restarts: 0,
            known,
            last: None,
            judge: Judge::new(rollout.to.service.spec.limits.clone()),
            unkept: Vec::new(),
            heard,
            kept: None,
        }
    }

    /// Whether a window closed before requests were split as they are. A control that was stopped for
    /// a while may read it after it has put the split into force.
    fn is_before_split(&self, window: &SideWindow) -> bool {
        let both = window.generation.zip(self.generation);
        both.is_some_and(|(window, split)| window < split)
    }

    /// Whether an old window was told already, or is none of this rollout's.
    fn knows(&self, window: &SideWindow) -> bool {
        // What closed while control was gone came of the split that was in force then: it says nothing of
        // one that was put into force since.
        if self.split_told.is_some_and(|told| window.started_at < told) {
            return true;
        }
        // A clock that was set back says nothing about what came first.
        if let Some(last) = self.last.filter(|last| last.series == window.id.series) {
            return window.id.sequence <= last.sequence;
        }
        let length = Duration::try_from_secs_f64(window.seconds).unwrap_or_default();
        match self.known {
            Known::FirstStep(since) => window.started_at + length <= since,
            Known::LastWindow(last) => window.started_at <= last,
        }
    }

    /// Returns the moment of the next row: that of the last window told. Rows come back in order
    /// of their moments, so that it is later than the one before, even if a clock was set back.
    fn next_row(&mut self) -> Timestamp {
        let later = |kept: Timestamp| kept + Duration::from_millis(1);
        let at = self
            .kept
            .map_or(self.heard, |kept| later(kept).max(self.heard));
        self.kept = Some(at);
        at
    }

    /// A step is kept at once: no window that belongs to it may come back before it.
    fn is_due(&self) -> bool {
        let told = || self.unkept.iter().map(|(told, _)| told);
        told().any(|told| matches!(told, Told::Step(_)))
            || told()
                .filter(|told| !matches!(told, Told::Sample(_)))
                .count()
                >= TOGETHER
    }

    fn tell(&mut self, told: Told) {
        self.tell_of(told, None);
    }

    fn tell_of(&mut self, told: Told, id: Option<WindowId>) {
        self.judge.tell(&told);
        self.unkept.push((told, id));
    }

    fn window(
        &mut self,
        environment: &EnvironmentId,
        rollout: &Rollout,
        observed: &Observed,
        sides: &SideWindow,
    ) -> Window {
        let figures = |id: &RevisionId| -> Figures {
            let key = (environment.clone(), id.clone());
            sides.sides.get(&key).cloned().unwrap_or_default()
        };
        let restarts = measured::instances(&rollout.to, observed).map(|seen| seen.restarts);
        let restarts: u32 = restarts.sum();
        let before = self.restarts;
        self.restarts = before.max(restarts);
        let beside = self.beside.as_ref();
        let reference = beside.and_then(|beside| {
            let key = (environment.clone(), beside.id.clone());
            sides.references.get(&key).cloned()
        });
        Window {
            seconds: sides.seconds,
            canary: figures(&rollout.to.id),
            baseline: beside.map(|beside| figures(&beside.id)),
            reference,
            restarts: restarts.saturating_sub(before),
        }
    }
}

/// Returns how requests are split between a new revision and what it is compared with, and what
/// that is: a fresh copy of the revision that serves where one has requests, else that revision
/// itself, and nothing where it has no requests any more. `None` while the data plane says nothing,
/// or has a side in force that is no longer one of the rollout's.
fn split<'a>(
    service: &ServiceName,
    rollout: &'a Rollout,
    observed: &Observed,
) -> Option<(Split, Option<&'a Revision>)> {
    let weights = observed.routes.as_ref()?.weights.get(service)?;
    let share = |revision: &Revision| {
        let weight = weights.get(&revision.id).copied().unwrap_or_default();
        f64::from(weight.hundredths()) / f64::from(Weight::ALL.hundredths())
    };
    let older = || rollout.copy().into_iter().chain(&rollout.from);
    let known = |id: &RevisionId| *id == rollout.to.id || older().any(|side| side.id == *id);
    if weights
        .iter()
        .any(|(id, weight)| *weight > Weight::NONE && !known(id))
    {
        return None;
    }
    let beside = older().find(|side| share(side) > 0.0);
    let split = Split {
        canary: share(&rollout.to),
        baseline: beside.map_or(0.0, share),
    };
    Some((split, beside))
}
