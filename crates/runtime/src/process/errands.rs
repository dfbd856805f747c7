//! Errands: commands of a release that are run once, each under a runner that outlives control.
//!
//! The folder of an errand belongs to its name for ever: whoever finds a runner's mark in it, or a
//! result, knows that it was begun, and does not begin it again.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use leadsman_core::errand::{Errand, ErrandEnd, ErrandId, ObservedErrand};
use leadsman_core::id::{Digest, EnvironmentId, InstanceId, ServiceName};
use leadsman_core::pipeline::{Job, Retry, Step};
use leadsman_core::run::{Outcome, outcome_words};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::{Shared, prepare};
use crate::files::{At as _, Durable, FileError, create_private_folder, read_json, replace_json};
use crate::job::attempt::{self, Looked};
use crate::job::{Finished, Place, Spec, scratch};
use crate::words;

/// How often an errand that runs is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long to wait before something is tried again that failed for a reason outside of it.
const TRY_AGAIN: Duration = Duration::from_secs(1);
/// How many errands that are over are kept of each environment.
const KEPT: usize = 20;
/// How much an errand may write beside its output, and how many processes it may have.
const DISK: u64 = 1 << 30;
const PROCESSES: u32 = 2000;

/// The errands of all environments, as they were seen last.
#[derive(Debug, Default)]
pub(super) struct Errands(Mutex<BTreeMap<EnvironmentId, BTreeMap<ErrandId, Entry>>>);

#[derive(Debug)]
struct Entry {
    wish: watch::Sender<Option<Arc<Errand>>>,
    seen: ObservedErrand,
}

/// What is remembered of an errand beside what its runner is told, in `errand.json`. It is written
/// before.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Record {
    service: ServiceName,
    artifact: Option<Digest>,
}

/// An errand that is to be watched.
#[derive(Debug)]
pub(super) struct Known {
    environment: EnvironmentId,
    id: ErrandId,
    record: Record,
    wish: watch::Receiver<Option<Arc<Errand>>>,
    over: bool,
}

impl Errands {
    fn all(&self) -> MutexGuard<'_, BTreeMap<EnvironmentId, BTreeMap<ErrandId, Entry>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in what is wanted of an errand. Returns it where nobody watches it yet.
    pub(super) fn take_in(
        &self,
        environment: &EnvironmentId,
        id: ErrandId,
        errand: &Errand,
    ) -> Option<Known> {
        let mut all = self.all();
        let errands = all.entry(environment.clone()).or_default();
        let wish = Some(Arc::new(errand.clone()));
        if let Some(entry) = errands.get(&id) {
            entry.wish.send_replace(wish);
            return None;
        }
        let (sender, receiver) = watch::channel(wish);
        let entry = Entry {
            wish: sender,
            seen: ObservedErrand::Running(None),
        };
        errands.insert(id, entry);
        Some(Known {
            environment: environment.clone(),
            id,
            record: Record {
                service: errand.service.clone(),
                artifact: errand.released.artifact.clone(),
            },
            wish: receiver,
            over: false,
        })
    }

    /// Returns what was seen last.
    pub(super) fn observed(
        &self,
        environment: &EnvironmentId,
    ) -> BTreeMap<ErrandId, ObservedErrand> {
        let all = self.all();
        let errands = all.get(environment).into_iter().flatten();
        errands
            .map(|(id, entry)| (*id, entry.seen.clone()))
            .collect()
    }

    /// Remembers what was seen; returns whether it is news.
    fn see(&self, known: &Known, seen: ObservedErrand) -> bool {
        let mut all = self.all();
        let errands = all.entry(known.environment.clone()).or_default();
        let Some(entry) = errands.get_mut(&known.id) else {
            return false;
        };
        let is_news = entry.seen != seen;
        entry.seen = seen;
        is_news
    }
}

impl Known {
    /// Returns the unpacked artifact that it uses, and as whom.
    pub(super) fn uses(&self) -> Option<(InstanceId, Digest)> {
        let artifact = self.record.artifact.clone().filter(|_| !self.over)?;
        Some((self.logs_as(), artifact))
    }

