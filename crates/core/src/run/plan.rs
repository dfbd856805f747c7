//! What follows from a run as it is, and from what was seen of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::budget;
use super::{JobPhase, Outcome, Run, RunEvent, RunResult};
use crate::id::{Digest, EnvironmentName, RunNumber};
use crate::pipeline::{JobName, Made};
use crate::time::Timestamp;

/// What was seen of the world of one run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    /// Attempts that are over: of each job only the one that is under way counts.
    pub ended: BTreeMap<JobName, Ended>,
    /// By what a job's result can be reused, for those whose needs have passed.
    pub keys: BTreeMap<JobName, Digest>,
    /// What earlier runs made, for those that have a key.
    pub known: BTreeMap<JobName, (RunNumber, Made)>,
    /// The environments in which the release of the run has all traffic.
    pub serving: BTreeSet<EnvironmentName>,
    /// How many more attempts may run at once.
    pub free: usize,
}

/// An attempt that is over.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    /// Which attempt.
    pub attempt: u32,
    /// What came of it.
    pub outcome: Outcome,
    /// How long it took.
    pub took: Duration,
    /// What it made.
    pub made: Made,
}

/// What follows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunPlan {
    /// What holds and is not recorded yet. Nothing else is done before it is.
    pub facts: Vec<RunEvent>,
    /// The attempts that should be running.
    pub running: BTreeMap<JobName, u32>,
    /// Whether what it made is to become a release.
    pub release: bool,
    /// Whether what runs is to be ended.
    pub end_all: bool,
    /// What each job waits for that has not begun.
    pub waits: BTreeMap<JobName, Wait>,
    /// When time alone changes something.
    pub wake_at: Option<Timestamp>,
}

/// What a job waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Jobs that it needs.
    Needs(Vec<JobName>),
    /// A place on the machine.
    Place,
    /// The next attempt.
    Retry {
        /// When.
        until: Timestamp,
        /// Which attempt it will be.
        attempt: u32,
    },
    /// The release, to serve in an environment.
    Environment(EnvironmentName),
}

/// Returns what follows from `run` as it is, and from what was seen.
pub fn plan(run: &Run, seen: &Seen, now: Timestamp) -> RunPlan {
    let mut plan = RunPlan::default();
    if let Some((result, _)) = run.ended {
        // A part of the pipeline proves nothing of the whole.
        plan.release =
            result == RunResult::Passed && run.about.only.is_empty() && run.released.is_none();
    }
    plan.end_all = run.is_ending();
    budget::watch(run, now, &mut plan);
    let mut free = seen.free;
    for (name, state) in &run.jobs {
        match &state.phase {
            JobPhase::Running { .. } => match seen.ended.get(name) {
                Some(ended) if ended.attempt == state.attempts => {
                    plan.facts.push(RunEvent::JobEnded {
                        job: name.clone(),
                        attempt: ended.attempt,
                        outcome: ended.outcome.clone(),
                        took: ended.took,
                        made: ended.made.clone(),
                    });
                }
                _ => {
                    plan.running.insert(name.clone(), state.attempts);
                }
            },
            JobPhase::Pausing { until, .. } if *until > now => {
                plan.wake_at = Some(plan.wake_at.map_or(*until, |at| at.min(*until)));
                let attempt = state.attempts + 1;
                let until = *until;
                plan.waits
                    .insert(name.clone(), Wait::Retry { until, attempt });
            }
            JobPhase::Waiting { .. } | JobPhase::Pausing { .. } => {
                begin(run, name, seen, &mut free, &mut plan);
            }
            JobPhase::Later => match run.job(name).and_then(|job| job.after.clone()) {
                Some(environment) if seen.serving.contains(&environment) => {
                    begin(run, name, seen, &mut free, &mut plan);
                }
                Some(environment) => {
                    let wait = Wait::Environment(environment);
                    plan.waits.insert(name.clone(), wait);
                }
                None => {}
            },
            JobPhase::Passed { .. }
            | JobPhase::Reused { .. }
            | JobPhase::Failed { .. }
            | JobPhase::Skipped { .. }
            | JobPhase::Cancelled => {}
        }
    }
    let over = || run.jobs.values().all(|job| job.phase.is_over());
    if run.ended.is_none() && plan.facts.is_empty() && over() {
        plan.facts.push(RunEvent::RunEnded {
            result: result(run),
            took: run.took_until(now),
        });
    }
    plan
}

/// Plans a job that could begin.
fn begin(run: &Run, name: &JobName, seen: &Seen, free: &mut usize, plan: &mut RunPlan) {
    let Some(job) = run.job(name) else { return };
    let state_of = |need: &JobName| run.jobs.get(need).map(|job| &job.phase);
    let lost = job.needs.iter().find(|need| {
        state_of(need).is_none_or(|phase| {
            matches!(
                phase,
                JobPhase::Failed { .. } | JobPhase::Skipped { .. } | JobPhase::Cancelled
            )
        })
    });
    if let Some(because_of) = lost {
        plan.facts.push(RunEvent::JobSkipped {
            job: name.clone(),
            because_of: because_of.clone(),
        });
        return;
    }
    let open: Vec<JobName> = job
        .needs
        .iter()
        .filter(|need| state_of(need).is_some_and(|phase| !phase.is_passed()))
        .cloned()
        .collect();
    if !open.is_empty() {
        plan.waits.insert(name.clone(), Wait::Needs(open));
        return;
    }
    let attempts = run.jobs.get(name).map_or(0, |state| state.attempts);
    if let Some((of_run, made)) = seen.known.get(name) {
        plan.facts.push(RunEvent::JobReused {
            job: name.clone(),
            of_run: *of_run,
            made: made.clone(),
        });
    } else if *free > 0 {
        *free -= 1;
        plan.facts.push(RunEvent::JobStarted {
            job: name.clone(),
            attempt: attempts + 1,
            key: seen.keys.get(name).cloned(),
        });
    } else {
        plan.waits.insert(name.clone(), Wait::Place);
    }
}

fn result(run: &Run) -> RunResult {
    let phases = || run.jobs.values().map(|job| &job.phase);
    let done = |phase: &JobPhase| phase.is_passed() || *phase == JobPhase::Later;
    if run.cancelled_by.is_some() && !phases().all(done) {
        RunResult::Cancelled
    } else if phases().all(done) {
        RunResult::Passed
    } else {
        RunResult::Failed
    }
}
