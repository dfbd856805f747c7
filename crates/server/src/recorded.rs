//! What was recorded of one deployment, as far as judging it again needs it.

use std::collections::BTreeMap;

use leadsman_analysis::{Limits, Verdict};
use leadsman_api as api;
use leadsman_core::id::{DeploymentNumber, EnvironmentId, ServiceName};
use leadsman_core::spec::Strategy;
use leadsman_core::time::Timestamp;
use leadsman_core::weight::Weight;
use leadsman_core::{Cause, Environment, Event, Passed, evolve};

use crate::wire;

/// One deployment.
#[derive(Debug)]
pub(crate) struct Deployment {
    /// As it is, or was when it ended.
    pub(crate) wire: api::Deployment,
    /// The services that changed.
    pub(crate) rollouts: BTreeMap<ServiceName, Rollout>,
}

/// The rollout of one service.
#[derive(Debug)]
pub(crate) struct Rollout {
    /// What it was held to.
    pub(crate) limits: Limits,
    pub(crate) strategy: Strategy,
    /// The verdicts that were recorded, in order.
    pub(crate) verdicts: Vec<Recorded>,
    /// The step that is judged: its weight, and since when.
    pub(crate) judged: (Weight, Timestamp),
}

/// A verdict that was recorded.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    /// When.
    pub(crate) at: Timestamp,
    /// The kind of event it is part of.
    pub(crate) event: &'static str,
    pub(crate) verdict: Verdict,
    /// The weight of the step, and since when it was judged.
    pub(crate) step: (Weight, Timestamp),
}

impl Recorded {
    /// Whether it is the judge's: those say how strongly the figures speak. What the data plane cuts
    /// off by itself has a verdict too.
    pub(crate) fn is_judged(&self) -> bool {
        self.verdict.evidence.is_some()
    }
}

impl Rollout {
    /// Whether what was recorded says all there is to say, though its judge was told nothing.
    pub(crate) fn needs_no_judge(&self) -> bool {
        !self.verdicts.is_empty() && !self.verdicts.iter().any(Recorded::is_judged)
    }
}

/// Returns what `events` say of deployment `number`; `None` where there is no such deployment.
pub(crate) fn deployment(
    environment: &EnvironmentId,
    events: impl IntoIterator<Item = (Timestamp, Event)>,
    number: DeploymentNumber,
) -> Option<Deployment> {
    let mut state = Environment::new(environment.clone());
    let mut found: Option<Deployment> = None;
    for (at, event) in events {
        let was_on_its_way = is_on_its_way(&state, number);
        state = evolve(state, at, &event);
        if let (true, Some(now)) = (is_on_its_way(&state, number), &state.deployment) {
            let wire = wire::deployment_on_its_way(now);
            let deployment = found.get_or_insert_with(|| Deployment {
                wire: wire.clone(),
                rollouts: rollouts(now),
            });
            deployment.wire = wire;
        }
        let Some(deployment) = found.as_mut().filter(|_| was_on_its_way) else {
            continue;
        };
        deployment.note(at, event);
        if let Some(ended) = state.last_end.as_ref().filter(|it| it.number == number) {
            deployment.wire = wire::ended_deployment(ended);
        }
    }
    found
}

fn is_on_its_way(state: &Environment, number: DeploymentNumber) -> bool {
    let deployment = state.deployment.as_ref();
    deployment.is_some_and(|deployment| deployment.number == number)
}

fn rollouts(deployment: &leadsman_core::Deployment) -> BTreeMap<ServiceName, Rollout> {
    let rollouts = deployment.rollouts.iter().map(|(service, rollout)| {
        let rollout = Rollout {
            limits: rollout.to.service.spec.limits.clone(),
            strategy: rollout.strategy.clone(),
            verdicts: Vec::new(),
            judged: (Weight::NONE, deployment.started_at),
        };
        (service.clone(), rollout)
    });
    rollouts.collect()
}

impl Deployment {
    fn note(&mut self, at: Timestamp, event: Event) {
        let kind = event.kind();
        match event {
            Event::SoakStarted { service, step } => {
                if let Some(rollout) = self.rollouts.get_mut(&service) {
                    let weight = rollout.strategy.steps.get(step).map(|step| step.weight);
                    rollout.judged = (weight.unwrap_or(Weight::ALL), at);
                }
            }
            Event::VerdictReached { service, verdict } => self.add(&service, at, kind, verdict),
            Event::StepPassed {
                service, passed, ..
            } => {
                if let Passed::Judged { verdict } | Passed::Unproven { verdict } = passed {
                    self.add(&service, at, kind, verdict);
                }
            }
            Event::ServicePromoted { service, passed } => {
                if let Passed::Judged { verdict } | Passed::Unproven { verdict } = passed {
                    self.add(&service, at, kind, verdict);
                }
                if let Some(rollout) = self.rollouts.get_mut(&service)
                    && rollout.judged.0 != Weight::ALL
                {
                    rollout.judged = (Weight::ALL, at);
                }
            }
            Event::RollbackStarted {
                cause:
                    Cause::Failed {
                        service, verdict, ..
                    }
                    | Cause::Inconclusive { service, verdict },
                ..
            } => self.add(&service, at, kind, verdict),
            Event::RollbackStarted { .. }
            | Event::DeploymentQueued { .. }
            | Event::DeploymentStarted { .. }
            | Event::MigrationStarted { .. }
            | Event::MigrationEnded { .. }
            | Event::OldWatched { .. }
            | Event::RolloutStarted { .. }
            | Event::BaselineGivenUp { .. }
            | Event::WeightShifted { .. }
            | Event::StepsSkipped { .. }
            | Event::DeploymentPromoted {}
            | Event::DeploymentPaused { .. }
            | Event::DeploymentResumed { .. }
            | Event::ServiceReturned { .. }
            | Event::DeploymentFrozen { .. }
            | Event::DeploymentEnded { .. }
            | Event::ServicesClosed { .. }
            | Event::ServicesOpened { .. }
            | Event::EntryRequested { .. }
            | Event::EntryApproved { .. }
            | Event::EntryJudged { .. }
            | Event::ApprovalsRevoked { .. }
            | Event::EntryRejected { .. }
            | Event::EntryExpired { .. }
            | Event::EntryOvertaken { .. }
            | Event::EntryAdmitted { .. }
            | Event::ItemAnswered { .. }
            | Event::ItemMissed { .. }
            | Event::FreezeBegun { .. }
            | Event::FreezeExcepted { .. }
            | Event::FreezeEnded { .. } => {}
        }
    }

    fn add(&mut self, service: &ServiceName, at: Timestamp, event: &'static str, verdict: Verdict) {
        if let Some(rollout) = self.rollouts.get_mut(service) {
            rollout.verdicts.push(Recorded {
                at,
                event,
                verdict,
                step: rollout.judged,
            });
        }
    }
}
