//! What the judge concluded, with the numbers that led to it.

use serde::{Deserialize, Serialize};

/// What came of judging. The five outcomes are never mixed up with one another: in particular, no
/// data and a source error are neither a pass nor, by themselves, a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Every limit is shown to be kept, over enough requests.
    Pass,
    /// A limit is shown to be exceeded.
    Fail,
    /// A limit is shown neither to be kept nor to be exceeded.
    Inconclusive,
    /// Not one request was counted, although the revision had weight.
    NoData,
    /// The figures could not be had, or made no sense.
    SourceError,
}

/// What is measured.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// The share of failed requests, 0 to 1.
    Errors,
    /// The 95th percentile of latency, in seconds.
    P95,
    /// The 99th percentile of latency, in seconds.
    P99,
    /// The share of the memory limit in use, 0 to 1.
    Memory,
    /// The share of one processor core in use, 0 or more.
    Cpu,
    /// Restarts of instances.
    Restarts,
    /// A metric of the user's, by its name.
    Named(String),
}

/// One limit, held against the figures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// What was measured.
    pub metric: Metric,
    /// What came of it.
    pub outcome: Outcome,
    /// The canary's value, in the metric's unit; 0 where nothing was measured. A percentile is the
    /// upper edge of its bucket, and at most 83 s.
    pub canary: f64,
    /// The stable revision's value, where the limit is relative to it and there is one.
    pub stable: Option<f64>,
    /// Between which two numbers the canary's value less the stable one's lies, in the metric's
    /// unit, with 99 % probability: for errors beside stable. Nothing is decided by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub difference: Option<[f64; 2]>,
    /// The value that may not be exceeded, in the metric's unit. A limit relative to stable is
    /// what it comes to with stable's value; 0 where there is none.
    pub limit: f64,
    /// The finding as a person would say it, such as `errors 5.1 % (limit 5 %)`.
    pub sentence: String,
}

/// The judge's conclusion about one step so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// What came of it, over all limits: the gravest finding decides.
    pub outcome: Outcome,
    /// How many of the canary's requests it rests on.
    pub requests: u64,
    /// One plain sentence with the numbers that decided.
    pub sentence: String,
    /// Every limit by itself.
    pub findings: Vec<Finding>,
    /// How strongly the figures speak; `None` in verdicts that were recorded before it was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
}

/// How strongly the figures speak. Evidence is the natural logarithm of an e-value: 4.6 is 100 to
/// 1 that a bet against the release being good would have won by now.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// That the canary is worse than what is tolerated.
    pub log_e: f64,
    /// That the canary is worse than its baseline at all.
    pub log_e_strict: f64,
    /// That the canary exceeds an absolute limit while it runs alone; `None` where it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_e_alone: Option<f64>,
    /// The canary was shown to be worse at some time, if not by more than is tolerated.
    pub warn: bool,
    /// After how many more seconds it would fail if things go on like this; `None` is never.
    pub fails_in: Option<f64>,
    /// After how many more seconds it would pass if things go on like this; `None` is never.
    pub passes_in: Option<f64>,
}

impl Evidence {
    /// Whether it would fail if things go on like this, and no later than it would pass.
    pub fn fails_first(&self) -> bool {
        let passes = self.passes_in.unwrap_or(f64::INFINITY);
        self.fails_in.is_some_and(|fails| fails < passes)
    }
}
