//! What people see: windows in, outcome and sentence out.

use std::time::Duration;

use leadsman_analysis::{AgainstStable, Figures, Judge, Limits, Metric, Outcome, Verdict, Window};

use crate::world::{alone, beside, figures, unlimited};

fn judged(limits: Limits, windows: &[Window]) -> Verdict {
    let mut judge = Judge::new(limits);
    judge.begin_step();
    for window in windows {
        judge.observe(window);
    }
    judge.verdict()
}

#[track_caller]
fn check(verdict: &Verdict, outcome: Outcome, sentence: &str) {
    assert_eq!(
        (verdict.outcome, verdict.sentence.as_str()),
        (outcome, sentence),
        "{verdict:#?}"
    );
}

#[test]
fn a_healthy_release_passes_once_it_has_answered_enough() {
    let healthy = beside(figures(50, 0, 40), figures(950, 1, 40));
    let one = judged(Limits::default(), std::slice::from_ref(&healthy));
    check(&one, Outcome::Inconclusive, "50 of 100 requests so far");
    assert!(
        one.findings
            .iter()
            .all(|finding| finding.outcome != Outcome::Fail)
    );

    let two = judged(Limits::default(), &[healthy.clone(), healthy]);
    check(
        &two,
        Outcome::Pass,
        "every limit is kept after 100 requests",
    );
    let sentences: Vec<_> = two.findings.iter().map(|f| f.sentence.as_str()).collect();
    assert_eq!(
        sentences,
        [
            "errors 0 % (limit 5 %)",
            "0 restarts (limit 0)",
            "errors 0 % against 0.1 % on stable (limit +1 point)",
            "p95 40 ms against 40 ms on stable (limit +20 %)",
            "p99 40 ms against 40 ms on stable (limit +50 %)",
        ]
    );
}

#[test]
fn a_release_whose_every_request_fails_needs_five_to_fail() {
    let absolute = Limits {
        errors: Some(0.05),
        ..unlimited()
    };
    let verdict = judged(absolute, &[alone(figures(5, 5, 1))]);
    check(
        &verdict,
        Outcome::Fail,
        "errors 100 % (limit 5 %) after 5 requests",
    );

    let against_stable = AgainstStable {
        errors: Some(0.01),
        ..AgainstStable::default()
    };
    let relative = Limits {
        against_stable,
        ..unlimited()
    };
    let verdict = judged(relative, &[beside(figures(5, 5, 1), figures(95, 0, 1))]);
    check(
        &verdict,
        Outcome::Fail,
        "errors 100 % against 0 % on stable (limit +1 point) after 5 requests",
    );
}

#[test]
fn the_first_error_is_not_the_end() {
    let verdict = judged(
        Limits::default(),
        &[beside(figures(1, 1, 40), figures(19, 0, 40))],
    );
    check(&verdict, Outcome::Inconclusive, "1 of 100 requests so far");
}

#[test]
fn errors_between_kept_and_shown_are_too_close_to_tell() {
    let limits = Limits {
        errors: Some(0.05),
        ..unlimited()
    };
    let verdict = judged(limits, &[alone(figures(200, 12, 40))]);
    check(
        &verdict,
        Outcome::Inconclusive,
        "errors 6 % (limit 5 %) after 200 requests: too close to tell",
    );
}

#[test]
fn a_share_is_judged_over_the_whole_step() {
    let limits = Limits {
        errors: Some(0.05),
        ..unlimited()
    };
    let windows = vec![alone(figures(100, 7, 40)); 30];
    let verdict = judged(limits, &windows);
    check(
        &verdict,
        Outcome::Fail,
        "errors 7 % (limit 5 %) after 3000 requests",
    );
}

#[test]
fn slow_answers_fail_an_absolute_limit() {
    let limits = Limits {
        p95: Some(Duration::from_millis(400)),
        ..unlimited()
    };
    let verdict = judged(limits.clone(), &[alone(figures(6, 0, 430))]);
    check(
        &verdict,
        Outcome::Fail,
        "p95 439 ms (limit 400 ms) after 6 requests",
    );
    let verdict = judged(limits, &[alone(figures(100, 0, 380))]);
    check(
        &verdict,
        Outcome::Pass,
        "every limit is kept after 100 requests",
    );
}

#[test]
fn one_slow_answer_in_fifty_is_no_matter_for_the_95th_percentile_but_for_the_99th() {
    let mut window = alone(figures(980, 0, 40));
    window.canary.add(&figures(20, 0, 2_000));
    let limit = Some(Duration::from_secs(1));
    let p95 = judged(
        Limits {
            p95: limit,
            ..unlimited()
        },
        std::slice::from_ref(&window),
    );
    assert_eq!(p95.outcome, Outcome::Pass);
    let p99 = judged(
        Limits {
            p99: limit,
            ..unlimited()
        },
        &vec![window; 4],
    );
    check(
        &p99,
        Outcome::Fail,
        "p99 2.02 s (limit 1 s) after 4000 requests",
    );
}

