use leadsman_analysis::Split;

use crate::judge::rules::no_margin::{Errors, NoMargin, bucket_beyond, half_width, slower};
use crate::judge::traffic::Counted;

const SPLIT: Split = Split {
    canary: 0.05,
    baseline: 0.95,
};

fn errors(canary: u64, baseline: u64) -> Errors {
    let mut errors = NoMargin::new().errors;
    errors.turn(SPLIT);
    errors.count(canary, baseline);
    errors
}

#[test]
fn evidence_is_the_mixture_over_the_chance_of_the_share() {
    // With the weight of ten errors: 1, 1.5/11/0.05, 2.5/12/0.05, 3.5/13/0.05, 4.5/14/0.05.
    for (canary, e) in [
        (1, 1.0),
        (2, 2.727_272_727),
        (3, 11.363_636_36),
        (4, 61.188_811_19),
        (5, 393.356_643_4),
    ] {
        let found = errors(canary, 0);
        assert!((found.log_e.exp() / e - 1.0).abs() < 1e-9, "{canary}");
        assert_eq!(found.canary_is_worse(), canary >= 5, "{canary}");
    }
    // One of each, in either order: 9.5/11/0.95 = 0.5/11/0.05.
    assert!((errors(1, 1).log_e - (10.0_f64 / 11.0).ln()).abs() < 1e-12);
}

#[test]
fn fewer_errors_than_stable_are_no_reason() {
    let found = errors(0, 1_000);
    assert!(found.log_e > 0.0);
    assert!(!found.canary_is_worse());
}

#[test]
fn evidence_is_kept_when_the_split_changes() {
    let mut found = errors(4, 0);
    let half = Split {
        canary: 0.5,
        baseline: 0.5,
    };
    found.turn(half);
    assert!(!found.canary_is_worse());
    // With half of all requests, five errors of one arm: 1, 6/11/0.5, 7/12/0.5, 8/13/0.5,
    // 9/14/0.5, together 2.0139; 61.189 times that is 123.2, and the tenth makes it 200.
    found.count(5, 0);
    let wanted = 61.188_811_19_f64 * 2.013_986_014;
    assert!((found.before + found.log_e - wanted.ln()).abs() < 1e-9);
    assert!(!found.canary_is_worse());
    // 10/15/0.5, 11/16/0.5: together 225.9.
    found.count(2, 0);
    assert!(found.canary_is_worse());
}

fn all_in(bucket: usize, count: u32) -> Counted {
    let mut counted = Counted {
        requests: u64::from(count),
        touched: bucket..bucket + 1,
        ..Counted::default()
    };
    counted.buckets[bucket] = count;
    counted
}

#[test]
fn a_bound_is_as_wide_as_the_paper_says() {
    // t = 1000, alpha = 0.05: l = (1.4 ln ln 2100 + ln 200) / 1000 = 0.0081470
    let wanted = 1.5 * (0.0475 * 0.008_147_0_f64).sqrt() + 0.8 * 0.008_147_0;
    let found = half_width(1000.0, 0.05);
    assert!((found - wanted).abs() < 1e-6, "{found} {wanted}");
    assert!(half_width(0.0, 0.05).is_infinite());
}

#[test]
fn slower_takes_more_than_the_tolerated_buckets_and_enough_requests() {
    for (bucket, count, is_slower) in [
        (308, 100_000, false),
        (309, 100_000, true),
        // With so few the bound is below every value.
        (309, 10, false),
    ] {
        let found = slower(&all_in(bucket, count), &all_in(300, 100_000));
        assert_eq!(found, is_slower, "{bucket}, {count}");
    }
    // Without enough of the baseline its p95 has no upper bound.
    assert!(!slower(&all_in(400, 100_000), &all_in(300, 50)));
}

#[test]
fn a_bucket_is_found_from_above() {
    let mut counted = all_in(10, 5);
    counted.add(&all_in(20, 5));
    for (count, bucket) in [
        (0.5, Some(20)),
        (5.0, Some(20)),
        (5.5, Some(10)),
        (10.5, None),
        (0.0, None),
    ] {
        assert_eq!(bucket_beyond(&counted, count), bucket, "{count}");
    }
}
