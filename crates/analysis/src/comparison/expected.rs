//! What the judge will make of a canary that behaves in a certain way, before there is one.
//!
//! Requests of each arm arrive independently of one another, so each kind of answer (a failed one of
//! the canary, a good one of the baseline, ...) is counted by a Poisson number of its own, and what a
//! bettor wins is the sum of those numbers, each times what one such answer brings him. Mean,
//! variance and skew of that sum are known. From them comes what he has in nine cases of ten, by the
//! normal approximation with the correction for skew (Cornish and Fisher, 1938): few large gains are
//! not spread evenly around their mean.

use super::Total;
use super::bets::{kept_limit, kept_margin};
use super::config::Config;
use super::latencies::Latencies;
use super::memory::{LEAST_REQUESTS, Memory, Tail};
use crate::Histogram;
use crate::evidence::bernoulli::{Alternatives, Arms, Bets, Margin, Tally, projections};
use crate::evidence::gate::{self, PARTS};
use crate::evidence::process::{self, ALTERNATIVES, alternatives};
use crate::histogram::BUCKETS;
use crate::{Figures, Limits};

/// The standard normal number that nine of ten exceed.
const NINE_IN_TEN: f64 = -1.281_551_565_544_600_4;

/// The one that nineteen of twenty exceed. To pass, several limits must be kept at once; with each
/// of them kept in nineteen cases of twenty, all are in about nine of ten.
const NINETEEN_IN_TWENTY: f64 = -1.644_853_626_951_472_7;

/// A service as it has been, and the limits that its next revision is held to.
#[derive(Clone, Debug)]
pub(crate) struct Expected {
    config: Config,
    /// The share of requests that fail.
    errors: f64,
    /// The share of requests that take longer than each bucket's upper edge.
    above: Vec<f64>,
    /// Requests a second.
    rate: f64,
    figures: Figures,
}

/// How a canary behaves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Behaviour {
    /// The share of its requests that fail.
    pub(crate) errors: f64,
    /// By how many buckets every answer takes longer than the baseline's.
    pub(crate) longer: usize,
}

/// A step as far as the bets depend on it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Stage {
    /// Requests a second.
    pub(crate) rates: Arms<f64>,
    /// The share of the capital that bets from its beginning.
    pub(crate) capital: f64,
    /// How many (faded) requests of the baseline are known on average while it lasts.
    pub(crate) known: f64,
}

/// What is known of the baseline in a stage.
struct Known {
    memory: Memory,
    /// Where the percentiles lie, and in which part of the time enough is known to say so.
    tails: Option<[Tail; 2]>,
    often: f64,
}

impl Expected {
    /// Returns what is to be expected of a service that counted `figures` in `seconds`, both
    /// greater than 0.
    pub(crate) fn new(limits: &Limits, figures: &Figures, seconds: f64) -> Self {
        let count = figures.latency.count().max(1) as f64;
        let mut above = vec![0.0; BUCKETS];
        let mut longer = 0.0;
        for (above, count_here) in above.iter_mut().zip(figures.latency.counts()).rev() {
            *above = longer / count;
            longer += *count_here as f64;
        }
        let requests = figures.requests as f64;
        Self {
            config: Config::new(limits),
            errors: figures.errors as f64 / requests.max(1.0),
            above,
            rate: requests / seconds,
            figures: figures.clone(),
        }
    }

    pub(crate) fn rate(&self) -> f64 {
        self.rate
    }

    pub(crate) fn errors(&self) -> f64 {
        self.errors
    }

    /// Whether a rise of errors is judged, and one of the 95th percentile.
    pub(crate) fn judges(&self, alone: bool) -> (bool, bool) {
        let (beside, limits) = self.config.weights();
        let one = |i: usize| (!alone && beside[i] > 0.0) || limits[i] > 0.0;
        (one(0), one(1) || one(2))
    }

    /// Whether the judge takes back such a canary within `seconds`, in nine cases of ten.
    pub(crate) fn fails(&self, stage: &Stage, canary: Behaviour, seconds: f64) -> bool {
        if stage.rates.baseline <= 0.0 {
            return self.alone(stage, canary, seconds) >= self.config.needed.alone;
        }
        let total = self.beside(stage, canary, seconds);
        let needed = &self.config.needed;
        total.beyond >= needed.beyond
            && (total.at_all >= needed.at_all || needed.beyond >= needed.at_all)
    }

