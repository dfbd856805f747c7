//! What a fact makes of a run.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{INTERRUPTIONS_MAX, JobPhase, JobState, Outcome, Run, RunEvent, RunId};
use crate::pipeline::{JobName, Made, Pipeline};
use crate::time::Timestamp;

/// Returns the run that its first event begins; `None` for an event that begins none.
pub fn started(id: RunId, at: Timestamp, event: &RunEvent) -> Option<Run> {
    let RunEvent::RunStarted {
        about,
        project,
        pipeline,
        inputs,
    } = event
    else {
        return None;
    };
    let jobs = wanted(pipeline, &about.only)
        .into_iter()
        .map(|name| {
            let later = pipeline
                .jobs
                .get(&name)
                .is_some_and(|job| job.after.is_some());
            (name, JobState::new(later, at))
        })
        .collect();
    Some(Run {
        id,
        version: 1,
        about: (**about).clone(),
        project: project.clone(),
        pipeline: pipeline.clone(),
        inputs: inputs.clone(),
        jobs,
        started_at: at,
        resumed_at: at,
        cancelled_by: None,
        ended: None,
        released: None,
        over_budget: false,
        took: Duration::ZERO,
    })
}

/// Returns `only` with all that they need; all jobs where there is none.
fn wanted(pipeline: &Pipeline, only: &[JobName]) -> BTreeSet<JobName> {
    if only.is_empty() {
        return pipeline.jobs.keys().cloned().collect();
    }
    let mut wanted = BTreeSet::new();
    let mut open: Vec<JobName> = only.to_vec();
    while let Some(name) = open.pop() {
        if let Some(job) = pipeline.jobs.get(&name)
            && wanted.insert(name)
        {
            open.extend(job.needs.iter().cloned());
        }
    }
    wanted
}

impl JobState {
    fn new(later: bool, at: Timestamp) -> Self {
        Self {
            phase: match later {
                true => JobPhase::Later,
                false => JobPhase::Waiting { since: at },
            },
            attempts: 0,
            failures: 0,
            interruptions: 0,
            took: Duration::ZERO,
            over_budget: false,
            last: None,
            key: None,
            made: Made::default(),
        }
    }
}

/// Returns what `run` is after `event`, which was recorded at `at`.
#[must_use]
pub fn evolve(mut run: Run, at: Timestamp, event: &RunEvent) -> Run {
    run.version += 1;
    match event {
        // It has begun already: there is nothing to add.
        RunEvent::RunStarted { .. } => {}
        RunEvent::JobReused { job, of_run, made } => change(&mut run.jobs, job, |state| {
            state.phase = JobPhase::Reused { of_run: *of_run };
            state.made = made.clone();
        }),
        RunEvent::JobStarted { job, attempt, key } => change(&mut run.jobs, job, |state| {
            state.phase = JobPhase::Running { since: at };
            state.attempts = *attempt;
            state.key.clone_from(key);
        }),
        RunEvent::JobEnded {
            job,
            attempt: _,
            outcome,
            took,
            made,
        } => {
            let cancelled = run.cancelled_by.is_some();
            let retry = run.pipeline.jobs.get(job).map(|job| job.retry);
            change(&mut run.jobs, job, |state| {
                state.took += *took;
                state.last = Some(outcome.clone());
                state.made = made.clone();
                state.phase = match outcome {
                    Outcome::Passed => JobPhase::Passed { at },
                    Outcome::Failed { .. } | Outcome::Interrupted { .. } | Outcome::Cancelled
                        if cancelled =>
                    {
                        JobPhase::Cancelled
                    }
                    Outcome::Failed { kind, .. } => {
                        state.failures += 1;
                        match retry {
                            Some(retry)
                                if kind.is_worth_a_retry() && state.failures <= retry.times =>
                            {
                                JobPhase::Pausing {
                                    since: at,
                                    until: at + retry.pause_after(state.failures),
                                }
                            }
                            _ => JobPhase::Failed { at },
                        }
                    }
                    // Nobody asked for it, so the machine is going down, or somebody helped.
                    Outcome::Interrupted { .. } | Outcome::Cancelled => {
                        state.interruptions += 1;
                        if state.interruptions <= INTERRUPTIONS_MAX {
                            JobPhase::Waiting { since: at }
                        } else {
                            JobPhase::Failed { at }
                        }
                    }
                };
            });
        }
        RunEvent::JobSkipped { job, because_of } => change(&mut run.jobs, job, |state| {
            state.phase = JobPhase::Skipped {
                because_of: because_of.clone(),
            };
        }),
        RunEvent::RunCancelled { by } => {
            run.cancelled_by = Some(by.clone());
            let tries = run.release().is_some();
            for state in run.jobs.values_mut() {
                if matches!(
                    state.phase,
                    JobPhase::Waiting { .. } | JobPhase::Pausing { .. }
                ) || tries && state.phase == JobPhase::Later
                {
                    state.phase = JobPhase::Cancelled;
                }
            }
        }
        RunEvent::RunEnded { result, took } => {
            run.ended = Some((*result, at));
            run.took = *took;
        }
        RunEvent::RunReleased { release } => run.released = Some(Ok(*release)),
        RunEvent::RunNotReleased { why } => run.released = Some(Err(why.clone())),
        RunEvent::BudgetExceeded { job: None, .. } => run.over_budget = true,
        RunEvent::BudgetExceeded { job: Some(job), .. } => {
            change(&mut run.jobs, job, |state| state.over_budget = true);
        }
        RunEvent::RunResumed { by: _ } => {
            // What tries a release is done again for the same release.
            if run.release().is_none() {
                run.ended = None;
                run.released = None;
                run.resumed_at = at;
            }
            run.cancelled_by = None;
            for (name, state) in &mut run.jobs {
                let again = matches!(
                    state.phase,
                    JobPhase::Failed { .. } | JobPhase::Skipped { .. } | JobPhase::Cancelled
                );
                if again {
                    let after = run.pipeline.jobs.get(name).map(|job| job.after.is_some());
                    state.phase = match after {
                        Some(true) => JobPhase::Later,
                        Some(false) | None => JobPhase::Waiting { since: at },
                    };
                    (state.failures, state.interruptions) = (0, 0);
                }
            }
        }
    }
    run
}

fn change(jobs: &mut BTreeMap<JobName, JobState>, job: &JobName, with: impl FnOnce(&mut JobState)) {
    if let Some(state) = jobs.get_mut(job) {
        with(state);
    }
}
