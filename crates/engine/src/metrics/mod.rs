//! Where values come from that are no counts of requests: pages that services show, Prometheus.
//!
//! A [`MetricReader`] reads one metric of one rollout, again and again. It knows no limits and
//! decides nothing; what it reads, or why it could not, is told to the judge.

mod exposition;
mod http;
mod polling;
mod prometheus;
mod shown;

use std::net::SocketAddr;

use leadsman_core::id::{EnvironmentId, InstanceId, RevisionId};
use leadsman_core::metric::{MetricSource, Side};
use leadsman_core::time::Timestamp;

pub(crate) use self::polling::{Judged, Polled, Polling};
use crate::data_plane::BoxFuture;

/// Opens what reads metrics.
pub trait MetricSources: Send + Sync {
    /// Returns what reads a metric from `source`, for one rollout; `None` where nobody has to,
    /// because the runtime measures it anyway.
    fn open(&self, source: &MetricSource) -> Option<Box<dyn MetricReader>>;
}

/// Reads one metric of one rollout, again and again.
pub trait MetricReader: Send {
    /// Returns what is new since the last time, in order; nothing where nothing is.
    ///
    /// # Errors
    ///
    /// Why it could not be read, in words and without secrets.
    fn read<'a>(&'a mut self, asked: &'a Asked) -> BoxFuture<'a, Result<Vec<Reading>, String>>;
}

/// What a reader is asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// The environment.
    pub environment: EnvironmentId,
    /// The present moment.
    pub now: Timestamp,
    /// When the step began: what was before it is not asked for.
    pub since: Timestamp,
    /// The new revision.
    pub canary: AskedSide,
    /// What it is compared with; `None` where nothing is compared.
    pub baseline: Option<AskedSide>,
}

/// One side of what a reader is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskedSide {
    /// The revision.
    pub revision: RevisionId,
    /// Those of its instances that are ready.
    pub instances: Vec<AskedInstance>,
}

/// One instance that can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskedInstance {
    /// Its name.
    pub id: InstanceId,
    /// Where it accepts requests.
    pub address: SocketAddr,
    /// When its process was started.
    pub started_at: Timestamp,
}

/// The values of one interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    /// How long the interval was, in seconds; greater than 0.
    pub seconds: f64,
    /// The canary's value; `None` where it has none.
    pub canary: Option<f64>,
    /// The baseline's value; `None` where it has none, or was not asked for.
    pub baseline: Option<f64>,
}

/// The sources of the world: instances and Prometheus, both asked over HTTP.
#[derive(Clone, Copy, Debug, Default)]
pub struct HttpSources;

impl MetricSources for HttpSources {
    fn open(&self, source: &MetricSource) -> Option<Box<dyn MetricReader>> {
        Some(match source {
            MetricSource::Shown(shown) => Box::new(shown::Pages::new(shown.clone())),
            MetricSource::Queried(queried) => Box::new(prometheus::Windows::new(queried.clone())),
            MetricSource::Measured(_) => return None,
        })
    }
}

impl Asked {
    /// Calls `use_side` with a side as queries know it.
    fn side<T>(&self, side: &AskedSide, use_side: impl FnOnce(&Side<'_>) -> T) -> T {
        let instances: Vec<SocketAddr> = side.instances.iter().map(|one| one.address).collect();
        use_side(&Side {
            environment: &self.environment,
            revision: &side.revision,
            instances: &instances,
        })
    }
}

/// Returns a value that can be judged: what is no number or infinite is no value.
fn finite(value: f64) -> Option<f64> {
    Some(value).filter(|value| value.is_finite())
}
