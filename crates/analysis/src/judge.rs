//! What it was told in, a verdict out.
//!
//! The gravest of what is known decides:
//!
//! 1. a limit that is shown to be exceeded fails, whatever else is missing, and stays failed;
//! 2. without figures, or with impossible ones, nothing is concluded from silence: source error;
//! 3. without a single request on the canary in this step: no data;
//! 4. every limit is shown to be kept, over enough requests: pass;
//! 5. otherwise inconclusive, with the time and the requests that are still needed.
//!
//! What "shown" means for requests is in [`crate::evidence`]; for everything else in
//! [`crate::gauge`].

mod findings;
mod sentences;

use crate::comparison::config::Config;
use crate::comparison::{Alone, Comparison, Outlook};
use crate::gauge::Gauges;
use crate::plausible;
use crate::{Evidence, Failed, Finding, History, Limits, Outcome, Split, Told, Verdict, Window};

/// Judges one rollout, step by step.
///
/// Plain data: the same things told give the same verdict, to the last bit. Telling it something
/// takes no memory that it did not have at its start, but for the first failure.
#[derive(Clone, Debug, PartialEq)]
pub struct Judge {
    limits: Limits,
    /// How requests are split in this step.
    split: Option<Split>,
    /// Requests, beside a baseline and by themselves.
    comparison: Comparison,
    /// Requests while there is nothing beside.
    alone: Alone,
    /// Restarts of the canary's instances in the whole rollout.
    restarts: u32,
    /// Everything that is not about requests.
    gauges: Gauges,
    /// The canary was shown to be worse at some time, if not by more than is tolerated.
    warned: bool,
    /// Why the last interval has no figures, as a sentence; `None` when it has.
    trouble: Option<String>,
    /// The verdict with which it failed.
    failed: Option<Box<Verdict>>,
}

/// What the judge concludes, without a word on every limit.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// What came of it.
    pub outcome: Outcome,
    /// How strongly the figures speak.
    pub evidence: Evidence,
    /// Whether every limit on requests is shown to be kept, and nothing speaks against the canary.
    pub passes: bool,
    /// One plain sentence with the numbers that decided.
    pub sentence: String,
}

impl Judge {
    /// Creates the judge of a rollout whose canary is held to `limits`.
    pub fn new(limits: Limits) -> Self {
        let config = Config::new(&limits);
        Self {
            split: None,
            alone: Alone::new(&config),
            comparison: Comparison::new(config),
            restarts: 0,
            gauges: Gauges::new(&limits),
            warned: false,
            trouble: None,
            failed: None,
            limits,
        }
    }

    /// Takes in what it is told. The same split once more changes nothing; figures that cannot be
    /// true (more errors than requests, an interval of no length) are taken as a failed source.
    pub fn tell(&mut self, told: &Told) {
        match told {
            Told::History(history) => self.history(history),
            Told::Step(split) => self.begin_step(*split),
            Told::Window(window) => self.observe(window),
            Told::Sample(sample) => self.gauges.tell(sample),
            Told::Failed(Failed {
                metric: None, why, ..
            }) => self.trouble = Some(format!("the figures could not be had: {why}")),
            Told::Failed(Failed {
                metric: Some(metric),
                seconds,
                why,
            }) => self.gauges.failed(metric, why, *seconds),
        }
        self.latch();
    }

    /// Returns what follows from everything told so far.
    pub fn verdict(&self) -> Verdict {
        if let Some(failed) = &self.failed {
            return (**failed).clone();
        }
        let gauges = self.gauges.findings();
        let Call {
            outcome,
            evidence,
            sentence,
            ..
        } = self.concluded(&gauges);
        self.in_full(outcome, evidence, sentence, gauges)
    }

    /// Returns the same in short: cheaper where it is asked for after every window.
    pub fn call(&self) -> Call {
        let mut call = self.concluded(&self.gauges.findings());
        if let Some(failed) = &self.failed {
            call.outcome = failed.outcome;
            call.sentence.clone_from(&failed.sentence);
        }
        call
    }

    fn in_full(
        &self,
        outcome: Outcome,
        evidence: Evidence,
        sentence: String,
        gauges: Vec<Finding>,
    ) -> Verdict {
        let mut findings = self.findings(outcome);
        findings.extend(gauges);
        Verdict {
            outcome,
            requests: self.requests(),
            sentence,
            findings,
            evidence: Some(evidence),
        }
    }

    fn history(&mut self, history: &History) {
        match plausible::history(history) {
            Ok(()) => self.comparison.history(history),
            Err(implausible) => self.trouble = Some(nonsense(&implausible)),
        }
    }

    fn begin_step(&mut self, split: Split) {
        if let Err(implausible) = plausible::split(split) {
            self.trouble = Some(nonsense(&implausible));
        } else if self.split != Some(split) {
            self.split = Some(split);
            self.comparison.begin_step(split);
            self.alone.begin_step();
            self.gauges.begin_step(&split);
        }
    }