    /// Whether the judge lets a canary pass after `seconds` that behaves as the baseline does, in
    /// nine cases of ten.
    pub(crate) fn passes(&self, stage: &Stage, seconds: f64) -> bool {
        self.gates(stage, seconds)
            .into_iter()
            .flatten()
            .all(|gate| gate >= self.config.needed.pass)
    }

    /// Whether there is a limit that such a canary is never shown to keep.
    pub(crate) fn never_passes(&self, stage: &Stage) -> bool {
        const AGE: f64 = 1e9;
        !self.passes(stage, AGE)
    }

    fn known(&self, stage: &Stage) -> Known {
        let requests = self.figures.requests.max(1) as f64;
        // The faded number of requests that are known varies like one of half as many; the
        // logistic curve is near enough to the normal one.
        let timed = (self.figures.latency.count() as f64 / requests).clamp(1e-6, 1.0);
        let known = stage.known * timed;
        let beyond = (known - LEAST_REQUESTS) / (known / 2.0).max(1.0).sqrt();
        let often = 1.0 / (1.0 + (-1.702 * beyond).exp());
        // When a percentile is guessed, it is known by so many at least.
        let least = (LEAST_REQUESTS + 1.0) / timed;
        let of_tails = self.memory(stage.known.max(least), requests);
        let longer = self.config.longer.map(Option::unwrap_or_default);
        Known {
            memory: self.memory(stage.known, requests),
            tails: of_tails.tails(longer).filter(|_| often > 0.01),
            often,
        }
    }

    /// What is remembered of a baseline by `known` of its `requests`.
    fn memory(&self, known: f64, requests: f64) -> Memory {
        let scale = known / requests;
        let mut memory = Memory::new();
        let errors = Tally {
            hits: self.figures.errors as f64 * scale,
            of: known,
        };
        let over = [0, 1].map(|i| self.over(i, 0) * known);
        let latencies = Latencies::scaled(&self.figures.latency, scale);
        memory.add(1.0, errors, over, &latencies);
        memory
    }

    /// The share of requests above a bucket, where each takes `longer` buckets longer.
    fn share_above(&self, bucket: usize, longer: usize) -> f64 {
        match bucket.checked_sub(longer) {
            Some(bucket) => self.above.get(bucket).copied().unwrap_or(0.0),
            None => 1.0,
        }
    }

    /// The share of requests over the `i`th absolute limit on latency.
    fn over(&self, i: usize, longer: usize) -> f64 {
        self.config.thresholds[i].map_or(0.0, |limit| {
            self.share_above(Histogram::bucket(limit), longer)
        })
    }

    /// The shares of hits, and what is usual, on the `i`th absolute limit.
    fn on_limit(&self, i: usize, known: &Known, canary: Behaviour) -> (Arms<f64>, f64) {
        match i {
            0 => {
                let shares = Arms {
                    canary: canary.errors,
                    baseline: self.errors,
                };
                (shares, known.memory.errors())
            }
            i => {
                let shares = Arms {
                    canary: self.over(i - 1, canary.longer),
                    baseline: self.over(i - 1, 0),
                };
                (shares, known.memory.over(i - 1))
            }
        }
    }

