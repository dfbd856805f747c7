//! The capital of a bettor: a positive number that may be larger or smaller than any `f64`.

use super::lanes::{LN_2_HIGH, LN_2_LOW, exp, exponent, ln_ratio, power_of_two};

/// A number that is not negative, as `mantissa * 2^exponent`.
///
/// A bet multiplies capital by `e^x` with `x` from minus millions to plus thousands, and every
/// moment a little capital is added to it. Logarithms would make each addition cost two
/// transcendental functions; here only the multiplication costs one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Capital {
    /// 0, or from 1 up to but not including 2.
    mantissa: f64,
    /// A whole number.
    exponent: f64,
}

/// The capital of several bettors, each more than nothing, side by side.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Capitals<const N: usize> {
    mantissa: [f64; N],
    exponent: [f64; N],
}

/// What is smaller by so many powers of two makes no difference.
const FAR: f64 = 900.0;

/// No bet is decided by more than this, in natural logarithms, and beyond it nothing could be told
/// from nothing.
const MOST_GROWTH: f64 = 1e12;

impl Capital {
    /// Nothing: smaller than anything else also by its exponent.
    pub(crate) const NONE: Self = Self {
        mantissa: 0.0,
        exponent: -1e300,
    };

    /// Returns the capital of a number that is not negative and, unless 0, not below 1e-250.
    pub(crate) fn new(amount: f64) -> Self {
        Self {
            mantissa: amount,
            exponent: 0.0,
        }
        .normal()
    }

    /// Returns the sum of shares of several capitals.
    pub(crate) fn sum<const N: usize>(parts: [(Self, f64); N]) -> Self {
        let capitals = Capitals {
            mantissa: parts.map(|(part, _)| part.mantissa),
            exponent: parts.map(|(part, _)| part.exponent),
        };
        capitals.sum(&parts.map(|(_, share)| share), Self::NONE)
    }

    /// Returns this share of it.
    pub(crate) fn share(self, share: f64) -> Self {
        Self {
            mantissa: self.mantissa * share,
            exponent: self.exponent,
        }
        .normal()
    }

    /// Returns the smaller one.
    pub(crate) fn min(self, other: Self) -> Self {
        let smaller = (self.exponent, self.mantissa) <= (other.exponent, other.mantissa);
        if smaller { self } else { other }
    }

    /// Returns its natural logarithm; minus infinity of nothing.
    pub(crate) fn ln(self) -> f64 {
        let [ln] = Self::ln_of_each([self]);
        ln
    }

    /// Returns the natural logarithm of each.
    pub(crate) fn ln_of_each<const N: usize>(of: [Self; N]) -> [f64; N] {
        let capitals = Capitals {
            mantissa: of.map(|capital| capital.mantissa.max(f64::MIN_POSITIVE)),
            exponent: of.map(|capital| capital.exponent),
        };
        let mut ln = capitals.ln();
        for k in 0..N {
            if of[k].mantissa == 0.0 {
                ln[k] = f64::NEG_INFINITY;
            }
        }
        ln
    }

    fn normal(self) -> Self {
        if self.mantissa == 0.0 {
            return Self::NONE;
        }
        let shift = exponent(self.mantissa);
        Self {
            mantissa: self.mantissa * power_of_two(-shift),
            exponent: self.exponent + shift,
        }
    }
}

impl<const N: usize> Capitals<N> {
    /// Returns what bettors have who begin with the same `amount`, not below 1e-250.
    pub(crate) fn new(amount: f64) -> Self {
        let Capital { mantissa, exponent } = Capital::new(amount);
        Self {
            mantissa: [mantissa; N],
            exponent: [exponent; N],
        }
    }

    /// Multiplies what each has by `e` to the power of its growth.
    pub(crate) fn grow(&mut self, growth: [f64; N]) {
        let (factor, power) = exp(growth.map(|x| x.clamp(-MOST_GROWTH, MOST_GROWTH)));
        for k in 0..N {
            self.mantissa[k] *= factor[k];
            self.exponent[k] += power[k];
        }
        self.normalise();
    }

    /// Gives each the same `amount`, not below 1e-250, in addition.
    pub(crate) fn give(&mut self, amount: f64) {
        for k in 0..N {
            let exponent = self.exponent[k].max(-FAR);
            self.mantissa[k] += amount * power_of_two(-exponent.min(FAR));
            self.exponent[k] = exponent;
        }
        self.normalise();
    }

