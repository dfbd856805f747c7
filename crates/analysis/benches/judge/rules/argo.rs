//! Argo Rollouts: an analysis in the background, with the template of its documentation.
//!
//! From `analysis/analysis.go` and `utils/evaluate/evaluate.go` (9f8d111): a metric fails when more
//! measurements failed than its `failureLimit` of 3, so with the fourth; a value that is not a
//! number meets no success condition, so no request in the measured time is a failed measurement.
//! The query is a ratio of `irate`s, and `irate` looks at the last two scrapes only: 15 seconds,
//! however long the range it is given. The template judges success of 95 %; p95 of at most 1 s is
//! added, measured at the same time and counted by itself.

use super::{Call, Rule, Second};

/// Seconds between two scrapes.
const SCRAPE: u32 = 15;

/// When the first measurement is taken: there have been two scrapes. Argo measures at once, and
/// would fail for lack of data.
const FIRST: u32 = 31;

/// How many failed measurements a metric may have.
const FAILURE_LIMIT: u32 = 3;

#[derive(Clone, Copy, Default)]
struct Scraped {
    requests: u64,
    errors: u64,
    slow: u64,
}

pub(crate) struct Argo {
    interval: u32,
    /// Since the last scrape.
    open: Scraped,
    /// Between the last two scrapes.
    last: Scraped,
    /// Failed measurements of the success rate and of p95.
    failed: [u32; 2],
}

impl Argo {
    /// Measures every `interval` seconds.
    pub(crate) fn every(interval: u32) -> Self {
        Self {
            interval,
            open: Scraped::default(),
            last: Scraped::default(),
            failed: [0; 2],
        }
    }
}

impl Rule for Argo {
    fn observe(&mut self, second: &Second<'_>) -> Call {
        self.open.requests += second.canary.requests;
        self.open.errors += second.canary.errors;
        self.open.slow += second.canary.over[1];
        if second.end.is_multiple_of(SCRAPE) {
            self.last = std::mem::take(&mut self.open);
        }
        if second.end % self.interval != FIRST {
            return Call::GoOn;
        }
        for (failed, bad) in self
            .failed
            .iter_mut()
            .zip([self.last.errors, self.last.slow])
        {
            *failed += u32::from(self.last.requests == 0 || bad * 20 > self.last.requests);
        }
        if self.failed.iter().any(|failed| *failed > FAILURE_LIMIT) {
            Call::RollBack
        } else {
            Call::GoOn
        }
    }
}
