//! A past rollout, judged again.

use leadsman_api::{
    Deployment, Phase, RecordedVerdict, ReplayLine, ReplayedRollout, ReplayedStep, Verdict,
};

use super::paint;
use super::table::Table;
use super::words::{Clock, clean, count, duration, outcome, percent, whole_seconds, wrapped};
use crate::target::Target;

/// What was told, but for single windows.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) lines: Vec<ReplayLine>,
}

/// What was told of one rollout.
#[derive(Default)]
struct Rollout<'t> {
    head: Option<&'t ReplayedRollout>,
    steps: Vec<&'t ReplayedStep>,
    recorded: Vec<&'t RecordedVerdict>,
}

impl Told {
    /// Returns how many recorded verdicts did not come out again.
    pub(crate) fn differing(&self) -> u64 {
        let differs = |line: &&ReplayLine| matches!(line, ReplayLine::Recorded(recorded) if recorded.same == Some(false));
        self.lines.iter().filter(differs).count() as u64
    }

    /// Returns it as people read it.
    pub(crate) fn text(&self, target: &Target) -> String {
        let (mut text, mut rollouts) = (String::new(), Vec::<Rollout<'_>>::new());
        for line in &self.lines {
            match (line, rollouts.last_mut()) {
                (ReplayLine::Deployment(deployment), _) => text.push_str(&head(target, deployment)),
                (ReplayLine::Rollout(head), _) => rollouts.push(Rollout {
                    head: Some(head),
                    ..Rollout::default()
                }),
                (ReplayLine::Step(step), Some(rollout)) => rollout.steps.push(step),
                (ReplayLine::Recorded(recorded), Some(rollout)) => rollout.recorded.push(recorded),
                _ => {}
            }
        }
        text.extend(rollouts.iter().map(Rollout::text));
        text
    }
}

fn head(target: &Target, deployment: &Deployment) -> String {
    let Target {
        application,
        environment,
    } = target;
    let Deployment {
        number, release, ..
    } = deployment;
    let what = match deployment.phase {
        Phase::Moving | Phase::Paused | Phase::Returning | Phase::Frozen => "is on its way",
        Phase::Settling | Phase::Settled => "was promoted",
        Phase::RolledBack => "went back",
        Phase::Superseded => "was superseded",
        Phase::Abandoned => "was given up",
    };
    let place = paint::strong(&format!("{application}/{environment}"));
    format!("{place}  deployment {number}: release {release} {what}\n")
}

impl Rollout<'_> {
    fn text(&self) -> String {
        let mut text = String::new();
        if let Some(head) = self.head {
            let history = match whole_seconds(head.history_ms) {
                0 => "without history".to_owned(),
                history => format!("with {} of history", duration(history)),
            };
            let by = if head.same_limits {
                "by the limits it was held to".to_owned()
            } else {
                let limits: Vec<_> = head.limits.iter().map(|limit| clean(limit)).collect();
                format!("by other limits: {}", limits.join(", "))
            };
            let name = format!("  {}  ", paint::strong(&clean(&head.service)));
            let what = if self.steps.is_empty() {
                "nothing is kept that could be judged again".to_owned()
            } else {
                format!("judged again {history}, {by}")
            };
            text.push_str(&wrapped(&name, &what));
        }
        let mut table = Table::default();
        for step in &self.steps {
            table.row([
                percent(step.weight_percent),
                duration(whole_seconds(step.held_ms)),
                count(step.requests, "request"),
                again(step),
                at_the_time(step),
            ]);
        }
        for (line, step) in table.to_lines(4).into_iter().zip(&self.steps) {
            text.push_str(&line);
            text.push('\n');
            if step.reached {
                text.push_str(&wrapped("      ", &clean(&step.verdict.sentence)));
            }
        }
        text + &self.comparison()
    }

    /// Says whether what was recorded came out again.
    fn comparison(&self) -> String {
        if self.recorded.is_empty() {
            return "    no verdict was recorded\n".to_owned();
        }
        let of_others = self.recorded.iter().filter(|it| !it.judged);
        let mut text: String = of_others.map(|it| not_judged(it)).collect();
        let compared = self.recorded.iter().filter_map(|it| it.same);
        let (same, differs): (Vec<bool>, Vec<bool>) = compared.partition(|same| *same);
        match (same.len() as u64, differs.len()) {
            // Other limits cannot give the same verdicts.
            (0, 0) => {}
            (1, 0) => text += "    the recorded verdict came out again, to the last bit\n",
            (same, 0) => {
                text +=
                    &format!("    all {same} recorded verdicts came out again, to the last bit\n");
            }
            _ => {
                let differing = self.recorded.iter().filter(|it| it.same == Some(false));
                text.extend(differing.map(|it| difference(it)));
            }
        }
        text
    }
}

