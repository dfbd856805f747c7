//! One attempt, as seen by control: its folder is all that is asked.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use leadsman_core::pipeline::SecretSource;
use leadsman_core::run::{FailureKind, Outcome};
use rustix::process::Signal;
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;

use super::runner::Identity;
use super::scratch;
use super::spec::{Finished, Spec};
use crate::files::{Durable, FileError, create_private_folder, read_json, replace_json};
use crate::machine::boot_id;
use crate::shim::Folder;
use crate::supervised::kill_leftovers;

/// How long a runner may take to begin. It does so in milliseconds; a loaded machine is slower.
const BEGIN_WITHIN: Duration = Duration::from_secs(30);

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

/// What every job finds in its environment, as far as control has it.
const PASSED_ON: [&str; 8] = [
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "TZ",
];

/// Returns what is passed on of control's environment.
pub(crate) fn passed_on() -> BTreeMap<String, String> {
    let value = |name: &&str| Some(((*name).to_owned(), std::env::var(name).ok()?));
    PASSED_ON.iter().filter_map(value).collect()
}

/// An attempt could not be begun.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BeginError {
    /// A file of its folder could not be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// Its runner could not be started.
    #[error("failed to start its runner")]
    Runner(#[source] io::Error),
}

/// Makes sure that the attempt in `folder` was begun, unless it was given up: one that was is left
/// alone, whatever became of it. `executable` is started as `<executable> job-runner <folder>`.
pub(crate) async fn ensure(
    executable: &Path,
    folder: &Path,
    spec: &Spec,
) -> Result<(), BeginError> {
    let made = || folder.join("runner.json").exists() || folder.join("result.json").exists();
    if made() {
        return Ok(());
    }
    create_private_folder(folder)?;
    // Not what the job has: that may be meant for another user.
    let mut env = passed_on();
    replace_json(&folder.join("job.json"), spec, Durable::Yes)?;
    for source in spec.job.secrets.values() {
        if let SecretSource::Variable(name) = source
            && let Ok(value) = std::env::var(name)
        {
            env.insert(name.clone(), value);
        }
    }
    match begin(executable, folder, &env).await {
        Ok(()) => Ok(()),
        // One that an earlier control started just before it ended may have been faster.
        Err(_) if made() => Ok(()),
        Err(error) => Err(BeginError::Runner(error)),
    }
}

/// Looks at the attempt in `folder`. Where its runner is gone without a result, all that is left of it
/// is killed.
pub(crate) async fn look(folder: &Path) -> Result<Looked, FileError> {
    let result = folder.join("result.json");
    let finished = || match read_json::<Finished>(&result) {
        Ok(finished) => Ok(Some(Looked::Finished(Box::new(finished)))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    };
    if let Some(finished) = finished()? {
        return Ok(finished);
    }
    let identity = match read_json::<Identity>(&folder.join("runner.json")) {
        Ok(identity) => identity,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Looked::Absent),
        Err(error) => return Err(error),
    };
    let same_boot = identity.boot == boot_id();
    if same_boot && identity.runner.is_alive() {
        return Ok(Looked::Running);
    }
    let shared = Folder::new(folder);
    let Some(lock) = shared.try_lock()? else {
        return Ok(Looked::Running);
    };
    // It may have come to its end between the two looks.
    if let Some(finished) = finished()? {
        return Ok(finished);
    }
    let leader = same_boot.then_some(identity.runner);
    kill_leftovers(shared.mark(), leader).await;
    drop(lock);
    let scratch_folder = folder.join("scratch");
    let removed = tokio::task::spawn_blocking(move || scratch::remove(&scratch_folder)).await;
    if let Ok(Err(error)) = removed {
        tracing::warn!(attempt = %folder.display(), %error, "its scratch folder was not removed");
    }
    Ok(Looked::Lost(if same_boot {
        "its runner was killed".to_owned()
    } else {
        "the machine was started anew".to_owned()
    }))
}

/// Asks the runner in `folder` to end what it does, if it still runs.
pub(crate) fn end(folder: &Path) {
    let identity = read_json::<Identity>(&folder.join("runner.json"));
    if let Ok(identity) = identity
        && identity.boot == boot_id()
    {
        identity.runner.signal(Signal::TERM);
    }
}

/// Gives up an attempt that was not begun: no runner ever begins it. Returns whether it is given up;
/// one that was begun is not.
pub(crate) fn forgo(folder: &Path, why: Option<String>) -> Result<bool, FileError> {
    create_private_folder(folder)?;
    let Some(_lock) = Folder::new(folder).try_lock()? else {
        return Ok(false);
    };
    if folder.join("runner.json").exists() || folder.join("result.json").exists() {
        return Ok(false);
    }
    let outcome = why.map_or(Outcome::Cancelled, |why| Outcome::Failed {
        kind: FailureKind::NotStarted,
        why,
    });
    let finished = Finished {
        outcome,
        took: Duration::ZERO,
        artifacts: BTreeMap::new(),
        reports: Vec::new(),
        facts: leadsman_gates::Facts::default(),
        last: Vec::new(),
    };
    replace_json(&folder.join("result.json"), &finished, Durable::Yes)?;
    Ok(true)
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
