//! Asks the judge: one judge per rollout that has traffic, fed with closed windows.
//!
//! Whatever a judge is told is kept, in order, before anything is recorded that rests on it: what
//! was recorded can be judged again. Between records it is kept every few seconds; what a crash
//! loses of it, the data plane still has.

use std::collections::BTreeMap;
use std::time::Duration;

use leadsman_analysis::{Failed, Figures, Judge, Metric, Sample, Split, Told, Verdict, Window};
use leadsman_core::id::{DeploymentNumber, EnvironmentId, ServiceName};
use leadsman_core::time::Timestamp;
use leadsman_core::weight::Weight;
use leadsman_core::{Deployment, Environment, Observed, Revision, Rollout, Stage};
use leadsman_store::FigureRow;

use crate::data_plane::SideWindow;
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
    /// When the present step began to be judged.
    step_since: Option<Timestamp>,
    /// The restarts that the judge was told of.
    restarts: u32,
    /// Up to here old windows need not be told: they are from before the first step, or an
    /// earlier control has kept them.
    known: Known,
    judge: Judge,
    /// What the judge was told and is not kept yet.
    unkept: Vec<Told>,
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

/// Returns since when the present step is judged, where it is.
fn judged_since(rollout: &Rollout) -> Option<Timestamp> {
    match rollout.stage {
        Stage::Soaking { since, .. } | Stage::Promoted { at: since } => Some(since),
        Stage::Waiting { .. }
        | Stage::Preparing { .. }
        | Stage::Shifting { .. }
        | Stage::Returning { .. }
        | Stage::Returned => None,
    }
}

impl Judging {
    /// Makes the judges those of the present rollouts. A step that begins to soak is judged anew;
    /// between steps the evidence of the last one stands. A judge that is new is told first how
    /// the traffic has been.
    pub(crate) fn follow(&mut self, environment: &Environment, traffic: &Record) {
        let Some(deployment) = &environment.deployment else {
            self.seats.clear();
            return;
        };
        self.seats.retain(|service, seat| {
            seat.deployment == deployment.number && deployment.rollouts.contains_key(service)
        });
        for (service, rollout) in &deployment.rollouts {
            let Some(since) = judged_since(rollout) else {
                continue;
            };
            let heard = self.heard.unwrap_or(deployment.started_at);
            let seat = self.seats.entry(service.clone()).or_insert_with(|| {
                let mut seat = Seat::new(deployment, rollout, Known::FirstStep(since), heard);
                let from = rollout.from.iter();
                let history = from.flat_map(|from| traffic.history(&from.id));
                history.for_each(|told| seat.tell(told));
                seat
            });
            if seat.step_since != Some(since) {
                // Told once more after a restart: the same split changes nothing.
                seat.tell(Told::Step(split(rollout)));
                seat.step_since = Some(since);
            }
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
            if !sides.fresh && seat.knows(sides) {
                continue;
            }
            let window = seat.window(&environment.id, rollout, observed, sides);
            seat.tell(Told::Window(window));
            seat.heard = sides.started_at;
            for sample in measured::samples(rollout, baseline(rollout), observed, sides.seconds) {
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
                baseline: baseline(rollout),
                since: seat.step_since?,
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
                let items: Vec<String> = told.iter().map(kept::item).collect();
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
    ) {
        let Some(rollout) = deployment.rollouts.get(service) else {
            return;
        };
        let seat = self
            .seats
            .entry(service.clone())
            .or_insert_with(|| Seat::new(deployment, rollout, Known::LastWindow(at), at));
        seat.known = Known::LastWindow(at);
        seat.kept = Some(at);
        seat.heard = at;
        for told in told {
            if let Told::Window(window) = told {
                seat.restarts += window.restarts;
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
            step_since: None,
            restarts: 0,
            known,
            judge: Judge::new(rollout.to.service.spec.limits.clone()),
            unkept: Vec::new(),
            heard,
            kept: None,
        }
    }

    /// Whether an old window was told already, or is none of this rollout's.
    fn knows(&self, window: &SideWindow) -> bool {
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
        let told = || self.unkept.iter();
        told().any(|told| matches!(told, Told::Step(_)))
            || told()
                .filter(|told| !matches!(told, Told::Sample(_)))
                .count()
                >= TOGETHER
    }

    fn tell(&mut self, told: Told) {
        self.judge.tell(&told);
        self.unkept.push(told);
    }

    fn window(
        &mut self,
        environment: &EnvironmentId,
        rollout: &Rollout,
        observed: &Observed,
        sides: &SideWindow,
    ) -> Window {
        let figures = |id: &leadsman_core::id::RevisionId| -> Figures {
            let key = (environment.clone(), id.clone());
            sides.sides.get(&key).cloned().unwrap_or_default()
        };
        let restarts = measured::instances(&rollout.to, observed).map(|seen| seen.restarts);
        let restarts: u32 = restarts.sum();
        let before = self.restarts;
        self.restarts = before.max(restarts);
        let baseline = baseline(rollout);
        let reference = baseline.and_then(|from| {
            let key = (environment.clone(), from.id.clone());
            sides.references.get(&key).cloned()
        });
        let baseline = baseline.map(|from| figures(&from.id));
        Window {
            seconds: sides.seconds,
            canary: figures(&rollout.to.id),
            baseline,
            reference,
            restarts: restarts.saturating_sub(before),
        }
    }
}

/// Returns what the canary is compared with. A stable side that has no weight any more is nothing
/// to compare with.
fn baseline(rollout: &Rollout) -> Option<&Revision> {
    let from = rollout.from.as_ref();
    from.filter(|_| rollout.weight() < Weight::ALL)
}

/// Returns how requests are split while the present step is judged.
fn split(rollout: &Rollout) -> Split {
    let share =
        |weight: Weight| f64::from(weight.hundredths()) / f64::from(Weight::ALL.hundredths());
    let rest = rollout.weight().rest();
    Split {
        canary: share(rollout.weight()),
        baseline: if rollout.from.is_some() {
            share(rest)
        } else {
            0.0
        },
    }
}