    /// Logarithms of what the bettors against the canary have, beside a baseline.
    fn beside(&self, stage: &Stage, canary: Behaviour, seconds: f64) -> Total {
        let known = self.known(stage);
        let (beside, limits) = self.config.weights();
        let have = |shares: Arms<f64>, usual: f64, margin: Margin, seconds: f64| {
            let limit = margin.of(usual);
            together(stage.capital, |k| {
                let bet_on = Arms {
                    canary: alternatives(limit)[k],
                    baseline: usual,
                };
                won_beside(stage.rates, shares, bet_on, margin).in_most(NINE_IN_TEN, seconds)
            })
        };
        let mut total = Sum::default();
        let (shares, usual) = self.on_limit(0, &known, canary);
        let errors_at_all = have(shares, usual, Margin::NONE, seconds);
        if let Some(margin) = self.config.margin {
            total.add(
                beside[0],
                have(shares, usual, margin, seconds),
                errors_at_all,
            );
        }
        for (i, tail) in known.tails.into_iter().flatten().enumerate() {
            let Some(tolerated) = self.config.longer[i] else {
                continue;
            };
            let shares = |edge: usize| Arms {
                canary: self.share_above(edge, canary.longer),
                baseline: self.share_above(tail.edge, 0),
            };
            let seconds = seconds * known.often;
            let far = shares(tail.edge + tolerated);
            let beyond = have(far, tail.above, tail.margin(), seconds);
            let at_all = have(shares(tail.edge), tail.above, Margin::NONE, seconds);
            total.add(beside[1 + i], beyond, at_all);
        }
        for (i, weight) in limits.into_iter().enumerate() {
            let Some(limit) = self.config.shares[i] else {
                continue;
            };
            let (shares, usual) = self.on_limit(i, &known, canary);
            let exceeded = self.exceeds(stage, shares.canary, limit, seconds);
            let blamed = if i == 0 {
                errors_at_all
            } else {
                have(shares, usual, Margin::NONE, seconds)
            };
            let counts = exceeded.min(blamed);
            total.add(weight, counts, counts);
        }
        total.ln()
    }

    /// The logarithm of what the bettors against an absolute limit have.
    fn exceeds(&self, stage: &Stage, share: f64, limit: f64, seconds: f64) -> f64 {
        together(stage.capital, |k| {
            let bet = Bets::new([alternatives(limit)[k]], [limit]);
            Winnings::of(&streams(stage.rates.canary, share, bet)).in_most(NINE_IN_TEN, seconds)
        })
    }

    /// The logarithm of what the bettors have against a canary that runs alone.
    fn alone(&self, stage: &Stage, canary: Behaviour, seconds: f64) -> f64 {
        let known = self.known(stage);
        let judged = self.config.shares.iter().flatten().count().max(1);
        let mut total = Sum::default();
        for (i, limit) in self.config.shares.into_iter().enumerate() {
            if let Some(limit) = limit {
                let (shares, _) = self.on_limit(i, &known, canary);
                let exceeded = self.exceeds(stage, shares.canary, limit, seconds);
                total.add(1.0 / judged as f64, exceeded, exceeded);
            }
        }
        total.ln().beyond
    }

    /// Logarithms of what those have who bet that each limit is kept, by a canary that behaves as
    /// the baseline does.
    fn gates(&self, stage: &Stage, seconds: f64) -> Vec<Option<f64>> {
        let known = self.known(stage);
        let same = Behaviour {
            errors: self.errors,
            longer: 0,
        };
        let alone = stage.rates.baseline <= 0.0;
        let mut gates = Vec::new();
        if !alone {
            gates.push(self.config.margin.map(|margin| {
                let (shares, usual) = self.on_limit(0, &known, same);
                let limit = margin.of(usual);
                kept(|part| {
                    let bet_on = Arms {
                        canary: kept_margin(usual, limit, part),
                        baseline: usual,
                    };
                    if bet_on.canary >= limit {
                        return 0.0;
                    }
                    won_beside(stage.rates, shares, bet_on, margin)
                        .in_most(NINETEEN_IN_TWENTY, seconds)
                })
            }));
            gates.extend((0..2).map(|i| self.kept_percentile(i, &known, stage, seconds)));
        }
        gates.extend((0..3).map(|i| {
            let limit = self.config.shares[i]?;
            let (shares, usual) = self.on_limit(i, &known, same);
            Some(kept(|part| {
                let bet_on = if alone {
                    (0.1 + 0.8 * part) * limit
                } else {
                    kept_limit(usual, limit, part)
                };
                let bet = Bets::new([bet_on], [limit]);
                Winnings::of(&streams(stage.rates.canary, shares.canary, bet))
                    .in_most(NINETEEN_IN_TWENTY, seconds)
            }))
        }));
        gates
    }

