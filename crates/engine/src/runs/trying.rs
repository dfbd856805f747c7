//! Jobs that try a release where it serves, and what is told of them to the release.

use std::collections::BTreeSet;
use std::time::Duration;

use leadsman_core::Environment;
use leadsman_core::id::{EnvironmentId, EnvironmentName, ReleaseNumber};
use leadsman_core::pipeline::JobName;
use leadsman_core::run::{JobPhase, Run, RunEvent, evolve, outcome_words};
use leadsman_core::time::Timestamp;
use leadsman_gates::{JobEnd, ReportKind, Says, Source};
use leadsman_runtime::words;

use super::Inner;
use super::driver::ENGINE;

/// How often it is looked whether a release serves where jobs wait for it.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(1);

impl Inner {
    /// Returns the environments that jobs of a run wait for in which its release has all traffic.
    pub(super) fn serving(&self, run: &Run) -> BTreeSet<EnvironmentName> {
        let serves = |environment: &Environment, release| environment.serving() == Some(release);
        self.awaited(run, serves)
    }

    /// Whether jobs of a run wait for an environment that its release may still come to serve.
    pub(super) fn may_be_tried(&self, run: &Run) -> bool {
        let may = |environment: &Environment, release| {
            environment
                .serving()
                .is_none_or(|serving| serving <= release)
        };
        !self.awaited(run, may).is_empty()
    }

    fn awaited(
        &self,
        run: &Run,
        meets: impl Fn(&Environment, ReleaseNumber) -> bool,
    ) -> BTreeSet<EnvironmentName> {
        let Some(release) = run.release() else {
            return BTreeSet::new();
        };
        let views = self.engine.views();
        let views = views.borrow();
        let met = run.awaited().filter(|name| {
            let id = EnvironmentId {
                application: run.id.application.clone(),
                environment: (*name).clone(),
            };
            let view = views.environments.get(&id);
            view.is_some_and(|view| meets(&view.environment, release))
        });
        met.cloned().collect()
    }

    /// Hands over to the release what came of jobs that tried it, before that is recorded of them:
    /// where control is killed in between, it is handed over again, and says the same. Returns
    /// whether it could.
    pub(super) async fn tried(&self, run: &Run, facts: &[RunEvent], now: Timestamp) -> bool {
        let Some(release) = run.release() else {
            return true;
        };
        for fact in facts {
            let Some((name, end)) = end(run, fact, now) else {
                continue;
            };
            let source = Source {
                kind: ReportKind::Job,
                path: String::new(),
                job: Some(name.to_string()),
                group: None,
            };
            let says = Says {
                job: Some(end),
                ..Says::default()
            };
            let mut reports = vec![(source, says)];
            if let RunEvent::JobEnded { made, .. } = fact {
                let made = made.facts.reports.iter().cloned();
                reports.extend(made.map(|report| (report.source, report.says)));
            }
            for (source, says) in reports {
                let application = &run.id.application;
                let told = self
                    .engine
                    .report(application, release, source, says, ENGINE);
                if let Err(error) = told.await {
                    tracing::warn!(run = %run.id, error = words(&error), "nothing moves");
                    return false;
                }
            }
        }
        true
    }
}

/// Returns how a job that tries the release of a run ended for good with `fact`, if it did.
fn end<'f>(run: &Run, fact: &'f RunEvent, now: Timestamp) -> Option<(&'f JobName, JobEnd)> {
    let (name, why) = match fact {
        RunEvent::JobEnded { job, outcome, .. } => (job, outcome_words(outcome)),
        RunEvent::JobSkipped { job, because_of } => (job, format!("`{because_of}` did not pass")),
        RunEvent::RunStarted { .. }
        | RunEvent::JobReused { .. }
        | RunEvent::JobStarted { .. }
        | RunEvent::RunCancelled { .. }
        | RunEvent::RunEnded { .. }
        | RunEvent::RunReleased { .. }
        | RunEvent::RunNotReleased { .. }
        | RunEvent::BudgetExceeded { .. }
        | RunEvent::RunResumed { .. } => return None,
    };
    run.job(name)?.after.as_ref()?;
    let after = evolve(run.clone(), now, fact);
    let phase = &after.jobs.get(name)?.phase;
    if !phase.is_over() || *phase == JobPhase::Later {
        return None;
    }
    let passed = phase.is_passed();
    let why = if passed { String::new() } else { why };
    Some((name, JobEnd { passed, why }))
}
