//! Metrics that are whatever a test says.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use leadsman_core::id::ReleaseNumber;
use leadsman_core::metric::MetricSource;
use leadsman_engine::{Asked, AskedSide, BoxFuture, MetricReader, MetricSources, Reading};

/// Sources of metrics that have one value for each release, whatever they are asked for.
#[derive(Clone, Debug, Default)]
pub struct FakeMetrics(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    values: BTreeMap<ReleaseNumber, f64>,
    failing: Option<String>,
    hanging: bool,
}

/// Reads them, once in every interval that the project file asks for.
struct FakeReader {
    metrics: FakeMetrics,
    every: Duration,
}

impl FakeMetrics {
    /// From now on every metric of `release` has this value, or none.
    pub fn set(&self, release: ReleaseNumber, value: Option<f64>) {
        let mut state = self.state();
        match value {
            Some(value) => state.values.insert(release, value),
            None => state.values.remove(&release),
        };
    }

    /// From now on nothing can be read, and this is why; `None`: it can be again.
    pub fn fail(&self, why: Option<&str>) {
        self.state().failing = why.map(str::to_owned);
    }

    /// From now on no reading comes to an end.
    pub fn hang(&self) {
        self.state().hanging = true;
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reading(&self, asked: &Asked, every: Duration) -> Result<Vec<Reading>, String> {
        let state = self.state();
        if let Some(why) = &state.failing {
            return Err(why.clone());
        }
        let value = |side: &AskedSide| state.values.get(&side.revision.release).copied();
        Ok(vec![Reading {
            seconds: every.as_secs_f64(),
            canary: value(&asked.canary),
            baseline: asked.baseline.as_ref().and_then(value),
        }])
    }
}

impl MetricSources for FakeMetrics {
    fn open(&self, source: &MetricSource) -> Option<Box<dyn MetricReader>> {
        let every = match source {
            MetricSource::Shown(shown) => shown.every,
            MetricSource::Queried(queried) => queried.every,
            MetricSource::Measured(_) => return None,
        };
        let metrics = self.clone();
        Some(Box::new(FakeReader { metrics, every }))
    }
}

impl MetricReader for FakeReader {
    fn read<'a>(&'a mut self, asked: &'a Asked) -> BoxFuture<'a, Result<Vec<Reading>, String>> {
        if self.metrics.state().hanging {
            return Box::pin(std::future::pending());
        }
        let reading = self.metrics.reading(asked, self.every);
        Box::pin(std::future::ready(reading))
    }
}
