//! What a gauge does to the verdict as a whole.

use std::collections::BTreeMap;
use std::time::Duration;

use leadsman_analysis::{
    Failed, GaugeLimit, Judge, Limits, Metric, Outcome, Sample, Split, Told, Worse,
};

/// A judge with one metric, `queue`, of at most 100 for three seconds.
fn judge() -> Judge {
    let queue = GaugeLimit {
        at_most: Some(100.0),
        at_least: None,
        against_stable: None,
        worse: Worse::More,
        hold: Duration::from_secs(3),
        outage: Duration::from_secs(60),
    };
    let mut judge = Judge::new(Limits {
        metrics: BTreeMap::from([("queue".to_owned(), queue)]),
        ..Limits::default()
    });
    judge.tell(&Told::Step(Split {
        canary: 0.05,
        baseline: 0.95,
    }));
    judge
}

fn sample(value: f64) -> Told {
    Told::Sample(Sample {
        metric: Metric::Named("queue".to_owned()),
        seconds: 1.0,
        canary: Some(value),
        baseline: None,
    })
}

fn failed(seconds: f64) -> Told {
    Told::Failed(Failed {
        metric: Some(Metric::Named("queue".to_owned())),
        seconds,
        why: "connection refused".to_owned(),
    })
}

#[test]
fn a_gauge_beyond_its_limit_fails_even_without_a_request() {
    let mut judge = judge();
    for _ in 0..2 {
        judge.tell(&sample(150.0));
        assert_ne!(judge.verdict().outcome, Outcome::Fail);
    }
    judge.tell(&sample(150.0));
    let verdict = judge.verdict();
    assert_eq!(verdict.outcome, Outcome::Fail);
    assert_eq!(verdict.sentence, "`queue` 150 (limit 100) for 3 s");
}

#[test]
fn a_source_that_fails_for_too_long_is_an_error_and_no_failure() {
    let mut judge = judge();
    judge.tell(&failed(60.0));
    assert_ne!(judge.verdict().outcome, Outcome::SourceError);
    judge.tell(&failed(1.0));
    let verdict = judge.verdict();
    assert_eq!(verdict.outcome, Outcome::SourceError);
    let sentence = "`queue` could not be had for 61 s: connection refused";
    assert_eq!(verdict.sentence, sentence);
    judge.tell(&sample(1.0));
    assert_ne!(judge.verdict().outcome, Outcome::SourceError);
}
