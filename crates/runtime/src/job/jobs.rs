//! Attempts, as seen by control: starting them, finding them again, ending them, and taking what
//! they made.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use leadsman_core::id::Digest;
use leadsman_core::pipeline::{JobName, Made};
use leadsman_core::run::RunId;

use super::attempt::{self, Looked};
use super::scratch;
use super::spec::{Finished, Spec};
use crate::RuntimeError;
use crate::artifact::Store;
use crate::files::{At as _, create_private_folder};
use crate::logs::{self, Output, ReadFrom};

/// Names one attempt of one job.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptId {
    /// The run.
    pub run: RunId,
    /// The job.
    pub job: JobName,
    /// Which attempt, counted from 1.
    pub attempt: u32,
}

impl std::fmt::Display for AttemptId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "attempt {} of `{}` of {}",
            self.attempt, self.job, self.run
        )
    }
}

/// An attempt of which something is kept.
pub type Attempt = (AttemptId, PathBuf);

/// The attempts of jobs on this machine.
#[derive(Clone, Debug)]
pub struct Jobs {
    state: PathBuf,
    executable: PathBuf,
    store: Arc<Store>,
}

/// Returns the state folder that the folder of an attempt lies in: `runs/APP/RUN/JOB/ATTEMPT`.
pub(super) fn state_of(attempt: &Path) -> PathBuf {
    attempt
        .ancestors()
        .nth(5)
        .unwrap_or(Path::new("/"))
        .to_owned()
}

/// Returns where a folder lies that is kept under `key`.
pub(super) fn cache_folder(state: &Path, key: &str) -> PathBuf {
    state.join("caches").join(key)
}

impl Jobs {
    /// Returns the attempts below the state folder `state`. `executable` is started as `<executable>
    /// job-runner <folder>` and must call [`crate::job::run`].
    ///
    /// # Errors
    /// When a folder cannot be made.
    pub fn open(
        state: &Path,
        executable: PathBuf,
        store: Arc<Store>,
    ) -> Result<Self, RuntimeError> {
        for name in ["runs", "reports", "caches"] {
            create_private_folder(&state.join(name))
                .map_err(|error| RuntimeError::new("prepare for jobs").because(error))?;
        }
        // Runners are told by an absolute path, whatever folder they run in.
        let state = state
            .canonicalize()
            .map_err(|error| RuntimeError::new("find the state folder").because(error))?;
        Ok(Self {
            state,
            executable,
            store,
        })
    }

    /// Returns the folder of a run.
    pub fn run_folder(&self, run: &RunId) -> PathBuf {
        let runs = self.state.join("runs").join(run.application.as_str());
        runs.join(run.number.0.to_string())
    }

    fn folder(&self, id: &AttemptId) -> PathBuf {
        let job = self.run_folder(&id.run).join(id.job.as_str());
        job.join(id.attempt.to_string())
    }

    /// Makes sure that an attempt was begun: one that was is left alone, whatever became of it.
    ///
    /// # Errors
    /// When no runner can be started.
    pub async fn ensure(&self, id: &AttemptId, spec: &Spec) -> Result<(), RuntimeError> {
        let mut spec = spec.clone();
        let told = std::mem::take(&mut spec.env);
        spec.env = attempt::passed_on();
        spec.env.extend(told);
        let begun = attempt::ensure(&self.executable, &self.folder(id), &spec).await;
        begun.map_err(|error| RuntimeError::new(format!("begin {id}")).because(error))
    }

    /// Looks at an attempt. Where its runner is gone without a result, all that is left of it is
    /// killed.
    ///
    /// # Errors
    /// When its folder cannot be read.
    pub async fn look(&self, id: &AttemptId) -> Result<Looked, RuntimeError> {
        let looked = attempt::look(&self.folder(id)).await;
        looked.map_err(|error| RuntimeError::new(format!("look at {id}")).because(error))
    }

    /// Asks the runner of an attempt to end it, if it still runs.
    pub fn end(&self, id: &AttemptId) {
        attempt::end(&self.folder(id));
    }

