use crate::judge::rollout::Ending;
use crate::judge::scenario::Truth;
use crate::judge::tally::{Reached, Tally, upper_limit};

fn tally(truth: Truth, rolled_back: &[Reached]) -> Tally {
    let endings = rolled_back.iter().zip(1..).map(|(at, number)| Ending {
        rolled_back: *at,
        bad: f64::from(number),
        requests: 10 * u64::from(number as u32),
        passed: [Some(number as u32), None, None, None],
    });
    Tally {
        truth,
        endings: endings.collect(),
    }
}

#[test]
fn upper_limits_are_those_of_clopper_and_pearson() {
    for (events, trials, limit) in [
        // 1 - 0.05^(1/n)
        (0, 300, 0.009_936_3),
        (0, 1000, 0.002_991_2),
        (10, 10, 1.0),
        // Roots of the binomial sum: 95 % quantiles of Beta(2, 9) and Beta(6, 95).
        (1, 10, 0.394_163),
        (5, 100, 0.102_253),
    ] {
        let found = upper_limit(events, trials);
        assert!((found - limit).abs() < 1e-5, "{events}/{trials}: {found}");
    }
}

#[test]
fn a_good_release_is_rolled_back_wrongly_at_any_time() {
    let tally = tally(Truth::Good, &[Some(1), None, Some(7200)]);
    assert_eq!(tally.false_rollbacks(), 2);
}

#[test]
fn what_comes_before_the_onset_is_no_detection() {
    let onset = Truth::Bad { onset: 900 };
    let tally = tally(onset, &[Some(900), Some(901), Some(1000), None]);
    assert_eq!(tally.false_rollbacks(), 1);
    assert!((tally.detected() - 2.0 / 3.0).abs() < 1e-12);
    assert_eq!(tally.time(0.5), Some(100));
    assert_eq!(tally.time(0.9), None);
    assert!((tally.bad() - 2.5).abs() < 1e-12);
    assert_eq!(tally.requests(), None);
}

#[test]
fn requests_are_averaged_where_all_were_found() {
    let tally = tally(Truth::Bad { onset: 0 }, &[Some(1), Some(5)]);
    assert_eq!(tally.requests(), Some(15.0));
    assert_eq!(tally.passed(0, 0.5), Some(1));
    assert_eq!(tally.passed(0, 0.9), Some(2));
    assert_eq!(tally.passed(1, 0.5), None);
}
