use std::time::Duration;

use super::*;

const HOLD: u64 = 30;

/// The limit that most tests begin with: at most 100 for half a minute.
fn queue() -> GaugeLimit {
    GaugeLimit::at_most(100.0, Duration::from_secs(HOLD))
}

fn limits(limit: GaugeLimit) -> Limits {
    Limits {
        memory: None,
        cpu: None,
        metrics: BTreeMap::from([("queue".to_owned(), limit)]),
        ..Limits::default()
    }
}

/// Gauges beside a baseline, at the beginning of a step.
fn gauges(limit: GaugeLimit) -> Gauges {
    let mut gauges = Gauges::new(&limits(limit));
    gauges.begin_step(&Split {
        canary: 0.05,
        baseline: 0.95,
    });
    gauges
}

fn metric() -> Metric {
    Metric::Named("queue".to_owned())
}

impl Gauges {
    fn sample(&mut self, seconds: f64, canary: Option<f64>, baseline: Option<f64>) {
        self.tell(&Sample {
            metric: metric(),
            seconds,
            canary,
            baseline,
        });
    }

    /// Tells samples of one second each.
    fn see(&mut self, values: &[f64]) {
        for value in values {
            self.sample(1.0, Some(*value), None);
        }
    }

    fn only(&self) -> (Outcome, String) {
        let findings = self.findings();
        let [finding] = &findings[..] else {
            unreachable!("one limit, and {findings:?}");
        };
        (finding.outcome, finding.sentence.clone())
    }
}

fn said(outcome: Outcome, sentence: &str) -> (Outcome, String) {
    (outcome, sentence.to_owned())
}

#[test]
fn a_limit_that_is_exceeded_over_the_whole_hold_fails() {
    let mut gauges = gauges(queue());
    gauges.see(&[150.0; 29]);
    let so_far = "`queue` 150 (limit 100) for 29 s of 30 s";
    assert_eq!(gauges.only(), said(Outcome::Inconclusive, so_far));
    gauges.see(&[160.0]);
    let failed = said(Outcome::Fail, "`queue` 160 (limit 100) for 30 s");
    assert_eq!(gauges.only(), failed);
    // Who asks later learns of it too.
    gauges.see(&[1.0]);
    assert_eq!(gauges.only(), failed);
}

#[test]
fn one_sample_within_the_limit_begins_the_hold_anew() {
    let mut gauges = gauges(queue());
    for _ in 0..20 {
        gauges.see(&[150.0; 29]);
        gauges.see(&[100.0]);
        assert_eq!(gauges.only().0, Outcome::Pass);
    }
}

#[test]
fn one_spike_never_decides_however_long_its_sample_is() {
    let mut gauges = gauges(queue());
    gauges.sample(60.0, Some(1e9), None);
    gauges.sample(60.0, Some(1e9), None);
    let sentence = "`queue` 1000000000 (limit 100) for 120 s, in too few samples";
    assert_eq!(gauges.only(), said(Outcome::Inconclusive, sentence));
    gauges.sample(60.0, Some(1e9), None);
    assert_eq!(gauges.only().0, Outcome::Fail);
}

#[test]
fn a_limit_without_hold_is_decided_by_one_sample() {
    let mut gauges = gauges(GaugeLimit::at_once(100.0));
    gauges.see(&[100.0]);
    assert_eq!(
        gauges.only(),
        said(Outcome::Pass, "`queue` 100 (limit 100)")
    );
    gauges.see(&[100.5]);
    assert_eq!(
        gauges.only(),
        said(Outcome::Fail, "`queue` 100.5 (limit 100)")
    );
}

#[test]
fn a_limit_is_kept_only_once_its_hold_was_seen_in_this_step() {
    let mut gauges = gauges(queue());
    assert_eq!(
        gauges.only(),
        said(Outcome::NoData, "`queue` has no value so far")
    );
    for step in 0..2 {
        gauges.see(&[50.0; 29]);
        let so_far = "`queue` 50 (limit 100), seen for 29 s of 30 s";
        assert_eq!(gauges.only(), said(Outcome::Inconclusive, so_far), "{step}");
        gauges.see(&[50.0]);
        assert_eq!(gauges.only().0, Outcome::Pass);
        gauges.begin_step(&Split {
            canary: 0.5,
            baseline: 0.5,
        });
        assert_eq!(gauges.only().0, Outcome::NoData);
    }
}

