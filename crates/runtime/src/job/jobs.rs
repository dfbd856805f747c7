//! Attempts, as seen by control: starting them, finding them again, ending them, and taking what
//! they made.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use leadsman_core::id::Digest;
use leadsman_core::pipeline::{JobName, Made, SecretSource};
use leadsman_core::run::RunId;
use rustix::process::Signal;
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;

use super::runner::Identity;
use super::scratch;
use super::spec::{Finished, Spec};
use crate::RuntimeError;
use crate::artifact::Store;
use crate::files::{At as _, Durable, create_private_folder, read_json, replace_json};
use crate::logs::{self, Output, ReadFrom};
use crate::machine::boot_id;
use crate::shim::Folder;
use crate::supervised::kill_leftovers;

/// How long a runner may take to begin. It does so in milliseconds; a loaded machine is slower.
const BEGIN_WITHIN: Duration = Duration::from_secs(30);

/// What every job finds in its environment, as far as control has it.
const PASSED_ON: [&str; 8] = [
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "TZ",
];

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

/// What was seen of an attempt.
#[derive(Clone, Debug, PartialEq)]
pub enum Looked {
    /// It was never begun.
    Absent,
    /// Its runner lives.
    Running,
    /// It is over.
    Finished(Box<Finished>),
    /// Its runner is gone without a result, and so is all that it had started.
    Lost(String),
}

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
        let failed = || RuntimeError::new(format!("begin {id}"));
        let folder = self.folder(id);
        if folder.join("runner.json").exists() {
            return Ok(());
        }
        create_private_folder(&folder).map_err(|error| failed().because(error))?;
        let mut env: BTreeMap<String, String> = PASSED_ON
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?)))
            .collect();
        let mut spec = spec.clone();
        let told = std::mem::take(&mut spec.env);
        spec.env = env.clone();
        spec.env.extend(told);
        replace_json(&folder.join("job.json"), &spec, Durable::Yes)
            .map_err(|error| failed().because(error))?;
        for source in spec.job.secrets.values() {
            if let SecretSource::Variable(name) = source
                && let Ok(value) = std::env::var(name)
            {
                env.insert(name.clone(), value);
            }
        }
        match begin(&self.executable, &folder, &env).await {
            Ok(()) => Ok(()),
            // One that an earlier control started just before it ended may have been faster.
            Err(_) if folder.join("runner.json").exists() => Ok(()),
            Err(error) => Err(failed().because(error)),
        }
    }

    /// Looks at an attempt. Where its runner is gone without a result, all that is left of it is
    /// killed.
    ///
    /// # Errors
    /// When its folder cannot be read.
    pub async fn look(&self, id: &AttemptId) -> Result<Looked, RuntimeError> {
        let failed = || RuntimeError::new(format!("look at {id}"));
        let path = self.folder(id);
        let result = path.join("result.json");
        let finished = || match read_json::<Finished>(&result) {
            Ok(finished) => Ok(Some(Looked::Finished(Box::new(finished)))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed().because(error)),
        };
        if let Some(finished) = finished()? {
            return Ok(finished);
        }
        let identity = match read_json::<Identity>(&path.join("runner.json")) {
            Ok(identity) => identity,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Looked::Absent),
            Err(error) => return Err(failed().because(error)),
        };
        let same_boot = identity.boot == boot_id();
        if same_boot && identity.runner.is_alive() {
            return Ok(Looked::Running);
        }
        let folder = Folder::new(&path);
        let Some(lock) = folder.try_lock().map_err(|error| failed().because(error))? else {
            return Ok(Looked::Running);
        };
        // It may have come to its end between the two looks.
        if let Some(finished) = finished()? {
            return Ok(finished);
        }
        let leader = same_boot.then_some(identity.runner);
        kill_leftovers(folder.mark(), leader).await;
        drop(lock);
        let scratch_folder = path.join("scratch");
        let removed = tokio::task::spawn_blocking(move || scratch::remove(&scratch_folder)).await;
        if let Ok(Err(error)) = removed {
            tracing::warn!(attempt = %id, %error, "its scratch folder was not removed");
        }
        Ok(Looked::Lost(if same_boot {
            "its runner was killed".to_owned()
        } else {
            "the machine was started anew".to_owned()
        }))
    }

    /// Asks the runner of an attempt to end it, if it still runs.
    pub fn end(&self, id: &AttemptId) {
        let identity = read_json::<Identity>(&self.folder(id).join("runner.json"));
        if let Ok(identity) = identity
            && identity.boot == boot_id()
        {
            identity.runner.signal(Signal::TERM);
        }
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

/// Starts a runner, and returns once it has begun.
async fn begin(executable: &Path, folder: &Path, env: &BTreeMap<String, String>) -> io::Result<()> {
    let complaints = folder.join("runner.err");
    let mut child = Command::new(executable)
        .arg("job-runner")
        .arg(folder)
        // Control's environment may hold what no job should be able to find out.
        .env_clear()
        .envs(env)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(fs::File::create(&complaints)?)
        .spawn()?;
    let mut word = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        // An end without a word, and silence, are told apart from `ready` below.
        let mut stdout = stdout.take(6);
        let _silent = tokio::time::timeout(BEGIN_WITHIN, stdout.read_to_end(&mut word)).await;
    }
    let begun = word == b"ready\n";
    if !begun {
        child.start_kill()?;
    }
    // It is a child of this process, which so has to take notice of its end.
    let ended = tokio::spawn(async move { child.wait().await });
    if begun {
        return Ok(());
    }
    let status = ended.await.map_err(io::Error::other)??;
    let text = fs::read_to_string(&complaints).unwrap_or_default();
    let text: String = text.trim().chars().take(500).collect();
    Err(io::Error::other(if text.is_empty() {
        format!("the runner ended: {status}")
    } else {
        text
    }))
}
