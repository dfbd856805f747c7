//! Every limit on requests and restarts by itself.

use std::time::Duration;

use super::Judge;
use crate::comparison::{Arm, TAILS};
use crate::histogram::BUCKETS;
use crate::interval::{self, Errors};
use crate::words;
use crate::{Finding, Histogram, Metric, Outcome};

/// What was measured for a limit.
struct Measured {
    metric: Metric,
    canary: f64,
    stable: Option<f64>,
    difference: Option<[f64; 2]>,
    limit: f64,
    sentence: String,
}

impl Judge {
    /// Holds every limit on requests and restarts against what was measured, absolute limits first.
    /// Left out are limits relative to a baseline where there is none. `outcome` is that of all
    /// together: where it is a failure, those that led to it have failed.
    pub(super) fn findings(&self, outcome: Outcome) -> Vec<Finding> {
        let limits = &self.limits;
        let relative = &limits.against_stable;
        let beside = !self.is_alone();
        let failed = self.failed_limits(outcome);
        let unmet: Vec<usize> = self.unmet().collect();
        let outcome_of = |i: usize| {
            if failed[i] {
                Outcome::Fail
            } else if self.requests() == 0 {
                Outcome::NoData
            } else if unmet.contains(&i) {
                Outcome::Inconclusive
            } else {
                Outcome::Pass
            }
        };
        let judged = [
            (3, limits.errors.map(|limit| self.errors(limit))),
            (4, limits.p95.map(|limit| self.latency(0, limit))),
            (5, limits.p99.map(|limit| self.latency(1, limit))),
            (0, relative.errors.map(|points| self.errors_beside(points))),
            (1, relative.p95.map(|ratio| self.latency_beside(0, ratio))),
            (2, relative.p99.map(|ratio| self.latency_beside(1, ratio))),
        ];
        let requests = judged
            .into_iter()
            .filter(|(i, _)| *i >= 3 || beside)
            .filter_map(|(i, measured)| Some(measured?.came_out(outcome_of(i))));
        let mut findings: Vec<Finding> = requests.collect();
        if let Some(limit) = limits.restarts {
            findings.push(self.restarts(limit));
        }
        findings
    }

    /// Which limits on requests made it fail: the one that the strongest evidence is about, and
    /// those whose evidence would have been enough alone.
    fn failed_limits(&self, outcome: Outcome) -> [bool; 6] {
        let mut failed = [false; 6];
        if outcome != Outcome::Fail {
            return failed;
        }
        let needed = self.comparison.needed();
        let mut mark = |parts: &[f64], first: usize, needed: f64| {
            let most = parts.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            for (i, part) in parts.iter().enumerate() {
                failed[first + i] |= *part >= most || *part >= needed;
            }
        };
        if self.comparison.fails() {
            let parts = self.comparison.parts().map(|part| part.ln());
            mark(&parts, 0, needed.beyond);
        }
        if self.alone_fails() {
            let parts = self.alone.parts().map(|part| part.ln());
            mark(&parts, 3, needed.alone);
        }
        failed
    }

    fn errors(&self, limit: f64) -> Measured {
        let share = self.comparison.seen().canary.errors();
        let sentence = match share {
            None => "errors: no request so far".to_owned(),
            Some(share) => {
                let (share, limit) = words::share_and_limit(share, limit);
                format!("errors {share} (limit {limit})")
            }
        };
        Measured {
            metric: Metric::Errors,
            canary: share.unwrap_or_default(),
            stable: None,
            difference: None,
            limit,
            sentence,
        }
    }

    fn latency(&self, percentile: usize, limit: Duration) -> Measured {
        let (metric, name) = named(percentile);
        let value = self.comparison.seen().canary.exceeded_by(TAILS[percentile]);
        let sentence = match value {
            None => format!("{name}: no latency so far"),
            Some(value) => {
                let (value, limit) = (words::latency(value), words::duration(limit));
                format!("{name} {value} (limit {limit})")
            }
        };
        Measured {
            metric,
            canary: value.map(seconds).unwrap_or_default(),
            stable: None,
            difference: None,
            limit: limit.as_secs_f64(),
            sentence,
        }
    }

    fn errors_beside(&self, points: f64) -> Measured {
        let seen = self.comparison.seen();
        let (ours, theirs) = (seen.canary.errors(), seen.baseline.errors());
        let limit = theirs.map_or(0.0, |theirs| theirs + points);
        let of = |arm: &Arm| Errors {
            errors: arm.errors,
            requests: arm.requests,
        };
        let sentence = match (ours, theirs) {
            (Some(ours), Some(theirs)) => {
                let (ours, _) = words::share_and_limit(ours, limit);
                let (theirs, points) = (words::share(theirs), words::points(points));
                format!("errors {ours} against {theirs} on stable (limit {points})")
            }
            (ours, _) => nothing_to_compare("errors", "request", ours.is_some()),
        };
        Measured {
            metric: Metric::Errors,
            canary: ours.unwrap_or_default(),
            stable: theirs,
            difference: interval::difference(of(&seen.canary), of(&seen.baseline)),
            limit,
            sentence,
        }
    }

    fn latency_beside(&self, percentile: usize, ratio: f64) -> Measured {
        let (metric, name) = named(percentile);
        let seen = self.comparison.seen();
        let ours = seen.canary.exceeded_by(TAILS[percentile]);
        let theirs = seen.baseline.exceeded_by(TAILS[percentile]);
        let sentence = match (ours, theirs) {
            (Some(ours), Some(theirs)) => {
                let (ours, theirs) = (words::latency(ours), words::latency(theirs));
                let ratio = words::longer(ratio);
                format!("{name} {ours} against {theirs} on stable (limit {ratio})")
            }
            (ours, _) => nothing_to_compare(name, "latency", ours.is_some()),
        };
        Measured {
            metric,
            canary: ours.map(seconds).unwrap_or_default(),
            stable: theirs.map(seconds),
            difference: None,
            limit: theirs.map_or(0.0, |theirs| seconds(theirs) * (1.0 + ratio)),
            sentence,
        }
    }

    fn restarts(&self, limit: u32) -> Finding {
        let restarts = self.restarts;
        let unit = if restarts == 1 { "restart" } else { "restarts" };
        let outcome = if restarts > limit {
            Outcome::Fail
        } else {
            Outcome::Pass
        };
        Measured {
            metric: Metric::Restarts,
            canary: f64::from(restarts),
            stable: None,
            difference: None,
            limit: f64::from(limit),
            sentence: format!("{restarts} {unit} (limit {limit})"),
        }
        .came_out(outcome)
    }
}

impl Measured {
    fn came_out(self, outcome: Outcome) -> Finding {
        let Self {
            metric,
            canary,
            stable,
            difference,
            limit,
            sentence,
        } = self;
        Finding {
            metric,
            outcome,
            canary,
            stable,
            difference,
            limit,
            sentence,
        }
    }
}

fn named(percentile: usize) -> (Metric, &'static str) {
    if percentile == 0 {
        (Metric::P95, "p95")
    } else {
        (Metric::P99, "p99")
    }
}

/// Says which side lacks figures, the canary first.
fn nothing_to_compare(name: &str, what: &str, on_canary: bool) -> String {
    let side = if on_canary { "stable" } else { "the canary" };
    format!("{name}: no {what} on {side} so far")
}

/// Returns a percentile in seconds, at most the longest latency that a histogram can tell.
fn seconds(latency: Duration) -> f64 {
    latency.min(Histogram::edge(BUCKETS - 2)).as_secs_f64()
}
