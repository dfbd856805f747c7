//! Judges anew: every recorded verdict must follow, to the last bit, from what was kept before it.

use std::collections::BTreeMap;

use leadsman_analysis::{Judge, Verdict};
use leadsman_core::id::{DeploymentNumber, ServiceName};
use leadsman_core::{Cause, Environment, Event, Passed};
use leadsman_engine::Engine;

use super::sea::environment;

/// The verdicts of one rollout, with the limits that they were reached under.
type Recorded = BTreeMap<(DeploymentNumber, ServiceName), (Judge, Vec<Verdict>)>;

/// Returns the first recorded verdict that does not follow from what was kept.
pub(super) async fn unfounded(engine: &Engine, events: &[Event]) -> Option<String> {
    for ((deployment, service), (mut judge, verdicts)) in recorded(events) {
        let mut reached = Vec::new();
        let mut after = None;
        loop {
            let rows = engine
                .told(&environment(), deployment, &service, after)
                .await;
            let Ok(rows) = rows else { return None };
            if rows.is_empty() {
                break;
            }
            for row in rows {
                row.told.iter().for_each(|told| judge.tell(told));
                reached.push(judge.verdict());
                after = Some(row.at);
            }
        }
        let missing = verdicts.iter().find(|verdict| !reached.contains(verdict));
        if let Some(verdict) = missing {
            return Some(format!("`{service}` of {deployment}: {}", verdict.sentence));
        }
    }
    None
}

fn recorded(events: &[Event]) -> Recorded {
    let mut all = Recorded::new();
    let mut state = Environment::new(environment());
    for event in events {
        let verdict = match event {
            Event::VerdictReached { service, verdict } => Some((service, verdict)),
            Event::StepPassed {
                service, passed, ..
            }
            | Event::ServicePromoted { service, passed } => match passed {
                Passed::Judged { verdict } | Passed::Unproven { verdict } => {
                    Some((service, verdict))
                }
                Passed::Ready | Passed::ByHand { .. } => None,
            },
            // Without evidence it is the data plane that cut it off.
            Event::RollbackStarted {
                cause: Cause::Failed {
                    service, verdict, ..
                },
                ..
            } => verdict.evidence.map(|_| (service, verdict)),
            _ => None,
        };
        if let Some((service, verdict)) = verdict
            && let Some(deployment) = &state.deployment
            && let Some(rollout) = deployment.rollouts.get(service)
        {
            let limits = || rollout.to.service.spec.limits.clone();
            all.entry((deployment.number, service.clone()))
                .or_insert_with(|| (Judge::new(limits()), Vec::new()))
                .1
                .push(verdict.clone());
        }
        state = leadsman_core::evolve(state, leadsman_core::time::Timestamp::default(), event);
    }
    all
}
