use leadsman_analysis::Split;

use crate::judge::rules::kayenta::{Kayenta, p95};
use crate::judge::rules::{Call, Rule as _, Second};
use crate::judge::traffic::Counted;

/// Requests that all take `bucket`, of which some fail.
fn minute(requests: u32, errors: u64, bucket: usize) -> Counted {
    let mut counted = Counted {
        requests: u64::from(requests),
        errors,
        ..Counted::default()
    };
    if requests > 0 {
        counted.buckets[bucket] = requests;
        counted.touched = bucket..bucket + 1;
    }
    counted
}

/// Plays minutes of (canary, twin) in steps of ten minutes.
fn rolled_back(rule: &mut Kayenta, at: impl Fn(u32) -> (Counted, Counted)) -> Option<u32> {
    let nothing = Counted::default();
    (1..=30).map(|minute| minute * 60).find(|end| {
        let (canary, twin) = at(end / 60);
        let second = Second {
            end: *end,
            split: Split {
                canary: 0.05,
                baseline: 0.95,
            },
            ends_step: end % 600 == 0,
            canary: &canary,
            baseline: &nothing,
            reference: &nothing,
            twin: Some(&twin),
        };
        rule.observe(&second) == Call::RollBack
    })
}

#[test]
fn a_crash_is_high_with_five_points() {
    let at = |_| (minute(100, 100, 300), minute(100, 0, 300));
    assert_eq!(rolled_back(&mut Kayenta::every(300), at), Some(300));
    assert_eq!(rolled_back(&mut Kayenta::at_soak_end(), at), Some(600));
}

#[test]
fn equal_minutes_are_not_high() {
    let at = |end| (minute(100, end % 3, 300), minute(100, end % 3, 300));
    let at = |end: u32| at(u64::from(end));
    assert_eq!(rolled_back(&mut Kayenta::every(300), at), None);
}

#[test]
fn a_step_is_compared_by_itself() {
    // Bad from minute 9 on: two points of ten say nothing, the first five of the next step do.
    let at = |end| {
        let bucket = if end >= 9 { 310 } else { 300 };
        (minute(100 + end, 0, bucket), minute(100 + end, 0, 300))
    };
    assert_eq!(rolled_back(&mut Kayenta::every(300), at), Some(900));
}

#[test]
fn faster_is_not_high() {
    let at = |end| (minute(100 + end, 0, 290), minute(100 + end, 0, 300));
    assert_eq!(rolled_back(&mut Kayenta::every(300), at), None);
}

#[test]
fn a_metric_without_points_fails() {
    let at = |_| (minute(0, 0, 0), minute(100, 0, 300));
    assert_eq!(rolled_back(&mut Kayenta::every(300), at), Some(300));
}

#[test]
fn p95_lies_within_its_bucket() {
    // All in one bucket, which ends at 0.1 ms * 1.2^(80/8): 5 % from its upper end.
    let upper = 0.1 * 1.2_f64.powi(10);
    let wanted = upper * 1.2_f64.powf(-0.05 / 8.0);
    let found = p95(&minute(100, 0, 80)).unwrap();
    assert!((found / wanted - 1.0).abs() < 1e-12, "{found} {wanted}");
    assert_eq!(p95(&minute(0, 0, 0)), None);
    // Three in the upper bucket, so two of the lower one's 97 are longer.
    let mut both = minute(97, 0, 80);
    both.add(&minute(3, 0, 200));
    let wanted = upper * 1.2_f64.powf(-2.0 / 97.0 / 8.0);
    let found = p95(&both).unwrap();
    assert!((found / wanted - 1.0).abs() < 1e-12, "{found} {wanted}");
}