    /// Returns the name under which its output is kept, beside that of instances.
    pub(super) fn logs_as(&self) -> InstanceId {
        let EnvironmentId {
            application,
            environment,
        } = &self.environment;
        let service = &self.record.service;
        InstanceId::from_text(format!("{application}.{environment}.{service}.{}", self.id))
    }

    fn folder(&self, state: &Path) -> PathBuf {
        folder_of(state, &self.environment).join(self.id.to_string())
    }
}

fn folder_of(state: &Path, environment: &EnvironmentId) -> PathBuf {
    state
        .join("errands")
        .join(environment.application.as_str())
        .join(environment.environment.as_str())
}

/// Looks for the errands that were there before, and removes those that were over long ago.
pub(super) fn scan(state: &Path) -> Result<(Errands, Vec<Known>), FileError> {
    let known = Errands::default();
    let mut found = Vec::new();
    for (application, folder) in folders(&state.join("errands"))? {
        for (environment, folder) in folders(&folder)? {
            let (Ok(application), Ok(environment)) = (application.parse(), environment.parse())
            else {
                continue;
            };
            let environment = EnvironmentId {
                application,
                environment,
            };
            let mut errands: Vec<(ErrandId, PathBuf)> = folders(&folder)?
                .into_iter()
                .filter_map(|(name, folder)| Some((name.parse().ok()?, folder)))
                .collect();
            errands.sort_by(|(a, _), (b, _)| b.cmp(a));
            let mut kept = 0;
            for (id, folder) in errands {
                let over = folder.join("result.json").exists();
                kept += usize::from(over);
                if over && kept > KEPT {
                    scratch::remove(&folder).at("remove", &folder)?;
                    continue;
                }
                let Ok(record) = read_json::<Record>(&folder.join("errand.json")) else {
                    continue;
                };
                let (sender, wish) = watch::channel(None);
                let entry = Entry {
                    wish: sender,
                    seen: ObservedErrand::Running(None),
                };
                let mut all = known.all();
                let errands = all.entry(environment.clone()).or_default();
                errands.insert(id, entry);
                drop(all);
                found.push(Known {
                    environment: environment.clone(),
                    id,
                    record,
                    wish,
                    over,
                });
            }
        }
    }
    Ok((known, found))
}

fn folders(path: &Path) -> Result<Vec<(String, PathBuf)>, FileError> {
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.at("read", path)?,
    };
    let folder = |entry: fs::DirEntry| {
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let name = entry.file_name().to_str()?.to_owned();
        is_folder.then(|| (name, entry.path()))
    };
    Ok(entries.flatten().filter_map(folder).collect())
}

