//! Passes over all runs that are not over.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use leadsman_core::entry::{Reference, Source};
use leadsman_core::id::{ApplicationName, ReleaseNumber, ServiceName};
use leadsman_core::pipeline::JobName;
use leadsman_core::project::Project;
use leadsman_core::run::{
    Ended, FailureKind, JobPhase, Outcome, Run, RunEvent, RunId, RunPlan, Seen, Trigger, plan,
};
use leadsman_core::time::Timestamp;
use leadsman_runtime::job::{AttemptId, Finished, Looked};
use leadsman_runtime::words;

use super::begin::NewRun;
use super::{Inner, State, reuse, schedule, spec, trying};
use crate::application::NewRelease;
use crate::by::By;
use crate::engine::Ways;

/// The name under which is recorded what holds without anybody having asked for it.
pub(super) const ENGINE: &str = "leadsman";

/// How often attempts are looked at while any of them runs.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How long to wait before trying again what could not be recorded.
const AGAIN: Duration = Duration::from_secs(1);

/// After this many rounds over one run others get their turn.
const ROUNDS: usize = 64;

/// How long attempts may take to end when everything ends: more than their grace.
const END_WITHIN: Duration = Duration::from_secs(75);

/// Drives all runs until nobody is left who could ask for anything.
pub(super) async fn drive(inner: Weak<Inner>) {
    loop {
        let Some(strong) = inner.upgrade() else {
            return;
        };
        let wait = strong.pass().await;
        let due = strong.due_by_the_clock().await;
        if !due.is_empty() {
            let runs = super::Runs {
                inner: Arc::clone(&strong),
            };
            schedule::begin(&runs, due).await;
        }
        // Not held while it sleeps, or the last clone would never be the last.
        let nudge = Arc::clone(&strong.nudge);
        drop(strong);
        tokio::select! {
            () = nudge.notified() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

impl Inner {
    /// Returns what is to begin by the clock: once in each minute.
    async fn due_by_the_clock(&self) -> Vec<NewRun> {
        let mut state = self.state.lock().await;
        let now = self.clock.now();
        let minute = schedule::minute_of(now);
        if std::mem::replace(&mut state.minute, minute) == minute {
            return Vec::new();
        }
        schedule::due(&state, now)
    }

    /// Drives every run as far as it goes at this moment. Returns how long nothing changes by itself.
    async fn pass(self: &Arc<Self>) -> Duration {
        let mut state = self.state.lock().await;
        // A minute that is due is not slept through.
        let mut wait = Duration::from_secs(20);
        let open: Vec<RunId> = state
            .runs
            .iter()
            .filter(|(_, known)| {
                known.run.is_under_way()
                    || self.may_be_tried(&known.run)
                    || plan(&known.run, &Seen::default(), Timestamp::default()).release
            })
            .map(|(id, _)| id.clone())
            .collect();
        for id in open {
            // It is large, and rarely goes far: not a part of what waits.
            let of_run = Box::pin(self.pass_over(&mut state, &id)).await;
            wait = wait.min(of_run);
        }
        self.forget_old(&mut state).await;
        wait
    }

    async fn pass_over(self: &Arc<Self>, state: &mut State, id: &RunId) -> Duration {
        for _ in 0..ROUNDS {
            let Some(run) = state.runs.get(id).map(|known| known.run.clone()) else {
                break;
            };
            let (seen, looked) = self.see(state, &run).await;
            let now = self.clock.now();
            let plan = plan(&run, &seen, now);
            if !self.tried(&run, &plan.facts, now).await {
                return AGAIN;
            }
            if plan.facts.is_empty() {
                return self.carry_out(state, id, &run, plan, &looked, now).await;
            }
            let Some(known) = state.runs.get_mut(id) else {
                break;
            };
            if let Err(error) = self.record(known, &plan.facts, &By::from(ENGINE)).await {
                tracing::warn!(run = %id, error = words(&error), "nothing moves");
                return AGAIN;
            }
            for fact in &plan.facts {
                if let RunEvent::BudgetExceeded { .. } = fact {
                    tracing::warn!(run = %id, "{fact}");
                }
                if let RunEvent::JobEnded { job, attempt, .. } = fact {
                    let attempt = attempt_id(id, job, *attempt);
                    state.taken.remove(&attempt);
                    state.not_begun.remove(&attempt);
                    self.jobs.let_go(&attempt).await;
                }
            }
        }
        Duration::ZERO
    }

    /// Looks at the world of one run.
    async fn see(
        self: &Arc<Self>,
        state: &mut State,
        run: &Run,
    ) -> (Seen, BTreeMap<JobName, Looked>) {
        let running = |run: &Run| {
            let jobs = run.jobs.values();
            jobs.filter(|job| matches!(job.phase, JobPhase::Running { .. }))
                .count()
        };
        let taken: usize = state.runs.values().map(|known| running(&known.run)).sum();
        let mut seen = Seen {
            free: self.places.saturating_sub(taken),
            serving: self.serving(run),
            ..Seen::default()
        };
        let mut looked = BTreeMap::new();
        for (name, job) in &run.jobs {
            match job.phase {
                JobPhase::Running { since } => {
                    let id = attempt_id(&run.id, name, job.attempts);
                    let took = self.clock.now().since(since);
                    if let Some(why) = state.not_begun.get(&id) {
                        let outcome = Outcome::Failed {
                            kind: FailureKind::NotStarted,
                            why: why.clone(),
                        };
                        seen.ended
                            .insert(name.clone(), ended(job.attempts, outcome, took));
                        continue;
                    }
                    let look = match self.jobs.look(&id).await {
                        Ok(look) => look,
                        Err(error) => {
                            tracing::warn!(attempt = %id, error = words(&error), "not looked at");
                            continue;
                        }
                    };
                    if let Some(ended) = self.over(state, run, &id, &look, took) {
                        seen.ended.insert(name.clone(), ended);
                    }
                    looked.insert(name.clone(), look);
                }
                JobPhase::Waiting { .. } | JobPhase::Pausing { .. } => {
                    if let Some(key) = reuse::key(run, name) {
                        let found = reuse::find(state, &self.jobs, run, name, &key);
                        seen.known.extend(found.map(|found| (name.clone(), found)));
                        seen.keys.insert(name.clone(), key);
                    }
                }
                JobPhase::Passed { .. }
                | JobPhase::Reused { .. }
                | JobPhase::Failed { .. }
                | JobPhase::Skipped { .. }
                | JobPhase::Cancelled
                | JobPhase::Later => {}
            }
        }
        (seen, looked)
    }

    /// Returns how an attempt ended, once it has and all that it made is where it stays.
    fn over(
        self: &Arc<Self>,
        state: &mut State,
        run: &Run,
        id: &AttemptId,
        look: &Looked,
        took: Duration,
    ) -> Option<Ended> {
        match look {
            Looked::Running => None,
            // It was recorded and never begun, and will not be.
            Looked::Absent if run.is_ending() => {
                Some(ended(id.attempt, Outcome::Cancelled, Duration::ZERO))
            }
            Looked::Absent => None,
            Looked::Lost(why) => {
                let why = why.clone();
                Some(ended(id.attempt, Outcome::Interrupted { why }, took))
            }
            Looked::Finished(finished) => match state.taken.get(id) {
                None => {
                    state.taken.insert(id.clone(), None);
                    self.take(id.clone(), finished);
                    None
                }
                Some(None) => None,
                Some(Some(Ok(made))) => Some(Ended {
                    attempt: id.attempt,
                    outcome: finished.outcome.clone(),
                    took: finished.took,
                    made: made.clone(),
                }),
                Some(Some(Err(why))) => {
                    let outcome = Outcome::Failed {
                        kind: FailureKind::Missing,
                        why: why.clone(),
                    };
                    Some(ended(id.attempt, outcome, finished.took))
                }
            },
        }
    }

    /// Brings what an attempt made to where it stays, beside the driver: it may be gigabytes.
    fn take(self: &Arc<Self>, id: AttemptId, finished: &Finished) {
        let (inner, finished) = (Arc::downgrade(self), finished.clone());
        let jobs = self.jobs.clone();
        // It ends by itself, and harms nobody who is gone meanwhile: taking is repeatable.
        tokio::spawn(async move {
            let taken = jobs.take(&id, &finished).await;
            let taken = taken.map_err(|error| words(&error));
            if let Some(inner) = inner.upgrade() {
                inner.state.lock().await.taken.insert(id, Some(taken));
                inner.nudge.notify_one();
            }
        });
    }

    async fn carry_out(
        self: &Arc<Self>,
        state: &mut State,
        id: &RunId,
        run: &Run,
        plan: RunPlan,
        looked: &BTreeMap<JobName, Looked>,
        now: Timestamp,
    ) -> Duration {
        let mut wait = plan
            .wake_at
            .map_or(Duration::from_secs(60), |at| at.since(now));
        if self.may_be_tried(run) {
            wait = wait.min(trying::LOOK_EVERY);
        }
        for (name, attempt) in &plan.running {
            wait = wait.min(LOOK_EVERY);
            let id = attempt_id(id, name, *attempt);
            if plan.end_all {
                self.jobs.end(&id);
            } else if looked.get(name) == Some(&Looked::Absent) {
                let begun = match spec::spec(run, name).await {
                    Some(spec) => self.jobs.ensure(&id, &spec).await,
                    None => continue,
                };
                if let Err(error) = begun {
                    state.not_begun.insert(id, words(&error));
                    wait = Duration::ZERO;
                }
            }
        }
        if let Some(known) = state.runs.get_mut(id)
            && known.waits != plan.waits
        {
            known.waits = plan.waits;
            self.version.send_modify(|version| *version += 1);
        }
        if plan.release {
            return self.release(state, id, run).await;
        }
        wait
    }

    /// Ships a release into the environments that take what runs make by themselves. Doing so twice,
    /// because control was killed before the release was recorded, changes nothing.
    async fn ship(
        &self,
        application: &ApplicationName,
        release: ReleaseNumber,
        new: &NewRelease,
        by: &str,
    ) {
        let Ok(project) = Project::parse(&new.project, &new.file_name) else {
            return;
        };
        for name in project.environments() {
            let takes = project
                .resolve(name)
                .is_some_and(|spec| spec.entry.automatic);
            if !takes {
                continue;
            }
            let shipped = self
                .engine
                .ship(
                    application,
                    release,
                    Some(name.clone()),
                    Ways::default(),
                    by,
                )
                .await;
            if let Err(error) = shipped {
                // What the domain says no to is shown where the environment is.
                let error = words(&error);
                tracing::info!(%application, environment = %name, error, "not shipped by itself");
            }
        }
    }

    /// Hands what the reports of a run say over to its release.
    async fn report(
        &self,
        application: &ApplicationName,
        release: ReleaseNumber,
        run: &Run,
    ) -> Result<(), crate::Error> {
        for job in run.jobs.values().filter(|job| job.phase.is_passed()) {
            for report in &job.made.facts.reports {
                let (source, says) = (report.source.clone(), report.says.clone());
                self.engine
                    .report(application, release, source, says, ENGINE)
                    .await?;
            }
        }
        Ok(())
    }

    /// Makes a release of what a run made.
    async fn release(&self, state: &mut State, id: &RunId, run: &Run) -> Duration {
        let by = match &run.about.trigger {
            Trigger::Person { by } | Trigger::Push { by } | Trigger::Tag { by } => by.clone(),
            Trigger::Schedule => ENGINE.to_owned(),
        };
        let file_name = run
            .about
            .project_file
            .rsplit('/')
            .next()
            .unwrap_or_default();
        if let Some(service) = not_made(run) {
            let why = format!(
                "no job makes the artifact of `{service}`: say which does, with `artifacts`"
            );
            return self
                .record_release(state, id, RunEvent::RunNotReleased { why }, &by)
                .await;
        }
        let new = NewRelease {
            project: run.project.clone(),
            file_name: file_name.to_owned(),
            origin: origin(run),
            artifacts: run.artifacts(),
            note: Some(run.about.subject.clone()),
            source: source(run),
        };
        let event = match self.engine.release(&new, by.as_str()).await {
            Ok((application, release)) => {
                // Gates are asked as soon as it is shipped.
                if self.report(&application, release, run).await.is_err() {
                    return AGAIN;
                }
                self.ship(&application, release, &new, &by).await;
                RunEvent::RunReleased { release }
            }
            // The log is told once it can be written to again.
            Err(crate::Error::NotRecorded(_) | crate::Error::NotRead(_)) => return AGAIN,
            Err(error) => RunEvent::RunNotReleased { why: words(&error) },
        };
        self.record_release(state, id, event, &by).await
    }

    async fn record_release(
        &self,
        state: &mut State,
        id: &RunId,
        event: RunEvent,
        by: &str,
    ) -> Duration {
        let Some(known) = state.runs.get_mut(id) else {
            return AGAIN;
        };
        match self.record(known, &[event], &By::from(by)).await {
            Ok(()) => Duration::ZERO,
            Err(_) => AGAIN,
        }
    }
}

/// Returns a service that needs an artifact which no job made.
fn not_made(run: &Run) -> Option<ServiceName> {
    let project = Project::parse(&run.project, &run.about.project_file).ok()?;
    let made = run.artifacts();
    let environments = project.environments();
    environments
        .filter_map(|name| project.resolve(name))
        .flat_map(|spec| &spec.services)
        .find(|(name, service)| service.artifact.is_some() && !made.contains_key(*name))
        .map(|(name, _)| name.clone())
}

/// Returns where a release of a run comes from.
fn source(run: &Run) -> Source {
    let reference = &run.about.reference;
    let branch = reference.strip_prefix("refs/heads/");
    let tag = reference.strip_prefix("refs/tags/");
    let branch = branch.map(|name| Reference::Branch(name.to_owned()));
    Source {
        commit: Some(run.about.commit.to_string()),
        reference: branch.or_else(|| tag.map(|name| Reference::Tag(name.to_owned()))),
        authors: [run.about.author.clone()].into(),
    }
}

/// Returns the folder that services without an artifact run in: where the project file lies.
fn origin(run: &Run) -> String {
    let repository = &run.about.repository;
    let top = repository.strip_suffix("/.git").unwrap_or(repository);
    match super::begin::folder_of(&run.about.project_file) {
        "" => top.to_owned(),
        folder => format!("{top}/{folder}"),
    }
}

fn attempt_id(run: &RunId, job: &JobName, attempt: u32) -> AttemptId {
    AttemptId {
        run: run.clone(),
        job: job.clone(),
        attempt,
    }
}

fn ended(attempt: u32, outcome: Outcome, took: Duration) -> Ended {
    Ended {
        attempt,
        outcome,
        took,
        made: leadsman_core::pipeline::Made::default(),
    }
}

/// Ends every attempt that runs, and waits until nothing is left of it.
pub(super) async fn stop_attempts(inner: &Inner) {
    let state = inner.state.lock().await;
    let running: Vec<AttemptId> = state
        .runs
        .values()
        .flat_map(|known| {
            let jobs = known.run.jobs.iter();
            let running = jobs.filter(|(_, job)| matches!(job.phase, JobPhase::Running { .. }));
            running.map(|(name, job)| attempt_id(&known.run.id, name, job.attempts))
        })
        .collect();
    drop(state);
    for id in &running {
        inner.jobs.end(id);
    }
    let begun = std::time::Instant::now();
    for id in &running {
        while matches!(inner.jobs.look(id).await, Ok(Looked::Running))
            && begun.elapsed() < END_WITHIN
        {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}
