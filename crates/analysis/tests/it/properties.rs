//! What holds for any figures.

use std::time::Duration;

use leadsman_analysis::{Figures, Histogram, Judge, Limits, Outcome, Window};
use proptest::collection::vec;
use proptest::prelude::*;

/// Any figures that can be true, of healthy and of broken revisions.
fn any_figures() -> impl Strategy<Value = Figures> {
    let latencies = vec((200..450_u16, 0..60_u64), 0..5);
    let unanswered = prop_oneof![3 => Just(0), 1 => 0..20_u64];
    let error_share = prop_oneof![4 => Just(0.0), 2 => 0.0..0.1, 1 => 0.0..=1.0];
    let memory = prop_oneof![3 => Just(None), 1 => (0.0..1.0).prop_map(Some)];
    let restarts = prop_oneof![9 => Just(0), 1 => 0..3_u32];
    (latencies, unanswered, error_share, memory, restarts).prop_map(
        |(latencies, unanswered, error_share, memory, restarts)| {
            let latency = Histogram::from(latencies);
            let requests = latency.count() + unanswered;
            let errors = (requests as f64 * error_share) as u64;
            Figures {
                requests,
                errors,
                latency,
                memory,
                restarts,
            }
        },
    )
}

fn any_window() -> impl Strategy<Value = Window> {
    (
        any_figures(),
        proptest::option::weighted(0.8, any_figures()),
        0.1..5.0,
    )
        .prop_map(|(canary, stable, seconds)| Window {
            seconds,
            canary,
            stable,
        })
}

fn any_limits() -> impl Strategy<Value = Limits> {
    let milliseconds = || proptest::option::of((1..500_u64).prop_map(Duration::from_millis));
    (
        proptest::option::of(0.0..0.2),
        milliseconds(),
        milliseconds(),
        0..300_u64,
        any::<bool>(),
    )
        .prop_map(|(errors, p95, p99, requests, compared)| {
            let mut limits = Limits {
                errors,
                p95,
                p99,
                requests,
                ..Limits::default()
            };
            limits.restarts = limits.restarts.filter(|_| requests % 2 == 0);
            if !compared {
                limits.against_stable = leadsman_analysis::AgainstStable::default();
            }
            limits
        })
}

fn judge_of(limits: &Limits, windows: &[Window]) -> Judge {
    let mut judge = Judge::new(limits.clone());
    judge.begin_step();
    for window in windows {
        judge.observe(window);
    }
    judge
}

proptest! {
    #[test]
    fn the_order_of_windows_does_not_matter(
        limits in any_limits(),
        (windows, shuffled) in vec(any_window(), 0..6)
            .prop_flat_map(|windows| (Just(windows.clone()), Just(windows).prop_shuffle())),
    ) {
        prop_assert_eq!(
            judge_of(&limits, &windows).verdict(),
            judge_of(&limits, &shuffled).verdict()
        );
    }

    #[test]
    fn more_errors_never_turn_a_fail_into_a_pass(
        limits in any_limits(),
        windows in vec(any_window(), 1..6),
        more in 1..2_000_u64,
    ) {
        let before = judge_of(&limits, &windows).verdict();
        prop_assume!(before.outcome == Outcome::Fail);

        // Requests that were answered fail instead.
        let mut failing = windows.clone();
        for window in &mut failing {
            window.canary.errors = (window.canary.errors + more).min(window.canary.requests);
        }
        prop_assert_eq!(judge_of(&limits, &failing).verdict().outcome, Outcome::Fail);

        // Requests that got no answer come on top.
        let mut longer = windows;
        if let Some(window) = longer.last_mut() {
            window.canary.requests += more;
            window.canary.errors += more;
        }
        prop_assert_ne!(judge_of(&limits, &longer).verdict().outcome, Outcome::Pass);
    }

    #[test]
    fn nothing_passes_below_the_requests_it_needs(
        limits in any_limits(),
        windows in vec(any_window(), 0..6),
    ) {
        let verdict = judge_of(&limits, &windows).verdict();
        let requests: u64 = windows.iter().map(|window| window.canary.requests).sum();
        prop_assert_eq!(verdict.requests, requests);
        if requests < limits.requests.max(1) {
            prop_assert_ne!(verdict.outcome, Outcome::Pass);
        }
        if requests == 0 {
            prop_assert_ne!(verdict.outcome, Outcome::Inconclusive);
        }
        if verdict.outcome == Outcome::Pass {
            prop_assert!(verdict.findings.iter().all(|f| f.outcome == Outcome::Pass));
        }
    }

    #[test]
    fn a_judge_that_was_written_down_goes_on_where_it_was(
        limits in any_limits(),
        before in vec(any_window(), 0..4),
        after in vec(any_window(), 0..4),
    ) {
        let mut judge = judge_of(&limits, &before);
        let written = serde_json::to_string(&judge).unwrap();
        let mut resumed: Judge = serde_json::from_str(&written).unwrap();
        prop_assert_eq!(&resumed, &judge);
        for window in &after {
            judge.observe(window);
            resumed.observe(window);
        }
        let verdict = judge.verdict();
        prop_assert_eq!(&resumed.verdict(), &verdict);
        let written = serde_json::to_string(&verdict).unwrap();
        prop_assert_eq!(serde_json::from_str::<leadsman_analysis::Verdict>(&written).unwrap(), verdict);
    }

    #[test]
    fn merging_histograms_is_recording_everything(
        left in vec(any::<u32>(), 0..200),
        right in vec(any::<u32>(), 0..200),
    ) {
        let recorded = |latencies: &[u32]| {
            let mut histogram = Histogram::default();
            for nanoseconds in latencies {
                histogram.record(Duration::from_nanos(u64::from(*nanoseconds)));
            }
            histogram
        };
        let mut merged = recorded(&left);
        merged.add(&recorded(&right));
        prop_assert_eq!(merged, recorded(&[left, right].concat()));
    }

    #[test]
    fn a_bucket_is_the_first_whose_edge_is_not_below(nanoseconds in any::<u64>(), shift in 0..64_u32) {
        let latency = Duration::from_nanos(nanoseconds >> shift);
        let bucket = Histogram::bucket(latency);
        prop_assert!(latency <= Histogram::edge(bucket));
        prop_assert!(bucket == 0 || latency > Histogram::edge(bucket - 1));
    }
}
