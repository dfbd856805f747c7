//! What a gauge does to the verdict as a whole.

use std::collections::BTreeMap;
use std::time::Duration;

use leadsman_analysis::{
    AgainstStable, Failed, Figures, GaugeLimit, Judge, Limits, Metric, Outcome, Sample, Split,
    Told, Verdict, Window, Worse,
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

#[test]
fn every_verdict_can_be_written_down_and_read_again() {
    let without_requests = |queue: GaugeLimit| Limits {
        errors: None,
        p95: None,
        p99: None,
        against_stable: AgainstStable::default(),
        metrics: BTreeMap::from([("queue".to_owned(), queue)]),
        ..Limits::default()
    };
    let limit = |at_most, against_stable| GaugeLimit {
        at_most,
        at_least: None,
        against_stable,
        worse: Worse::More,
        hold: Duration::ZERO,
        outage: Duration::ZERO,
    };
    for queue in [
        limit(Some(f64::NAN), None),
        limit(Some(f64::INFINITY), None),
        limit(None, Some(0.2)),
    ] {
        for baseline in [0.5, 0.0] {
            let mut judge = Judge::new(without_requests(queue.clone()));
            judge.tell(&Told::Step(Split {
                canary: 1.0 - baseline,
                baseline,
            }));
            let figures = Figures {
                requests: 10,
                ..Figures::default()
            };
            judge.tell(&Told::Window(Window {
                seconds: 1.0,
                canary: figures.clone(),
                baseline: (baseline > 0.0).then_some(figures),
                reference: None,
                restarts: 0,
            }));
            judge.tell(&Told::Sample(Sample {
                metric: Metric::Named("queue".to_owned()),
                seconds: 1.0,
                canary: Some(f64::MAX),
                baseline: Some(f64::MAX),
            }));
            let verdict = judge.verdict();
            let written = serde_json::to_string(&verdict).unwrap();
            let read: Verdict = serde_json::from_str(&written).unwrap();
            assert_eq!(read, verdict, "{queue:?}");
        }
    }
}
