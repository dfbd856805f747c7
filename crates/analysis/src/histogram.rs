//! Latency histograms with a fixed, logarithmic set of buckets.
//!
//! Bucket 0 holds latencies up to 0.1 ms; bucket `j` holds `(0.1 g^(j-1), 0.1 g^j]` ms with
//! `ln g = ln(1.2) / 8`, so that eight buckets are a factor of 1.2 exactly; the last bucket is
//! the overflow and holds everything above 83 s. A ratio of latencies that is a power of `g` is
//! then a shift by whole buckets. A bucket is 2.3 % wide: no latency is known better than that.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::edges::EDGES_NS;

/// How many buckets a histogram has; the last one is the overflow.
pub const BUCKETS: usize = 600;

/// Counts of latencies by bucket. Written as sparse `[bucket, count]` pairs.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(from = "Vec<(u16, u64)>", into = "Vec<(u16, u64)>")]
pub struct Histogram {
    counts: Vec<u64>,
    /// Their sum.
    all: u64,
    /// All that is not 0 lies from here ...
    low: usize,
    /// ... up to but not including here. Latencies of one window lie close together.
    end: usize,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            counts: vec![0; BUCKETS],
            all: 0,
            low: BUCKETS,
            end: 0,
        }
    }
}

impl PartialEq for Histogram {
    fn eq(&self, other: &Self) -> bool {
        self.counts == other.counts
    }
}

impl Eq for Histogram {}

impl From<Vec<(u16, u64)>> for Histogram {
    /// Buckets that do not exist count as overflow: a latency that cannot be placed is a long one.
    fn from(pairs: Vec<(u16, u64)>) -> Self {
        let mut histogram = Self::default();
        for (bucket, count) in pairs {
            histogram.count_in(usize::from(bucket), count);
        }
        histogram
    }
}

impl From<Histogram> for Vec<(u16, u64)> {
    fn from(histogram: Histogram) -> Self {
        (0_u16..)
            .zip(histogram.counts)
            .filter(|(_, count)| *count > 0)
            .collect()
    }
}

impl Histogram {
    /// Returns the bucket that holds `latency`.
    pub fn bucket(latency: Duration) -> usize {
        let nanoseconds = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        EDGES_NS.partition_point(|edge| *edge < nanoseconds)
    }

    /// Returns the longest latency that `bucket` holds, to the nanosecond: its upper edge.
    /// The overflow, and any bucket beyond it, ends at [`Duration::MAX`].
    pub fn edge(bucket: usize) -> Duration {
        EDGES_NS
            .get(bucket)
            .map_or(Duration::MAX, |edge| Duration::from_nanos(*edge))
    }

    /// Counts one latency.
    pub fn record(&mut self, latency: Duration) {
        self.count_in(Self::bucket(latency), 1);
    }

    /// Counts `count` more in `bucket`; beyond the last one they are overflow.
    pub fn count_in(&mut self, bucket: usize, count: u64) {
        let bucket = bucket.min(BUCKETS - 1);
        self.low = self.low.min(bucket);
        self.end = self.end.max(bucket + 1);
        let mine = &mut self.counts[bucket];
        // Figures from elsewhere may claim any number.
        *mine = mine.saturating_add(count);
        self.all = self.all.saturating_add(count);
    }

    /// Forgets all counts.
    pub fn clear(&mut self) {
        let used = self.used();
        self.counts[used].fill(0);
        (self.all, self.low, self.end) = (0, BUCKETS, 0);
    }

    /// Returns the range of buckets outside of which nothing was counted.
    pub fn used(&self) -> std::ops::Range<usize> {
        self.low.min(self.end)..self.end
    }

    /// Returns the counts, one per bucket.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// Returns how many latencies were counted.
    pub fn count(&self) -> u64 {
        self.all
    }