/// What the judge says now.
fn again(step: &ReplayedStep) -> String {
    let after = |what, after| format!("{what} after {}", duration(whole_seconds(after)));
    match (step.fails_after_ms, step.passes_after_ms) {
        _ if !step.reached => "not reached".to_owned(),
        (Some(fails), _) => paint::bad(&after("fail", fails)),
        (None, Some(passes)) => paint::good(&after("pass", passes)),
        (None, None) => outcome(step.verdict.outcome).to_owned(),
    }
}

/// What was recorded last in the step.
fn at_the_time(step: &ReplayedStep) -> String {
    match &step.recorded {
        None => "nothing recorded".to_owned(),
        Some((verdict, after)) => {
            let after = duration(whole_seconds(*after));
            format!("recorded: {} after {after}", outcome(verdict.outcome))
        }
    }
}

/// What the data plane did by itself, before a window was over.
fn not_judged(recorded: &RecordedVerdict) -> String {
    let at = Clock::at(recorded.at).long(recorded.at);
    let sentence = clean(&recorded.verdict.sentence);
    wrapped(
        "    ",
        &format!("recorded at {at}, not by the judge: {sentence}"),
    )
}

fn difference(recorded: &RecordedVerdict) -> String {
    let at = Clock::at(recorded.at).long(recorded.at);
    let said = |verdict: &Verdict| {
        let Verdict {
            outcome: what,
            sentence,
            ..
        } = verdict;
        format!("{}, {}", outcome(*what), clean(sentence))
    };
    let again = match &recorded.again {
        // The sentences may be the same, and only a number behind them another.
        Some(again) if said(again) == said(&recorded.verdict) => {
            "the same with other evidence".to_owned()
        }
        Some(again) => said(again),
        None => "nothing was kept of that moment".to_owned(),
    };
    let text = format!(
        "{at} {} recorded: {}; judged again: {again}",
        recorded.event,
        said(&recorded.verdict)
    );
    wrapped(&format!("    {} ", paint::bad("differs")), &text)
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use leadsman_api::{Moment, Outcome};

    use super::super::samples::{deployment, plain};
    use super::*;

    fn target() -> Target {
        Target {
            application: "shop".to_owned(),
            environment: "production".to_owned(),
        }
    }

    fn verdict(outcome: Outcome, sentence: &str) -> Verdict {
        Verdict {
            outcome,
            requests: 412,
            sentence: sentence.to_owned(),
            findings: Vec::new(),
            evidence: None,
        }
    }

    fn pass() -> Verdict {
        verdict(Outcome::Pass, "every limit is kept after 2995 requests")
    }

    fn fail() -> Verdict {
        let sentence = "errors 5.8 % against 0.1 % on stable (limit +1 point) after 310 requests";
        verdict(Outcome::Fail, sentence)
    }

    fn step(number: u16, weight_percent: f64, verdict: Verdict) -> ReplayedStep {
        let after = |outcome| (verdict.outcome == outcome).then_some(232_400);
        ReplayedStep {
            service: "web".to_owned(),
            step: number,
            weight_percent,
            reached: true,
            held_ms: 600_120,
            requests: 2995,
            passes_after_ms: after(Outcome::Pass),
            fails_after_ms: after(Outcome::Fail),
            recorded: Some((verdict.clone(), 599_000)),
            verdict,
        }
    }

    fn rollout(same_limits: bool) -> ReplayLine {
        ReplayLine::Rollout(ReplayedRollout {
            service: "web".to_owned(),
            limits: vec![
                "errors at most 2 %".to_owned(),
                "errors at most 1 point above stable".to_owned(),
                "p95 at most 20 % above stable".to_owned(),
            ],
            same_limits,
            history_ms: 600_300,
        })
    }

    fn recorded(verdict: Verdict, same: Option<bool>, again: Option<Verdict>) -> ReplayLine {
        ReplayLine::Recorded(RecordedVerdict {
            service: "web".to_owned(),
            at: Moment(1_790_000_000_000),
            event: "step_passed".to_owned(),
            judged: true,
            verdict,
            same,
            again,
        })
    }

    fn text(lines: Vec<ReplayLine>) -> String {
        let text = plain(&Told { lines }.text(&target()));
        assert!(
            text.lines().all(|line| line.chars().count() <= 80),
            "{text}"
        );
        text
    }

    #[test]
    fn what_came_out_again_is_said_step_by_step() {
        expect![[r#"
            shop/production  deployment 4: release 4 went back
              web  judged again with 10m of history, by the limits it was held to
                5 %   10m  2995 requests  pass after 3m52s  recorded: pass after 9m59s
                  every limit is kept after 2995 requests
                25 %  10m  2995 requests  fail after 3m52s  recorded: fail after 9m59s
                  errors 5.8 % against 0.1 % on stable (limit +1 point) after 310 requests
                all 2 recorded verdicts came out again, to the last bit
        "#]]
        .assert_eq(&text(vec![
            ReplayLine::Deployment(deployment(Phase::RolledBack)),
            rollout(true),
            ReplayLine::Step(step(1, 5.0, pass())),
            ReplayLine::Step(step(2, 25.0, fail())),
            recorded(pass(), Some(true), None),
            recorded(fail(), Some(true), None),
        ]));
    }

    #[test]
    fn under_other_limits_it_says_what_would_have_been() {
        let not_reached = ReplayedStep {
            reached: false,
            fails_after_ms: None,
            ..step(2, 25.0, fail())
        };
        let failing = ReplayedStep {
            recorded: Some((pass(), 599_000)),
            ..step(1, 5.0, fail())
        };
        expect![[r#"
            shop/production  deployment 4: release 4 was promoted
              web  judged again with 10m of history, by other limits: errors at most 2 %,
                   errors at most 1 point above stable, p95 at most 20 % above stable
                5 %   10m  2995 requests  fail after 3m52s  recorded: pass after 9m59s
                  errors 5.8 % against 0.1 % on stable (limit +1 point) after 310 requests
                25 %  10m  2995 requests  not reached       recorded: fail after 9m59s
        "#]]
        .assert_eq(&text(vec![
            ReplayLine::Deployment(deployment(Phase::Settled)),
            rollout(false),
            ReplayLine::Step(failing),
            ReplayLine::Step(not_reached),
            recorded(pass(), None, Some(fail())),
        ]));
    }

    #[test]
    fn what_the_data_plane_did_by_itself_is_told_apart() {
        let cut = RecordedVerdict {
            judged: false,
            same: None,
            ..match recorded(fail(), None, None) {
                ReplayLine::Recorded(recorded) => recorded,
                _ => unreachable!("it is made above"),
            }
        };
        let step = || ReplayLine::Step(step(1, 5.0, pass()));
        let told = text(vec![
            rollout(true),
            step(),
            ReplayLine::Recorded(cut.clone()),
        ]);
        assert!(told.contains("not by the judge: errors 5.8 %"), "{told}");
        assert!(!told.contains("came out again"), "{told}");

        // It may have been faster than the judge.
        let told = text(vec![
            ReplayLine::Deployment(deployment(Phase::RolledBack)),
            rollout(false),
            ReplayLine::Recorded(cut),
        ]);
        let here = Clock::at(Moment(1_790_000_000_000)).long(Moment(1_790_000_000_000));
        expect![[r#"
            shop/production  deployment 4: release 4 went back
              web  nothing is kept that could be judged again
                recorded at 2026-09-21 14:13:20, not by the judge: errors 5.8 % against
                0.1 % on stable (limit +1 point) after 310 requests
        "#]]
        .assert_eq(&told.replace(&here, "2026-09-21 14:13:20"));
    }

    #[test]
    fn a_difference_names_both_verdicts() {
        let lines = vec![
            ReplayLine::Deployment(deployment(Phase::Settled)),
            rollout(true),
            ReplayLine::Step(step(1, 5.0, pass())),
            recorded(pass(), Some(false), Some(fail())),
            recorded(pass(), Some(false), Some(pass())),
            recorded(pass(), Some(false), None),
        ];
        let told = Told {
            lines: lines.clone(),
        };
        assert_eq!(told.differing(), 3);
        let text = text(lines);
        // The moment is in the zone of the reader.
        let here = Clock::at(Moment(1_790_000_000_000)).long(Moment(1_790_000_000_000));
        let text = text.replace(&here, "2026-09-21 14:13:20");
        expect![[r#"
            shop/production  deployment 4: release 4 was promoted
              web  judged again with 10m of history, by the limits it was held to
                5 %  10m  2995 requests  pass after 3m52s  recorded: pass after 9m59s
                  every limit is kept after 2995 requests
                differs 2026-09-21 14:13:20 step_passed recorded: pass, every limit is kept
                        after 2995 requests; judged again: fail, errors 5.8 % against 0.1 %
                        on stable (limit +1 point) after 310 requests
                differs 2026-09-21 14:13:20 step_passed recorded: pass, every limit is kept
                        after 2995 requests; judged again: the same with other evidence
                differs 2026-09-21 14:13:20 step_passed recorded: pass, every limit is kept
                        after 2995 requests; judged again: nothing was kept of that moment
        "#]]
        .assert_eq(&text);
    }
}
