//! Bets on how often something happens: requests that fail, or that are slow.
//!
//! A bet against a hypothesis multiplies the bettor's capital by the ratio of two probabilities of
//! what was seen: under an alternative, over under the hypothesis. If the hypothesis holds, the
//! factor is 1 or less on average, whatever the alternative was. So a bettor who became rich is
//! evidence against it.

use super::lanes::ln_ratio;

/// Something for the canary and for the baseline.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Arms<T> {
    pub(crate) canary: T,
    pub(crate) baseline: T,
}

/// How many of how many. Whole numbers, unless what came in bursts counts for less.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Tally {
    /// Those that failed or were slow; at most `of`.
    pub(crate) hits: f64,
    /// All of them.
    pub(crate) of: f64,
}

impl Tally {
    /// Returns it with every request counting for `1 / effect` only.
    pub(crate) fn tempered(self, effect: f64) -> Self {
        Self {
            hits: self.hits / effect,
            of: self.of / effect,
        }
    }

    /// Returns the share of hits.
    fn share(self) -> f64 {
        self.hits / self.of
    }
}

/// What one hit and one miss add to the logarithm of the capital that several bettors put on their
/// alternatives against their hypotheses, all probabilities strictly between 0 and 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Bets<const N: usize> {
    hit: [f64; N],
    miss: [f64; N],
}

impl<const N: usize> Bets<N> {
    pub(crate) fn new(alternatives: [f64; N], hypotheses: [f64; N]) -> Self {
        Self {
            hit: ln_ratio(alternatives, hypotheses),
            miss: of_a_miss(alternatives, hypotheses),
        }
    }

    /// Returns by how much the logarithm of each bettor's capital grows.
    pub(crate) fn growth(&self, tally: Tally) -> [f64; N] {
        let (hits, misses) = (tally.hits, tally.of - tally.hits);
        let mut growth = [0.0; N];
        for k in 0..N {
            growth[k] = hits * self.hit[k] + misses * self.miss[k];
        }
        growth
    }
}

fn of_a_miss<const N: usize>(alternatives: [f64; N], hypotheses: [f64; N]) -> [f64; N] {
    ln_ratio(alternatives.map(|p| 1.0 - p), hypotheses.map(|p| 1.0 - p))
}

/// Returns the growth of bets without working out what a hit adds where there is none.
pub(crate) fn growth<const N: usize>(
    tally: Tally,
    alternatives: [f64; N],
    hypotheses: [f64; N],
) -> [f64; N] {
    if tally.hits > 0.0 {
        return Bets::new(alternatives, hypotheses).growth(tally);
    }
    of_a_miss(alternatives, hypotheses).map(|miss| tally.of * miss)
}

/// Returns the probability whose odds are `times` those of `p`.
pub(crate) fn odds_times(p: f64, times: f64) -> f64 {
    let odds = p / (1.0 - p) * times;
    odds / (1.0 + odds)
}

/// How much worse than the baseline the canary may be: the canary's probability may be `ratio`
/// times the baseline's, plus `points`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Margin {
    pub(crate) ratio: f64,
    pub(crate) points: f64,
}

/// Nothing that is tolerated is surer than this.
const MOST: f64 = 0.999;

impl Margin {
    /// No worse at all.
    pub(crate) const NONE: Self = Self {
        ratio: 1.0,
        points: 0.0,
    };

    /// Returns what is tolerated of the canary while the baseline has `baseline`.
    pub(crate) fn of(self, baseline: f64) -> f64 {
        (self.ratio * baseline + self.points).min(MOST)
    }
}

/// What several bettors take for the truth: the canary's probability is another one for each, the
/// baseline's is the same.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Alternatives<const N: usize> {
    pub(crate) canary: [f64; N],
    pub(crate) baseline: f64,
}