#[test]
fn the_least_value_has_a_limit_too() {
    let limit = GaugeLimit {
        at_most: None,
        at_least: Some(0.8),
        ..queue()
    };
    let mut gauges = gauges(limit);
    gauges.see(&[0.8; 30]);
    assert_eq!(gauges.only().0, Outcome::Pass);
    gauges.see(&[0.79; 30]);
    let sentence = "`queue` 0.79 (at least 0.8) for 30 s";
    assert_eq!(gauges.only(), said(Outcome::Fail, sentence));
}

fn against_stable(worse: Worse) -> GaugeLimit {
    GaugeLimit {
        at_most: None,
        against_stable: Some(0.2),
        worse,
        ..queue()
    }
}

#[test]
fn medians_of_the_hold_are_compared() {
    for (worse, canary, baseline, outcome) in [
        (Worse::More, 119.0, 100.0, Outcome::Pass),
        (Worse::More, 121.0, 100.0, Outcome::Fail),
        (Worse::More, 1.0, 100.0, Outcome::Pass),
        (Worse::Less, 81.0, 100.0, Outcome::Pass),
        (Worse::Less, 79.0, 100.0, Outcome::Fail),
        (Worse::Less, 1000.0, 100.0, Outcome::Pass),
        // A fifth of what lies below 0 makes it no better.
        (Worse::More, -90.0, -100.0, Outcome::Pass),
        (Worse::More, -79.0, -100.0, Outcome::Fail),
        // A fifth of nothing is nothing.
        (Worse::More, 0.0, 0.0, Outcome::Pass),
        (Worse::More, 0.1, 0.0, Outcome::Fail),
    ] {
        let mut gauges = gauges(against_stable(worse));
        for _ in 0..HOLD {
            assert_ne!(gauges.only().0, Outcome::Fail);
            gauges.sample(1.0, Some(canary), Some(baseline));
        }
        assert_eq!(gauges.only().0, outcome, "{worse:?} {canary} {baseline}");
    }
}

#[test]
fn a_comparison_says_what_is_compared() {
    let mut gauges = gauges(against_stable(Worse::More));
    for _ in 0..HOLD {
        gauges.sample(1.0, Some(150.0), Some(100.0));
    }
    let sentence = "`queue` 150 against 100 on stable, medians of 30 s (limit +20 %)";
    assert_eq!(gauges.only(), said(Outcome::Fail, sentence));
}

#[test]
fn less_than_half_of_the_samples_cannot_fail_a_comparison() {
    let mut gauges = gauges(against_stable(Worse::More));
    // Fourteen of every thirty in a row are far off.
    for second in 0..600 {
        let canary = if second % 30 < 14 { 1e6 } else { 100.0 };
        gauges.sample(1.0, Some(canary), Some(100.0));
        assert_ne!(gauges.only().0, Outcome::Fail, "{second}");
    }
}

#[test]
fn a_comparison_needs_both_arms_and_a_step_that_has_both() {
    let mut gauges = gauges(against_stable(Worse::More));
    gauges.see(&[1e6; 60]);
    let sentence = "`queue` has no value on stable so far";
    assert_eq!(gauges.only(), said(Outcome::NoData, sentence));
    gauges.begin_step(&Split {
        canary: 1.0,
        baseline: 0.0,
    });
    gauges.sample(1.0, Some(1e6), Some(1.0));
    assert_eq!(gauges.findings(), []);
}

#[test]
fn a_metric_without_value_is_no_data_until_it_has_one() {
    let mut gauges = gauges(queue());
    gauges.see(&[50.0; 30]);
    gauges.sample(4.0, None, None);
    gauges.sample(1.0, Some(f64::NAN), None);
    gauges.sample(1.0, Some(f64::INFINITY), None);
    let sentence = "`queue` has had no value for 6 s";
    assert_eq!(gauges.only(), said(Outcome::NoData, sentence));
    gauges.see(&[50.0]);
    assert_eq!(gauges.only().0, Outcome::Pass);
}

