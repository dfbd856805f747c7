use crate::by_hand::{Made, rolled_back};
use crate::judge::rules::flagger::Flagger;

/// 100 requests a minute, of which `errors` fail and `slow` take longer than every threshold.
fn minute(end: u32, errors: u64, slow: u64) -> Made {
    if end % 60 == 30 {
        Made {
            requests: 100,
            errors,
            over: [slow; 3],
        }
    } else {
        Made::default()
    }
}

#[test]
fn rolls_back_one_interval_after_the_threshold_is_reached() {
    for (threshold, at) in [(1, 120), (5, 360)] {
        let mut rule = Flagger::documented(threshold);
        assert_eq!(rolled_back(&mut rule, |end| minute(end, 2, 0)), Some(at));
    }
}

#[test]
fn one_in_a_hundred_is_still_within_its_limits() {
    for (errors, slow, rolls_back) in [(1, 1, false), (2, 0, true), (0, 2, true)] {
        let mut rule = Flagger::documented(1);
        let at = rolled_back(&mut rule, |end| minute(end, errors, slow));
        assert_eq!(at.is_some(), rolls_back, "{errors} errors, {slow} slow");
    }
}

#[test]
fn our_limits_are_five_in_a_hundred_and_two_seconds() {
    for (errors, over, rolls_back) in [
        (5, [100, 100, 1], false),
        (6, [0, 0, 0], true),
        (0, [2, 2, 2], true),
    ] {
        let mut rule = Flagger::with_our_limits();
        let at = rolled_back(&mut rule, |end| Made {
            over: if end % 60 == 30 { over } else { [0; 3] },
            ..minute(end, errors, 0)
        });
        assert_eq!(at, rolls_back.then_some(360), "{errors} errors, {over:?}");
    }
}

#[test]
fn failed_checks_are_never_forgotten() {
    // Minutes 1, 11, 21, 31 and 41 are bad; the next tick rolls back.
    let mut rule = Flagger::documented(5);
    let bad = |end: u32| ((end - 1) / 60).is_multiple_of(10);
    let at = rolled_back(&mut rule, |end| {
        minute(end, if bad(end) { 2 } else { 0 }, 0)
    });
    assert_eq!(at, Some(42 * 60));
}

#[test]
fn no_request_is_a_failed_check() {
    let mut rule = Flagger::documented(1);
    assert_eq!(rolled_back(&mut rule, |_| Made::default()), Some(120));
}
