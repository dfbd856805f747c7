//! Windows for tests: services whose answers take as long as answers do.

use std::time::Duration;

use leadsman_analysis::{Figures, History, Judge, Limits, Split, Told, Window};

/// How an arm behaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arm {
    /// Requests in a window.
    pub(crate) requests: u64,
    /// One of so many fails; 0 is none.
    pub(crate) fails_one_of: u64,
    /// By how much longer answers take than stable's.
    pub(crate) slower: f64,
}

impl Arm {
    /// One that is as good as stable.
    pub(crate) fn good(requests: u64) -> Self {
        Self {
            requests,
            fails_one_of: 1_000,
            slower: 1.0,
        }
    }

    pub(crate) fn failing(self, fails_one_of: u64) -> Self {
        Self {
            fails_one_of,
            ..self
        }
    }

    pub(crate) fn slower(self, slower: f64) -> Self {
        Self { slower, ..self }
    }
}

/// Makes windows without any chance: latencies are spread evenly over their distribution, errors
/// come at even distances.
#[derive(Debug, Default)]
pub(crate) struct Service {
    answered: u64,
    failed: f64,
}

impl Service {
    pub(crate) fn figures(&mut self, arm: Arm) -> Figures {
        let mut figures = Figures {
            requests: arm.requests,
            over: None,
            ..Figures::default()
        };
        for _ in 0..arm.requests {
            self.answered += 1;
            // The golden ratio spreads any number of points evenly.
            let u = (self.answered as f64 * 0.618_033_988_749_894_9).fract();
            let u = u.clamp(1e-6, 1.0 - 1e-6);
            let seconds = 0.08 * (u / (1.0 - u)).powf(0.35) * arm.slower;
            figures.latency.record(Duration::from_secs_f64(seconds));
            if arm.fails_one_of > 0 {
                self.failed += 1.0 / arm.fails_one_of as f64;
                if self.failed >= 1.0 - 1e-9 {
                    self.failed -= 1.0;
                    figures.errors += 1;
                }
            }
        }
        figures
    }
}

/// A rollout as a judge sees it.
pub(crate) struct Rollout {
    pub(crate) judge: Judge,
    canary: Service,
    stable: Service,
}

impl Rollout {
    /// Begins one at 5 %, after ten minutes of stable's 100 requests a second.
    pub(crate) fn new(limits: Limits) -> Self {
        let mut rollout = Self::cold(limits);
        for _ in 0..600 {
            let baseline = rollout.stable.figures(Arm::good(100));
            rollout.judge.tell(&Told::History(History {
                seconds: 1.0,
                baseline,
                reference: None,
            }));
        }
        rollout.step(0.05, 0.95);
        rollout
    }

    /// Begins one of which nothing is known.
    pub(crate) fn cold(limits: Limits) -> Self {
        Self {
            judge: Judge::new(limits),
            canary: Service::default(),
            stable: Service::default(),
        }
    }

    pub(crate) fn step(&mut self, canary: f64, baseline: f64) {
        self.judge.tell(&Told::Step(Split { canary, baseline }));
    }

    /// Tells a second of both arms.
    pub(crate) fn second(&mut self, canary: Arm, stable: Option<Arm>) {
        let window = self.window(canary, stable);
        self.judge.tell(&Told::Window(window));
    }

    pub(crate) fn window(&mut self, canary: Arm, stable: Option<Arm>) -> Window {
        Window {
            seconds: 1.0,
            canary: self.canary.figures(canary),
            baseline: stable.map(|arm| self.stable.figures(arm)),
            reference: None,
            restarts: 0,
        }
    }

    /// Tells seconds of a canary beside stable's 95 requests a second, until `enough`; returns how
    /// many it took, at most 10,000.
    pub(crate) fn until(&mut self, canary: Arm, enough: impl Fn(&Judge) -> bool) -> usize {
        let seconds = (1..=10_000).find(|_| {
            self.second(canary, Some(Arm::good(95)));
            enough(&self.judge)
        });
        seconds.expect("it should have been enough by now")
    }
}
