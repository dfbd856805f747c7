//! The workload side of the world: one contract, and its implementation for one machine.
//!
//! [`Runtime`] makes the instances of an environment be what the plan asks for, and tells what was
//! seen of them. [`process::ProcessRuntime`] does it with processes: each instance runs under a
//! [`shim`], a small process of its own that outlives control.
//!
//! It deliberately decides nothing. Which instances should run, when one may be removed and what
//! an instance that does not become ready means for a release are questions for the core.
//!
//! Read first: [`Runtime`], [`process::ProcessRuntime`], [`shim::Spec`].

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::pin::Pin;

use leadsman_core::errand::{ErrandId, ObservedErrand};
use leadsman_core::id::{EnvironmentId, InstanceId};
use leadsman_core::workload::{ObservedInstance, Workloads};

pub mod artifact;
mod chain;
pub mod command;
mod files;
pub mod job;
pub mod logs;
mod machine;
pub mod process;
pub mod shim;
mod supervised;

pub use chain::words;
pub use files::FileError;
pub use logs::{Output, ReadFrom};
pub use machine::ProcessId;
pub use supervised::{SuperviseError, Supervised};

/// A future of a contract's method: boxed, so that the contract can be used as `dyn Runtime`.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Runs instances, and tells what it sees of them.
pub trait Runtime: Send + Sync {
    /// Makes the instances of `environment` be exactly `desired`, and has its errands run: each once,
    /// whoever asks for it how often, and whatever is killed meanwhile.
    ///
    /// It says what should be and not what to do: applying the same again changes nothing, and a
    /// later call replaces an earlier one. It returns before the work is done; what goes wrong on
    /// the way is observed and not returned. What an [`InstanceId`] stands for never changes, since
    /// releases do not: an instance that runs is left alone even if its description is told anew.
    ///
    /// `version` is that of the state on which it was planned. What was planned on an older version
    /// than what was taken in last is ignored: whoever planned it has been overtaken.
    ///
    /// # Errors
    /// When the call could not be taken in at all; nothing has changed then.
    fn apply<'a>(
        &'a self,
        environment: &'a EnvironmentId,
        version: u64,
        desired: &'a Workloads,
    ) -> BoxFuture<'a, Result<(), RuntimeError>>;

    /// Returns what was last seen of the instances of `environment`, those that are still stopping
    /// included. An instance is missing here only when nothing of it is left.
    ///
    /// # Errors
    /// When the runtime cannot tell.
    fn observe<'a>(
        &'a self,
        environment: &'a EnvironmentId,
    ) -> BoxFuture<'a, Result<BTreeMap<InstanceId, ObservedInstance>, RuntimeError>>;

    /// Returns what was last seen of the errands of `environment`: at least of all that run, and of
    /// the last ones that are over.
    ///
    /// # Errors
    /// When the runtime cannot tell.
    fn errands<'a>(
        &'a self,
        environment: &'a EnvironmentId,
    ) -> BoxFuture<'a, Result<BTreeMap<ErrandId, ObservedErrand>, RuntimeError>>;

    /// Resolves when something about any instance or errand has changed since it last resolved. It is a nudge
    /// without data, for one waiting task; a measurement that moved alone is no change.
    fn changed(&self) -> BoxFuture<'_, ()>;

    /// Reads what `instance` wrote to its standard output and standard error, also after it has
    /// ended. To follow it, go on from [`Output::next`].
    ///
    /// # Errors
    /// When there is no output of such an instance, or it cannot be read.
    fn output<'a>(
        &'a self,
        instance: &'a InstanceId,
        from: ReadFrom,
    ) -> BoxFuture<'a, Result<Output, RuntimeError>>;
}

/// A runtime could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[error("failed to {attempt}")]
pub struct RuntimeError {
    attempt: String,
    #[source]
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl RuntimeError {
    /// Returns the error of an attempt to `attempt`, which completes "failed to ...".
    pub fn new(attempt: impl Into<String>) -> Self {
        Self {
            attempt: attempt.into(),
            source: None,
        }
    }

    /// Adds what caused it.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}
