//! Latency histograms with a fixed, logarithmic set of buckets.
//!
//! Bucket 0 holds latencies up to 0.1 ms; bucket `j` holds `(0.1 g^(j-1), 0.1 g^j]` ms with
//! `ln g = ln(1.2) / 8`, so that eight buckets are a factor of 1.2 exactly; the last bucket is
//! the overflow. A ratio of latencies that is a power of `g` is then a shift by whole buckets.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How many buckets a histogram has; the last one is the overflow.
pub const BUCKETS: usize = 600;

/// Counts of latencies by bucket. Written as sparse `[bucket, count]` pairs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<(u16, u64)>", into = "Vec<(u16, u64)>")]
pub struct Histogram {
    counts: Vec<u64>,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            counts: vec![0; BUCKETS],
        }
    }
}

impl From<Vec<(u16, u64)>> for Histogram {
    fn from(pairs: Vec<(u16, u64)>) -> Self {
        let mut histogram = Self::default();
        for (bucket, count) in pairs {
            histogram.counts[usize::from(bucket).min(BUCKETS - 1)] += count;
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
        let tenths_of_ms = latency.as_secs_f64() * 1e4;
        if tenths_of_ms <= 1.0 {
            return 0;
        }
        let growth = 1.2_f64.ln() / 8.0;
        // The edge belongs to the bucket below it; the tiny allowance absorbs rounding at edges.
        let bucket = (tenths_of_ms.ln() / growth - 1e-9).ceil();
        (bucket as usize).min(BUCKETS - 1)
    }

    /// Counts one latency.
    pub fn record(&mut self, latency: Duration) {
        self.counts[Self::bucket(latency)] += 1;
    }

    /// Returns the counts, one per bucket.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// Adds all counts of `other`.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
    }
}
