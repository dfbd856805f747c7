use crate::by_hand::{Made, rolled_back};
use crate::judge::rules::argo::Argo;

fn made(errors: u64, slow: u64) -> Made {
    Made {
        requests: 20,
        errors,
        over: [20, slow, slow],
    }
}

#[test]
fn the_fourth_failed_measurement_rolls_back() {
    for (interval, at) in [(300, 931), (60, 211)] {
        let mut rule = Argo::every(interval);
        assert_eq!(rolled_back(&mut rule, |_| made(2, 0)), Some(at));
    }
}

#[test]
fn one_in_twenty_is_still_within_its_limits() {
    for (errors, slow, at) in [(1, 1, None), (2, 0, Some(931)), (0, 2, Some(931))] {
        let mut rule = Argo::every(300);
        assert_eq!(rolled_back(&mut rule, |_| made(errors, slow)), at);
    }
}

#[test]
fn only_what_lies_between_the_last_two_scrapes_is_seen() {
    // Down for all but the seconds that are looked at.
    let mut rule = Argo::every(60);
    let seen = |end: u32| (16..=30).contains(&(end % 60));
    let at = rolled_back(&mut rule, |end| made(if seen(end) { 0 } else { 20 }, 0));
    assert_eq!(at, None);
    // Down for no others.
    let mut rule = Argo::every(60);
    let at = rolled_back(&mut rule, |end| made(if seen(end) { 20 } else { 0 }, 0));
    assert_eq!(at, Some(211));
}

#[test]
fn no_request_is_a_failed_measurement() {
    let mut rule = Argo::every(60);
    assert_eq!(rolled_back(&mut rule, |_| Made::default()), Some(211));
}

#[test]
fn each_metric_counts_its_own_failures() {
    // Measurements fail in turn, once for errors and once for latency.
    let mut rule = Argo::every(60);
    let at = rolled_back(&mut rule, |end| {
        if (end + 29) / 60 % 2 == 0 {
            made(20, 0)
        } else {
            made(0, 20)
        }
    });
    assert_eq!(at, Some(31 + 6 * 60));
}
