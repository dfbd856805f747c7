//! What is bet on at once: all windows until both arms have had their share of requests.

use super::config::Config;
use super::latencies::Latencies;
use super::memory::Tail;
use crate::evidence::bernoulli::{Arms, Tally};
use crate::{Split, Window};

/// A block in which an arm got less than this part of its share goes on.
const LEAST_PART: f64 = 0.5;

/// But no longer than this, in seconds.
const LONGEST: f64 = 60.0;

/// What a revision that warms up may exceed its limits by at first; it shrinks to nothing.
pub(crate) const WARM_POINTS: f64 = 0.10;
const WARM_BUCKETS: f64 = 60.0;

/// A block, and all that was settled when it began, so that nothing in it can influence the bets.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Block {
    /// When it began, in seconds of the canary's exposure.
    pub(super) since: f64,
    /// Where the baseline's p95 and p99 are taken to lie, where enough is known.
    pub(super) tails: Option<[Tail; 2]>,
    /// How many requests say as much as one that comes alone: for errors, p95, p99.
    pub(super) effects: [Arms<f64>; 3],
    /// Whether what is counted comes in violent bursts.
    pub(super) bursty: bool,
    pub(super) warmth: Warmth,
    pub(super) counts: Counts,
}

/// By how much more than usual limits may be exceeded.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Warmth {
    pub(super) points: f64,
    pub(super) buckets: usize,
}

impl Warmth {
    /// Returns what is granted to a canary `seconds` after its first request.
    pub(super) fn at(seconds: f64, warm_up: f64) -> Self {
        if warm_up <= 0.0 || seconds >= warm_up {
            return Self::default();
        }
        let left = 1.0 - seconds / warm_up;
        Self {
            points: WARM_POINTS * left,
            buckets: (WARM_BUCKETS * left).ceil() as usize,
        }
    }

    pub(super) fn is_over(self) -> bool {
        self.buckets == 0
    }
}

/// What was counted, by arm; percentiles as shares of timed requests that took longer.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Counts {
    pub(super) requests: Arms<f64>,
    pub(super) errors: Arms<f64>,
    /// Requests of which a latency is known: those that did not fail, and those that were slow
    /// whatever came of them. Latencies are held against these alone: how fast an answer failed
    /// makes nothing faster, and that it failed makes nothing slower.
    pub(super) timed: Arms<f64>,
    /// Over the absolute limits.
    pub(super) over: [Arms<f64>; 2],
    /// Baseline: above its percentile. Canary: above it by more than is tolerated.
    pub(super) beyond: [Arms<f64>; 2],
    /// The same for the canary without what warming up grants.
    pub(super) beyond_when_warm: [f64; 2],
    /// Canary: above the baseline's percentile.
    pub(super) above: [f64; 2],
}

impl Counts {
    pub(super) fn errors(&self) -> Arms<Tally> {
        tallies(self.errors, self.requests)
    }

    pub(super) fn over(&self, i: usize) -> Arms<Tally> {
        tallies(self.over[i], self.timed)
    }

    pub(super) fn beyond(&self, i: usize) -> Arms<Tally> {
        tallies(self.beyond[i], self.timed)
    }

    pub(super) fn beyond_when_warm(&self, i: usize) -> Arms<Tally> {
        let canary = self.beyond_when_warm[i];
        let baseline = self.beyond[i].baseline;
        tallies(Arms { canary, baseline }, self.timed)
    }

    pub(super) fn above(&self, i: usize) -> Arms<Tally> {
        let canary = self.above[i];
        let baseline = self.beyond[i].baseline;
        tallies(Arms { canary, baseline }, self.timed)
    }

    /// Applies `change` to each count of `self` and its counterpart in `other`.
    pub(super) fn combine(&mut self, other: &Self, change: impl Fn(f64, f64) -> f64) {
        let arms = |mine: &mut Arms<f64>, theirs: Arms<f64>| {
            mine.canary = change(mine.canary, theirs.canary);
            mine.baseline = change(mine.baseline, theirs.baseline);
        };
        arms(&mut self.requests, other.requests);
        arms(&mut self.errors, other.errors);
        arms(&mut self.timed, other.timed);
        for i in 0..2 {
            arms(&mut self.over[i], other.over[i]);
            arms(&mut self.beyond[i], other.beyond[i]);
            self.beyond_when_warm[i] = change(self.beyond_when_warm[i], other.beyond_when_warm[i]);
            self.above[i] = change(self.above[i], other.above[i]);
        }
    }

    /// Returns the counts per second.
    pub(super) fn rates(&self, seconds: f64) -> Self {
        let mut rates = *self;
        rates.combine(self, |count, _| count / seconds);
        rates
    }
}

fn tallies(hits: Arms<f64>, of: Arms<f64>) -> Arms<Tally> {
    let tally = |hits, of| Tally { hits, of };
    Arms {
        canary: tally(hits.canary, of.canary),
        baseline: tally(hits.baseline, of.baseline),
    }
}

/// Returns what of both arms counts with every request as much as one that comes alone.
pub(super) fn tempered(seen: Arms<Tally>, effect: Arms<f64>) -> Arms<Tally> {
    Arms {
        canary: seen.canary.tempered(effect.canary),
        baseline: seen.baseline.tempered(effect.baseline),
    }
}

impl Block {
    /// Adds a window. `over` are the requests of both arms over the absolute limits.
    pub(super) fn add(
        &mut self,
        window: &Window,
        over: Arms<[f64; 2]>,
        latencies: Arms<&Latencies>,
        config: &Config,
    ) {
        let counts = &mut self.counts;
        counts.requests.canary += window.canary.requests as f64;
        counts.errors.canary += window.canary.errors as f64;
        counts.timed.canary += latencies.canary.all();
        counts.timed.baseline += latencies.baseline.all();
        if let Some(baseline) = &window.baseline {
            counts.requests.baseline += baseline.requests as f64;
            counts.errors.baseline += baseline.errors as f64;
        }
        for i in 0..2 {
            counts.over[i].canary += over.canary[i];
            counts.over[i].baseline += over.baseline[i];
        }
        let Some(tails) = &self.tails else { return };
        for (i, tail) in tails.iter().enumerate() {
            let longer = tail.edge + config.longer[i].unwrap_or_default();
            let warm = self.warmth.buckets;
            counts.beyond[i].canary += latencies.canary.above(longer + warm);
            counts.beyond[i].baseline += latencies.baseline.above(tail.edge);
            counts.beyond_when_warm[i] += latencies.canary.above(longer);
            counts.above[i] += latencies.canary.above(tail.edge + warm);
        }
    }

    /// Whether it is to be closed at `now`. That depends on how many requests came and not on what
    /// became of them, or it would be a way to choose the evidence.
    pub(super) fn is_over(&self, split: Split, now: f64) -> bool {
        let Arms { canary, baseline } = self.counts.requests;
        let fair = baseline * split.canary >= LEAST_PART * canary * split.baseline;
        (canary >= 1.0 && fair) || now - self.since >= LONGEST
    }
}
