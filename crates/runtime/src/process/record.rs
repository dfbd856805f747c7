//! What control remembers of an instance across its own restarts.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use leadsman_core::id::{Digest, EnvironmentId, InstanceId, RevisionId};
use leadsman_core::spec::{Protocol, Readiness};
use leadsman_core::time::Timestamp;
use leadsman_core::workload::{InstanceState, ObservedInstance};
use serde::{Deserialize, Serialize};

use crate::files::{At as _, Durable, FileError, create_private_folder, read_json, replace_json};
use crate::machine::{ProcessId, boot_id};
use crate::shim::{Folder, State, Status};

/// What control must know to go on watching an instance, in `record.json`. It is written before the
/// shim's own spec, so a folder without it holds nothing that runs.
///
/// Files written by one version are read by the next: fields are only ever added, with a default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) id: InstanceId,
    pub(super) environment: EnvironmentId,
    pub(super) revision: RevisionId,
    pub(super) port: u16,
    pub(super) readiness: Readiness,
    #[serde(default)]
    pub(super) protocol: Protocol,
    pub(super) artifact: Option<Digest>,
    /// How often it was started again before its present shim was.
    #[serde(default)]
    pub(super) earlier_restarts: u32,
}

impl Record {
    pub(super) fn write(&self, folder: &Path) -> Result<(), FileError> {
        replace_json(&folder.join("record.json"), self, Durable::Yes)
    }

    pub(super) fn read(folder: &Path) -> Result<Self, FileError> {
        read_json(&folder.join("record.json"))
    }

    /// Returns how often the instance in `folder` was started again, its next start included.
    pub(super) fn restarts_with_next(folder: &Path) -> u32 {
        let Ok(record) = Self::read(folder) else {
            return 0;
        };
        match Folder::new(folder).status() {
            Ok(status) => record.restarts(&status).saturating_add(1),
            Err(_) => record.earlier_restarts,
        }
    }

    fn restarts(&self, status: &Status) -> u32 {
        self.earlier_restarts.saturating_add(status.restarts)
    }

    pub(super) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }
}

/// Since when one process has been ready, in `ready.json`. It holds for that process only.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Ready {
    pub(super) child: ProcessId,
    pub(super) since: Timestamp,
}

impl Ready {
    pub(super) fn write(&self, folder: &Path) -> Result<(), FileError> {
        replace_json(&folder.join("ready.json"), self, Durable::No)
    }

    pub(super) fn forget(folder: &Path) {
        // Where it is not there, or cannot be removed, it names a process that is gone.
        let _stale = fs::remove_file(folder.join("ready.json"));
    }

    /// Returns since when `child` has been ready.
    pub(super) fn of(folder: &Path, child: ProcessId) -> Option<Timestamp> {
        let ready: Self = read_json(&folder.join("ready.json")).ok()?;
        (ready.child == child).then_some(ready.since)
    }
}

/// An instance that was found on disk.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) record: Record,
    pub(super) observed: ObservedInstance,
}

/// Returns the folder of one instance.
pub(super) fn folder_of(state: &Path, id: &InstanceId) -> PathBuf {
    state.join("instances").join(id.as_str())
}

/// Whether `text` is safe as the name of a file.
pub(super) fn is_file_name(text: &str) -> bool {
    (1..=255).contains(&text.len()) && !text.starts_with('.') && !text.contains(['/', '\0'])
}

/// Looks for the instances that were there before.
///
/// A folder that cannot be understood is kept as long as a shim works in it: that is stopped first.
pub(super) fn scan(state: &Path) -> Result<Vec<Found>, FileError> {
    let instances = state.join("instances");
    create_private_folder(&instances)?;
    let mut found = Vec::new();
    for entry in fs::read_dir(&instances).at("read", &instances)? {
        let path = entry.at("read", &instances)?.path();
        match Record::read(&path) {
            Ok(record) if path.file_name() == Some(record.id.as_str().as_ref()) => {
                let observed = observe(&path, &record);
                found.push(Found { record, observed });
            }
            other => {
                let why =
                    other.map_or_else(|error| crate::words(&error), |_| "misnamed".to_owned());
                tracing::warn!(folder = %path.display(), why, "an instance was left half-made");
                // What cannot be removed must not keep control from all the others. It is in the
                // way of an instance of that name only, which will say so.
                if let Err(error) = clear_away(&path) {
                    tracing::warn!(error = crate::words(&error), "it could not be removed");
                }
            }
        }
    }
    Ok(found)
}

