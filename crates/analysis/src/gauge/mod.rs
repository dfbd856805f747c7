//! Values that are not about requests: memory, processor time, and whatever metrics a service has.
//!
//! Such a value is a gauge: one number per interval and arm, read from the outside. Its samples
//! are neither independent nor of a known distribution, so nothing is claimed about chances here.
//! Instead a limit must be exceeded for a while, its *hold*:
//!
//! - an absolute limit in every sample over the hold, so that one spike never decides;
//! - a limit relative to the baseline by the medians of both arms over the hold, which up to half
//!   of the samples may spoil without moving them past the rest.
//!
//! A hold is covered by at least three samples, or by one where it is 0. A limit is kept only
//! once its hold is covered within the step, and the last sample keeps it.
//!
//! Silence is never a pass. Where a source answers but has no value, there is no data. Where it
//! fails, what was known last stands for its *outage* time without passing, then it is a source
//! error; the next value ends either. A gap longer than the hold begins the hold anew.

mod limit;
mod recent;

use std::collections::BTreeMap;
use std::time::Duration;

pub use self::limit::{GaugeLimit, Worse};
use self::recent::Recent;
use crate::words;
use crate::{Finding, Limits, Metric, Outcome, Sample, Split};

/// Every gauge of a rollout. Plain data, as the judge that holds it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Gauges {
    gauges: Vec<Gauge>,
    /// Whether there is a baseline to compare with in this step.
    compared: bool,
}

/// One gauge with its limits.
#[derive(Clone, Debug, PartialEq)]
struct Gauge {
    metric: Metric,
    limit: GaugeLimit,
    /// Whether it is judged only where it was measured at all.
    where_measured: bool,
    measured: bool,
    /// What the canary had.
    canary: Recent<f64>,
    /// What both arms had at the same time: the canary's value first.
    pairs: Recent<(f64, f64)>,
    silence: Option<Silence>,
    /// What was shown to be exceeded in this step. It stays so: who asks for verdicts may not ask
    /// after every sample.
    exceeded: BTreeMap<Kind, Finding>,
}

/// Why there is no value at the moment, and for how many seconds there has been none.
#[derive(Clone, Debug, PartialEq)]
enum Silence {
    Missing { seconds: f64 },
    Failed { seconds: f64, why: String },
}

/// The kinds of limit that a gauge can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    AtMost,
    AtLeast,
    AgainstStable,
}

impl Gauges {
    /// Creates the gauges that `limits` asks for.
    pub(crate) fn new(limits: &Limits) -> Self {
        let memory = limits.memory.map(GaugeLimit::at_once);
        let cpu = limits
            .cpu
            .map(|most| GaugeLimit::at_most(most, Duration::from_secs(30)));
        let named = limits
            .metrics
            .iter()
            .map(|(name, limit)| (Metric::Named(name.clone()), limit.clone()));
        let built_in = [(Metric::Memory, memory), (Metric::Cpu, cpu)];
        let gauges = built_in
            .into_iter()
            .filter_map(|(metric, limit)| Some((metric, limit?)))
            .chain(named)
            .map(|(metric, limit)| Gauge::new(metric, limit))
            .collect();
        Self {
            gauges,
            compared: false,
        }
    }

    /// Begins a step: a gauge may stand elsewhere under another weight, so everything is seen anew.
    pub(crate) fn begin_step(&mut self, split: &Split) {
        self.compared = split.baseline > 0.0;
        for gauge in &mut self.gauges {
            gauge.canary.clear();
            gauge.pairs.clear();
            gauge.exceeded.clear();
        }
    }

    /// Adds a sample. One of a metric without limits is passed over.
    pub(crate) fn tell(&mut self, sample: &Sample) {
        let compared = self.compared;
        if let Some(gauge) = self.of(&sample.metric) {
            gauge.tell(sample, compared);
        }
    }

    /// Notes that the source of `metric` failed for `seconds`, and why.
    pub(crate) fn failed(&mut self, metric: &Metric, why: &str, seconds: f64) {
        if let Some(gauge) = self.of(metric) {
            gauge.failed(why, seconds);
        }
    }

    /// Whether a limit was shown to be exceeded in this step.
    pub(crate) fn any_exceeded(&self) -> bool {
        self.gauges.iter().any(|gauge| !gauge.exceeded.is_empty())
    }

    /// Returns what came of every limit.
    pub(crate) fn findings(&self) -> Vec<Finding> {
        let compared = self.compared;
        let judged = self.gauges.iter().filter(|gauge| gauge.is_judged());
        judged.flat_map(|gauge| gauge.findings(compared)).collect()
    }

    fn of(&mut self, metric: &Metric) -> Option<&mut Gauge> {
        self.gauges.iter_mut().find(|gauge| gauge.metric == *metric)
    }
}

