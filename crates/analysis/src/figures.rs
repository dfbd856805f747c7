//! What was counted for one arm in one closed interval.

use serde::{Deserialize, Serialize};

use crate::Histogram;

/// The figures of one arm (a revision) in one window.
///
/// A request is counted once, in the window in which its outcome became known.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Figures {
    /// Requests whose outcome became known.
    pub requests: u64,
    /// Those of them that failed: status 500 to 599, or no answer at all.
    pub errors: u64,
    /// Time from the request's arrival to the end of its answer's head; at most one per request. Of
    /// one that failed there is none, unless it was slow whatever came of it: how fast an answer
    /// failed says nothing about how fast answers are. Percentiles are judged over those that have
    /// one.
    pub latency: Histogram,
    /// How many of those latencies are longer than the absolute limits on p95 and on p99, counted
    /// exactly. `None` where nobody counted: then the buckets tell, to one bucket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub over: Option<[u64; 2]>,
}

impl Figures {
    /// Forgets what was counted exactly, for whoever has other limits than those of the time: of what
    /// was counted against those, a judge would take every number for its own.
    pub fn forget_over(&mut self) {
        self.over = None;
    }

    /// Adds the figures of `other`. What was counted exactly stays exact only if both were.
    pub fn add(&mut self, other: &Self) {
        self.over = match (self.over, other.over) {
            (Some(mine), Some(theirs)) => Some([
                mine[0].saturating_add(theirs[0]),
                mine[1].saturating_add(theirs[1]),
            ]),
            (over, None) if other.requests == 0 => over,
            (None, over) if self.requests == 0 => over,
            _ => None,
        };
        self.requests = self.requests.saturating_add(other.requests);
        self.errors = self.errors.saturating_add(other.errors);
        self.latency.add(&other.latency);
    }
}
