//! Windows in, a verdict out.
//!
//! The evidence of a step is the sum of its windows, so their order does not matter. After every
//! window each limit is held against that sum ([`findings`]) and the gravest finding decides:
//!
//! 1. a limit that is shown to be exceeded fails, whatever else is missing;
//! 2. without figures, or with impossible ones, nothing is concluded from silence: source error;
//! 3. without a single request on the canary: no data;
//! 4. too few requests, or a limit that is neither kept nor shown to be exceeded: inconclusive;
//! 5. otherwise every limit is kept: pass.
//!
//! What is not here yet: a bound on the chance of a false alarm that holds over a whole rollout
//! whatever the release does. The evidence asked for is so strong that a healthy release very
//! rarely fails (`tests/it/simulation.rs` measures it), but that is measured, not proven.

mod findings;
mod held;

use serde::{Deserialize, Serialize};

use self::held::Held;
use crate::gauge::Gauges;
use crate::plausible;
use crate::words;
use crate::{Failed, Figures, Finding, Limits, Outcome, Split, Told, Verdict, Window};

/// Judges one rollout, step by step.
///
/// Plain data: it can be written down with the rollout and goes on where it was. The same windows
/// give the same verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judge {
    limits: Limits,
    /// How requests are split in this step.
    split: Option<Split>,
    /// All of the canary's figures in this step.
    canary: Figures,
    /// The windows of this step in which stable ran beside.
    beside: Beside,
    /// Restarts of the canary's instances in the whole rollout.
    restarts: u32,
    /// Everything that is not about requests.
    gauges: Gauges,
    /// Why the last interval has no figures, as a sentence; `None` when it has.
    trouble: Option<String>,
}

/// What both sides did while they ran side by side. The canary is counted again here because only
/// what happened at the same time may be compared.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Beside {
    windows: u64,
    canary: Figures,
    stable: Figures,
}

impl Judge {
    /// Creates the judge of a rollout whose canary is held to `limits`.
    ///
    /// A limit that is not a number is never kept, so nothing passes it.
    pub fn new(limits: Limits) -> Self {
        Self {
            gauges: Gauges::new(&limits),
            limits,
            split: None,
            canary: Figures::default(),
            beside: Beside::default(),
            restarts: 0,
            trouble: None,
        }
    }

    /// Takes in what it is told.
    pub fn tell(&mut self, told: &Told) {
        match told {
            Told::History(_) => {}
            Told::Step(split) if self.split == Some(*split) => {}
            Told::Step(split) => {
                self.split = Some(*split);
                self.begin_step(split);
            }
            Told::Window(window) => self.observe(window),
            Told::Sample(sample) => self.gauges.tell(sample),
            Told::Failed(Failed {
                metric: None, why, ..
            }) => self.source_failed(why),
            Told::Failed(Failed {
                metric: Some(metric),
                seconds,
                why,
            }) => self.gauges.failed(metric, why, *seconds),
        }
    }

    /// Begins a step: requests and gauges are seen anew, restarts go on over the rollout.
    fn begin_step(&mut self, split: &Split) {
        self.gauges.begin_step(split);
        self.canary = Figures::default();
        self.beside = Beside::default();
    }

    /// Adds one closed window. One that cannot be true (more errors than requests, an interval of
    /// no length) is not counted but taken as a failed source.
    fn observe(&mut self, window: &Window) {
        if let Err(implausible) = plausible::check(window) {
            self.trouble = Some(format!("the figures make no sense: {implausible}"));
            return;
        }
        self.trouble = None;
        self.restarts = self.restarts.saturating_add(window.restarts);
        self.canary.add(&window.canary);
        if let Some(stable) = &window.baseline {
            self.beside.windows += 1;
            self.beside.canary.add(&window.canary);
            self.beside.stable.add(stable);
        }
    }

    /// Notes that the figures of an interval could not be had, and `why`. The next window that can
    /// be had clears it.
    fn source_failed(&mut self, why: &str) {
        self.trouble = Some(format!("the figures could not be had: {why}"));
    }

    /// Returns what follows from everything seen so far in this step.
    pub fn verdict(&self) -> Verdict {
        let held = self.findings();
        let gauges = self.gauges.findings();
        let (outcome, sentence) = self.conclude(&held, &gauges);
        let findings = held.into_iter().map(|held| held.finding);
        let findings = findings.chain(gauges).collect();
        Verdict {
            outcome,
            requests: self.canary.requests,
            sentence,
            findings,
            evidence: None,
        }
    }

    fn conclude(&self, held: &[Held], gauges: &[Finding]) -> (Outcome, String) {
        let requests = self.canary.requests;
        let after = format!("after {}", words::requests(requests));

        let mut exceeded = sentences(held, |held| held.finding.outcome == Outcome::Fail);
        exceeded.extend(of_outcome(gauges, Outcome::Fail));
        if !exceeded.is_empty() {
            let exceeded = words::list(&exceeded);
            let sentence = if requests > 0 {
                format!("{exceeded} {after}")
            } else {
                exceeded
            };
            return (Outcome::Fail, sentence);
        }
        if let Some(trouble) = &self.trouble {
            return (Outcome::SourceError, trouble.clone());
        }
        if let Some(failed) = said(gauges, Outcome::SourceError) {
            return (Outcome::SourceError, failed);
        }
        if requests == 0 {
            return (
                Outcome::NoData,
                "no request has reached the new revision so far".to_owned(),
            );
        }
        if let Some(missing) = said(gauges, Outcome::NoData) {
            return (Outcome::NoData, missing);
        }
        if let Some(missing) = self.missing(requests, "requests") {
            return (Outcome::Inconclusive, missing);
        }
        let undecided = sentences(held, |held| {
            held.finding.outcome == Outcome::Inconclusive && held.missing.is_none()
        });
        if !undecided.is_empty() {
            let undecided = words::list(&undecided);
            return (
                Outcome::Inconclusive,
                format!("{undecided} {after}: too close to tell"),
            );
        }
        // Of several things that are missing, the last one takes the most requests.
        if let Some(missing) = held.iter().rev().find_map(|held| held.missing.clone()) {
            return (Outcome::Inconclusive, missing);
        }
        if let Some(undecided) = said(gauges, Outcome::Inconclusive) {
            return (Outcome::Inconclusive, undecided);
        }
        let sentence = if held.is_empty() && gauges.is_empty() {
            format!("there is no limit to exceed {after}")
        } else {
            format!("every limit is kept {after}")
        };
        (Outcome::Pass, sentence)
    }

    /// How many of the canary's requests it takes to pass.
    fn needed(&self) -> u64 {
        self.limits.requests.max(1)
    }
}

/// Returns the sentences of those findings that are `wanted`.
fn sentences(held: &[Held], wanted: impl Fn(&Held) -> bool) -> Vec<&str> {
    held.iter()
        .filter(|held| wanted(held))
        .map(|held| held.finding.sentence.as_str())
        .collect()
}

/// Returns the sentences of those gauges that came out as `outcome`.
fn of_outcome(gauges: &[Finding], outcome: Outcome) -> impl Iterator<Item = &str> {
    let wanted = gauges.iter().filter(move |gauge| gauge.outcome == outcome);
    wanted.map(|gauge| gauge.sentence.as_str())
}

/// Says what came out as `outcome` of all gauges together; `None` where nothing did.
fn said(gauges: &[Finding], outcome: Outcome) -> Option<String> {
    let said: Vec<&str> = of_outcome(gauges, outcome).collect();
    (!said.is_empty()).then(|| words::list(&said))
}
