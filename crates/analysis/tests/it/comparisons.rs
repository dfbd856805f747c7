//! The cases between plainly kept and plainly exceeded.

use std::time::Duration;

use leadsman_analysis::{AgainstStable, Figures, Judge, Limits, Outcome, Window};

use crate::world::{alone, beside, figures, unlimited};

/// `fast` requests answered within 40 ms and `slow` ones within a second.
fn mixed(fast: u64, slow: u64) -> Figures {
    let mut both = figures(fast, 0, 40);
    both.add(&figures(slow, 0, 1_000));
    both
}

#[track_caller]
fn check(limits: &Limits, window: &Window, outcome: Outcome) {
    let mut judge = Judge::new(limits.clone());
    judge.observe(window);
    let verdict = judge.verdict();
    assert_eq!(verdict.outcome, outcome, "{verdict:#?}");
}

#[test]
fn a_percentile_passes_only_if_it_keeps_its_limit() {
    let limits = Limits {
        p95: Some(Duration::from_millis(400)),
        ..unlimited()
    };
    for (fast, slow, outcome) in [
        (190, 10, Outcome::Pass),
        (189, 11, Outcome::Inconclusive),
        (180, 20, Outcome::Inconclusive),
        (160, 40, Outcome::Fail),
    ] {
        check(&limits, &alone(mixed(fast, slow)), outcome);
    }
}

#[test]
fn a_percentile_against_stable_passes_only_if_it_keeps_its_limit() {
    let against_stable = AgainstStable {
        p95: Some(0.2),
        ..AgainstStable::default()
    };
    let limits = Limits {
        against_stable,
        ..unlimited()
    };
    for (fast, slow, outcome) in [
        (190, 10, Outcome::Pass),
        (189, 11, Outcome::Inconclusive),
        (180, 20, Outcome::Inconclusive),
        (160, 40, Outcome::Fail),
    ] {
        check(
            &limits,
            &beside(mixed(fast, slow), mixed(3_800, 100)),
            outcome,
        );
    }
}

#[test]
fn errors_against_stable_pass_only_within_the_margin() {
    let against_stable = AgainstStable {
        errors: Some(0.01),
        ..AgainstStable::default()
    };
    let limits = Limits {
        against_stable,
        ..unlimited()
    };
    for (errors, outcome) in [
        (0, Outcome::Pass),
        (2, Outcome::Pass),
        (3, Outcome::Inconclusive),
        (9, Outcome::Inconclusive),
        (14, Outcome::Fail),
    ] {
        check(
            &limits,
            &beside(figures(200, errors, 40), figures(3_800, 0, 40)),
            outcome,
        );
    }
}

#[test]
fn a_few_slow_answers_are_no_matter_though_stable_has_none() {
    // Surely slower than stable, but 3 of 100 do not move the 95th percentile.
    let against_stable = AgainstStable {
        p95: Some(0.2),
        ..AgainstStable::default()
    };
    let limits = Limits {
        against_stable,
        ..unlimited()
    };
    check(
        &limits,
        &beside(mixed(970, 30), figures(9_000, 0, 40)),
        Outcome::Pass,
    );
}

#[test]
fn a_percentile_of_few_stable_requests_is_not_trusted() {
    let against_stable = AgainstStable {
        p95: Some(0.2),
        ..AgainstStable::default()
    };
    let limits = Limits {
        against_stable,
        ..unlimited()
    };
    // A quarter is slower than five answers of stable were: stable's next one may be, too.
    check(
        &limits,
        &beside(mixed(75, 25), figures(5, 0, 40)),
        Outcome::Inconclusive,
    );
    check(
        &limits,
        &beside(mixed(75, 25), figures(500, 0, 40)),
        Outcome::Fail,
    );
    // Six of six slow ones say less beside twelve than beside twice as many.
    check(
        &limits,
        &beside(mixed(0, 6), figures(12, 0, 40)),
        Outcome::Inconclusive,
    );
    check(
        &limits,
        &beside(mixed(0, 6), figures(24, 0, 40)),
        Outcome::Fail,
    );
}
