//! Instances as processes of this machine, each under a [`crate::shim`].
//!
//! One task per instance brings it to where it should be; all that must outlive this process is
//! in the instance's folder and in its shim. The state folder holds:
//!
//! | folder                  | what it is                                                      |
//! |-------------------------|-----------------------------------------------------------------|
//! | `artifacts/`            | packed artifacts, by digest                                     |
//! | `releases/BOOT/DIGEST/` | unpacked artifacts, shared by all instances that run them       |
//! | `instances/INSTANCE/`   | the folder of one shim, and what control remembers of it        |
//! | `logs/INSTANCE/`        | captured output; outlives the instance                          |
//! | `errands/APP/ENV/NAME/` | commands that are run once, each in the folder of its runner    |

mod actor;
mod errands;
mod expand;
pub(crate) use expand::{ExpandError, expand};
mod passwd;
mod ports;
mod prepare;
mod probe;
mod readiness;
mod record;
mod releases;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use leadsman_core::errand::{ErrandId, ObservedErrand};
use leadsman_core::id::{EnvironmentId, InstanceId};
use leadsman_core::time::Timestamp;
use leadsman_core::workload::{Instance, ObservedInstance, Workloads};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use crate::artifact::{self, Store};
use crate::files::{At as _, create_private_folder};
use crate::logs::Logs;
use crate::{BoxFuture, Output, ReadFrom, Runtime, RuntimeError};
use actor::Actor;
use errands::Errands;
use ports::Ports;
use record::Found;
use releases::Releases;

/// What a process runtime needs to know.
#[derive(Clone, Debug)]
pub struct Config {
    /// The state folder.
    pub state: PathBuf,
    /// The program that becomes a shim when it is called as `<executable> shim <folder>`, and serves
    /// the files of its folder as `<executable> serve --port <port> --bundle <json>`.
    pub executable: PathBuf,
    /// How large artifacts may be.
    pub artifacts: artifact::Limits,
    /// How large the output of one instance grows before it is rotated, in bytes.
    pub log_rotate_bytes: u64,
    /// How many rotated parts are kept for each instance; at least 1.
    pub log_keep: u32,
    /// How much output is kept in all, in bytes. Output of running instances is never removed.
    pub logs_bytes_max: u64,
}

impl Config {
    /// Returns the usual sizes, in this state folder.
    pub fn new(state: impl Into<PathBuf>, executable: impl Into<PathBuf>) -> Self {
        Self {
            state: state.into(),
            executable: executable.into(),
            artifacts: artifact::Limits::default(),
            log_rotate_bytes: 8 << 20,
            log_keep: 3,
            logs_bytes_max: 1 << 30,
        }
    }
}

/// Runs instances as processes. When it is dropped they go on, and the next one on the same state
/// folder finds them.
#[derive(Debug)]
pub struct ProcessRuntime {
    shared: Arc<Shared>,
    tasks: Mutex<JoinSet<()>>,
}

/// A state folder that was opened, and what was found in it.
#[derive(Debug)]
struct Opened {
    shared: Arc<Shared>,
    found: Vec<Found>,
    errands: Vec<errands::Known>,
}

/// What is wanted of one instance.
#[derive(Clone, Debug)]
enum Wish {
    /// Nobody has said yet: it is left as it is.
    Unknown,
    /// It should run.
    Wanted(Arc<Instance>),
    /// It should not.
    Unwanted,
}

#[derive(Debug)]
struct Entry {
    environment: EnvironmentId,
    wish: watch::Sender<Wish>,
    observed: ObservedInstance,
}

/// What the tasks of all instances share.
#[derive(Debug)]
struct Shared {
    config: Config,
    entries: Mutex<BTreeMap<InstanceId, Entry>>,
    /// The version on which what is wanted of an environment was planned.
    versions: Mutex<BTreeMap<EnvironmentId, u64>>,
    changed: Notify,
    logs: Logs,
    ports: Ports,
    releases: Releases,
    errands: Errands,
}

impl Shared {
    fn entries(&self) -> MutexGuard<'_, BTreeMap<InstanceId, Entry>> {
        // What a task that panicked left is still the last thing that was seen.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nothing newer than `version` was taken in for `environment`; remembers it then.
    fn is_newest(&self, environment: &EnvironmentId, version: u64) -> bool {
        let mut versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = versions.entry(environment.clone()).or_default();
        let is_newest = version >= *newest;
        *newest = version.max(*newest);
        is_newest
    }
}

impl ProcessRuntime {
    /// Starts on a state folder: finds the instances that run, and goes on watching them. They are
    /// observed as they were from the first moment on. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When the state folder cannot be used.
    pub async fn start(config: Config) -> Result<Self, RuntimeError> {
        let state = config.state.display().to_string();
        tokio::task::spawn_blocking(move || Self::open(config))
            .await
            .map_err(|error| RuntimeError::new("start the process runtime").because(error))?
            .map_err(|error| {
                RuntimeError::new(format!("use the state folder `{state}`")).because(error)
            })
            .map(|opened| {
                let runtime = Self {
                    shared: opened.shared,
                    tasks: Mutex::new(JoinSet::new()),
                };
                runtime.adopt(opened.found);
                for errand in opened.errands {
                    runtime.spawn(errands::watch(Arc::clone(&runtime.shared), errand));
                }
                runtime
            })
    }

