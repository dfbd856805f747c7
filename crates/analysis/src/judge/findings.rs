//! Every limit by itself, held against the figures of the step.

use std::time::Duration;

use super::Judge;
use super::held::{Held, Measured};
use crate::evidence::{SHOWN, Tally, above_limit, above_stable};
use crate::histogram::BUCKETS;
use crate::words;
use crate::{Figures, Histogram, Metric};

/// How many requests on stable a comparison needs before it can pass, unless the canary itself
/// needs fewer: below this, one request more or less changes everything.
const STABLE_REQUESTS: u64 = 20;

/// Edges of buckets are whole nanoseconds, so their products are not exactly edges. A latency this
/// little above its limit (a two-hundredth of a bucket) keeps it.
const EDGE_TOLERANCE: f64 = 1.0001;

/// A percentile that is judged.
#[derive(Clone)]
struct Percentile {
    metric: Metric,
    name: &'static str,
    /// 0.95 for the 95th.
    q: f64,
    /// The share of requests that may be slower.
    tail: f64,
    /// How many requests on stable a comparison needs, as [`STABLE_REQUESTS`]: one in the tail.
    stable_requests: u64,
}

const P95: Percentile = Percentile {
    metric: Metric::P95,
    name: "p95",
    q: 0.95,
    tail: 0.05,
    stable_requests: 20,
};
const P99: Percentile = Percentile {
    metric: Metric::P99,
    name: "p99",
    q: 0.99,
    tail: 0.01,
    stable_requests: 100,
};