/// Returns, for each alternative, the pair of probabilities on the edge of the margin that explains
/// it best, each arm counting with its number of requests `of` (the canary's greater than 0): the
/// reverse information projection.
///
/// Against this pair, and against no other, is a bet on the alternative fair to every pair that keeps
/// the margin (Turner, Ly and Gruenwald, "Generic E-variables for exact sequential k-sample tests",
/// 2024; for the half plane by convexity).
pub(crate) fn projections<const N: usize>(
    of: Arms<f64>,
    alternatives: &Alternatives<N>,
    margin: Margin,
) -> Arms<[f64; N]> {
    let baseline = project(of, alternatives, margin);
    Arms {
        canary: baseline.map(|p| margin.of(p)),
        baseline,
    }
}

/// Far more steps than it ever takes: six, in what is tested.
const STEPS: usize = 30;

/// A step as small as this part of the whole is the last one: the next would be its square.
const CLOSE: f64 = 1e-8;

/// The divergence of an alternative from a pair on the edge is least where its slope is 0. Multiplied
/// by all denominators, the slope is a cubic in the baseline's probability with a single zero where
/// there can be one; without what is small of the second order it is a quadratic, and from the zero of
/// that Newton's steps lead to the other.
fn project<const N: usize>(
    of: Arms<f64>,
    alternatives: &Alternatives<N>,
    margin: Margin,
) -> [f64; N] {
    let (c, b) = (alternatives.canary, alternatives.baseline);
    if margin == Margin::NONE {
        let all = of.canary + of.baseline;
        return c.map(|c| (of.canary * c + of.baseline * b) / all);
    }
    let Margin { ratio, points } = margin;
    let weight = of.canary * ratio;
    let (mut t, mut low, mut high) = ([0.0; N], [0.0; N], [0.0; N]);
    for k in 0..N {
        // Where the canary would be exactly at the edge of the margin.
        let edge = ((c[k] - points) / ratio).max(0.0);
        (low[k], high[k]) = (edge.min(b), edge.max(b));
        let square = ratio * (weight + of.baseline);
        let linear = weight * (points - c[k]) + of.baseline * (points - ratio * b);
        let constant = of.baseline * b * points;
        let root = (linear * linear + 4.0 * square * constant).sqrt();
        // The one of both ways to write the zero in which nothing cancels.
        let (above, below) = if linear > 0.0 {
            (2.0 * constant, linear + root)
        } else {
            (root - linear, 2.0 * square)
        };
        t[k] = (above / below).clamp(low[k], high[k]);
    }
    for _ in 0..STEPS {
        let mut done = true;
        for k in 0..N {
            let u = ratio * t[k] + points;
            let (v, w) = (t[k] * (1.0 - t[k]), u * (1.0 - u));
            let (from_c, from_b) = (weight * (u - c[k]), of.baseline * (t[k] - b));
            let slope = from_c * v + from_b * w;
            let bend = (weight * v + from_b * (1.0 - 2.0 * u)) * ratio
                + from_c * (1.0 - 2.0 * t[k])
                + of.baseline * w;
            let step = if slope == 0.0 { 0.0 } else { slope / bend };
            let next = (t[k] - step).clamp(low[k], high[k]);
            done &= (next - t[k]).abs() <= CLOSE * t[k];
            t[k] = next;
        }
        if done {
            break;
        }
    }
    t
}

/// Returns the growth of bets on alternatives against all that keeps `margin`, over one block of both
/// arms. Without a request on the canary nothing was bet.
pub(crate) fn growth_beside<const N: usize>(
    seen: Arms<Tally>,
    alternatives: &Alternatives<N>,
    margin: Margin,
) -> [f64; N] {
    if seen.canary.of <= 0.0 {
        return [0.0; N];
    }
    let of = Arms {
        canary: seen.canary.of,
        baseline: seen.baseline.of,
    };
    let null = projections(of, alternatives, margin);
    let mut both = growth(seen.canary, alternatives.canary, null.canary);
    if seen.baseline.of > 0.0 {
        let more = growth(seen.baseline, [alternatives.baseline; N], null.baseline);
        for k in 0..N {
            both[k] += more[k];
        }
    }
    both
}

/// Whether the shares that were seen keep the margin themselves. Then no bet against it can have
/// grown on average.
pub(crate) fn keeps(seen: Arms<Tally>, margin: Margin) -> bool {
    seen.baseline.of <= 0.0 || seen.canary.share() <= margin.of(seen.baseline.share())
}
