//! Judges a rollout again from what its judge was told.

use leadsman_analysis::{Judge, Limits, Outcome, Split, Told, Verdict};
use leadsman_api::{RecordedVerdict, ReplayLine, ReplayedStep, ReplayedWindow};
use leadsman_core::id::ServiceName;
use leadsman_core::time::Timestamp;
use leadsman_core::weight::Weight;

use crate::recorded::{Recorded, Rollout};
use crate::wire;

/// A rollout that is being judged again.
pub(crate) struct Again {
    service: ServiceName,
    /// The weight of each step.
    weights: Vec<Weight>,
    /// Whether a line for every window is wanted.
    windows: bool,
    judge: Judge,
    step: Option<Step>,
    /// How many verdicts there were so far.
    count: usize,
    /// What was recorded; compared only under the same limits.
    recorded: Vec<Compared>,
    same_limits: bool,
    /// Whether what was counted exactly was counted against the absolute limits it is held to now.
    same_over: bool,
}

/// A step as far as it was judged again.
struct Step {
    split: Split,
    /// Whether none before it failed.
    reached: bool,
    /// What the new revision got.
    requests: u64,
    seconds: f64,
    /// After how many seconds it began to pass, and still does.
    passes: Option<f64>,
    /// After how many seconds it failed.
    fails: Option<f64>,
}

/// A recorded verdict, and where the same one came out again.
struct Compared {
    recorded: Recorded,
    /// The numbers of the verdicts that are the same, in order.
    found: Vec<usize>,
    /// What judging again said at that moment.
    again: Option<Verdict>,
}

impl Again {
    /// Begins to judge `rollout` by `limits`; `None` is by those that it was held to.
    pub(crate) fn new(
        service: ServiceName,
        rollout: &Rollout,
        limits: Option<Limits>,
        windows: bool,
    ) -> Self {
        let compared = |recorded: &Recorded| Compared {
            recorded: recorded.clone(),
            found: Vec::new(),
            again: None,
        };
        let steps = rollout.strategy.steps.iter();
        Self {
            service,
            weights: steps.map(|step| step.weight).collect(),
            windows,
            same_limits: limits.is_none(),
            same_over: limits.as_ref().is_none_or(|limits| {
                [limits.p95, limits.p99] == [rollout.limits.p95, rollout.limits.p99]
            }),
            judge: Judge::new(limits.unwrap_or_else(|| rollout.limits.clone())),
            step: None,
            count: 0,
            recorded: rollout.verdicts.iter().map(compared).collect(),
        }
    }

    /// Tells the judge what was told together at `at`; returns what there is to say about it.
    pub(crate) fn tell(&mut self, at: Timestamp, told: &[Told]) -> Vec<ReplayLine> {
        let mut lines = Vec::new();
        for told in told {
            if let Told::Step(split) = told
                && self.step.as_ref().is_none_or(|step| step.split != *split)
            {
                lines.extend(self.end_step());
                let failed = self.judge.verdict().outcome == Outcome::Fail;
                self.step = Some(Step::begin(*split, !failed));
            }
            if self.same_over {
                self.judge.tell(told);
            } else {
                let mut told = told.clone();
                told.forget_over();
                self.judge.tell(&told);
            }
            let verdict = self.judge.verdict();
            self.compare(&verdict);
            if let (Told::Window(window), Some(step)) = (told, &mut self.step) {
                step.seconds += window.seconds;
                step.requests += window.canary.requests;
                step.follow(&verdict);
                lines.extend(self.window(&verdict));
            }
        }
        let now = self.judge.verdict();
        let before = |compared: &&mut Compared| compared.recorded.at >= at;
        for compared in self.recorded.iter_mut().filter(before) {
            compared.again = Some(now.clone());
        }
        lines
    }

    /// Returns what is left to say.
    pub(crate) fn end(mut self) -> Vec<ReplayLine> {
        let mut lines: Vec<ReplayLine> = self.end_step().into_iter().collect();
        let mut reached = 0;
        for compared in &self.recorded {
            // Two events may rest on the same verdict, but none on one before.
            let found = compared.found.iter().copied().find(|at| *at >= reached);
            reached = found.unwrap_or(reached);
            let Recorded {
                at, event, verdict, ..
            } = &compared.recorded;
            let judged = compared.recorded.is_judged();
            let comparable = judged && self.same_limits;
            let differs = comparable && found.is_none();
            lines.push(ReplayLine::Recorded(RecordedVerdict {
                service: self.service.to_string(),
                at: wire::moment(*at),
                event: (*event).to_owned(),
                verdict: wire::wire_verdict(verdict),
                judged,
                same: comparable.then_some(!differs),
                again: compared
                    .again
                    .as_ref()
                    .filter(|_| differs || !comparable)
                    .map(wire::wire_verdict),
            }));
        }
        lines
    }

    fn compare(&mut self, verdict: &Verdict) {
        if self.same_limits {
            for compared in &mut self.recorded {
                if compared.recorded.verdict == *verdict {
                    compared.found.push(self.count);
                }
            }
        }
        self.count += 1;
    }