    /// Returns the sum of a share of each, and something else.
    pub(crate) fn sum(&self, shares: &[f64; N], other: Capital) -> Capital {
        let mut largest = other.exponent;
        for exponent in self.exponent {
            largest = if exponent > largest {
                exponent
            } else {
                largest
            };
        }
        let below = |exponent: f64| power_of_two((exponent - largest).max(-FAR));
        let mut mantissa = other.mantissa * below(other.exponent);
        for k in 0..N {
            mantissa += self.mantissa[k] * shares[k] * below(self.exponent[k]);
        }
        Capital {
            mantissa,
            exponent: largest,
        }
        .normal()
    }

    /// Returns the natural logarithm of what each has.
    pub(crate) fn ln(&self) -> [f64; N] {
        let mut ln = ln_ratio(self.mantissa, [1.0; N]);
        for k in 0..N {
            ln[k] = (ln[k] + self.exponent[k] * LN_2_LOW) + self.exponent[k] * LN_2_HIGH;
        }
        ln
    }

    fn normalise(&mut self) {
        for k in 0..N {
            let shift = exponent(self.mantissa[k]);
            self.mantissa[k] *= power_of_two(-shift);
            self.exponent[k] += shift;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grown(amount: f64, growth: f64) -> Capital {
        let mut capitals = Capitals::<1>::new(amount);
        capitals.grow([growth]);
        capitals.sum(&[1.0], Capital::NONE)
    }

    fn added(left: Capital, right: Capital) -> f64 {
        Capital::sum([(left, 1.0), (right, 1.0)]).ln()
    }

    fn close(left: f64, right: f64) -> bool {
        (left - right).abs() <= 1e-13 * right.abs().max(1.0)
    }

    #[test]
    fn logarithms_come_out_as_they_went_in() {
        for x in [0.0, 1.0, -1.0, 0.1, 700.0, -700.0, -7.3e6, 1.9e4, 1e-9] {
            let found = grown(0.5, x).ln();
            let expected = x - std::f64::consts::LN_2;
            assert!(close(found, expected), "{x}: {found}");
        }
    }

    #[test]
    fn adding_is_adding() {
        for (left, right) in [
            (1.0, 1.0),
            (0.3, 1e-12),
            (1e-12, 0.3),
            (5.0, 0.0),
            (0.0, 5.0),
        ] {
            let sum = added(Capital::new(left), Capital::new(right));
            assert!(close(sum, f64::ln(left + right)), "{left} + {right}");
        }
        let large = grown(1.0, 5e6);
        assert!(close(added(Capital::new(1.0), large), 5e6));
        assert!(close(added(large, Capital::new(1.0)), 5e6));
    }

    #[test]
    fn the_sum_of_shares_is_what_adding_gives() {
        let large = grown(0.7, 900.0);
        let small = grown(0.7, -2_000.0);
        let one = Capital::new(1.0);
        for (parts, expected) in [
            ([(one, 0.25), (one, 0.5)], 0.75_f64.ln()),
            ([(small, 0.5), (one, 0.5)], 0.5_f64.ln()),
            ([(large, 0.5), (one, 0.5)], 900.0 + 0.35_f64.ln()),
            ([(small, 1.0), (Capital::NONE, 1.0)], small.ln()),
        ] {
            let sum = Capital::sum(parts).ln();
            assert!(close(sum, expected), "{sum} is not {expected}");
        }
    }

    #[test]
    fn what_is_almost_nothing_grows_again() {
        let mut capitals = Capitals::<2>::new(0.5);
        capitals.grow([-1e6, 1e6]);
        capitals.give(1e-4);
        let [small, large] = capitals.ln();
        assert!(close(small, 1e-4_f64.ln()) && close(large, 1e6 + 0.5_f64.ln()));
        capitals.grow([3.0, -1e6]);
        let [small, large] = capitals.ln();
        assert!(close(small, 3.0 + 1e-4_f64.ln()) && close(large, 0.5_f64.ln()));
    }

    #[test]
    fn shares_and_the_smaller_one() {
        assert!(close(
            Capital::new(0.7).share(0.36).ln(),
            (0.7_f64 * 0.36).ln()
        ));
        let (small, large) = (Capital::new(0.2), Capital::new(3.0));
        assert_eq!(small.min(large), small);
        assert_eq!(large.min(small), small);
        assert_eq!(large.min(Capital::NONE), Capital::NONE);
        assert!(Capital::NONE.ln() < f64::MIN);
        assert_eq!(Capital::new(3.0).share(0.0), Capital::NONE);
    }
}