#[test]
fn a_release_twice_as_slow_as_stable_fails() {
    let verdict = judged(
        Limits::default(),
        &[beside(figures(6, 0, 80), figures(114, 0, 40))],
    );
    assert_eq!(verdict.outcome, Outcome::Fail);
    assert!(
        verdict
            .sentence
            .starts_with("p95 81 ms against 40 ms on stable (limit +20 %)"),
        "{verdict:#?}"
    );
}

#[test]
fn a_percentile_at_exactly_its_margin_is_kept() {
    let against_stable = AgainstStable {
        p95: Some(0.2),
        ..AgainstStable::default()
    };
    let limits = Limits {
        against_stable,
        ..unlimited()
    };
    for ms in 1..1_000 {
        // Eight buckets longer: a factor of 1.2 exactly.
        let bucket = leadsman_analysis::Histogram::bucket(Duration::from_millis(ms));
        let mut window = beside(figures(0, 0, 0), figures(200, 0, ms));
        window.canary.requests = 200;
        window.canary.latency = vec![(u16::try_from(bucket + 8).unwrap(), 200)].into();
        let verdict = judged(limits.clone(), std::slice::from_ref(&window));
        assert_eq!(verdict.outcome, Outcome::Pass, "{ms} ms: {verdict:#?}");
        window.canary.latency = vec![(u16::try_from(bucket + 9).unwrap(), 200)].into();
        let verdict = judged(limits.clone(), &[window]);
        assert_eq!(verdict.outcome, Outcome::Fail, "{ms} ms: {verdict:#?}");
    }
}

#[test]
fn memory_and_restarts_over_the_limit_fail_at_once_even_without_a_request() {
    let memory = Figures {
        memory: Some(0.93),
        ..Figures::default()
    };
    check(
        &judged(Limits::default(), &[alone(memory)]),
        Outcome::Fail,
        "memory 93 % of what is allowed (limit 90 %)",
    );
    let restarts = Figures {
        restarts: 1,
        ..figures(3, 0, 40)
    };
    check(
        &judged(Limits::default(), &[alone(restarts)]),
        Outcome::Fail,
        "1 restart (limit 0) after 3 requests",
    );
}

#[test]
fn restarts_count_over_the_whole_rollout_and_requests_over_one_step() {
    let mut judge = Judge::new(Limits {
        restarts: Some(1),
        ..Limits::default()
    });
    let crash = alone(Figures {
        restarts: 1,
        ..figures(100, 0, 40)
    });
    judge.begin_step();
    judge.observe(&crash);
    assert_eq!(judge.verdict().outcome, Outcome::Pass);
    judge.begin_step();
    assert_eq!(
        (judge.verdict().outcome, judge.verdict().requests),
        (Outcome::NoData, 0)
    );
    judge.observe(&crash);
    check(
        &judge.verdict(),
        Outcome::Fail,
        "2 restarts (limit 1) after 100 requests",
    );
}

#[test]
fn without_a_request_there_is_no_data() {
    let nothing = "no request has reached the new revision so far";
    check(&judged(Limits::default(), &[]), Outcome::NoData, nothing);
    let silent = beside(Figures::default(), figures(300, 0, 40));
    check(
        &judged(Limits::default(), &[silent]),
        Outcome::NoData,
        nothing,
    );
    check(&judged(unlimited(), &[]), Outcome::NoData, nothing);
}

#[test]
fn without_limits_it_still_takes_requests_to_pass() {
    let check_after = |requests, outcome, sentence| {
        check(
            &judged(unlimited(), &[alone(figures(requests, 0, 1))]),
            outcome,
            sentence,
        );
    };
    check_after(99, Outcome::Inconclusive, "99 of 100 requests so far");
    check_after(
        100,
        Outcome::Pass,
        "there is no limit to exceed after 100 requests",
    );

    let zero = Limits {
        requests: 0,
        ..unlimited()
    };
    assert_eq!(judged(zero, &[]).outcome, Outcome::NoData);
}

#[test]
fn without_a_stable_side_only_absolute_limits_are_judged() {
    let verdict = judged(Limits::default(), &[alone(figures(100, 2, 40))]);
    check(
        &verdict,
        Outcome::Pass,
        "every limit is kept after 100 requests",
    );
    let metrics: Vec<_> = verdict
        .findings
        .iter()
        .map(|finding| finding.metric)
        .collect();
    assert_eq!(metrics, [Metric::Errors, Metric::Restarts]);
}

#[test]
fn a_silent_stable_side_does_not_let_a_comparison_pass() {
    let beside_stable = |stable| judged(Limits::default(), &[beside(figures(100, 0, 40), stable)]);
    check(
        &beside_stable(Figures::default()),
        Outcome::Inconclusive,
        "p99: no latency on stable so far",
    );
    check(
        &beside_stable(figures(19, 0, 40)),
        Outcome::Inconclusive,
        "19 of 100 latencies on stable so far",
    );
}