impl Gauge {
    fn new(metric: Metric, limit: GaugeLimit) -> Self {
        // Memory has a limit by default, also where nothing says how much is allowed.
        let where_measured = metric == Metric::Memory;
        Self {
            metric,
            where_measured,
            measured: false,
            canary: Recent::new(limit.hold),
            pairs: Recent::new(limit.hold),
            limit,
            silence: None,
            exceeded: BTreeMap::new(),
        }
    }

    fn is_judged(&self) -> bool {
        self.measured || !self.where_measured
    }

    fn tell(&mut self, sample: &Sample, compared: bool) {
        let seconds = length(sample.seconds);
        let finite = |value: Option<f64>| value.filter(|value| value.is_finite());
        let Some(canary) = finite(sample.canary).filter(|_| seconds > 0.0) else {
            let before = match self.silence {
                Some(Silence::Missing { seconds } | Silence::Failed { seconds, .. }) => seconds,
                None => 0.0,
            };
            self.silence = Some(Silence::Missing {
                seconds: before + seconds,
            });
            self.pass_over(seconds);
            return;
        };
        self.measured = true;
        self.silence = None;
        self.canary.add(seconds, canary);
        match finite(sample.baseline) {
            Some(baseline) => self.pairs.add(seconds, (canary, baseline)),
            None => self.pairs.pass_over(seconds),
        }
        for kind in self.kinds(compared) {
            if !self.exceeded.contains_key(&kind)
                && let Some(finding) = self.held(kind)
                && finding.outcome == Outcome::Fail
            {
                self.exceeded.insert(kind, finding);
            }
        }
    }

    fn failed(&mut self, why: &str, seconds: f64) {
        let seconds = length(seconds);
        let before = match self.silence {
            Some(Silence::Failed { seconds, .. }) => seconds,
            // It did answer, so this failure begins now.
            Some(Silence::Missing { .. }) | None => 0.0,
        };
        self.silence = Some(Silence::Failed {
            seconds: before + seconds,
            why: why.to_owned(),
        });
        self.pass_over(seconds);
    }

    fn pass_over(&mut self, seconds: f64) {
        self.canary.pass_over(seconds);
        self.pairs.pass_over(seconds);
    }

