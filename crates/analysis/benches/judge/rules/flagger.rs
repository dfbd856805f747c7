//! Flagger: checks of absolute limits at a fixed interval; failed ones add up.
//!
//! From `pkg/controller/scheduler.go` and `scheduler_metrics.go` (15bd6ad): at each tick it first
//! rolls back if the number of failed checks has reached the threshold, and only then checks, so a
//! rollback takes one interval more than the threshold says. The number never goes down. No data
//! is a failed check. The metrics are those of Istio: the share of answers without a server error,
//! and the 99th percentile from buckets of which 500 ms is an edge.

use super::{Call, Rule, Second};

/// Seconds between two checks, and how far back each looks: the default.
const INTERVAL: u32 = 60;

pub(crate) struct Flagger {
    threshold: u32,
    /// A check fails if more than one in so many requests is an error.
    error_in: u64,
    /// Which of the counted thresholds the 99th percentile may not exceed.
    p99: usize,
    failed_checks: u32,
    requests: u64,
    errors: u64,
    slow: u64,
}

impl Flagger {
    /// As its documentation has it: 99 % without error, p99 at most 500 ms.
    pub(crate) fn documented(threshold: u32) -> Self {
        Self {
            threshold,
            error_in: 100,
            p99: 0,
            failed_checks: 0,
            requests: 0,
            errors: 0,
            slow: 0,
        }
    }

    /// With the absolute limits that ours has, and its threshold 5: 95 % without error, p99 at
    /// most 2 s.
    pub(crate) fn with_our_limits() -> Self {
        Self {
            error_in: 20,
            p99: 2,
            ..Self::documented(5)
        }
    }

    fn check_fails(&self) -> bool {
        self.requests == 0
            || self.errors * self.error_in > self.requests
            || self.slow * 100 > self.requests
    }
}

impl Rule for Flagger {
    fn observe(&mut self, second: &Second<'_>) -> Call {
        self.requests += second.canary.requests;
        self.errors += second.canary.errors;
        self.slow += second.canary.over[self.p99];
        if !second.end.is_multiple_of(INTERVAL) {
            return Call::GoOn;
        }
        if self.failed_checks >= self.threshold {
            return Call::RollBack;
        }
        self.failed_checks += u32::from(self.check_fails());
        (self.requests, self.errors, self.slow) = (0, 0, 0);
        Call::GoOn
    }
}