    fn window(&self, verdict: &Verdict) -> Option<ReplayLine> {
        let step = self.step.as_ref().filter(|_| self.windows)?;
        Some(ReplayLine::Window(ReplayedWindow {
            service: self.service.to_string(),
            step: self.number(step),
            after_ms: wire::in_ms(step.seconds),
            verdict: wire::wire_verdict(verdict),
        }))
    }

    fn end_step(&mut self) -> Option<ReplayLine> {
        // What was cut off, or has no requests yet, is at no step.
        let step = self
            .step
            .take()
            .filter(|step| step.weight() > Weight::NONE)?;
        let verdict = self.judge.verdict();
        let mut recorded = self.recorded.iter().rev().map(|it| &it.recorded);
        let last = recorded.find(|it| it.step.0 == step.weight());
        Some(ReplayLine::Step(ReplayedStep {
            service: self.service.to_string(),
            step: self.number(&step),
            weight_percent: wire::percent(step.weight()),
            reached: step.reached,
            held_ms: wire::in_ms(step.seconds),
            requests: step.requests,
            verdict: wire::wire_verdict(&verdict),
            passes_after_ms: step.passes.map(wire::in_ms),
            fails_after_ms: step.fails.map(wire::in_ms),
            recorded: last.map(|it| {
                let after = it.at.since(it.step.1);
                (wire::wire_verdict(&it.verdict), wire::millis(after))
            }),
        }))
    }

    /// Returns the number of a step, counted from 1. What is watched after promotion belongs to
    /// the last one.
    fn number(&self, step: &Step) -> u16 {
        let weight = step.weight();
        let index = self.weights.iter().position(|it| *it == weight);
        let number = index.map_or(self.weights.len(), |index| index + 1);
        u16::try_from(number).unwrap_or(u16::MAX)
    }
}

impl Step {
    fn begin(split: Split, reached: bool) -> Self {
        Self {
            split,
            reached,
            requests: 0,
            seconds: 0.0,
            passes: None,
            fails: None,
        }
    }

    fn weight(&self) -> Weight {
        let hundredths = self.split.canary * f64::from(Weight::ALL.hundredths());
        Weight::from_hundredths(hundredths.round() as u16)
    }