/// Brings an errand to its end, and tells what is seen of it.
pub(super) async fn watch(shared: Arc<Shared>, mut known: Known) {
    let folder = known.folder(&shared.config.state);
    loop {
        // What was begun is watched whatever is wanted; what was not waits for somebody to say so.
        let pause = match attempt::look(&folder).await {
            Ok(Looked::Finished(finished)) => {
                return over(&shared, &known, end(*finished)).await;
            }
            Ok(Looked::Lost(why)) => {
                let lost = ErrandEnd {
                    failure: Some(why),
                    last: Vec::new(),
                    took: Duration::ZERO,
                };
                return over(&shared, &known, lost).await;
            }
            Ok(Looked::Running) => {
                tell(&shared, &known, None);
                if wished(&known).is_some_and(|errand| errand.ended) {
                    attempt::end(&folder);
                }
                LOOK_EVERY
            }
            Ok(Looked::Absent) => match begin(&shared, &known, &folder).await {
                Ok(()) => LOOK_EVERY,
                Err(problem) => {
                    tell(&shared, &known, Some(problem));
                    TRY_AGAIN
                }
            },
            Err(error) => {
                tell(&shared, &known, Some(words(&error)));
                TRY_AGAIN
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            // Where nobody can wish any more, control ends.
            changed = known.wish.changed() => if changed.is_err() {
                return;
            },
        }
    }
}

fn wished(known: &Known) -> Option<Arc<Errand>> {
    known.wish.borrow().clone()
}

fn tell(shared: &Shared, known: &Known, problem: Option<String>) {
    if shared.errands.see(known, ObservedErrand::Running(problem)) {
        shared.changed.notify_one();
    }
}

async fn over(shared: &Arc<Shared>, known: &Known, end: ErrandEnd) {
    if shared.errands.see(known, ObservedErrand::Over(end)) {
        shared.changed.notify_one();
    }
    let (shared, id) = (Arc::clone(shared), known.logs_as());
    let released = tokio::task::spawn_blocking(move || shared.releases.release(&id)).await;
    if let Ok(Err(error)) = released {
        tracing::warn!(error = words(&error), "what an errand used was not removed");
    }
}

fn end(finished: Finished) -> ErrandEnd {
    let failure = match &finished.outcome {
        Outcome::Passed => None,
        other => Some(outcome_words(other)),
    };
    let own = |line: &String| !line.starts_with("[leadsman] ");
    ErrandEnd {
        failure,
        last: finished.last.into_iter().filter(own).collect(),
        took: finished.took,
    }
}

/// Has the errand begun, or given up where nobody wants it or it cannot be started.
async fn begin(shared: &Arc<Shared>, known: &Known, folder: &Path) -> Result<(), String> {
    let Some(errand) = wished(known) else {
        return Ok(());
    };
    let (to, path) = (Arc::clone(shared), folder.to_owned());
    let (logs_as, id, environment) = (known.logs_as(), known.id, known.environment.clone());
    let record = known.record.clone();
    let prepared = tokio::task::spawn_blocking(move || -> Result<Option<Spec>, String> {
        create_private_folder(&path).map_err(|error| words(&error))?;
        let written = replace_json(&path.join("errand.json"), &record, Durable::Yes);
        written.map_err(|error| words(&error))?;
        let forgo = |why| attempt::forgo(&path, why).map_err(|error| words(&error));
        if errand.ended {
            forgo(None)?;
            return Ok(None);
        }
        match spec(&to, &environment, id, &errand, &logs_as) {
            Ok(spec) => Ok(Some(spec)),
            Err(why) => {
                forgo(Some(format!("it could not be started: {why}")))?;
                Ok(None)
            }
        }
    });
    let Some(spec) = prepared.await.map_err(|error| error.to_string())?? else {
        return Ok(());
    };
    let begun = attempt::ensure(&shared.config.executable, folder, &spec).await;
    begun.map_err(|error| words(&error))
}

/// Returns what the runner is told, or says in words why it cannot be started. Blocks while an artifact
/// is unpacked.
fn spec(
    shared: &Shared,
    environment: &EnvironmentId,
    id: ErrandId,
    errand: &Errand,
    logs_as: &InstanceId,
) -> Result<Spec, String> {
    let ground = prepare::ground(shared, logs_as, &errand.released)?;
    let mut env = prepare::shared_variables(environment, &errand.released, ground.account.as_ref());
    env.extend(
        [
            ("LEADSMAN_SERVICE", errand.service.to_string()),
            ("LEADSMAN_RELEASE", errand.release.0.to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    );
    env.extend(errand.env.clone());
    let spec = &errand.released.spec;
    let alone =
        folder_of(&shared.config.state, environment).join(format!("{}.lock", id.kind.as_str()));
    Ok(Spec {
        repository: PathBuf::new(),
        commit: None,
        place: Some(Place {
            folder: ground.folder,
            user: ground.account.map(|account| account.user),
            memory: spec.memory,
            files: spec.files,
            output: shared.logs.folder_of(logs_as),
            alone,
        }),
        project_folder: String::new(),
        job: job(errand),
        env,
        given: Vec::new(),
        caches: Vec::new(),
    })
}

fn job(errand: &Errand) -> Job {
    Job {
        steps: vec![Step::Command(errand.command.clone())],
        needs: Vec::new(),
        after: None,
        timeout: errand.timeout,
        budget: None,
        retry: Retry::default(),
        env: BTreeMap::new(),
        secrets: errand.secrets.clone(),
        folder: ".".to_owned(),
        inputs: Vec::new(),
        tools: BTreeMap::new(),
        reports: Vec::new(),
        artifacts: BTreeMap::new(),
        services: BTreeMap::new(),
        cache: Vec::new(),
        disk: DISK,
        processes: PROCESSES,
    }
}
