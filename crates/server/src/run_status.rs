//! A run as it is told.

use std::time::Duration;

use leadsman_api::{JobReport, JobStatus, RunStatus};
use leadsman_core::pipeline::JobName;
use leadsman_core::run::{JobPhase, JobState, Run};
use leadsman_core::time::Timestamp;
use leadsman_engine::KnownRun;

use crate::wire::moment;

/// Returns where a run is, as a word.
pub(crate) fn state(run: &Run) -> &'static str {
    match (&run.ended, run.is_ending()) {
        (Some((result, _)), _) => result.as_str(),
        (None, true) => "ending",
        (None, false) => "running",
    }
}

/// Returns how a run stands.
pub(crate) fn status(known: &KnownRun, version: u64, now: Timestamp) -> RunStatus {
    let run = &known.run;
    let took = run.took_until(now);
    let budget = run.pipeline.budget;
    RunStatus {
        application: run.id.application.to_string(),
        number: run.id.number.0,
        version,
        at: moment(now),
        state: state(run).to_owned(),
        commit: run.about.commit.to_string(),
        reference: run.about.reference.clone(),
        author: run.about.author.clone(),
        subject: run.about.subject.clone(),
        trigger: run.about.trigger.to_string(),
        started_at: moment(run.started_at),
        ended_at: run.ended.map(|(_, at)| moment(at)),
        took_ms: millis(took),
        budget_ms: budget.map(millis),
        over_budget: budget.is_some_and(|budget| took > budget),
        release: run
            .released
            .as_ref()
            .and_then(|released| released.as_ref().ok())
            .map(|n| n.0),
        not_released: run
            .released
            .as_ref()
            .and_then(|released| released.as_ref().err())
            .cloned(),
        is_part: !run.about.only.is_empty(),
        problem: known.problem.clone(),
        jobs: in_order(run)
            .into_iter()
            .map(|(name, state)| job(known, name, state, now))
            .collect(),
    }
}

/// Returns the jobs so that each stands behind those that it needs.
fn in_order(run: &Run) -> Vec<(&JobName, &JobState)> {
    let mut left: Vec<(&JobName, &JobState)> = run.jobs.iter().collect();
    let mut ordered: Vec<(&JobName, &JobState)> = Vec::new();
    while !left.is_empty() {
        let is_free = |name: &JobName| {
            let needs = run.job(name).map_or(&[][..], |job| &job.needs);
            !needs
                .iter()
                .any(|need| left.iter().any(|(other, _)| *other == need))
        };
        let (free, rest): (Vec<_>, Vec<_>) =
            left.iter().copied().partition(|(name, _)| is_free(name));
        if free.is_empty() {
            // There are no circles in what was checked.
            ordered.extend(rest);
            break;
        }
        ordered.extend(free);
        left = rest;
    }
    ordered
}

fn job(known: &KnownRun, name: &JobName, state: &JobState, now: Timestamp) -> JobStatus {
    let job = known.run.job(name);
    let took = match state.phase {
        JobPhase::Running { since } => state.took + now.since(since),
        JobPhase::Waiting { .. }
        | JobPhase::Pausing { .. }
        | JobPhase::Passed { .. }
        | JobPhase::Reused { .. }
        | JobPhase::Failed { .. }
        | JobPhase::Skipped { .. }
        | JobPhase::Cancelled
        | JobPhase::Later => state.took,
    };
    let budget = job.and_then(|job| job.budget);
    let wait = known.waits.get(name).map(ToString::to_string);
    let sentence = match (wait, state.sentence()) {
        (Some(wait), sentence) if sentence.is_empty() => wait,
        (Some(wait), sentence) => format!("{wait}, after: {sentence}"),
        (None, sentence) => sentence,
    };
    JobStatus {
        name: name.to_string(),
        state: state.phase.as_str().to_owned(),
        attempts: state.attempts,
        took_ms: millis(took),
        budget_ms: budget.map(millis),
        over_budget: budget.is_some_and(|budget| took > budget),
        sentence,
        needs: job
            .map_or(&[][..], |job| &job.needs)
            .iter()
            .map(ToString::to_string)
            .collect(),
        artifacts: state
            .made
            .artifacts
            .iter()
            .map(|(service, digest)| (service.to_string(), digest.to_string()))
            .collect(),
        reports: state
            .made
            .reports
            .iter()
            .map(|kept| JobReport {
                kind: kept.report.kind.as_str().to_owned(),
                file: kept.file.clone(),
                bytes: kept.size,
            })
            .collect(),
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
