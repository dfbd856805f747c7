//! What the engine shows: one consistent picture per environment.

use std::collections::BTreeMap;
use std::sync::Arc;

use leadsman_core::id::{EnvironmentId, InstanceId, RevisionId};
use leadsman_core::time::Timestamp;
use leadsman_core::{Environment, Observed, Reason};

use crate::rates::Rate;

/// One environment at one moment, as its last pass saw it.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// The recorded state.
    pub environment: Environment,
    /// What was seen of the world.
    pub observed: Observed,
    /// Why it is not finished.
    pub reasons: Vec<Reason>,
    /// How the revisions have been doing lately.
    pub rates: BTreeMap<RevisionId, Rate>,
    /// How often each instance was left out in that time because its answers failed.
    pub ejected: BTreeMap<InstanceId, u64>,
    /// Why nothing can be recorded at present, if so: nothing moves then.
    pub problem: Option<String>,
    /// The moment.
    pub at: Timestamp,
}

/// All environments. Each change of any of them is a new value of `version`.
#[derive(Clone, Debug, Default)]
pub struct Views {
    /// Grows with each change.
    pub version: u64,
    /// By name.
    pub environments: BTreeMap<EnvironmentId, Arc<View>>,
}