/// Stops the shim in a folder that is no instance's, if there is one, and removes the folder.
fn clear_away(path: &Path) -> Result<(), FileError> {
    if !path.is_dir() {
        return fs::remove_file(path).at("remove", path);
    }
    let folder = Folder::new(path);
    // It is rare, and nothing else can go on before: so it is waited for right here.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .at("wait for", path)?;
    runtime.block_on(async {
        if let Ok(Some(shim)) = crate::Supervised::attach(folder.path()).await {
            shim.stop().await;
        }
        match crate::supervised::remove(path).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(io::Error::from(io::ErrorKind::ResourceBusy)).at("remove", path),
            Err(error) => Err(error),
        }
    })
}

fn observe(folder: &Path, record: &Record) -> ObservedInstance {
    let begun = unstarted(record.revision.clone(), Timestamp::default());
    let begun = ObservedInstance {
        address: Some(record.address()),
        ..begun
    };
    let Ok(status) = Folder::new(folder).status() else {
        return begun;
    };
    // A status outlives what it tells of when the machine, or the shim, was killed.
    if status.boot != boot_id() || !status.shim.is_alive() {
        let detail = Some("its shim has ended".to_owned());
        let started_at = status.started_at;
        return ObservedInstance {
            state: InstanceState::Restarting,
            started_at,
            detail,
            ..begun
        };
    }
    let ready_since = status.child.and_then(|child| Ready::of(folder, child));
    seen(record, &status, ready_since, None)
}

/// Returns an instance whose shim has ended, though nobody here asked it to.
pub(super) fn orphaned(record: &Record, status: &Status) -> ObservedInstance {
    let detail = if status.boot != boot_id() {
        "the machine was restarted"
    } else if status.state == State::Stopped {
        "its shim was asked to end by somebody else"
    } else {
        "its shim was killed, and it with its shim"
    };
    ObservedInstance {
        state: InstanceState::Restarting,
        memory: None,
        cpu: None,
        detail: Some(detail.to_owned()),
        ..seen(record, status, None, None)
    }
}

/// Returns an instance that was not started yet.
pub(super) fn unstarted(revision: RevisionId, at: Timestamp) -> ObservedInstance {
    ObservedInstance {
        revision,
        state: InstanceState::Starting,
        address: None,
        started_at: at,
        ready_since: None,
        restarts: 0,
        memory: None,
        cpu: None,
        detail: None,
    }
}

/// Returns an instance as its shim's `status` and the last probe tell of it.
pub(super) fn seen(
    record: &Record,
    status: &Status,
    ready_since: Option<Timestamp>,
    unready: Option<&str>,
) -> ObservedInstance {
    let (state, ready_since) = match status.state {
        State::Starting => (InstanceState::Starting, None),
        State::Running => (InstanceState::Running, ready_since),
        State::Restarting => (InstanceState::Restarting, None),
        State::Broken => (InstanceState::Broken, None),
        State::Stopping | State::Stopped => (InstanceState::Stopping, None),
    };
    ObservedInstance {
        revision: record.revision.clone(),
        state,
        address: Some(record.address()),
        started_at: status.started_at,
        ready_since,
        restarts: record.restarts(status),
        memory: status.memory,
        cpu: status.cpu,
        detail: detail(status, ready_since, unready),
    }
}

fn detail(status: &Status, ready: Option<Timestamp>, unready: Option<&str>) -> Option<String> {
    if ready.is_some() {
        return None;
    }
    let ended = status.last_exit.as_ref().map(|exit| {
        let lines: Vec<_> = status.last_output.iter().map(|line| line.trim()).collect();
        match &lines[..] {
            [] => exit.clone(),
            lines => format!("{exit}; its last output: {}", lines.join(" | ")),
        }
    });
    match (status.state, unready, ended) {
        (State::Running, Some(unready), Some(ended)) => Some(format!(
            "{unready}; it was started again after it {}",
            as_verb(&ended)
        )),
        (State::Running, Some(unready), None) => Some(unready.to_owned()),
        (_, _, ended) => ended,
    }
}

/// Exits are told without a subject, and some lack the verb that a sentence needs.
fn as_verb(exit: &str) -> String {
    if exit.starts_with("killed") {
        format!("was {exit}")
    } else {
        exit.to_owned()
    }
}
