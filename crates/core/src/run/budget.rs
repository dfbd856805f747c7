//! Budgets: what takes longer than it should is said once, while it still does. It goes on.

use std::time::Duration;

use super::{JobPhase, Run, RunEvent, RunPlan};
use crate::time::Timestamp;

/// Adds to `plan` which budgets of `run` are exceeded at `now`, and when the next one will be.
pub(super) fn watch(run: &Run, now: Timestamp, plan: &mut RunPlan) {
    let mut wake_at = plan.wake_at;
    let mut look = |budget: Duration, took: Duration, goes_on: bool| {
        if took > budget {
            return true;
        }
        if goes_on {
            // A moment later it is more, and not just as much.
            let at = now + (budget - took) + Duration::from_millis(1);
            wake_at = Some(wake_at.map_or(at, |wake: Timestamp| wake.min(at)));
        }
        false
    };
    if let Some(budget) = run.pipeline.budget
        && run.ended.is_none()
        && !run.over_budget
        && look(budget, run.took_until(now), true)
    {
        plan.facts
            .push(RunEvent::BudgetExceeded { job: None, budget });
    }
    for (name, state) in &run.jobs {
        let budget = run.job(name).and_then(|job| job.budget);
        let Some(budget) = budget.filter(|_| !state.over_budget) else {
            continue;
        };
        let (took, goes_on) = match state.phase {
            JobPhase::Running { since } => (state.took + now.since(since), true),
            JobPhase::Waiting { .. }
            | JobPhase::Pausing { .. }
            | JobPhase::Passed { .. }
            | JobPhase::Reused { .. }
            | JobPhase::Failed { .. }
            | JobPhase::Skipped { .. }
            | JobPhase::Cancelled
            | JobPhase::Later => (state.took, false),
        };
        if look(budget, took, goes_on) {
            let job = Some(name.clone());
            plan.facts.push(RunEvent::BudgetExceeded { job, budget });
        }
    }
    plan.wake_at = wake_at;
}
