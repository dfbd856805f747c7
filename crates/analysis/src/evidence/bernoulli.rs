//! Bets on how often something happens: requests that fail, or that are slow.
//!
//! A bet against a hypothesis multiplies the bettor's capital by the ratio of two probabilities of
//! what was seen: under an alternative, over under the hypothesis. If the hypothesis holds, the
//! factor is 1 or less on average, whatever the alternative was. So a bettor who became rich is
//! evidence against it.

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

/// What one hit and one miss add to the logarithm of the capital that was bet on `alternative`
/// against `hypothesis`, both probabilities strictly between 0 and 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Bet {
    hit: f64,
    miss: f64,
}

impl Bet {
    pub(crate) fn new(alternative: f64, hypothesis: f64) -> Self {
        Self {
            hit: (alternative / hypothesis).ln(),
            // ln((1 - a) / (1 - h)), exact also where both are close to 0.
            miss: ((hypothesis - alternative) / (1.0 - hypothesis)).ln_1p(),
        }
    }

    /// Returns by how much the logarithm of the capital grows.
    pub(crate) fn growth(self, tally: Tally) -> f64 {
        tally.hits * self.hit + (tally.of - tally.hits) * self.miss
    }
}

/// Returns the growth of a bet without working out what a hit adds where there is none.
pub(crate) fn growth(tally: Tally, alternative: f64, hypothesis: f64) -> f64 {
    if tally.hits > 0.0 {
        return Bet::new(alternative, hypothesis).growth(tally);
    }
    tally.of * ((hypothesis - alternative) / (1.0 - hypothesis)).ln_1p()
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

impl Margin {
    /// No worse at all.
    pub(crate) const NONE: Self = Self {
        ratio: 1.0,
        points: 0.0,
    };

    /// Returns what is tolerated of the canary while the baseline has `baseline`.
    pub(crate) fn of(self, baseline: f64) -> f64 {
        self.ratio * baseline + self.points
    }
}

/// Returns the pair of probabilities on the edge of the margin that explains `alternative` best,
/// each arm counting with its number of requests `of` (the canary's greater than 0): the reverse
/// information projection.
///
/// Against this pair, and against no other, is a bet on `alternative` fair to every pair that keeps
/// the margin (Turner, Ly and Gruenwald, "Generic E-variables for exact sequential k-sample tests",
/// 2024; for the half plane by convexity).
pub(crate) fn projection(of: Arms<f64>, alternative: Arms<f64>, margin: Margin) -> Arms<f64> {
    let baseline = project(of, alternative, margin);
    Arms {
        canary: margin.of(baseline),
        baseline,
    }
}

/// After so many halvings nothing is left of any interval.
const STEPS: usize = 200;

/// A step as small as this part of the whole is the last one: the next would be its square.
const CLOSE: f64 = 1e-8;

fn project(of: Arms<f64>, alternative: Arms<f64>, margin: Margin) -> f64 {
    let (c, b) = (alternative.canary, alternative.baseline);
    if margin == Margin::NONE {
        return (of.canary * c + of.baseline * b) / (of.canary + of.baseline);
    }
    // Where the canary would be exactly at the edge of the margin.
    let at_the_edge = (c - margin.points) / margin.ratio;
    let (mut low, mut high) = if c > margin.of(b) {
        (b, at_the_edge)
    } else {
        (at_the_edge.max(0.0), b)
    };
    if of.baseline <= 0.0 {
        return if c > margin.of(b) { high } else { low };
    }
    // The slope of the divergence grows: Newton's steps, kept inside what is left by bisection. Were
    // both divergences squares, the answer would be the mean, so that is where to begin.
    let mean = (of.canary * at_the_edge + of.baseline * b) / (of.canary + of.baseline);
    let mut t = mean.clamp(low, high);
    if t <= low || t >= high {
        t = low + (high - low) / 2.0;
    }
    let (on_canary, on_canary_squared) =
        (of.canary * margin.ratio, of.canary * margin.ratio.powi(2));
    for _ in 0..STEPS {
        let u = margin.of(t);
        let (certain_u, certain_t) = (1.0 / (u * (1.0 - u)), 1.0 / (t * (1.0 - t)));
        let slope = on_canary * (u - c) * certain_u + of.baseline * (t - b) * certain_t;
        let bend_u = (u * u - 2.0 * c * u + c) * certain_u * certain_u;
        let bend_t = (t * t - 2.0 * b * t + b) * certain_t * certain_t;
        let bend = on_canary_squared * bend_u + of.baseline * bend_t;
        if slope > 0.0 {
            high = t;
        } else {
            low = t;
        }
        let next = t - slope / bend;
        if next > low && next < high {
            // Each step doubles the number of digits that are right.
            if (next - t).abs() <= CLOSE * t {
                return next;
            }
            t = next;
        } else if high - low <= 1e-16 * high {
            return t;
        } else {
            t = low + (high - low) / 2.0;
        }
    }
    t
}

/// Returns the growth of a bet on `alternative` against all that keeps `margin`, over one block of
/// both arms. Without a request on the canary nothing was bet.
pub(crate) fn growth_beside(seen: Arms<Tally>, alternative: Arms<f64>, margin: Margin) -> f64 {
    if seen.canary.of <= 0.0 {
        return 0.0;
    }
    let of = Arms {
        canary: seen.canary.of,
        baseline: seen.baseline.of,
    };
    let null = projection(of, alternative, margin);
    let on_canary = growth(seen.canary, alternative.canary, null.canary);
    if seen.baseline.of <= 0.0 {
        return on_canary;
    }
    on_canary + growth(seen.baseline, alternative.baseline, null.baseline)
}

/// Whether the shares that were seen keep the margin themselves. Then no bet against it can have
/// grown on average.
pub(crate) fn keeps(seen: Arms<Tally>, margin: Margin) -> bool {
    seen.baseline.of <= 0.0 || seen.canary.share() <= margin.of(seen.baseline.share())
}
