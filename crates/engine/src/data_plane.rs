//! What the engine needs of a data plane.

use std::collections::BTreeMap;
use std::pin::Pin;

use leadsman_analysis::Figures;
use leadsman_core::id::{EnvironmentId, InstanceId, RevisionId};
use leadsman_core::route::{AcknowledgedRoutes, Routes};
use leadsman_core::time::Timestamp;

/// A boxed future, so that the contracts can be used behind `dyn`.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Spreads requests and counts what came of them.
pub trait DataPlane: Send + Sync {
    /// Makes requests of `environment` go where `routes` says. Returns when the data plane has
    /// acknowledged it, or could not be reached; either shows in [`DataPlane::acknowledged`].
    ///
    /// `version` is that of the state on which the routes were planned. Routes of an older version
    /// than those in force are ignored: whoever planned them has been overtaken.
    fn apply<'a>(
        &'a self,
        environment: &'a EnvironmentId,
        version: u64,
        routes: &'a Routes,
    ) -> BoxFuture<'a, ()>;

    /// Returns what the data plane acknowledged last for `environment`; `None` while it does not
    /// answer.
    fn acknowledged(&self, environment: &EnvironmentId) -> Option<AcknowledgedRoutes>;

    /// Resolves when something that [`DataPlane::acknowledged`] returns may have changed.
    fn changed(&self) -> BoxFuture<'_, ()>;

    /// Returns the windows that were closed since the last call, waiting for the next one if
    /// there is none yet.
    ///
    /// # Errors
    ///
    /// Why no figures can be had just now, in words.
    fn windows(&self) -> BoxFuture<'_, Result<Vec<SideWindow>, String>>;
}

/// Which window of a data plane it is, whatever clocks show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowId {
    /// The series: another one for each process that begins with nothing.
    pub series: u64,
    /// Its number in the series.
    pub sequence: u64,
}

/// One closed interval with what was counted of each side.
#[derive(Clone, Debug, PartialEq)]
pub struct SideWindow {
    /// Which one it is.
    pub id: WindowId,
    /// When it began.
    pub started_at: Timestamp,
    /// Whether it was closed since this control has been listening. One that is older may have
    /// been read by an earlier control already.
    pub fresh: bool,
    /// How long it was, in seconds.
    pub seconds: f64,
    /// Which routes were in force at its end, as in [`AcknowledgedRoutes::generation`]; `None` where
    /// the data plane does not say so.
    pub generation: Option<u64>,
    /// What was counted, by environment and revision. A side without requests is left out.
    pub sides: BTreeMap<(EnvironmentId, RevisionId), Figures>,
    /// Those of the figures that one instance of a revision counted by itself, always the same one.
    /// A revision of one instance is left out.
    pub references: BTreeMap<(EnvironmentId, RevisionId), Figures>,
    /// How often each instance was left out because its answers failed.
    pub ejected: BTreeMap<InstanceId, u64>,
}
