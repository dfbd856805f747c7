//! What the judge says, and when.

use std::time::Duration;

use expect_test::{Expect, expect};
use leadsman_analysis::{
    AgainstStable, Failed, Judge, Limits, Metric, Outcome, Risk, Split, Told, Window,
};

use crate::world::{Arm, Rollout};

fn outcome(judge: &Judge) -> Outcome {
    judge.verdict().outcome
}

fn fails(judge: &Judge) -> bool {
    outcome(judge) == Outcome::Fail
}

fn says(rollout: &Rollout, outcome: Outcome, sentence: &Expect) {
    let verdict = rollout.judge.verdict();
    sentence.assert_eq(&verdict.sentence);
    assert_eq!(verdict.outcome, outcome);
    let call = rollout.judge.call();
    assert_eq!((call.outcome, call.sentence), (outcome, verdict.sentence));
}

#[test]
fn a_crash_fails_with_the_first_window() {
    let mut rollout = Rollout::new(Limits::default());
    assert_eq!(rollout.until(Arm::good(5).failing(1), fails), 1);
    let sentence = expect![
        "errors 100 % (limit 5 %) and errors 100 % against 0 % on stable (limit +1 point): evidence 850,000 : 1 after 5 requests"
    ];
    says(&rollout, Outcome::Fail, &sentence);
    let failed: Vec<_> = rollout.judge.verdict().findings;
    let failed: Vec<_> = failed
        .iter()
        .filter(|finding| finding.outcome == Outcome::Fail)
        .map(|finding| (finding.metric.clone(), finding.stable.is_some()))
        .collect();
    // The absolute limit and the one against stable.
    assert_eq!(failed, [(Metric::Errors, false), (Metric::Errors, true)]);
}

#[test]
fn more_errors_than_tolerated_fail_with_both_kinds_of_evidence() {
    let mut rollout = Rollout::new(Limits::default());
    let seconds = rollout.until(Arm::good(5).failing(20), fails);
    assert!((20..90).contains(&seconds), "{seconds}");
    let sentence = expect![
        "errors 5.7 % against 0.1 % on stable (limit +1 point): evidence 13 : 1 beyond the limit and 700,000 : 1 of being worse, after 105 requests"
    ];
    says(&rollout, Outcome::Fail, &sentence);
}

#[test]
fn answers_that_take_twice_as_long_fail() {
    let mut rollout = Rollout::new(Limits::default());
    let seconds = rollout.until(Arm::good(5).slower(2.0), fails);
    assert!((5..40).contains(&seconds), "{seconds}");
    let sentence = expect![
        "p95 481 ms against 227 ms on stable (limit +20 %): evidence 10 : 1 beyond the limit and 15,000 : 1 of being worse, after 40 requests"
    ];
    says(&rollout, Outcome::Fail, &sentence);
}

#[test]
fn answers_that_failed_fast_make_the_others_neither_faster_nor_slower() {
    let mut limits = Limits::default();
    (limits.errors, limits.against_stable.errors) = (None, None);
    let mut rollouts = [Rollout::new(limits.clone()), Rollout::new(limits)];
    for _ in 0..30 {
        for (rollout, failed) in rollouts.iter_mut().zip([0, 4]) {
            let mut window = rollout.window(Arm::good(5).slower(1.5), Some(Arm::good(95)));
            window.canary.requests += failed;
            window.canary.errors += failed;
            rollout.judge.tell(&Told::Window(window));
        }
        let [few, many] = rollouts.each_ref().map(|rollout| {
            let evidence = rollout.judge.verdict().evidence.unwrap();
            (evidence.log_e, evidence.log_e_strict)
        });
        assert_eq!(few, many);
    }
}

#[test]
fn a_good_release_passes() {
    let mut rollout = Rollout::new(Limits::default());
    let seconds = rollout.until(Arm::good(5), |judge| outcome(judge) == Outcome::Pass);
    assert!((60..300).contains(&seconds), "{seconds}");
    let sentence = expect!["every limit is kept after 750 requests"];
    says(&rollout, Outcome::Pass, &sentence);
    let verdict = rollout.judge.verdict();
    assert!(verdict.findings.iter().all(|f| f.outcome == Outcome::Pass));
}

