//! How unevenly what is counted comes.
//!
//! Requests do not fail one by one: a broken connection takes fifty with it, a full queue a whole
//! second. Then fifty errors say less than fifty that came alone. How much less is estimated from
//! the baseline (never from the canary: one that crashes must not be forgiven for it) by how much
//! shares differ from one block of time to the next, in blocks of 1, 8 and 64 seconds. Slow drift
//! does not count, because neighbours share it.

use crate::evidence::bernoulli::Arms;

/// The lengths of blocks, in seconds.
const LENGTHS: [f64; 3] = [1.0, 8.0, 64.0];

/// So many pairs of neighbours are needed before anything is said.
const LEAST_PAIRS: f64 = 8.0;

/// A single pair counts for no more than this many times what chance would explain.
const MOST_OF_A_PAIR: f64 = 9.0;

/// No request counts for less than a hundredth.
const LARGEST_EFFECT: f64 = 100.0;

/// Neighbours between which at least so many hits were to be expected can differ too much.
const LEAST_HITS: f64 = 1.0;

/// Bursts are violent if so many pairs, and this part of all, differ by more than counts.
const LEAST_OUTLIERS: f64 = 4.0;
const OUTLIERS: f64 = 0.05;

/// The estimate for one kind of event.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Dispersion {
    blocks: [Blocks; 3],
}

/// Neighbouring blocks of one length.
#[derive(Clone, Debug, Default, PartialEq)]
struct Blocks {
    seconds: f64,
    requests: f64,
    hits: f64,
    /// The block before: its requests (0 before there was one) and hits.
    before: (f64, f64),
    pairs: f64,
    /// Sums over pairs: of the squared difference over what chance would explain, of its square,
    /// and of the size of blocks less one.
    ratios: f64,
    squares: f64,
    sizes: f64,
    /// Pairs that differ by more than counts, and all in which hits were to be expected.
    outliers: (f64, f64),
}

impl Dispersion {
    /// Adds a window of the baseline; `p` is the share of hits to be expected.
    pub(super) fn add(&mut self, seconds: f64, requests: f64, hits: f64, p: f64) {
        for (blocks, length) in self.blocks.iter_mut().zip(LENGTHS) {
            blocks.seconds += seconds;
            blocks.requests += requests;
            blocks.hits += hits;
            if blocks.seconds >= length - 1e-9 {
                blocks.close(p);
            }
        }
    }

    /// Returns how many requests of each arm say as much as one that comes alone, where they get so
    /// many a second: the design effect, 1 to 100.
    pub(super) fn effects(&self, rates: Arms<f64>) -> Arms<f64> {
        let correlations = self.blocks.each_ref().map(Blocks::correlation);
        let of = |rate: f64| {
            let effects = correlations
                .iter()
                .zip(LENGTHS)
                .map(|(correlation, length)| {
                    let size = rate * length;
                    match correlation {
                        Some(correlation) if *correlation > 0.0 && size > 1.0 => {
                            1.0 + correlation * (size - 1.0)
                        }
                        _ => 1.0,
                    }
                });
            effects.fold(1.0, f64::max).min(LARGEST_EFFECT)
        };
        Arms {
            canary: of(rates.canary),
            baseline: of(rates.baseline),
        }
    }

    /// Whether hits come in violent bursts: if neighbours often differ by far more than chance
    /// would explain.
    pub(super) fn is_violent(&self) -> bool {
        self.blocks.iter().any(|blocks| {
            let (outliers, all) = blocks.outliers;
            outliers >= LEAST_OUTLIERS && outliers >= OUTLIERS * all
        })
    }
}

impl Blocks {
    fn close(&mut self, p: f64) {
        if self.requests > 0.0 {
            let (requests, hits) = self.before;
            if requests > 0.0 {
                let difference = self.hits / self.requests - hits / requests;
                let inverse = 1.0 / self.requests + 1.0 / requests;
                let explained = p * (1.0 - p) * inverse;
                let ratio = (difference * difference / explained).min(MOST_OF_A_PAIR);
                if p * 2.0 / inverse >= LEAST_HITS {
                    self.outliers.0 += f64::from(u8::from(ratio >= MOST_OF_A_PAIR));
                    self.outliers.1 += 1.0;
                }
                self.pairs += 1.0;
                self.ratios += ratio;
                self.squares += ratio * ratio;
                self.sizes += 2.0 / inverse - 1.0;
            }
            self.before = (self.requests, self.hits);
        }
        (self.seconds, self.requests, self.hits) = (0.0, 0.0, 0.0);
    }

    /// Returns the correlation of requests within a block, less one standard error.
    fn correlation(&self) -> Option<f64> {
        if self.pairs < LEAST_PAIRS || self.sizes <= 0.0 {
            return None;
        }
        let mean = self.ratios / self.pairs;
        let variance = (self.squares / self.pairs - mean * mean).max(0.0);
        let error = (variance / self.pairs).sqrt();
        Some((mean - 1.0 - error) / (self.sizes / self.pairs))
    }
}