#[test]
fn a_short_silence_does_not_interrupt_what_is_exceeded_and_a_long_one_does() {
    for (silence, outcome) in [(30.0, Outcome::Fail), (31.0, Outcome::Inconclusive)] {
        let mut gauges = gauges(queue());
        gauges.see(&[150.0; 29]);
        gauges.sample(silence, None, None);
        gauges.see(&[150.0]);
        assert_eq!(gauges.only().0, outcome, "{silence}");
    }
}

#[test]
fn a_source_that_fails_holds_then_is_an_error_then_is_forgotten() {
    let mut gauges = gauges(queue());
    gauges.see(&[50.0; 30]);
    gauges.failed(&metric(), "connection refused", 119.0);
    let held = "`queue` could not be had for 119 s: connection refused";
    assert_eq!(gauges.only(), said(Outcome::Inconclusive, held));
    gauges.failed(&metric(), "no answer", 2.0);
    let failed = "`queue` could not be had for 121 s: no answer";
    assert_eq!(gauges.only(), said(Outcome::SourceError, failed));
    gauges.see(&[50.0]);
    let again = "`queue` 50 (limit 100), seen for 1 s of 30 s";
    assert_eq!(gauges.only(), said(Outcome::Inconclusive, again));
}

#[test]
fn a_source_that_answers_without_a_value_is_not_failing() {
    let mut gauges = gauges(queue());
    gauges.failed(&metric(), "no answer", 1000.0);
    gauges.sample(1.0, None, None);
    assert_eq!(gauges.only().0, Outcome::NoData);
    gauges.failed(&metric(), "no answer", 1.0);
    assert_eq!(gauges.only().0, Outcome::Inconclusive);
}

#[test]
fn silence_never_takes_back_a_failure() {
    let mut gauges = gauges(queue());
    gauges.see(&[150.0; 30]);
    gauges.failed(&metric(), "no answer", 1000.0);
    assert_eq!(gauges.only().0, Outcome::Fail);
}

#[test]
fn memory_is_judged_at_once_and_only_where_it_is_measured() {
    let mut gauges = Gauges::new(&Limits::default());
    assert_eq!(gauges.findings(), []);
    let sample = |canary| Sample {
        metric: Metric::Memory,
        seconds: 1.0,
        canary,
        baseline: None,
    };
    gauges.tell(&sample(Some(0.9)));
    assert_eq!(
        gauges.only(),
        said(Outcome::Pass, "memory 90 % of what is allowed (limit 90 %)")
    );
    gauges.tell(&sample(None));
    assert_eq!(gauges.only().0, Outcome::NoData);
    gauges.tell(&sample(Some(0.934)));
    let sentence = "memory 93.4 % of what is allowed (limit 90 %)";
    assert_eq!(gauges.only(), said(Outcome::Fail, sentence));
}

#[test]
fn processor_time_is_held_for_half_a_minute() {
    let mut gauges = Gauges::new(&Limits {
        cpu: Some(0.8),
        ..Limits::default()
    });
    assert_eq!(
        gauges.only(),
        said(Outcome::NoData, "cpu has no value so far")
    );
    for _ in 0..30 {
        assert_ne!(gauges.only().0, Outcome::Fail);
        gauges.tell(&Sample {
            metric: Metric::Cpu,
            seconds: 1.0,
            canary: Some(0.95),
            baseline: None,
        });
    }
    let sentence = "cpu 95 % of a core (limit 80 %) for 30 s";
    assert_eq!(gauges.only(), said(Outcome::Fail, sentence));
}

#[test]
fn what_cannot_be_a_length_of_time_is_none() {
    for seconds in [f64::NAN, f64::INFINITY, -1.0, 0.0] {
        let mut gauges = gauges(queue());
        gauges.sample(seconds, Some(150.0), None);
        gauges.failed(&metric(), "no answer", seconds);
        assert_eq!(gauges.only().0, Outcome::Inconclusive, "{seconds}");
        let sentence = "`queue` could not be had for 0 ms: no answer";
        assert_eq!(gauges.only().1, sentence);
    }
}

#[test]
fn a_limit_that_is_no_number_is_kept_by_nothing() {
    for limit in [f64::NAN, f64::INFINITY] {
        let mut gauges = gauges(GaugeLimit::at_once(limit));
        gauges.see(&[0.0]);
        assert_eq!(gauges.only().0, Outcome::Fail);
    }
}