    fn follow(&mut self, verdict: &Verdict) {
        match verdict.outcome {
            Outcome::Pass => {
                self.passes.get_or_insert(self.seconds);
            }
            Outcome::Fail => {
                self.passes = None;
                if self.reached {
                    self.fails.get_or_insert(self.seconds);
                }
            }
            Outcome::Inconclusive | Outcome::NoData | Outcome::SourceError => self.passes = None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use leadsman_analysis::{Figures, History, Window};
    use leadsman_core::spec::{BaselineKind, OnInconclusive, Sizing, Step as StepSpec, Strategy};

    use super::*;

    fn figures(requests: u64, errors: u64) -> Figures {
        let mut figures = Figures {
            requests,
            errors,
            ..Figures::default()
        };
        for request in 0..requests {
            figures
                .latency
                .record(Duration::from_millis(10 + request % 7));
        }
        figures
    }

    fn step(percent: f64) -> Told {
        Told::Step(Split {
            canary: percent / 100.0,
            baseline: 1.0 - percent / 100.0,
        })
    }

    fn window(canary: Figures, baseline: Figures) -> Told {
        Told::Window(Window {
            seconds: 1.0,
            canary,
            baseline: Some(baseline),
            reference: None,
            restarts: 0,
        })
    }

    /// A minute at half of the requests with few failures, then one at 80 % with many.
    fn story() -> Vec<Told> {
        let history = |_| {
            Told::History(History {
                seconds: 1.0,
                baseline: figures(100, 0),
                reference: None,
            })
        };
        let mut told: Vec<Told> = (0..60).map(history).collect();
        told.push(step(50.0));
        let few = |second| u64::from(second % 4 == 0);
        told.extend((0..60).map(|second| window(figures(50, few(second)), figures(50, 0))));
        told.push(step(80.0));
        told.extend((0..60).map(|_| window(figures(80, 3), figures(20, 0))));
        told
    }

    /// The rollout of that story, with the verdicts after these numbers of things told.
    fn rollout(recorded: &[(usize, u16)]) -> Rollout {
        let limits = Limits::default();
        let mut judge = Judge::new(limits.clone());
        let mut verdicts = vec![judge.verdict()];
        verdicts.extend(story().iter().map(|told| {
            judge.tell(told);
            judge.verdict()
        }));
        let steps = [50, 80, 100].map(|percent| StepSpec {
            weight: Weight::percent(percent),
            soak: Some(Duration::from_secs(60)),
        });
        let strategy = Strategy {
            steps: steps.into(),
            sizing: Sizing::Proportional,
            keep_warm: Duration::ZERO,
            patience: Duration::ZERO,
            on_inconclusive: OnInconclusive::Hold,
            baseline: BaselineKind::Stable,
        };
        let recorded = recorded.iter().map(|(after, percent)| Recorded {
            at: Timestamp::from_millis(*after as u64 * 1_000),
            event: "verdict_reached",
            verdict: verdicts[*after].clone(),
            step: (Weight::percent(*percent), Timestamp::from_millis(60_000)),
        });
        Rollout {
            limits,
            strategy,
            verdicts: recorded.collect(),
            judged: (Weight::NONE, Timestamp::default()),
        }
    }

    fn judged_again(rollout: &Rollout, limits: Option<Limits>) -> Vec<ReplayLine> {
        let service = "web".parse().unwrap();
        let mut again = Again::new(service, rollout, limits, false);
        let mut lines = Vec::new();
        for (at, told) in (0..).zip(story().chunks(5)) {
            lines.extend(again.tell(Timestamp::from_millis(at * 5_000), told));
        }
        lines.extend(again.end());
        lines
    }

    fn steps(lines: &[ReplayLine]) -> Vec<&ReplayedStep> {
        let steps = lines.iter().filter_map(|line| match line {
            ReplayLine::Step(step) => Some(step),
            _ => None,
        });
        steps.collect()
    }

    fn same(lines: &[ReplayLine]) -> Vec<Option<bool>> {
        let recorded = lines.iter().filter_map(|line| match line {
            ReplayLine::Recorded(recorded) => Some(recorded.same),
            _ => None,
        });
        recorded.collect()
    }

    #[test]
    fn the_same_limits_give_the_same_verdicts_to_the_last_bit() {
        let mut rollout = rollout(&[(62, 50), (121, 50), (121, 50), (140, 80), (170, 80)]);
        let lines = judged_again(&rollout, None);
        assert_eq!(same(&lines), [Some(true); 5]);
        let [first, second] = steps(&lines)[..] else {
            unreachable!("two steps were judged: {lines:?}")
        };
        assert_eq!(
            (first.step, first.held_ms, first.requests),
            (1, 60_000, 3_000)
        );
        assert!(first.passes_after_ms.is_some() && first.fails_after_ms.is_none());
        assert!(
            second.reached && second.fails_after_ms.is_some(),
            "{second:?}"
        );
        assert_eq!(second.recorded.as_ref().map(|it| it.1), Some(110_000));

        let evidence = rollout.verdicts[3].verdict.evidence.as_mut().unwrap();
        evidence.log_e = f64::from_bits(evidence.log_e.to_bits() + 1);
        let lines = judged_again(&rollout, None);
        let one = [Some(true), Some(true), Some(true), Some(false), Some(true)];
        assert_eq!(same(&lines), one);
    }

    /// The data plane counts exactly what is slower than the limit of the time.
    #[test]
    fn what_was_counted_against_another_limit_is_not_held_against_this_one() {
        let slow = |over| Figures {
            over: Some([over, 0]),
            ..figures(50, 0)
        };
        let strict = Limits {
            p95: Some(Duration::from_millis(5)),
            ..Limits::default()
        };
        let judged = |limits| {
            let rollout = Rollout {
                limits: strict.clone(),
                ..rollout(&[])
            };
            let mut again = Again::new("web".parse().unwrap(), &rollout, limits, false);
            let mut told = vec![step(50.0)];
            told.extend((0..60).map(|_| window(slow(50), slow(0))));
            again.tell(Timestamp::default(), &told);
            let lines = again.end();
            steps(&lines)[0].verdict.outcome
        };
        assert_eq!(judged(None), leadsman_api::Outcome::Fail);
        let lenient = Limits {
            p95: Some(Duration::from_secs(10)),
            ..strict.clone()
        };
        assert_eq!(judged(Some(lenient)), leadsman_api::Outcome::Pass);
        assert_eq!(judged(Some(strict.clone())), leadsman_api::Outcome::Fail);
    }

    #[test]
    fn other_limits_show_what_would_have_been() {
        let rollout = rollout(&[(121, 50), (170, 80)]);
        let lenient = Limits {
            errors: Some(0.2),
            against_stable: leadsman_analysis::AgainstStable {
                errors: Some(0.2),
                ..Limits::default().against_stable
            },
            ..Limits::default()
        };
        let lines = judged_again(&rollout, Some(lenient));
        assert_eq!(same(&lines), [None, None]);
        let second = steps(&lines)[1];
        assert_eq!(second.fails_after_ms, None);
        assert_eq!(second.verdict.outcome, leadsman_api::Outcome::Pass);
        let (recorded, _) = second.recorded.as_ref().unwrap();
        assert_eq!(recorded.outcome, leadsman_api::Outcome::Fail);

        let strict = Limits {
            against_stable: leadsman_analysis::AgainstStable {
                errors: Some(0.0),
                ..Limits::default().against_stable
            },
            ..Limits::default()
        };
        let lines = judged_again(&rollout, Some(strict));
        let told = |step: &&ReplayedStep| (step.reached, step.fails_after_ms.is_some());
        let told: Vec<_> = steps(&lines).iter().map(told).collect();
        assert_eq!(told, [(true, true), (false, false)]);
    }
}
