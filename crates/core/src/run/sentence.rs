//! Runs in words: the same sentence in the command line, the API, the log and the tests.

use std::fmt;

use super::{JobPhase, JobState, Outcome, RunEvent, Trigger, Wait};
use crate::reason::duration;

/// Returns what came of an attempt, in words.
pub fn outcome_words(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Passed => "passed".to_owned(),
        Outcome::Failed { why, .. } => why.clone(),
        Outcome::Cancelled => "ended because somebody asked for it".to_owned(),
        Outcome::Interrupted { why } => format!("interrupted: {why}"),
    }
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Needs(needs) => {
                let needs: Vec<String> = needs.iter().map(|need| format!("`{need}`")).collect();
                write!(f, "waits for {}", needs.join(" and "))
            }
            Self::Place => f.write_str("waits for a place: as many jobs run as may"),
            Self::Retry { attempt, .. } => write!(f, "waits for attempt {attempt}"),
            Self::Environment(environment) => {
                write!(f, "runs once the release serves in `{environment}`")
            }
        }
    }
}

impl JobState {
    /// Returns why it is where it is; empty where that goes without saying.
    pub fn sentence(&self) -> String {
        let last = || self.last.as_ref().map(outcome_words).unwrap_or_default();
        match &self.phase {
            JobPhase::Waiting { .. } | JobPhase::Later => String::new(),
            JobPhase::Running { .. } if self.attempts > 1 => {
                format!("attempt {}, after: {}", self.attempts, last())
            }
            JobPhase::Running { .. } => String::new(),
            JobPhase::Pausing { .. } => last(),
            JobPhase::Passed { .. } if self.attempts > 1 => {
                format!("at attempt {}", self.attempts)
            }
            JobPhase::Passed { .. } => String::new(),
            JobPhase::Reused { of_run } => format!("reused from {of_run}: inputs unchanged"),
            JobPhase::Failed { .. } => last(),
            JobPhase::Skipped { because_of } => format!("`{because_of}` did not pass"),
            JobPhase::Cancelled => "the run was ended".to_owned(),
        }
    }
}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Person { by } => write!(f, "asked for by {by}"),
            Self::Push { by } => write!(f, "a push, told by {by}"),
            Self::Tag { by } => write!(f, "a tag, told by {by}"),
            Self::Schedule => f.write_str("the clock"),
        }
    }
}

impl fmt::Display for RunEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RunStarted {
                about, pipeline, ..
            } => write!(
                f,
                "{} begins with {} jobs: {}",
                about.commit.short(),
                pipeline.jobs.len(),
                about.trigger
            ),
            Self::JobReused { job, of_run, .. } => {
                write!(f, "`{job}` is reused from {of_run}: inputs unchanged")
            }
            Self::JobStarted { job, attempt, .. } => write!(f, "`{job}` begins, attempt {attempt}"),
            Self::JobEnded {
                job, outcome, took, ..
            } => write!(
                f,
                "`{job}` took {}: {}",
                duration(*took),
                outcome_words(outcome)
            ),
            Self::JobSkipped { job, because_of } => {
                write!(f, "`{job}` is skipped: `{because_of}` did not pass")
            }
            Self::RunCancelled { by } => write!(f, "{by} ends the run"),
            Self::RunEnded { result, took } => {
                write!(f, "the run {} after {}", result.as_str(), duration(*took))
            }
            Self::RunReleased { release } => write!(f, "what it made is {release}"),
            Self::RunNotReleased { why } => write!(f, "what it made is no release: {why}"),
            Self::BudgetExceeded { job: None, budget } => {
                write!(
                    f,
                    "the run takes longer than its budget of {}",
                    duration(*budget)
                )
            }
            Self::BudgetExceeded {
                job: Some(job),
                budget,
            } => write!(
                f,
                "`{job}` takes longer than its budget of {}",
                duration(*budget)
            ),
            Self::RunResumed { by } => write!(f, "{by} has the run go on where it stopped"),
        }
    }
}
