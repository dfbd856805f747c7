//! From a commit to a run.

use std::collections::BTreeMap;

use leadsman_core::id::{ApplicationName, RunNumber};
use leadsman_core::pipeline::JobName;
use leadsman_core::project::Project;
use leadsman_core::run::{About, Delivery, RunEvent, RunId, Trigger, started};
use leadsman_runtime::job::Repository;
use leadsman_store::AppendError;

use super::error::RunError;
use super::{KnownRun, Runs, append, reuse};
use crate::by::By;
use crate::error::Error;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRun {
    /// The folder that Git keeps the repository in.
    pub repository: String,
    /// The commit, by any name that Git knows it by.
    pub commit: String,
    /// What the commit is called, such as `refs/heads/main`.
    pub reference: String,
    /// The project file, relative to the top of the repository.
    pub project_file: String,
    /// What asks for it.
    pub trigger: Trigger,
    /// Only these jobs, by the names in the project file, and what they need.
    pub only: Vec<String>,
    /// The delivery of a webhook that told of it.
    pub delivery: Option<Delivery>,
}

impl Runs {
    /// Begins a run. When it returns, it is recorded.
    ///
    /// # Errors
    ///
    /// There is no such commit, its project file has no pipeline, or it could not be recorded.
    pub async fn begin(&self, new: &NewRun, by: &By) -> Result<KnownRun, RunError> {
        self.begin_if(new, by, |_| true).await
    }

    /// Begins a run as [`Runs::begin`], if it `may` be begun of the application that the commit's
    /// project file names.
    ///
    /// # Errors
    ///
    /// As [`Runs::begin`], and [`RunError::NotAllowed`].
    pub async fn begin_if(
        &self,
        new: &NewRun,
        by: &By,
        may: impl Fn(&ApplicationName) -> bool + Send,
    ) -> Result<KnownRun, RunError> {
        check_paths(new)?;
        let repository = Repository::at(&new.repository);
        let committed = repository.commit(&new.commit).await?;
        let commit = committed.commit;
        // What may enter where depends on it, so that it is not taken from who asks.
        let reference = match repository.commit(&new.reference).await {
            Ok(named) if named.commit == commit => new.reference.clone(),
            Ok(_) | Err(_) => commit.to_string(),
        };
        let project = repository.project_file(&commit, &new.project_file).await?;
        let parsed =
            Project::parse(&project, &new.project_file).map_err(|problems| RunError::Project {
                commit: commit.clone(),
                problems: problems.to_string(),
            })?;
        if !may(parsed.application()) {
            return Err(RunError::NotAllowed(parsed.application().clone()));
        }
        let pipeline = parsed
            .pipeline()
            .cloned()
            .ok_or_else(|| RunError::NoPipeline(commit.clone()))?;
        let is_pushed = matches!(new.trigger, Trigger::Push { .. } | Trigger::Tag { .. });
        if is_pushed && !pipeline.start.is_started_by(&reference) {
            return Err(RunError::NotStarted(new.reference.clone()));
        }
        let mut only = Vec::new();
        for asked in &new.only {
            let meant = |name: &&JobName| name.as_str() == asked || name.family() == asked;
            let before = only.len();
            only.extend(pipeline.jobs.keys().filter(meant).cloned());
            if only.len() == before {
                let known: Vec<String> = pipeline
                    .jobs
                    .keys()
                    .map(|name| format!("`{name}`"))
                    .collect();
                return Err(RunError::NoSuchJob {
                    commit,
                    job: asked.clone(),
                    known: known.join(", "),
                });
            }
        }
        let files = repository.files(&commit).await?;
        let folder = folder_of(&new.project_file);
        let inputs: BTreeMap<_, _> = pipeline
            .jobs
            .iter()
            .filter(|(_, job)| !job.inputs.is_empty())
            .map(|(name, job)| (name.clone(), reuse::content(&files, folder, &job.inputs)))
            .collect();
        let event = RunEvent::RunStarted {
            about: Box::new(About {
                commit,
                reference,
                author: committed.author,
                subject: committed.subject,
                repository: new.repository.clone(),
                project_file: new.project_file.clone(),
                trigger: new.trigger.clone(),
                only,
                delivery: new.delivery.clone(),
            }),
            project,
            pipeline,
            inputs,
        };
        let application = parsed.application();
        let mut state = self.inner.state.lock().await;
        // Asked where nobody else can begin one meanwhile.
        if let Some(delivery) = &new.delivery
            && let Some(run) = state.deliveries.taken(delivery)
        {
            return Err(RunError::Taken(run.clone()));
        }
        loop {
            let newest = state.newest.get(application).map_or(0, |number| number.0);
            let id = RunId {
                application: application.clone(),
                number: RunNumber(newest + 1),
            };
            let at = self.inner.clock.now();
            let events = std::slice::from_ref(&event);
            match self.inner.log.append(append(&id, 0, at, by, events)).await {
                Ok(_) => {
                    tracing::info!(run = %id, by = by.name, "begins");
                    let Some(run) = started(id.clone(), at, &event) else {
                        return Err(RunError::Unknown(id));
                    };
                    state.add(run.clone());
                    drop(state);
                    self.inner.version.send_modify(|version| *version += 1);
                    self.inner.nudge.notify_one();
                    return Ok(KnownRun::of(run));
                }
                Err(AppendError::Conflict { .. }) => {
                    // Somebody else began one.
                    state.newest.insert(application.clone(), id.number);
                }
                Err(error) => return Err(Error::NotRecorded(error).into()),
            }
        }
    }
}

/// Returns the folder of a project file, relative to the top of the repository; empty for the top.
pub(super) fn folder_of(project_file: &str) -> &str {
    project_file
        .rsplit_once('/')
        .map_or("", |(folder, _)| folder)
}

fn check_paths(new: &NewRun) -> Result<(), RunError> {
    if !new.repository.starts_with('/') {
        return Err(RunError::Path {
            path: new.repository.clone(),
            expected: "the full path of a repository",
        });
    }
    let path = &new.project_file;
    let odd = |part: &str| matches!(part, "" | "." | "..");
    if path.split('/').any(odd) || path.contains(|c: char| c.is_control()) {
        return Err(RunError::Path {
            path: path.clone(),
            expected: "the path of a project file in a repository",
        });
    }
    Ok(())
}
