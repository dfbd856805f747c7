//! Latency histograms as the comparison uses them.

use crate::Histogram;
use crate::histogram::BUCKETS;

/// The buckets of one window that are not empty, in rising order.
#[derive(Clone, Debug)]
pub(super) struct Latencies {
    /// Room for all there are, and one more that is written to in vain.
    room: Vec<(usize, f64)>,
    used: usize,
    all: f64,
}

impl PartialEq for Latencies {
    fn eq(&self, other: &Self) -> bool {
        self.buckets() == other.buckets()
    }
}

impl Latencies {
    /// Makes room for any window, so that none needs more.
    pub(super) fn new() -> Self {
        Self {
            room: vec![(0, 0.0); BUCKETS + 1],
            used: 0,
            all: 0.0,
        }
    }

    /// Takes over what `histogram` has.
    pub(super) fn take(&mut self, histogram: &Histogram) {
        self.clear();
        let used = histogram.used();
        for (bucket, count) in used.clone().zip(&histogram.counts()[used]) {
            // Which ones are empty cannot be foreseen, so each is written down, and the next one over
            // it if it was.
            let number = *count as f64;
            self.room[self.used] = (bucket, number);
            self.used += usize::from(*count > 0);
            self.all += number;
        }
    }

    /// Returns what `histogram` has, each count times `scale`.
    pub(super) fn scaled(histogram: &Histogram, scale: f64) -> Self {
        let mut latencies = Self::new();
        latencies.take(histogram);
        for (_, count) in &mut latencies.room {
            *count *= scale;
        }
        latencies.all *= scale;
        latencies
    }

    pub(super) fn clear(&mut self) {
        (self.used, self.all) = (0, 0.0);
    }

    fn buckets(&self) -> &[(usize, f64)] {
        &self.room[..self.used]
    }

    /// Returns how many there are.
    pub(super) fn all(&self) -> f64 {
        self.all
    }

    /// Returns how many lie above the upper edge of bucket `edge`.
    pub(super) fn above(&self, edge: usize) -> f64 {
        let from_the_top = self.buckets().iter().rev();
        let above = from_the_top.take_while(|(bucket, _)| *bucket > edge);
        above.map(|(_, count)| count).sum()
    }
}

/// A histogram that forgets: older counts weigh less.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fading {
    counts: Vec<f64>,
    /// The lowest bucket that ever held anything; `BUCKETS` before that.
    low: usize,
    /// One more than the highest one.
    end: usize,
}

impl Fading {
    pub(super) fn new() -> Self {
        Self {
            counts: vec![0.0; BUCKETS],
            low: BUCKETS,
            end: 0,
        }
    }

    /// Lets all counts fade by `factor`, then adds a window.
    pub(super) fn add(&mut self, factor: f64, latencies: &Latencies) {
        let buckets = latencies.buckets();
        if let (Some((first, _)), Some((last, _))) = (buckets.first(), buckets.last()) {
            self.low = self.low.min(*first);
            self.end = self.end.max(last + 1);
        }
        if factor < 1.0 {
            for count in self.used() {
                *count *= factor;
            }
        }
        for (bucket, count) in buckets {
            self.counts[*bucket] += count;
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.used().fill(0.0);
        (self.low, self.end) = (BUCKETS, 0);
    }

    fn used(&mut self) -> &mut [f64] {
        let low = self.low.min(self.end);
        &mut self.counts[low..self.end]
    }

    /// Returns how many there are.
    pub(super) fn all(&self) -> f64 {
        self.counts[self.low.min(self.end)..self.end].iter().sum()
    }

    /// Returns how many lie in a bucket.
    pub(super) fn at(&self, bucket: usize) -> f64 {
        self.counts[bucket]
    }

    /// Returns the lowest bucket above whose upper edge lie at most `most`, and how many do.
    pub(super) fn edge_with_at_most(&self, most: f64) -> (usize, f64) {
        // Above the highest one in use there is nothing to add up.
        let highest = if most < 0.0 {
            BUCKETS - 1
        } else {
            self.end.min(BUCKETS - 1)
        };
        self.edge_below(highest, 0.0, most)
    }

    /// The same, where it is known how many lie above a bucket that is not below it.
    pub(super) fn edge_below(&self, edge: usize, above: f64, most: f64) -> (usize, f64) {
        let (mut edge, mut above) = (edge, above);
        while edge > 0 && above + self.counts[edge] <= most {
            above += self.counts[edge];
            edge -= 1;
        }
        (edge, above)
    }

    /// Returns how many lie above the upper edge of bucket `edge`.
    pub(super) fn above(&self, edge: usize) -> f64 {
        let end = self.end.max(edge + 1);
        let above = self.counts.get(edge + 1..end).unwrap_or_default();
        above.iter().rev().sum()
    }
}