#[test]
fn only_what_ran_side_by_side_is_compared() {
    // The canary had a bad minute while nothing ran beside it: that is held against the absolute
    // limit, but not against what stable did later.
    let against_stable = AgainstStable {
        errors: Some(0.01),
        ..AgainstStable::default()
    };
    let limits = Limits {
        against_stable,
        errors: Some(0.5),
        ..unlimited()
    };
    let windows = [
        alone(figures(100, 30, 40)),
        beside(figures(100, 0, 40), figures(100, 0, 40)),
    ];
    check(
        &judged(limits, &windows),
        Outcome::Pass,
        "every limit is kept after 200 requests",
    );
}

#[test]
fn missing_latencies_are_not_short_ones() {
    let limits = Limits {
        p95: Some(Duration::from_secs(1)),
        ..unlimited()
    };
    let window = alone(Figures {
        requests: 500,
        ..Figures::default()
    });
    check(
        &judged(limits, &[window]),
        Outcome::Inconclusive,
        "p95: no latency so far",
    );
}

#[test]
fn impossible_figures_are_a_source_error_that_names_them() {
    let good = || beside(figures(100, 0, 40), figures(100, 0, 40));
    let with = |change: fn(&mut Window)| {
        let mut window = good();
        change(&mut window);
        window
    };
    for (window, named) in [
        (with(|w| w.seconds = 0.0), "an interval of 0 s"),
        (with(|w| w.seconds = -1.0), "an interval of -1 s"),
        (with(|w| w.seconds = f64::NAN), "an interval of NaN s"),
        (
            with(|w| w.canary.errors = 101),
            "101 errors in 100 requests on the canary",
        ),
        (
            with(|w| w.canary.requests = 99),
            "100 latencies of 99 requests on the canary",
        ),
        (
            with(|w| w.canary.memory = Some(f64::NAN)),
            "a memory share of NaN on the canary",
        ),
        (
            with(|w| w.canary.memory = Some(-0.5)),
            "a memory share of -0.5 on the canary",
        ),
        (
            with(|w| w.stable.as_mut().unwrap().errors = 300),
            "300 errors in 100 requests on stable",
        ),
    ] {
        let verdict = judged(Limits::default(), &[good(), window.clone()]);
        let sentence = format!("the figures make no sense: {named}");
        check(&verdict, Outcome::SourceError, &sentence);
        assert_eq!(verdict.requests, 100, "it is not counted");
        let verdict = judged(Limits::default(), &[window, good()]);
        assert_eq!(
            verdict.outcome,
            Outcome::Pass,
            "the next good window clears it"
        );
    }
}

#[test]
fn a_failed_source_is_said_until_the_next_good_window() {
    let mut judge = Judge::new(Limits::default());
    let good = alone(figures(100, 0, 40));
    judge.begin_step();
    judge.observe(&good);
    judge.source_failed("the proxy does not answer");
    let sentence = "the figures could not be had: the proxy does not answer";
    check(&judge.verdict(), Outcome::SourceError, sentence);
    judge.begin_step();
    check(&judge.verdict(), Outcome::SourceError, sentence);
    judge.observe(&good);
    assert_eq!(judge.verdict().outcome, Outcome::Pass);
}

#[test]
fn a_failed_source_does_not_hide_what_was_shown_before() {
    let mut judge = Judge::new(Limits::default());
    judge.observe(&alone(figures(20, 20, 40)));
    judge.source_failed("the proxy does not answer");
    assert_eq!(judge.verdict().outcome, Outcome::Fail);
}

#[test]
fn limits_that_are_no_numbers_are_never_kept() {
    let nan = Some(f64::NAN);
    let against_stable = AgainstStable {
        errors: nan,
        p95: nan,
        p99: nan,
    };
    for limits in [
        Limits {
            errors: nan,
            ..unlimited()
        },
        Limits {
            memory: nan,
            ..unlimited()
        },
        Limits {
            against_stable,
            ..unlimited()
        },
    ] {
        let mut canary = figures(500, 0, 40);
        canary.memory = Some(0.1);
        let verdict = judged(limits, &[beside(canary, figures(500, 0, 40))]);
        assert_ne!(verdict.outcome, Outcome::Pass, "{verdict:#?}");
    }
}

#[test]
fn several_exceeded_limits_are_all_named() {
    let limits = Limits {
        errors: Some(0.05),
        p95: Some(Duration::from_millis(400)),
        ..unlimited()
    };
    let verdict = judged(limits, &[alone(figures(100, 50, 900))]);
    check(
        &verdict,
        Outcome::Fail,
        "errors 50 % (limit 5 %) and p95 910 ms (limit 400 ms) after 100 requests",
    );
}