    fn open(mut config: Config) -> Result<Opened, artifact::ArtifactError> {
        // Shims run in another folder.
        for path in [&mut config.state, &mut config.executable] {
            *path = std::path::absolute(&*path).at("find", path)?;
        }
        create_private_folder(&config.state)?;
        let store = Store::open(&config.state, config.artifacts)?;
        let found = record::scan(&config.state)?;
        let (errands, known_errands) = errands::scan(&config.state)?;
        let uses = found
            .iter()
            .filter_map(|found| Some((found.record.id.clone(), found.record.artifact.clone()?)))
            .chain(known_errands.iter().filter_map(errands::Known::uses));
        let releases = Releases::open(&config.state, store, uses.collect())?;
        let ports = Ports::new(&config.state, found.iter().map(|found| found.record.port));
        let logs = Logs::new(&config.state);
        logs.prune(config.logs_bytes_max, |name| {
            let errand = known_errands
                .iter()
                .any(|errand| errand.logs_as().as_str() == name);
            errand || found.iter().any(|found| found.record.id.as_str() == name)
        })?;
        let shared = Shared {
            config,
            entries: Mutex::new(BTreeMap::new()),
            versions: Mutex::new(BTreeMap::new()),
            changed: Notify::new(),
            logs,
            ports,
            releases,
            errands,
        };
        Ok(Opened {
            shared: Arc::new(shared),
            found,
            errands: known_errands,
        })
    }

    fn adopt(&self, found: Vec<Found>) {
        let mut entries = self.shared.entries();
        for Found { record, observed } in found {
            self.begin(
                &mut entries,
                record.id.clone(),
                record.environment.clone(),
                Wish::Unknown,
                observed,
            );
        }
    }

    fn begin(
        &self,
        entries: &mut BTreeMap<InstanceId, Entry>,
        id: InstanceId,
        environment: EnvironmentId,
        wish: Wish,
        observed: ObservedInstance,
    ) {
        let (sender, receiver) = watch::channel(wish);
        entries.insert(
            id.clone(),
            Entry {
                environment: environment.clone(),
                wish: sender,
                observed,
            },
        );
        let actor = Actor::new(Arc::clone(&self.shared), id, environment, receiver);
        self.spawn(actor.run());
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }

    /// Returns the artifacts of this machine, for those who bring new ones.
    pub fn artifacts(&self) -> Store {
        self.shared.releases.store().clone()
    }

    /// Returns the captured output of all instances, those that are gone included.
    pub fn logs(&self) -> Logs {
        self.shared.logs.clone()
    }

    fn take_in(
        &self,
        environment: &EnvironmentId,
        version: u64,
        desired: &Workloads,
    ) -> Result<(), RuntimeError> {
        for id in desired.instances.keys() {
            if !record::is_file_name(id.as_str()) || !id.is_of(environment) {
                return Err(RuntimeError::new(format!(
                    "take `{id}` for one of `{environment}`"
                )));
            }
        }
        let mut entries = self.shared.entries();
        // Asked with the entries locked, so that nothing newer can come in between.
        if !self.shared.is_newest(environment, version) {
            return Ok(());
        }
        for (id, entry) in entries
            .iter()
            .filter(|(_, entry)| entry.environment == *environment)
        {
            let wish = match desired.instances.get(id) {
                Some(instance) => Wish::Wanted(Arc::new(instance.clone())),
                None => Wish::Unwanted,
            };
            entry.wish.send_if_modified(|present| {
                let same = matches!(
                    (&*present, &wish),
                    (Wish::Wanted(_), Wish::Wanted(_)) | (Wish::Unwanted, Wish::Unwanted)
                );
                *present = wish;
                !same
            });
        }
        for (id, instance) in &desired.instances {
            if !entries.contains_key(id) {
                self.begin(
                    &mut entries,
                    id.clone(),
                    environment.clone(),
                    Wish::Wanted(Arc::new(instance.clone())),
                    record::unstarted(instance.revision.clone(), now()),
                );
            }
        }
        for (id, errand) in &desired.errands {
            if let Some(known) = self.shared.errands.take_in(environment, *id, errand) {
                self.spawn(errands::watch(Arc::clone(&self.shared), known));
            }
        }
        Ok(())
    }
}

impl Runtime for ProcessRuntime {
    fn apply<'a>(
        &'a self,
        environment: &'a EnvironmentId,
        version: u64,
        desired: &'a Workloads,
    ) -> BoxFuture<'a, Result<(), RuntimeError>> {
        Box::pin(async move { self.take_in(environment, version, desired) })
    }

    fn observe<'a>(
        &'a self,
        environment: &'a EnvironmentId,
    ) -> BoxFuture<'a, Result<BTreeMap<InstanceId, ObservedInstance>, RuntimeError>> {
        Box::pin(async {
            let entries = self.shared.entries();
            Ok(entries
                .iter()
                .filter(|(_, entry)| entry.environment == *environment)
                .map(|(id, entry)| (id.clone(), entry.observed.clone()))
                .collect())
        })
    }

    fn errands<'a>(
        &'a self,
        environment: &'a EnvironmentId,
    ) -> BoxFuture<'a, Result<BTreeMap<ErrandId, ObservedErrand>, RuntimeError>> {
        Box::pin(async { Ok(self.shared.errands.observed(environment)) })
    }

    fn changed(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.shared.changed.notified())
    }

    fn output<'a>(
        &'a self,
        instance: &'a InstanceId,
        from: ReadFrom,
    ) -> BoxFuture<'a, Result<Output, RuntimeError>> {
        Box::pin(async move {
            let attempt = || RuntimeError::new(format!("read the output of `{instance}`"));
            if !record::is_file_name(instance.as_str()) {
                return Err(attempt());
            }
            let (logs, id) = (self.logs(), instance.clone());
            tokio::task::spawn_blocking(move || logs.read(&id, from))
                .await
                .map_err(|error| attempt().because(error))?
                .map_err(|error| attempt().because(error))
        })
    }
}

fn now() -> Timestamp {
    let since_epoch = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::from_millis(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
}