    /// The limits that are judged: a comparison only beside a baseline.
    fn kinds(&self, compared: bool) -> Vec<Kind> {
        let limit = &self.limit;
        [
            limit.at_most.map(|_| Kind::AtMost),
            limit.at_least.map(|_| Kind::AtLeast),
            limit
                .against_stable
                .filter(|_| compared)
                .map(|_| Kind::AgainstStable),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    fn findings(&self, compared: bool) -> Vec<Finding> {
        let finding = |kind| {
            if let Some(exceeded) = self.exceeded.get(&kind) {
                return exceeded.clone();
            }
            match &self.silence {
                Some(silence) => self.silent(kind, silence),
                None => self
                    .held(kind)
                    .unwrap_or_else(|| self.unmeasured(kind, Outcome::NoData, self.nothing(kind))),
            }
        };
        self.kinds(compared).into_iter().map(finding).collect()
    }

    fn silent(&self, kind: Kind, silence: &Silence) -> Finding {
        let name = self.name();
        let (outcome, sentence) = match silence {
            Silence::Missing { seconds } => {
                let sentence = format!("{name} has had no value for {}", time(*seconds));
                (Outcome::NoData, sentence)
            }
            Silence::Failed { seconds, why } => {
                let outcome = if *seconds > self.limit.outage.as_secs_f64() {
                    Outcome::SourceError
                } else {
                    Outcome::Inconclusive
                };
                let since = time(*seconds);
                (
                    outcome,
                    format!("{name} could not be had for {since}: {why}"),
                )
            }
        };
        self.unmeasured(kind, outcome, sentence)
    }

    fn nothing(&self, kind: Kind) -> String {
        let name = self.name();
        match (kind, self.canary.last()) {
            (Kind::AgainstStable, Some(_)) => format!("{name} has no value on stable so far"),
            _ => format!("{name} has no value so far"),
        }
    }

    /// A finding without anything to hold against the limit at the moment; what was measured last
    /// is told all the same.
    fn unmeasured(&self, kind: Kind, outcome: Outcome, sentence: String) -> Finding {
        let limit = match kind {
            Kind::AtMost => self.limit.at_most,
            Kind::AtLeast => self.limit.at_least,
            Kind::AgainstStable => None,
        };
        Finding {
            metric: self.metric.clone(),
            outcome,
            canary: self.canary.last().copied().unwrap_or_default(),
            stable: None,
            difference: None,
            limit: written(limit.unwrap_or_default()),
            sentence,
        }
    }

    /// Holds a limit against what was measured; `None` where nothing was.
    fn held(&self, kind: Kind) -> Option<Finding> {
        let limit = &self.limit;
        match kind {
            Kind::AtMost => self.absolute(limit.at_most?, |value, most| value > most, "limit"),
            Kind::AtLeast => {
                self.absolute(limit.at_least?, |value, least| value < least, "at least")
            }
            Kind::AgainstStable => self.relative(limit.against_stable?),
        }
    }

    fn absolute(
        &self,
        limit: f64,
        is_beyond: impl Fn(f64, f64) -> bool,
        word: &str,
    ) -> Option<Finding> {
        let value = *self.canary.last()?;
        // A limit that is no number is kept by nothing.
        let beyond = self
            .canary
            .span_since(|value| !limit.is_finite() || is_beyond(*value, limit));
        let hold = self.limit.hold;
        let (said, said_limit) = self.said(value, limit);
        let held = format!("{} {said} ({word} {said_limit})", self.name());
        let seen = self.canary.span();
        let (outcome, sentence) = if beyond.samples == 0 && seen.covers(hold) {
            (Outcome::Pass, held)
        } else if beyond.samples == 0 {
            let seen = self.so_far(seen.seconds);
            (Outcome::Inconclusive, format!("{held}, seen for {seen}"))
        } else if !beyond.covers(hold) {
            let held_for = self.so_far(beyond.seconds);
            (Outcome::Inconclusive, format!("{held} for {held_for}"))
        } else if hold.is_zero() {
            (Outcome::Fail, held)
        } else {
            let held_for = time(beyond.seconds);
            (Outcome::Fail, format!("{held} for {held_for}"))
        };
        Some(Finding {
            metric: self.metric.clone(),
            outcome,
            canary: value,
            stable: None,
            difference: None,
            limit: written(limit),
            sentence,
        })
    }

    fn relative(&self, ratio: f64) -> Option<Finding> {
        let canary = self.pairs.median(|(canary, _)| *canary)?;
        let stable = self.pairs.median(|(_, baseline)| *baseline)?;
        let seen = self.pairs.span();
        let room = stable.abs() * ratio;
        let (limit, beyond, sign) = match self.limit.worse {
            Worse::More => (stable + room, canary > stable + room, '+'),
            Worse::Less => (stable - room, canary < stable - room, '-'),
        };
        let (said, _) = self.said(canary, limit);
        let (said_stable, _) = self.said(stable, limit);
        let said_ratio = words::share(ratio);
        let span = time(seen.seconds);
        let held = format!(
            "{} {said} against {said_stable} on stable, medians of {span} (limit {sign}{said_ratio})",
            self.name()
        );
        let covers = seen.covers(self.limit.hold);
        let (outcome, sentence) = match (covers, beyond || !limit.is_finite()) {
            (true, true) => (Outcome::Fail, held),
            (true, false) => (Outcome::Pass, held),
            (false, _) => {
                let seen = self.so_far(seen.seconds);
                (Outcome::Inconclusive, format!("{held}, seen for {seen}"))
            }
        };
        Some(Finding {
            metric: self.metric.clone(),
            outcome,
            canary,
            stable: Some(stable),
            difference: None,
            limit: written(limit),
            sentence,
        })
    }

    /// Says how much of the hold is over. Few long samples can be longer than the hold and still
    /// be too few.
    fn so_far(&self, seconds: f64) -> String {
        let hold = self.limit.hold;
        if seconds < hold.as_secs_f64() {
            format!("{} of {}", time(seconds), words::duration(hold))
        } else {
            format!("{}, in too few samples", time(seconds))
        }
    }

    /// Returns a value and its limit as a person would say them.
    fn said(&self, value: f64, limit: f64) -> (String, String) {
        match self.metric {
            Metric::Memory | Metric::Cpu => {
                let (value, limit) = words::share_and_limit(value, limit);
                let of = if self.metric == Metric::Memory {
                    "of what is allowed"
                } else {
                    "of a core"
                };
                (format!("{value} {of}"), limit)
            }
            Metric::Errors | Metric::P95 | Metric::P99 | Metric::Restarts | Metric::Named(_) => {
                words::number_and_limit(value, limit)
            }
        }
    }

    fn name(&self) -> String {
        match &self.metric {
            Metric::Errors => "errors".to_owned(),
            Metric::P95 => "p95".to_owned(),
            Metric::P99 => "p99".to_owned(),
            Metric::Memory => "memory".to_owned(),
            Metric::Cpu => "cpu".to_owned(),
            Metric::Restarts => "restarts".to_owned(),
            Metric::Named(name) => format!("`{name}`"),
        }
    }
}

/// Returns a length of time in seconds, 0 for what cannot be one.
fn length(seconds: f64) -> f64 {
    if seconds.is_finite() {
        seconds.max(0.0)
    } else {
        0.0
    }
}

/// Returns a limit as a verdict holds it: that is written down, and JSON has no word for what is
/// infinite or no number.
fn written(limit: f64) -> f64 {
    if limit.is_nan() {
        0.0
    } else {
        limit.clamp(f64::MIN, f64::MAX)
    }
}

/// Writes a length of time, from a second on in whole ones: samples do not come to the millisecond.
fn time(seconds: f64) -> String {
    let seconds = if seconds < 1.0 {
        seconds
    } else {
        seconds.round()
    };
    words::duration(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
}

#[cfg(test)]
mod tests;