#[test]
fn every_step_has_to_show_it_anew() {
    let mut rollout = Rollout::new(Limits::default());
    rollout.until(Arm::good(5), |judge| outcome(judge) == Outcome::Pass);
    rollout.step(0.25, 0.75);
    let sentence = expect!["no request has reached the new revision so far"];
    says(&rollout, Outcome::NoData, &sentence);
    rollout.second(Arm::good(25), Some(Arm::good(75)));
    assert_eq!(outcome(&rollout.judge), Outcome::Inconclusive);
}

#[test]
fn what_is_missing_is_said_in_time_and_requests() {
    let mut rollout = Rollout::new(Limits::default());
    for _ in 0..20 {
        rollout.second(Arm::good(5), Some(Arm::good(95)));
    }
    let sentence = expect![
        "not sure of errors, p95 and p99 after 100 requests: nothing speaks against it, at this rate it passes in about 3 min (652 more requests)"
    ];
    says(&rollout, Outcome::Inconclusive, &sentence);
}

#[test]
fn what_is_worse_but_tolerable_is_a_warning_and_can_pass() {
    let mut rollout = Rollout::new(Limits::default());
    // 0.6 % errors where stable has 0.1 %: within one point.
    let warned = |judge: &Judge| judge.verdict().evidence.is_some_and(|it| it.warn);
    rollout.until(Arm::good(5).failing(160), warned);
    let sentence = expect![
        "not sure of errors after 1,600 requests: worse than stable, but not shown to be worse than is tolerated, at this rate it passes in about 9 min (2,548 more requests)"
    ];
    says(&rollout, Outcome::Inconclusive, &sentence);
    rollout.until(Arm::good(5).failing(160), |judge| {
        outcome(judge) == Outcome::Pass
    });
    let sentence = expect!["worse than stable, but within every limit after 3,035 requests"];
    says(&rollout, Outcome::Pass, &sentence);
}

#[test]
fn what_begins_in_the_middle_is_told_by_what_came_since() {
    let mut rollout = Rollout::new(Limits::default());
    for _ in 0..900 {
        rollout.second(Arm::good(5), Some(Arm::good(95)));
    }
    let seconds = rollout.until(Arm::good(5).failing(10), fails);
    assert!(seconds < 40, "{seconds}");
    let sentence = expect![
        "errors 13.3 % against 0 % on stable (limit +1 point): evidence 11 : 1 beyond the limit and 670,000 : 1 of being worse, after 15 requests"
    ];
    says(&rollout, Outcome::Fail, &sentence);
}

#[test]
fn what_failed_stays_failed() {
    let mut rollout = Rollout::new(Limits::default());
    rollout.until(Arm::good(5).failing(1), fails);
    let verdict = rollout.judge.verdict();
    for _ in 0..600 {
        rollout.second(Arm::good(5), Some(Arm::good(95)));
    }
    rollout.step(0.25, 0.75);
    assert_eq!(rollout.judge.verdict(), verdict);
}

#[test]
fn an_outage_of_both_is_nobodys_fault() {
    let mut rollout = Rollout::new(Limits::default());
    for _ in 0..300 {
        let (canary, stable) = (Arm::good(5).failing(5), Arm::good(95).failing(5));
        rollout.second(canary, Some(stable));
        assert_eq!(outcome(&rollout.judge), Outcome::Inconclusive);
    }
}

#[test]
fn without_a_request_there_is_no_data() {
    let mut rollout = Rollout::new(Limits::default());
    let sentence = expect!["no request has reached the new revision so far"];
    says(&rollout, Outcome::NoData, &sentence);
    for _ in 0..5 {
        rollout.second(Arm::good(0), Some(Arm::good(95)));
    }
    let sentence =
        expect!["no request has reached the new revision, although 475 requests reached stable"];
    says(&rollout, Outcome::NoData, &sentence);
}

#[test]
fn without_figures_nothing_is_concluded() {
    let mut rollout = Rollout::new(Limits::default());
    rollout.until(Arm::good(5), |judge| outcome(judge) == Outcome::Pass);
    rollout.judge.tell(&Told::Failed(Failed {
        metric: None,
        seconds: 1.0,
        why: "the proxy does not answer".to_owned(),
    }));
    let sentence = expect!["the figures could not be had: the proxy does not answer"];
    says(&rollout, Outcome::SourceError, &sentence);
    rollout.second(Arm::good(5), Some(Arm::good(95)));
    assert_ne!(outcome(&rollout.judge), Outcome::SourceError);
}