    /// Takes what an attempt made to where it stays: afterwards it is in the artifact store, and
    /// reports lie by their digest. Taking it twice does no harm.
    ///
    /// # Errors
    /// When something is not what it was announced as, or cannot be written.
    pub async fn take(&self, id: &AttemptId, finished: &Finished) -> Result<Made, RuntimeError> {
        let kept = self.folder(id).join("kept");
        let (store, state) = (Arc::clone(&self.store), self.state.clone());
        let (what, finished) = (id.clone(), finished.clone());
        let failed = move || RuntimeError::new(format!("keep what {what} made"));
        let outer = failed.clone();
        let take = move || {
            for (service, digest) in &finished.artifacts {
                if store.contains(digest) {
                    continue;
                }
                let path = kept.join(format!("{service}.tar"));
                let mut file = fs::File::open(&path)
                    .at("open", &path)
                    .map_err(|error| failed().because(error))?;
                store
                    .put(&mut file, digest)
                    .map_err(|error| failed().because(error))?;
            }
            for report in &finished.reports {
                let to = report_of(&state, &report.digest);
                let from = kept.join(format!("{}.report", report.digest.hex()));
                if to.exists() && !from.exists() {
                    continue;
                }
                fs::rename(&from, &to)
                    .at("keep", &from)
                    .map_err(|error| failed().because(error))?;
            }
            Ok(Made {
                artifacts: finished.artifacts,
                reports: finished.reports,
                facts: finished.facts,
            })
        };
        match tokio::task::spawn_blocking(take).await {
            Ok(taken) => taken,
            Err(error) => Err(outer().because(error)),
        }
    }

    /// Forgets what an attempt left for control, once it is recorded.
    pub async fn let_go(&self, id: &AttemptId) {
        let kept = self.folder(id).join("kept");
        let removed = tokio::task::spawn_blocking(move || scratch::remove(&kept)).await;
        if let Ok(Err(error)) = removed {
            tracing::warn!(attempt = %id, %error, "what it left was not removed");
        }
    }

    /// Whether everything is still there that a job made.
    pub fn has(&self, made: &Made) -> bool {
        let reports = made
            .reports
            .iter()
            .map(|report| self.report(&report.digest));
        made.artifacts
            .values()
            .all(|digest| self.store.contains(digest))
            && reports.into_iter().all(|path| path.is_file())
    }

    /// Returns where a report lies.
    pub fn report(&self, digest: &Digest) -> PathBuf {
        report_of(&self.state, digest)
    }

    /// Reads what an attempt wrote; at most 1 MiB of it at a time.
    ///
    /// # Errors
    /// When nothing is kept of it, or it cannot be read.
    pub async fn output(&self, id: &AttemptId, from: ReadFrom) -> Result<Output, RuntimeError> {
        let folder = self.folder(id).join("output");
        let failed = || RuntimeError::new(format!("read the output of {id}"));
        tokio::task::spawn_blocking(move || logs::read(&folder, from))
            .await
            .map_err(|error| failed().because(error))?
            .map_err(|error| failed().because(error))
    }

    /// Whether anything is kept that an attempt wrote.
    pub fn has_output(&self, id: &AttemptId) -> bool {
        self.folder(id).join("output").is_dir()
    }

    /// Removes all that is kept of a run, and with it these artifacts and reports, which nothing else
    /// is made of.
    ///
    /// # Errors
    /// When something cannot be removed.
    pub async fn remove(
        &self,
        run: &RunId,
        artifacts: &BTreeSet<Digest>,
        reports: &BTreeSet<Digest>,
    ) -> Result<(), RuntimeError> {
        let folder = self.run_folder(run);
        let failed = || RuntimeError::new(format!("remove what is kept of {run}"));
        let artifacts = artifacts.iter().map(|digest| self.store.path(digest));
        let reports = reports.iter().map(|digest| self.report(digest));
        let files: Vec<PathBuf> = artifacts.chain(reports).collect();
        let remove = move || {
            for file in files {
                match fs::remove_file(file) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
            scratch::remove(&folder)
        };
        tokio::task::spawn_blocking(remove)
            .await
            .map_err(|error| failed().because(error))?
            .map_err(|error| failed().because(error))
    }
}

/// Returns where a report lies in the folder of a state.
pub fn report_of(state: &Path, digest: &Digest) -> PathBuf {
    state.join("reports").join(digest.hex())
}
