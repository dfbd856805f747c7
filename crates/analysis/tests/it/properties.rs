//! What holds for any figures.

use std::time::Duration;

use leadsman_analysis::{Figures, Histogram, Told, Window};
use proptest::collection::vec;
use proptest::prelude::*;

proptest! {
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