#[test]
fn figures_that_cannot_be_true_are_not_counted() {
    let mut rollout = Rollout::new(Limits::default());
    let good = rollout.window(Arm::good(5), Some(Arm::good(95)));
    let with = |change: &dyn Fn(&mut Window)| {
        let mut window = good.clone();
        change(&mut window);
        Told::Window(window)
    };
    let split = |canary, baseline| Told::Step(Split { canary, baseline });
    for (told, complaint) in [
        (
            with(&|w| w.canary.errors = 6),
            "6 errors in 5 requests on the canary",
        ),
        (
            with(&|w| w.canary.requests = 4),
            "5 latencies of 4 requests on the canary",
        ),
        (
            with(&|w| w.canary.requests = u64::MAX),
            "18446744073709551615 requests in 1 s on the canary",
        ),
        (
            with(&|w| w.canary.over = Some([0, 9])),
            "9 of 5 latencies over a limit on the canary",
        ),
        (
            with(&|w| w.baseline.as_mut().unwrap().errors = 99),
            "99 errors in 95 requests on stable",
        ),
        (with(&|w| w.seconds = 0.0), "an interval of 0 s"),
        (with(&|w| w.seconds = f64::NAN), "an interval of NaN s"),
        (split(1.5, 0.0), "a split of 1.5 to 0"),
    ] {
        let before = rollout.judge.verdict().requests;
        rollout.judge.tell(&told);
        let verdict = rollout.judge.verdict();
        assert_eq!(verdict.outcome, Outcome::SourceError);
        assert_eq!(
            verdict.sentence,
            format!("the figures make no sense: {complaint}")
        );
        assert_eq!(verdict.requests, before);
    }
    rollout.judge.tell(&Told::Window(good));
    assert_eq!(outcome(&rollout.judge), Outcome::Inconclusive);
}

#[test]
fn alone_only_absolute_limits_are_judged() {
    let limits = Limits {
        p95: Some(Duration::from_secs(1)),
        ..Limits::default()
    };
    let mut good = Rollout::cold(limits.clone());
    good.step(1.0, 0.0);
    for _ in 0..10 {
        good.second(Arm::good(100), None);
    }
    let sentence = expect!["every limit is kept after 1,000 requests"];
    says(&good, Outcome::Pass, &sentence);
    let metrics: Vec<_> = good.judge.verdict().findings;
    let metrics: Vec<_> = metrics.iter().map(|f| (&f.metric, f.stable)).collect();
    assert_eq!(
        metrics,
        [
            (&Metric::Errors, None),
            (&Metric::P95, None),
            (&Metric::Restarts, None)
        ]
    );

    let mut bad = Rollout::cold(limits);
    bad.step(1.0, 0.0);
    let seconds = (1..100).find(|_| {
        bad.second(Arm::good(100).failing(8), None);
        fails(&bad.judge)
    });
    assert!(seconds.is_some_and(|seconds| seconds < 10), "{seconds:?}");
    let sentence = expect!["errors 12.3 % (limit 5 %): evidence 9,700 : 1 after 300 requests"];
    says(&bad, Outcome::Fail, &sentence);
}

#[test]
fn alone_it_says_what_comes_if_things_go_on_like_this() {
    let after_90_requests = |arm| {
        let mut rollout = Rollout::cold(Limits::default());
        rollout.step(1.0, 0.0);
        for _ in 0..90 {
            rollout.second(arm, None);
        }
        rollout
    };
    let first = |rollout: &Rollout| rollout.judge.verdict().evidence.unwrap().fails_first();
    let bad = after_90_requests(Arm::good(1).failing(8));
    let sentence = expect![
        "not sure of errors after 90 requests: what was seen so far speaks against it, at this rate it fails in about 3 min (140 more requests)"
    ];
    says(&bad, Outcome::Inconclusive, &sentence);
    assert!(first(&bad));
    let fair = after_90_requests(Arm::good(1).failing(25));
    let sentence = expect![
        "not sure of errors after 90 requests: nothing speaks against it, at this rate errors cannot be told"
    ];
    says(&fair, Outcome::Inconclusive, &sentence);
    assert!(!first(&fair));
}

