//! What people may ask of a run.

use super::{JobPhase, Run, RunEvent, RunId, RunResult};

/// What somebody asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunCommand {
    /// End it, and leave no process.
    Cancel,
    /// Begin the jobs again that did not pass.
    Resume,
}

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RunRefusal {
    /// It is over.
    #[error("{run} is over: it {}", .result.as_str())]
    Over {
        /// The run.
        run: RunId,
        /// How it ended.
        result: RunResult,
    },
    /// It is being ended already.
    #[error("{0} is being ended already, because {1} asked for it")]
    Ending(RunId, String),
    /// It is still under way.
    #[error("{0} is still under way")]
    UnderWay(RunId),
    /// Nothing is left to do.
    #[error("every job of {0} passed")]
    AllPassed(RunId),
}

impl RunRefusal {
    /// Returns its code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Over { .. } => "R201",
            Self::Ending(..) => "R202",
            Self::UnderWay(_) => "R203",
            Self::AllPassed(_) => "R204",
        }
    }

    /// Returns what to do instead.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Over { .. } => "see how it ended with `leadsman runs`",
            Self::Ending(..) => "wait until its processes have ended",
            Self::UnderWay(_) => "wait for its end, or end it with `leadsman run cancel`",
            Self::AllPassed(_) => "begin a new run with `leadsman run`",
        }
    }
}

/// Returns what becomes true when `by` asks `run` for `command`, or why it does not.
///
/// # Errors
///
/// The domain says no.
pub fn decide(run: &Run, command: RunCommand, by: &str) -> Result<Vec<RunEvent>, RunRefusal> {
    let by = by.to_owned();
    let (run_id, under_way) = (run.id.clone(), run.is_under_way());
    match (command, &run.ended, &run.cancelled_by) {
        (RunCommand::Cancel, Some((result, _)), _) if !under_way => Err(RunRefusal::Over {
            run: run_id,
            result: *result,
        }),
        (RunCommand::Cancel, _, Some(by)) if run.is_ending() => {
            Err(RunRefusal::Ending(run_id, by.clone()))
        }
        (RunCommand::Cancel, _, _) => Ok(vec![RunEvent::RunCancelled { by }]),
        (RunCommand::Resume, _, _) if under_way => Err(RunRefusal::UnderWay(run_id)),
        (RunCommand::Resume, _, _) => {
            let done = |phase: &JobPhase| phase.is_passed() || *phase == JobPhase::Later;
            if run.jobs.values().all(|job| done(&job.phase)) {
                Err(RunRefusal::AllPassed(run_id))
            } else {
                Ok(vec![RunEvent::RunResumed { by }])
            }
        }
    }
}
