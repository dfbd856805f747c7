//! What holds for any figures.

use std::time::Duration;

use leadsman_analysis::{
    Figures, Histogram, History, Judge, Limits, Outcome, Split, Told, Verdict, Window,
};
use proptest::collection::vec;
use proptest::prelude::*;

/// Figures of any service: of `requests` at most, of which a share fails.
fn any_figures(requests: std::ops::Range<u64>) -> impl Strategy<Value = Figures> {
    let share = prop_oneof![3 => 0.0..0.02, 1 => 0.0..=1.0];
    let spread = vec((200..450_u16, 1..20_u64), 1..8);
    (requests, share, spread).prop_map(|(requests, share, spread)| {
        let mut latency = Histogram::default();
        let mut left = requests;
        for (bucket, weight) in spread.iter().cycle() {
            if left == 0 {
                break;
            }
            let count = left.min(*weight);
            latency.count_in(usize::from(*bucket), count);
            left -= count;
        }
        Figures {
            requests,
            errors: (requests as f64 * share) as u64,
            latency,
            over: None,
        }
    })
}

fn any_window() -> impl Strategy<Value = Window> {
    let seconds = prop_oneof![Just(1.0), 0.1..5.0];
    (any_figures(0..30), any_figures(0..120), seconds).prop_map(|(canary, baseline, seconds)| {
        Window {
            seconds,
            canary,
            baseline: Some(baseline),
            reference: None,
            restarts: 0,
        }
    })
}

fn any_told() -> impl Strategy<Value = Vec<Told>> {
    let history = vec(any_figures(50..150), 0..12);
    let first = vec(any_window(), 1..12);
    let second = vec(any_window(), 0..12);
    (history, first, second).prop_map(|(history, first, second)| {
        let history = history.into_iter().map(|baseline| {
            Told::History(History {
                seconds: 1.0,
                baseline,
                reference: None,
            })
        });
        let step = |canary, baseline| Told::Step(Split { canary, baseline });
        history
            .chain([step(0.2, 0.8)])
            .chain(first.into_iter().map(Told::Window))
            .chain([step(0.5, 0.5)])
            .chain(second.into_iter().map(Told::Window))
            .collect()
    })
}

/// Returns what a judge says after each thing it is told.
fn verdicts(told: &[Told]) -> Vec<Verdict> {
    let mut judge = Judge::new(Limits::default());
    told.iter()
        .map(|told| {
            judge.tell(told);
            judge.verdict()
        })
        .collect()
}

fn log_e(verdict: &Verdict) -> f64 {
    verdict
        .evidence
        .expect("a judge says how strong its evidence is")
        .log_e
}

proptest! {
    #[test]
    fn telling_the_same_gives_the_same_to_the_last_bit(told in any_told()) {
        let written = serde_json::to_string(&told).unwrap();
        let read: Vec<Told> = serde_json::from_str(&written).unwrap();
        prop_assert_eq!(&read, &told);
        prop_assert_eq!(verdicts(&read), verdicts(&told));
    }

    #[test]
    fn a_verdict_can_be_written_down(told in any_told()) {
        for verdict in verdicts(&told) {
            let written = serde_json::to_string(&verdict).unwrap();
            prop_assert_eq!(serde_json::from_str::<Verdict>(&written).unwrap(), verdict);
        }
    }

    #[test]
    fn more_errors_never_speak_for_the_canary(
        told in any_told(),
        at in any::<proptest::sample::Index>(),
        more in 1..40_u64,
    ) {
        let mut worse = told.clone();
        let windows = worse.iter_mut().filter_map(|told| match told {
            Told::Window(window) => Some(window),
            _ => None,
        });
        let mut windows: Vec<_> = windows.collect();
        let at = at.index(windows.len());
        let canary = &mut windows[at].canary;
        canary.errors = (canary.errors + more).min(canary.requests);
        for (good, bad) in verdicts(&told).iter().zip(verdicts(&worse)) {
            prop_assert!(bad.outcome == Outcome::Fail || log_e(&bad) >= log_e(good) - 1e-9);
            let passes_only_when_worse =
                bad.outcome == Outcome::Pass && good.outcome != Outcome::Pass;
            prop_assert!(!passes_only_when_worse);
        }
    }

    #[test]
    fn slower_answers_never_speak_for_the_canary(
        told in any_told(),
        at in any::<proptest::sample::Index>(),
        by in 1..100_usize,
    ) {
        let mut worse = told.clone();
        let windows = worse.iter_mut().filter_map(|told| match told {
            Told::Window(window) => Some(window),
            _ => None,
        });
        let mut windows: Vec<_> = windows.collect();
        let at = at.index(windows.len());
        let latency = &mut windows[at].canary.latency;
        let mut slower = Histogram::default();
        for (bucket, count) in latency.counts().iter().enumerate() {
            slower.count_in(bucket + by, *count);
        }
        *latency = slower;
        for (good, bad) in verdicts(&told).iter().zip(verdicts(&worse)) {
            prop_assert!(bad.outcome == Outcome::Fail || log_e(&bad) >= log_e(good) - 1e-9);
        }
    }

    /// While the canary runs alone, nothing is guessed from what came before: an interval in which
    /// nothing was counted may be told apart from, or with, the one that follows.
    #[test]
    fn silence_before_a_window_may_be_a_window_of_its_own(
        figures in vec(any_figures(0..60), 1..12),
        at in any::<proptest::sample::Index>(),
    ) {
        let window = |seconds, canary| {
            let (baseline, reference) = (None, None);
            Told::Window(Window { seconds, canary, baseline, reference, restarts: 0 })
        };
        let mut whole = vec![Told::Step(Split { canary: 1.0, baseline: 0.0 })];
        whole.extend(figures.into_iter().map(|figures| window(1.0, figures)));
        let at = 1 + at.index(whole.len() - 1);
        let mut apart = whole.clone();
        if let Told::Window(window) = &mut apart[at] {
            window.seconds = 0.5;
        }
        apart.insert(at, window(0.5, Figures::default()));
        let alone = |told: &[Told]| {
            let verdict = verdicts(told).pop().unwrap();
            (verdict.evidence.unwrap().log_e_alone.unwrap(), verdict.outcome)
        };
        let ((whole, outcome), (apart, other)) = (alone(&whole), alone(&apart));
        prop_assert!((whole - apart).abs() <= 1e-9 * whole.abs().max(1.0), "{whole} {apart}");
        prop_assert_eq!(outcome, other);
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

    #[test]
    fn what_was_told_can_be_written_down(
        seconds in 0.1..5.0,
        latencies in vec((0..600_u16, 1..60_u64), 0..5),
        over in proptest::option::of(any::<[u64; 2]>()),
        restarts in any::<u32>(),
    ) {
        let latency = Histogram::from(latencies);
        let canary = Figures { requests: latency.count(), errors: 0, latency, over };
        let (baseline, reference) = (Some(canary.clone()), None);
        let told = Told::Window(Window { seconds, canary, baseline, reference, restarts });
        let written = serde_json::to_string(&told).unwrap();
        prop_assert_eq!(serde_json::from_str::<Told>(&written).unwrap(), told);
    }
}
