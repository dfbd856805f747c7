//! How a revision has been doing in the last seconds, for people to look at.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use leadsman_analysis::Figures;
use leadsman_core::id::{EnvironmentId, InstanceId, RevisionId};

use crate::data_plane::SideWindow;

/// How many windows are looked at.
const WINDOWS: usize = 10;

/// How a revision has been doing in the last ten seconds or so.
#[derive(Clone, Debug, PartialEq)]
pub struct Rate {
    /// How long that was exactly.
    pub over: Duration,
    /// Requests per second.
    pub requests_per_second: f64,
    /// The share of failed requests, 0 to 1; `None` without requests.
    pub errors: Option<f64>,
    /// The 95th percentile of latency; `None` without requests.
    pub p95: Option<Duration>,
    /// The 99th percentile of latency; `None` without requests.
    pub p99: Option<Duration>,
}

/// The last windows of one environment.
#[derive(Debug, Default)]
pub(crate) struct Rates {
    windows: VecDeque<(f64, BTreeMap<RevisionId, Figures>)>,
    /// How often instances were ejected, in the same windows.
    ejected: VecDeque<BTreeMap<InstanceId, u64>>,
}

impl Rates {
    pub(crate) fn observe(&mut self, environment: &EnvironmentId, window: &SideWindow) {
        let sides = window
            .sides
            .iter()
            .filter(|((of, _), _)| of == environment)
            .map(|((_, revision), figures)| (revision.clone(), figures.clone()))
            .collect();
        self.windows.push_back((window.seconds, sides));
        let ejected = window.ejected.iter();
        let ejected = ejected.filter(|(instance, _)| instance.is_of(environment));
        let ejected = ejected.map(|(instance, count)| (instance.clone(), *count));
        self.ejected.push_back(ejected.collect());
        if self.windows.len() > WINDOWS {
            self.windows.pop_front();
            self.ejected.pop_front();
        }
    }

    /// Returns how often each instance was ejected that was at all.
    pub(crate) fn ejected(&self) -> BTreeMap<InstanceId, u64> {
        let mut sums = BTreeMap::new();
        for (instance, count) in self.ejected.iter().flatten() {
            *sums.entry(instance.clone()).or_default() += count;
        }
        sums
    }

    /// Returns the rates of all revisions that had requests.
    pub(crate) fn rates(&self) -> BTreeMap<RevisionId, Rate> {
        let seconds: f64 = self.windows.iter().map(|(seconds, _)| seconds).sum();
        let mut sums: BTreeMap<RevisionId, Figures> = BTreeMap::new();
        for (revision, figures) in self.windows.iter().flat_map(|(_, sides)| sides) {
            sums.entry(revision.clone()).or_default().add(figures);
        }
        sums.into_iter()
            .map(|(revision, sum)| (revision, rate(&sum, seconds)))
            .collect()
    }
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people to look at")]
fn rate(sum: &Figures, seconds: f64) -> Rate {
    let requests = sum.requests as f64;
    Rate {
        over: Duration::from_secs_f64(seconds.max(0.0)),
        requests_per_second: if seconds > 0.0 {
            requests / seconds
        } else {
            0.0
        },
        errors: (sum.requests > 0).then(|| sum.errors as f64 / requests),
        p95: sum.latency.quantile(0.95),
        p99: sum.latency.quantile(0.99),
    }
}
