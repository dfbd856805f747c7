//! The judge, told what the data plane would tell it.

use std::time::Duration;

use leadsman_analysis::{Figures, History, Judge, Limits, Outcome, Risk, Split, Told, Window};

use super::super::traffic::Counted;
use super::super::wald::Chances;
use super::{Call, Rule, Second};

/// How often it may be wrong by default: evidence of two kinds decides.
pub(crate) const TWO_TIERS: Chances = Chances {
    beyond: 0.1,
    at_all: 0.008,
};

/// A release goes back for nothing once in a hundred times, whether it is as good as stable or at
/// the very edge of what is tolerated: evidence of one kind decides.
pub(crate) const ONE_TIER: Chances = Chances {
    beyond: 0.01,
    at_all: 0.01,
};

pub(crate) struct Ours {
    judge: Judge,
    split: Option<Split>,
    /// It is also told what one instance of the baseline counted.
    with_reference: bool,
    /// Its warning decides, not its verdict.
    at_a_warning: bool,
}

impl Ours {
    /// With the limits that a service has by default, and 1 s and 2 s for p95 and p99.
    pub(crate) fn new(warm_up: Duration, chances: Chances) -> Self {
        let risk = Risk {
            steps: chances.at_all,
            tolerated: chances.beyond,
            ..Risk::default()
        };
        let limits = Limits {
            p95: Some(Duration::from_secs(1)),
            p99: Some(Duration::from_secs(2)),
            memory: None,
            restarts: None,
            warm_up,
            risk,
            ..Limits::default()
        };
        Self {
            judge: Judge::new(limits),
            split: None,
            with_reference: false,
            at_a_warning: false,
        }
    }

    /// Estimates how unevenly errors come from one instance instead of the whole baseline.
    pub(crate) fn with_reference(self) -> Self {
        Self {
            with_reference: true,
            ..self
        }
    }

    /// Rolls back as soon as the canary is shown to be worse than stable at all.
    pub(crate) fn at_a_warning(self) -> Self {
        Self {
            at_a_warning: true,
            ..self
        }
    }
}

impl Rule for Ours {
    fn remember(&mut self, baseline: &Counted, reference: &Counted) {
        self.judge.tell(&Told::History(History {
            seconds: 1.0,
            baseline: figures(baseline),
            reference: self.with_reference.then(|| figures(reference)),
        }));
    }

    fn observe(&mut self, second: &Second<'_>) -> Call {
        if self.split != Some(second.split) {
            self.split = Some(second.split);
            self.judge.tell(&Told::Step(second.split));
        }
        self.judge.tell(&Told::Window(Window {
            seconds: 1.0,
            canary: figures(second.canary),
            baseline: Some(figures(second.baseline)),
            reference: self.with_reference.then(|| figures(second.reference)),
            restarts: 0,
        }));
        let call = self.judge.call();
        if self.at_a_warning && call.evidence.warn {
            return Call::RollBack;
        }
        match call.outcome {
            Outcome::Fail => Call::RollBack,
            Outcome::Pass => Call::Pass,
            // A step ends when its soak is over, whatever is still open.
            Outcome::Inconclusive | Outcome::NoData | Outcome::SourceError => Call::GoOn,
        }
    }
}

fn figures(counted: &Counted) -> Figures {
    let [_, over_1s, over_2s] = counted.over;
    Figures {
        requests: counted.requests,
        errors: counted.errors,
        latency: counted.histogram(),
        over: Some([over_1s, over_2s]),
    }
}