    /// Returns how many latencies were surely longer than `threshold`: those in the buckets above
    /// the one that holds it. Exact where the threshold is an edge.
    pub fn count_above(&self, threshold: Duration) -> u64 {
        let above = &self.counts[Self::bucket(threshold) + 1..];
        above
            .iter()
            .fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Returns the share of latencies that were surely longer than `threshold`, 0 to 1; `None`
    /// when nothing was counted.
    pub fn share_above(&self, threshold: Duration) -> Option<f64> {
        let count = self.count();
        (count > 0).then(|| self.count_above(threshold) as f64 / count as f64)
    }

    /// Returns the `q`-quantile, `q` from 0 to 1: the upper edge of the bucket that holds it, so at
    /// most 2.3 % too long. `None` when nothing was counted; [`Duration::MAX`] in the overflow.
    pub fn quantile(&self, q: f64) -> Option<Duration> {
        let count = self.count();
        if count == 0 {
            return None;
        }
        // The product may come out a hair above a whole number, which must not cost a rank.
        let rank = (q * count as f64 * (1.0 - 1e-12)).ceil().max(1.0) as u64;
        let mut reached = 0_u64;
        let bucket = self.counts.iter().position(|count| {
            reached = reached.saturating_add(*count);
            reached >= rank
        });
        Some(Self::edge(bucket.unwrap_or(BUCKETS - 1)))
    }

    /// Adds all counts of `other`.
    pub fn add(&mut self, other: &Self) {
        self.all = self.all.saturating_add(other.all);
        self.low = self.low.min(other.low);
        self.end = self.end.max(other.end);
        let used = other.used();
        let theirs = &other.counts[used.clone()];
        for (mine, theirs) in self.counts[used].iter_mut().zip(theirs) {
            *mine = mine.saturating_add(*theirs);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ns(nanoseconds: u64) -> Duration {
        Duration::from_nanos(nanoseconds)
    }

    /// The whole part of every edge, computed with 80 decimal places.
    fn true_edges() -> Vec<u64> {
        include_str!("../tests/fixtures/bucket-edges.txt")
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(|line| line.parse().unwrap())
            .collect()
    }

    #[test]
    fn every_edge_is_the_defined_one() {
        assert_eq!(EDGES_NS.as_slice(), true_edges());
    }

    #[test]
    fn an_edge_belongs_to_the_bucket_below_it() {
        for (bucket, edge) in true_edges().into_iter().enumerate() {
            assert_eq!(Histogram::bucket(ns(edge)), bucket);
            assert_eq!(Histogram::bucket(ns(edge + 1)), bucket + 1);
            assert_eq!(Histogram::edge(bucket), ns(edge));
        }
    }

    #[test]
    fn eight_buckets_are_a_factor_of_six_fifths() {
        for bucket in 0..BUCKETS - 9 {
            let (low, high) = (EDGES_NS[bucket], EDGES_NS[bucket + 8]);
            // Each edge is rounded down by less than one nanosecond.
            let shortest = low * 6 / 5;
            assert!((shortest..=shortest + 2).contains(&high), "bucket {bucket}");
        }
    }

    #[test]
    fn latencies_find_their_bucket() {
        for (latency, bucket) in [
            (ns(0), 0),
            (ns(50_000), 0),
            (ns(100_000), 0),
            (ns(100_001), 1),
            (ns(110_000), 5),
            (ns(120_000), 8),
            (ns(120_001), 9),
            (Duration::from_millis(1), 102),
            (Duration::from_millis(80), 294),
            (Duration::from_secs(1), 405),
            (Duration::from_secs(10_000), BUCKETS - 1),
            (Duration::MAX, BUCKETS - 1),
        ] {
            assert_eq!(Histogram::bucket(latency), bucket, "{latency:?}");
        }
        assert_eq!(Histogram::edge(BUCKETS - 1), Duration::MAX);
        assert_eq!(Histogram::edge(usize::MAX), Duration::MAX);
    }

    #[test]
    fn quantiles_are_upper_edges() {
        assert_eq!(Histogram::default().quantile(0.95), None);
        // One latency in each of the buckets 0 to 99.
        let histogram = Histogram::from((0..100).map(|bucket| (bucket, 1)).collect::<Vec<_>>());
        for (q, bucket) in [
            (0.0, 0),
            (0.01, 0),
            (0.5, 49),
            (0.95, 94),
            (0.99, 98),
            (1.0, 99),
        ] {
            assert_eq!(histogram.quantile(q), Some(Histogram::edge(bucket)), "{q}");
        }
        let slow = Histogram::from(vec![(599, 1)]);
        assert_eq!(slow.quantile(0.5), Some(Duration::MAX));
    }

    #[test]
    fn a_quantile_leaves_no_more_above_it_than_it_may() {
        for count in 1..400_u16 {
            let histogram = Histogram::from((0..count).map(|b| (b, 1)).collect::<Vec<_>>());
            for (q, tail_per_cent) in [(0.95, 5), (0.99, 1)] {
                let above = histogram.count_above(histogram.quantile(q).unwrap());
                assert!(
                    above * 100 <= u64::from(count) * tail_per_cent,
                    "{q} of {count}"
                );
                assert!(
                    (above + 1) * 100 > u64::from(count) * tail_per_cent,
                    "{q} of {count}"
                );
            }
        }
    }

    #[test]
    fn only_what_is_surely_longer_is_above() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.share_above(ns(0)), None);
        histogram.record(ns(119_000));
        histogram.record(ns(120_000));
        histogram.record(ns(120_001));
        assert_eq!(histogram.count(), 3);
        assert_eq!(histogram.count_above(ns(120_000)), 1);
        assert_eq!(histogram.count_above(ns(118_000)), 1);
        assert_eq!(histogram.count_above(ns(117_000)), 3);
        assert_eq!(histogram.count_above(Duration::MAX), 0);
        assert_eq!(histogram.share_above(ns(100_000)), Some(1.0));
    }

    #[test]
    fn buckets_from_nowhere_are_overflow_and_absurd_counts_do_not_wrap() {
        let histogram = Histogram::from(vec![(7_000, u64::MAX), (599, 5), (3, 9)]);
        assert_eq!(histogram.counts()[BUCKETS - 1], u64::MAX);
        assert_eq!(histogram.count(), u64::MAX);
    }
}
