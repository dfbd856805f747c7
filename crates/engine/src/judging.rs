//! Asks the judge: one judge per rollout that has traffic, fed with closed windows.

use std::collections::BTreeMap;

use leadsman_analysis::{Failed, Figures, Judge, Metric, Sample, Split, Told, Verdict, Window};
use leadsman_core::id::{DeploymentNumber, EnvironmentId, ServiceName};
use leadsman_core::time::Timestamp;
use leadsman_core::weight::Weight;
use leadsman_core::workload::ObservedInstance;
use leadsman_core::{Deployment, Environment, Observed, Rollout, Stage};
use leadsman_store::FigureRow;

use crate::data_plane::SideWindow;

/// The judges of one environment's rollouts.
#[derive(Debug, Default)]
pub(crate) struct Judging {
    seats: BTreeMap<ServiceName, Seat>,
}

/// One rollout's judge.
#[derive(Debug)]
struct Seat {
    deployment: DeploymentNumber,
    /// When the present step began to be judged.
    step_since: Option<Timestamp>,
    /// The restarts that the judge was told of.
    restarts: u32,
    /// The last window that an earlier control had kept.
    restored: Option<Timestamp>,
    judge: Judge,
    /// What the judge was told and is not kept yet.
    unkept: Vec<Told>,
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
    /// between steps the evidence of the last one stands.
    pub(crate) fn follow(&mut self, environment: &Environment) {
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
            let seat = self
                .seats
                .entry(service.clone())
                .or_insert_with(|| Seat::new(deployment, rollout));
            if seat.step_since != Some(since) {
                // Told once more after a restart: the same split changes nothing.
                seat.tell(Told::Step(split(rollout)));
                seat.step_since = Some(since);
            }
        }
    }

    /// Feeds one closed window to the judges; returns what they were told, to be kept.
    pub(crate) fn observe(
        &mut self,
        environment: &Environment,
        observed: &Observed,
        sides: &SideWindow,
    ) -> Vec<FigureRow> {
        let Some(deployment) = &environment.deployment else {
            return Vec::new();
        };
        let mut rows = Vec::new();
        for (service, seat) in &mut self.seats {
            let Some(rollout) = deployment.rollouts.get(service) else {
                continue;
            };
            // Moments are compared for old windows alone: a clock that is set back must not make
            // the judge deaf.
            if !sides.fresh && seat.restored.is_some_and(|last| sides.started_at <= last) {
                continue;
            }
            let window = seat.window(&environment.id, rollout, observed, sides);
            seat.tell(Told::Window(window));
            if let Some(sample) = memory(rollout, observed, sides.seconds) {
                seat.tell(Told::Sample(sample));
            }
            if let Ok(body) = serde_json::to_string(&std::mem::take(&mut seat.unkept)) {
                let series = series(&environment.id, deployment.number, service);
                rows.push(FigureRow {
                    series,
                    at: sides.started_at,
                    body,
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

    /// Restores the judge of one rollout from what was kept, in order of time.
    pub(crate) fn restore(
        &mut self,
        deployment: &Deployment,
        service: &ServiceName,
        kept: &[(Timestamp, Vec<Told>)],
    ) {
        let Some(rollout) = deployment.rollouts.get(service) else {
            return;
        };
        let mut seat = Seat::new(deployment, rollout);
        for (at, told) in kept {
            seat.restored = Some(*at);
            for told in told {
                if let Told::Window(window) = told {
                    seat.restarts += window.restarts;
                }
                seat.judge.tell(told);
            }
        }
        self.seats.insert(service.clone(), seat);
    }

    pub(crate) fn verdicts(&self) -> BTreeMap<ServiceName, Verdict> {
        self.seats
            .iter()
            .map(|(service, seat)| (service.clone(), seat.judge.verdict()))
            .collect()
    }
}

impl Seat {
    fn new(deployment: &Deployment, rollout: &Rollout) -> Self {
        Self {
            deployment: deployment.number,
            step_since: None,
            restarts: 0,
            restored: None,
            judge: Judge::new(rollout.to.service.spec.limits.clone()),
            unkept: Vec::new(),
        }
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
        let restarts: u32 = instances(rollout, observed).map(|seen| seen.restarts).sum();
        let before = self.restarts;
        self.restarts = before.max(restarts);
        // A stable side that has no weight any more is nothing to compare with.
        let baseline = rollout
            .from
            .as_ref()
            .filter(|_| rollout.weight() < Weight::ALL)
            .map(|from| figures(&from.id));
        Window {
            seconds: sides.seconds,
            canary: figures(&rollout.to.id),
            baseline,
            reference: None,
            restarts: restarts.saturating_sub(before),
        }
    }
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

fn instances<'a>(
    rollout: &'a Rollout,
    observed: &'a Observed,
) -> impl Iterator<Item = &'a ObservedInstance> {
    let mine = |seen: &&ObservedInstance| seen.revision == rollout.to.id;
    observed.instances.values().filter(mine)
}

/// Returns the largest share of its memory that an instance of the canary uses, where it has a
/// limit.
fn memory(rollout: &Rollout, observed: &Observed, seconds: f64) -> Option<Sample> {
    let limit = rollout.to.service.spec.memory?;
    let used = instances(rollout, observed)
        .filter_map(|seen| seen.memory)
        .max()?;
    Some(Sample {
        metric: Metric::Memory,
        seconds,
        canary: Some(share(used, limit)),
        baseline: None,
    })
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a share of memory needs no 53 bits"
)]
fn share(used: u64, limit: u64) -> f64 {
    used as f64 / limit.max(1) as f64
}