    fn kept_percentile(&self, i: usize, known: &Known, stage: &Stage, seconds: f64) -> Option<f64> {
        let tolerated = self.config.longer[i]?;
        // Of too few requests no percentile is guessed: nobody can bet.
        let Some(tail) = known.tails.map(|tails| tails[i]) else {
            return Some(0.0);
        };
        let margin = tail.margin();
        let limit = margin.of(tail.above);
        let shares = Arms {
            canary: self.share_above(tail.edge + tolerated, 0),
            baseline: self.share_above(tail.edge, 0),
        };
        Some(kept(|part| {
            let bet_on = Arms {
                canary: kept_margin(tail.far_above, limit, part),
                baseline: tail.above,
            };
            if bet_on.canary >= limit {
                return 0.0;
            }
            won_beside(stage.rates, shares, bet_on, margin)
                .in_most(NINETEEN_IN_TWENTY, seconds * known.often)
        }))
    }
}

/// What all bettors have together, as it is added up.
#[derive(Default)]
struct Sum {
    beyond: f64,
    at_all: f64,
}

impl Sum {
    /// Adds this share of what those have whose logarithms are given.
    fn add(&mut self, weight: f64, beyond: f64, at_all: f64) {
        // So much is far beyond what any decision needs.
        const ENOUGH: f64 = 500.0;
        self.beyond += weight * beyond.min(ENOUGH).exp();
        self.at_all += weight * at_all.min(ENOUGH).exp();
    }

    fn ln(&self) -> Total {
        Total {
            beyond: self.beyond.ln(),
            at_all: self.at_all.ln(),
        }
    }
}

/// Returns the logarithm of what the bettors on all alternatives have, who began with `capital`;
/// `won` says what the `k`th has won.
fn together(capital: f64, won: impl Fn(usize) -> f64) -> f64 {
    let alternatives = 0..ALTERNATIVES.len();
    ln_of_sum(alternatives.map(|k| (process::SHARES[k] * capital, won(k))))
}

/// The same for those who bet that a limit is kept.
fn kept(won: impl Fn(f64) -> f64) -> f64 {
    let parts = PARTS.into_iter().zip(gate::SHARES);
    ln_of_sum(parts.map(|(part, share)| (share, won(part))))
}

fn ln_of_sum(terms: impl Iterator<Item = (f64, f64)> + Clone) -> f64 {
    let largest = terms.clone().map(|(_, ln)| ln).fold(f64::MIN, f64::max);
    let sum: f64 = terms.map(|(share, ln)| share * (ln - largest).exp()).sum();
    sum.ln() + largest
}

/// Returns what a bettor wins who bets on both arms.
fn won_beside(rates: Arms<f64>, shares: Arms<f64>, bet_on: Arms<f64>, margin: Margin) -> Winnings {
    let alternatives = Alternatives {
        canary: [bet_on.canary],
        baseline: bet_on.baseline,
    };
    let against = projections(rates, &alternatives, margin);
    let canary = Bets::new(alternatives.canary, against.canary);
    let baseline = Bets::new([bet_on.baseline], against.baseline);
    let [a, b] = streams(rates.canary, shares.canary, canary);
    let [c, d] = streams(rates.baseline, shares.baseline, baseline);
    Winnings::of(&[a, b, c, d])
}

/// Answers of one kind: how many come in a second, and what each brings.
type Stream = (f64, f64);

fn streams(rate: f64, share: f64, bet: Bets<1>) -> [Stream; 2] {
    let one = |hits| bet.growth(Tally { hits, of: 1.0 })[0];
    [(rate * share, one(1.0)), (rate * (1.0 - share), one(0.0))]
}

/// What a bettor wins in a second: its mean, its variance and its third cumulant.
struct Winnings([f64; 3]);

impl Winnings {
    fn of(streams: &[Stream]) -> Self {
        Self([1, 2, 3].map(|power| {
            let one = |(rate, brings): &Stream| rate * brings.powi(power);
            streams.iter().map(one).sum()
        }))
    }

    /// Returns what he has won after `seconds` in all cases but those below the standard normal
    /// number `z`.
    fn in_most(&self, z: f64, seconds: f64) -> f64 {
        let [mean, variance, third] = self.0.map(|cumulant| cumulant * seconds);
        if variance <= 0.0 {
            return mean;
        }
        let deviation = variance.sqrt();
        let skew = third / (variance * deviation);
        mean + deviation * (z + (z * z - 1.0) / 6.0 * skew)
    }
}