impl Judge {
    /// Holds every limit on requests and restarts against what was measured, absolute limits first.
    /// Left out are limits relative to stable where stable did not run beside.
    pub(super) fn findings(&self) -> Vec<Held> {
        let limits = &self.limits;
        let compared = self.beside.windows > 0;
        let against_stable = Some(&limits.against_stable).filter(|_| compared);
        [
            limits.errors.map(|limit| self.errors(limit)),
            limits.p95.map(|limit| self.latency(P95, limit)),
            limits.p99.map(|limit| self.latency(P99, limit)),
            limits.restarts.map(|limit| self.restarts(limit)),
            against_stable.and_then(|limits| Some(self.errors_against_stable(limits.errors?))),
            against_stable.and_then(|limits| Some(self.latency_against_stable(P95, limits.p95?))),
            against_stable.and_then(|limits| Some(self.latency_against_stable(P99, limits.p99?))),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    fn errors(&self, limit: f64) -> Held {
        let errors = error_tally(&self.canary);
        let Some(share) = errors.share() else {
            let sentence = "errors: no request so far".to_owned();
            return Held::unmeasured(Metric::Errors, limit, sentence);
        };
        let (said_share, said_limit) = words::share_and_limit(share, limit);
        let sentence = format!("errors {said_share} (limit {said_limit})");
        Measured {
            metric: Metric::Errors,
            canary: share,
            stable: None,
            limit,
            sentence,
        }
        .held(
            above_limit(errors, limit) >= SHOWN,
            share <= limit,
            self.missing(errors.of, "requests"),
        )
    }

    fn latency(&self, percentile: Percentile, limit: Duration) -> Held {
        let Percentile { metric, name, .. } = percentile;
        let latency = &self.canary.latency;
        let Some(value) = latency.quantile(percentile.q) else {
            let sentence = format!("{name}: no latency so far");
            return Held::unmeasured(metric, limit.as_secs_f64(), sentence);
        };
        let slow = Tally {
            hits: latency.count_above(limit),
            of: latency.count(),
        };
        let (said, said_limit) = (words::latency(value), words::duration(limit));
        let sentence = format!("{name} {said} (limit {said_limit})");
        let (canary, limit_seconds) = (seconds(value), limit.as_secs_f64());
        Measured {
            metric,
            canary,
            stable: None,
            limit: limit_seconds,
            sentence,
        }
        .held(
            above_limit(slow, percentile.tail) >= SHOWN,
            keeps(value, limit),
            self.missing(slow.of, "latencies"),
        )
    }

    fn restarts(&self, limit: u32) -> Held {
        let restarts = self.restarts;
        let unit = if restarts == 1 { "restart" } else { "restarts" };
        Measured {
            metric: Metric::Restarts,
            canary: f64::from(restarts),
            stable: None,
            limit: f64::from(limit),
            sentence: format!("{restarts} {unit} (limit {limit})"),
        }
        .held(restarts > limit, restarts <= limit, None)
    }

    fn errors_against_stable(&self, margin: f64) -> Held {
        let metric = Metric::Errors;
        let canary = error_tally(&self.beside.canary);
        let stable = error_tally(&self.beside.stable);
        let (Some(ours), Some(theirs)) = (canary.share(), stable.share()) else {
            let sentence = nothing_to_compare("errors", "request", canary.of);
            return Held::unmeasured(metric, 0.0, sentence);
        };
        let limit = theirs + margin;
        let (said_ours, _) = words::share_and_limit(ours, limit);
        let (said_theirs, said_limit) = (words::share(theirs), words::points(margin));
        let sentence =
            format!("errors {said_ours} against {said_theirs} on stable (limit {said_limit})");
        Measured {
            metric,
            canary: ours,
            stable: Some(theirs),
            limit,
            sentence,
        }
        .held(
            above_stable(canary, stable, margin) >= SHOWN,
            ours <= limit,
            self.missing(canary.of, "requests beside stable")
                .or_else(|| self.missing_on_stable(stable.of, STABLE_REQUESTS, "requests")),
        )
    }

    /// Stable's percentile is itself only estimated. So it must be shown twice that the canary is
    /// slower: that more of its requests than the percentile leaves exceed the limit, and that more
    /// of them do than of stable's requests exceed stable's own percentile.
    fn latency_against_stable(&self, percentile: Percentile, ratio: f64) -> Held {
        let Percentile {
            metric,
            name,
            q,
            tail,
            stable_requests,
        } = percentile;
        let (canary, stable) = (&self.beside.canary.latency, &self.beside.stable.latency);
        let (Some(ours), Some(theirs)) = (canary.quantile(q), stable.quantile(q)) else {
            let sentence = nothing_to_compare(name, "latency", canary.count());
            return Held::unmeasured(metric, 0.0, sentence);
        };
        let limit = lengthened(theirs, ratio);
        let slow = Tally {
            hits: canary.count_above(limit),
            of: canary.count(),
        };
        // The percentile of a small sample lies too low: of 19 requests none exceeds the largest,
        // but the next one does with a chance of 1 in 20.
        let slow_on_stable = Tally {
            hits: stable.count_above(theirs).saturating_add(1),
            of: stable.count().saturating_add(1),
        };
        let shown =
            above_limit(slow, tail) >= SHOWN && above_stable(slow, slow_on_stable, 0.0) >= SHOWN;
        let (said_ours, said_theirs) = (words::latency(ours), words::latency(theirs));
        let said_limit = words::longer(ratio);
        Measured {
            metric,
            canary: seconds(ours),
            stable: Some(seconds(theirs)),
            limit: seconds(limit),
            sentence: format!(
                "{name} {said_ours} against {said_theirs} on stable (limit {said_limit})"
            ),
        }
        .held(
            shown,
            keeps(ours, limit),
            self.missing(slow.of, "latencies beside stable")
                .or_else(|| self.missing_on_stable(stable.count(), stable_requests, "latencies")),
        )
    }

    /// Says what is missing on the canary before anything can pass.
    pub(super) fn missing(&self, count: u64, what: &str) -> Option<String> {
        let needed = self.needed();
        (count < needed).then(|| format!("{count} of {needed} {what} so far"))
    }

    /// Says what is missing on stable before a comparison can pass.
    fn missing_on_stable(&self, count: u64, needed: u64, what: &str) -> Option<String> {
        let needed = needed.min(self.needed());
        (count < needed).then(|| format!("{count} of {needed} {what} on stable so far"))
    }
}

fn error_tally(figures: &Figures) -> Tally {
    Tally {
        hits: figures.errors,
        of: figures.requests,
    }
}

/// Says which side lacks figures, the canary first.
fn nothing_to_compare(name: &str, what: &str, on_canary: u64) -> String {
    let side = if on_canary == 0 {
        "the canary"
    } else {
        "stable"
    };
    format!("{name}: no {what} on {side} so far")
}

fn keeps(value: Duration, limit: Duration) -> bool {
    value.as_secs_f64() <= limit.as_secs_f64() * EDGE_TOLERANCE
}

/// Returns `latency` made longer by `ratio`, in whole nanoseconds.
fn lengthened(latency: Duration, ratio: f64) -> Duration {
    // The cast saturates, and makes 0 of what is no number: then nothing keeps the limit.
    Duration::from_nanos((latency.as_nanos() as f64 * (1.0 + ratio)).floor() as u64)
}

/// Returns a percentile in seconds, at most the longest latency that a histogram can tell.
fn seconds(latency: Duration) -> f64 {
    latency.min(Histogram::edge(BUCKETS - 2)).as_secs_f64()
}
