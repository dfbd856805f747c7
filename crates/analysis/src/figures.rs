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
    /// Time from the request's arrival to the end of its answer's head; at most one per request,
    /// none where there was no answer.
    pub latency: Histogram,
    /// The largest share of its memory limit that an instance used, 0 to 1 (more is possible for
    /// a moment), where a limit is set and was measured.
    pub memory: Option<f64>,
    /// Restarts of instances that happened in this window.
    pub restarts: u32,
}

impl Figures {
    /// Adds the figures of `other`: counts add up, the memory is the larger one.
    pub fn add(&mut self, other: &Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.errors = self.errors.saturating_add(other.errors);
        self.latency.add(&other.latency);
        self.memory = match (self.memory, other.memory) {
            (Some(mine), Some(theirs)) => Some(mine.max(theirs)),
            (mine, theirs) => mine.or(theirs),
        };
        self.restarts = self.restarts.saturating_add(other.restarts);
    }
}

/// One closed interval with the figures of both arms.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// How long the interval was, in seconds; greater than 0.
    pub seconds: f64,
    /// The new revision.
    pub canary: Figures,
    /// The revision that serves; `None` where there is none to compare with (a first release, or
    /// all traffic on the new revision). A stable revision that has weight but got no request in
    /// this window is `Some` with no requests.
    pub stable: Option<Figures>,
}
