//! What should run, and what was seen to run: the contract between plan and runtime.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::errand::{Errand, ErrandId};
use crate::id::{InstanceId, RevisionId};
use crate::spec::ReleasedService;
use crate::time::Timestamp;

/// What should run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Workloads {
    /// The instances that should run, by name: all of them, and no others.
    pub instances: BTreeMap<InstanceId, Instance>,
    /// The commands that should be run once. What was begun is never begun again; one that is not
    /// named any more is left to itself.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub errands: BTreeMap<ErrandId, Errand>,
}

/// One instance that should run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Instance {
    /// The revision it is a copy of.
    pub revision: RevisionId,
    /// What that revision is.
    pub service: Arc<ReleasedService>,
}

/// What was seen of one instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ObservedInstance {
    /// The revision it is a copy of.
    pub revision: RevisionId,
    /// Where it is in its life.
    pub state: InstanceState,
    /// Where it accepts requests.
    pub address: Option<SocketAddr>,
    /// When the process that runs now was started; of the first start, where none runs.
    pub started_at: Timestamp,
    /// Since when it has been ready without a break; `None` where it is not ready.
    pub ready_since: Option<Timestamp>,
    /// How often it was started again after it ended by itself.
    pub restarts: u32,
    /// Resident memory of its processes, in bytes, where it was measured.
    pub memory: Option<u64>,
    /// Processor time that its processes used in one second, where it was measured: two seconds
    /// keep two cores busy.
    #[serde(default)]
    pub cpu: Option<Duration>,
    /// In words, what stands between it and being ready: the last probe's answer, the last exit,
    /// the error of starting it. Holds no secret.
    pub detail: Option<String>,
}

/// Where an instance is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InstanceState {
    /// Its artifact is being unpacked, or its process started.
    Starting,
    /// Its process runs.
    Running,
    /// It ended by itself and will be started again after a pause.
    Restarting,
    /// It cannot be started at all, such as when its command does not exist.
    Broken,
    /// It was asked to end.
    Stopping,
}