#[test]
fn a_restart_fails_even_without_a_request() {
    let mut rollout = Rollout::new(Limits::default());
    let mut window = rollout.window(Arm::good(0), Some(Arm::good(95)));
    window.restarts = 1;
    rollout.judge.tell(&Told::Window(window));
    let sentence = expect!["1 restart (limit 0)"];
    says(&rollout, Outcome::Fail, &sentence);
}

#[test]
fn warming_up_is_forgiven_and_a_crash_is_not() {
    let limits = || Limits {
        warm_up: Duration::from_secs(60),
        ..Limits::default()
    };
    let slow = Arm::good(5).slower(2.0).failing(20);
    let mut warm = Rollout::new(limits());
    for _ in 0..30 {
        warm.second(slow, Some(Arm::good(95)));
        assert!(!fails(&warm.judge));
    }
    let mut cold = Rollout::new(Limits::default());
    assert!(cold.until(slow, fails) < 30);
    let mut crash = Rollout::new(limits());
    assert_eq!(crash.until(Arm::good(5).failing(1), fails), 1);
}

#[test]
fn a_service_whose_answers_all_take_as_long_can_pass_and_fail() {
    // Every answer takes 10 ms, but one of so many takes 30 ms.
    let window = |second: u64, slow_one_of: Option<u64>| {
        let figures = |requests: u64, slow_one_of: Option<u64>| {
            let mut figures = leadsman_analysis::Figures {
                requests,
                ..Default::default()
            };
            for request in 0..requests {
                let slow =
                    slow_one_of.is_some_and(|n| (second * requests + request).is_multiple_of(n));
                let ms = if slow { 30 } else { 10 };
                figures.latency.record(Duration::from_millis(ms));
            }
            figures
        };
        Told::Window(Window {
            seconds: 1.0,
            canary: figures(25, slow_one_of),
            baseline: Some(figures(75, None)),
            reference: None,
            restarts: 0,
        })
    };
    let judged = |slow_one_of: Option<u64>, limits: Limits| {
        let mut judge = Judge::new(limits);
        judge.tell(&Told::Step(Split {
            canary: 0.25,
            baseline: 0.75,
        }));
        for second in 0..600 {
            judge.tell(&window(second, slow_one_of));
        }
        judge.verdict()
    };
    let p95_only = || Limits {
        errors: None,
        against_stable: AgainstStable {
            p95: Some(0.2),
            ..AgainstStable::default()
        },
        ..Limits::default()
    };
    assert_eq!(judged(None, Limits::default()).outcome, Outcome::Pass);
    // 2 of 100 do not move p95, but p99.
    assert_eq!(judged(Some(50), p95_only()).outcome, Outcome::Pass);
    assert_eq!(judged(Some(50), Limits::default()).outcome, Outcome::Fail);
    assert_eq!(judged(Some(10), p95_only()).outcome, Outcome::Fail);
}

#[test]
fn with_no_limit_at_all_requests_are_needed_all_the_same() {
    let mut rollout = Rollout::new(Limits {
        errors: None,
        memory: None,
        restarts: None,
        against_stable: AgainstStable::default(),
        ..Limits::default()
    });
    rollout.second(Arm::good(5).failing(1), Some(Arm::good(95)));
    let sentence = expect!["5 of 100 requests so far"];
    says(&rollout, Outcome::Inconclusive, &sentence);
    for _ in 0..20 {
        rollout.second(Arm::good(5).failing(1), Some(Arm::good(95)));
    }
    let sentence = expect!["there is no limit to exceed after 105 requests"];
    says(&rollout, Outcome::Pass, &sentence);
}

#[test]
fn a_smaller_risk_takes_more_evidence() {
    let seconds = |alpha: f64| {
        let risk = Risk::of(alpha);
        let mut rollout = Rollout::new(Limits {
            risk,
            ..Limits::default()
        });
        rollout.until(Arm::good(5).failing(20), fails)
    };
    assert!(seconds(0.000_1) > seconds(0.01));
    assert!(seconds(0.01) > seconds(0.05));
}
