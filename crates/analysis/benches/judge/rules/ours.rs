//! The judge, told what the data plane would tell it.

use std::time::Duration;

use leadsman_analysis::{Figures, History, Judge, Limits, Outcome, Risk, Split, Told, Window};

use super::super::traffic::Counted;
use super::{Call, Rule, Second};

pub(crate) struct Ours {
    judge: Judge,
    split: Option<Split>,
}

impl Ours {
    /// With the limits that a service has by default, and 1 s and 2 s for p95 and p99.
    pub(crate) fn new(warm_up: Duration) -> Self {
        Self::with(warm_up, Risk::default())
    }

    /// A release goes back for nothing once in a hundred times, whether it is as good as stable
    /// or at the very edge of what is tolerated: evidence of one kind decides.
    pub(crate) fn one_tier(warm_up: Duration) -> Self {
        let risk = Risk {
            steps: 0.01,
            tolerated: 0.01,
            ..Risk::default()
        };
        Self::with(warm_up, risk)
    }

    fn with(warm_up: Duration, risk: Risk) -> Self {
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
        }
    }
}

impl Rule for Ours {
    fn remember(&mut self, baseline: &Counted, reference: &Counted) {
        self.judge.tell(&Told::History(History {
            seconds: 1.0,
            baseline: figures(baseline),
            reference: Some(figures(reference)),
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
            reference: Some(figures(second.reference)),
            restarts: 0,
        }));
        match self.judge.verdict().outcome {
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