    fn observe(&mut self, window: &Window) {
        if let Err(implausible) = plausible::window(window) {
            self.trouble = Some(nonsense(&implausible));
            return;
        }
        self.trouble = None;
        self.restarts = self.restarts.saturating_add(window.restarts);
        self.comparison.observe(window);
        if self.is_alone() {
            let seen = self.comparison.on_limits(&window.canary);
            let warm = self.comparison.warm_points();
            self.alone.observe(window.seconds, seen, warm);
        }
        self.warned |= self.comparison.warns();
    }

    /// Whether there is nothing to compare the canary with.
    fn is_alone(&self) -> bool {
        self.split.is_some_and(|split| split.baseline <= 0.0)
    }

    /// How many requests the canary had in this step.
    fn requests(&self) -> u64 {
        self.comparison.requests().canary
    }

    /// What failed stays failed: who asks for verdicts may not ask after everything told.
    fn latch(&mut self) {
        if self.failed.is_some() || !(self.requests_fail() || self.others_fail()) {
            return;
        }
        let gauges = self.gauges.findings();
        let evidence = self.evidence();
        let sentence = self.failure(&gauges);
        let verdict = self.in_full(Outcome::Fail, evidence, sentence, gauges);
        self.failed = Some(Box::new(verdict));
    }

    fn requests_fail(&self) -> bool {
        self.comparison.fails() || self.alone_fails()
    }

    fn alone_fails(&self) -> bool {
        self.alone.capital() >= self.comparison.needed().alone
    }

    fn others_fail(&self) -> bool {
        let restarts = self.limits.restarts;
        restarts.is_some_and(|limit| self.restarts > limit) || self.gauges.any_exceeded()
    }

    fn evidence(&self) -> Evidence {
        let total = self.comparison.capital();
        let Outlook {
            fails_in,
            passes_in,
        } = self.outlook();
        Evidence {
            log_e: recorded(total.beyond),
            log_e_strict: recorded(total.at_all),
            log_e_alone: self.is_alone().then(|| recorded(self.alone.capital())),
            warn: self.warned,
            fails_in: fails_in.filter(|seconds| seconds.is_finite()),
            passes_in: passes_in.filter(|seconds| seconds.is_finite()),
        }
    }

    /// Returns what comes if things go on like this. Where there is nothing to compare the canary
    /// with, there is nobody else to blame either.
    fn outlook(&self) -> Outlook {
        if !self.is_alone() {
            return self.comparison.outlook();
        }
        let needed = self.comparison.needed().alone;
        let recent = self.comparison.recent_on_limits();
        Outlook {
            fails_in: recent.and_then(|recent| self.alone.fails_in(recent, needed)),
            passes_in: None,
        }
    }

    /// The limits on requests that are not shown to be kept yet.
    fn unmet(&self) -> impl Iterator<Item = usize> {
        let needed = self.comparison.needed().pass;
        let gates = if self.is_alone() {
            let [errors, p95, p99] = self.alone.gates();
            [None, None, None, errors, p95, p99]
        } else {
            self.comparison.gates()
        };
        (0..gates.len()).filter(move |i| gates[*i].is_some_and(|gate| gate < needed))
    }

    fn concluded(&self, gauges: &[Finding]) -> Call {
        let evidence = self.evidence();
        let passes = self.unmet().next().is_none() && !self.comparison.is_suspicious();
        let (outcome, sentence) = self.conclude(gauges, &evidence, passes);
        Call {
            outcome,
            evidence,
            passes,
            sentence,
        }
    }

    fn conclude(&self, gauges: &[Finding], evidence: &Evidence, passes: bool) -> (Outcome, String) {
        if let Some(trouble) = &self.trouble {
            return (Outcome::SourceError, trouble.clone());
        }
        if let Some(failed) = sentences::of(gauges, Outcome::SourceError) {
            return (Outcome::SourceError, failed);
        }
        if self.requests() == 0 {
            return (Outcome::NoData, self.no_request());
        }
        if let Some(missing) = sentences::of(gauges, Outcome::NoData) {
            return (Outcome::NoData, missing);
        }
        if !passes {
            return (Outcome::Inconclusive, self.not_sure(evidence));
        }
        let (requests, needed) = (self.requests(), self.limits.requests.max(1));
        if requests < needed {
            let missing = format!("{requests} of {needed} requests so far");
            return (Outcome::Inconclusive, missing);
        }
        if let Some(undecided) = sentences::of(gauges, Outcome::Inconclusive) {
            return (Outcome::Inconclusive, undecided);
        }
        (Outcome::Pass, self.success(gauges))
    }
}

/// Returns the logarithm of some capital as it is reported. Where nobody bets there is none, and
/// its logarithm is no number that could be written down; but nothing was won or lost, and the
/// capital is what it was at first: 1.
fn recorded(ln: f64) -> f64 {
    if ln.is_finite() { ln } else { 0.0 }
}

fn nonsense(implausible: &plausible::Implausible) -> String {
    format!("the figures make no sense: {implausible}")
}
