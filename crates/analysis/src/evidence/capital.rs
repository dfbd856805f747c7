//! The capital of a bettor: a positive number that may be larger or smaller than any `f64`.

use std::f64::consts::{LN_2, LOG2_E};

/// A number that is not negative, as `mantissa * 2^exponent`.
///
/// A bet multiplies capital by `e^x` with `x` from minus millions to plus thousands, and every
/// moment a little capital is added to it. Logarithms would make each addition cost two
/// transcendental functions; here only the multiplication costs one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Capital {
    /// 0, or from 1 up to but not including 2.
    mantissa: f64,
    exponent: i64,
}

/// The bits of an `f64`'s exponent.
const EXPONENT_BITS: u64 = 0x7ff << 52;
const BIAS: i64 = 1023;

/// `LN_2` in two parts, the first so short that its product with a whole number up to 2^32 is exact.
const LN_2_HIGH: f64 = 0.693_147_180_369_123_8;
const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;

impl Capital {
    /// Nothing: smaller than anything else also by its exponent.
    pub(crate) const NONE: Self = Self {
        mantissa: 0.0,
        exponent: i64::MIN / 2,
    };

    /// Returns the capital of a number that is not negative and, unless 0, not below 1e-300.
    pub(crate) fn new(amount: f64) -> Self {
        Self {
            mantissa: amount,
            exponent: 0,
        }
        .normal()
    }

    /// Multiplies it by `e^x`.
    pub(crate) fn grow(&mut self, x: f64) {
        let powers = nearest(x * LOG2_E);
        let rest = (x - powers * LN_2_HIGH) - powers * LN_2_LOW;
        // The cast saturates; what is that large or small decides anyhow.
        let exponent = self.exponent.saturating_add(powers as i64);
        *self = Self {
            mantissa: self.mantissa * rest.exp(),
            exponent,
        }
        .normal();
    }

    /// Adds other capital.
    pub(crate) fn add(&mut self, other: Self) {
        if other.mantissa == 0.0 {
            return;
        }
        if self.mantissa == 0.0 {
            *self = other;
            return;
        }
        let difference = self.exponent.saturating_sub(other.exponent);
        *self = match difference {
            // What is less than half of the last bit makes no difference.
            64.. => *self,
            ..=-64 => other,
            _ => Self {
                mantissa: self.mantissa + other.mantissa * power_of_two(-difference),
                exponent: self.exponent,
            }
            .normal(),
        };
    }

    /// Returns the sum of shares of several capitals.
    pub(crate) fn sum<const N: usize>(parts: [(Self, f64); N]) -> Self {
        let exponents = parts.iter().map(|(part, _)| part.exponent);
        let largest = exponents.max().unwrap_or_default();
        let mut mantissa = 0.0;
        for (part, share) in parts {
            let less = largest.saturating_sub(part.exponent);
            // What is smaller by more than this makes no difference.
            if less < 1000 {
                mantissa += part.mantissa * share * power_of_two(-less);
            }
        }
        Self {
            mantissa,
            exponent: largest,
        }
        .normal()
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
        let smaller = match (self.mantissa == 0.0, other.mantissa == 0.0) {
            (true, _) => true,
            (false, true) => false,
            _ => (self.exponent, self.mantissa) <= (other.exponent, other.mantissa),
        };
        if smaller { self } else { other }
    }

    /// Returns its natural logarithm; minus infinity of nothing.
    pub(crate) fn ln(self) -> f64 {
        self.mantissa.ln() + self.exponent as f64 * LN_2
    }

    fn normal(self) -> Self {
        if self.mantissa == 0.0 {
            return Self::NONE;
        }
        let bits = self.mantissa.to_bits();
        let shift = ((bits & EXPONENT_BITS) >> 52) as i64 - BIAS;
        Self {
            mantissa: f64::from_bits((bits & !EXPONENT_BITS) | ((BIAS as u64) << 52)),
            exponent: self.exponent + shift,
        }
    }
}

/// Returns the nearest whole number of one below 2^51: adding 1.5 * 2^52 leaves no room for a
/// fraction.
fn nearest(x: f64) -> f64 {
    const NO_FRACTION: f64 = 6_755_399_441_055_744.0;
    (x + NO_FRACTION) - NO_FRACTION
}

/// Returns `2^power` for powers between -1000 and 1000.
fn power_of_two(power: i64) -> f64 {
    f64::from_bits(((BIAS + power) as u64) << 52)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(left: f64, right: f64) -> bool {
        (left - right).abs() <= 1e-13 * right.abs().max(1.0)
    }

    #[test]
    fn logarithms_come_out_as_they_went_in() {
        for x in [0.0, 1.0, -1.0, 0.1, 700.0, -700.0, -7.3e6, 1.9e4, 1e-9] {
            let mut capital = Capital::new(0.5);
            capital.grow(x);
            let expected = x - LN_2;
            assert!(close(capital.ln(), expected), "{x}: {}", capital.ln());
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
            let mut sum = Capital::new(left);
            sum.add(Capital::new(right));
            assert!(close(sum.ln(), f64::ln(left + right)), "{left} + {right}");
        }
        let mut large = Capital::new(1.0);
        large.grow(5e6);
        let mut sum = Capital::new(1.0);
        sum.add(large);
        assert!(close(sum.ln(), 5e6));
        large.add(Capital::new(1.0));
        assert!(close(large.ln(), 5e6));
    }

    #[test]
    fn the_sum_of_shares_is_what_adding_gives() {
        let mut large = Capital::new(0.7);
        large.grow(900.0);
        let mut small = Capital::new(0.7);
        small.grow(-2_000.0);
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
        let mut capital = Capital::new(0.5);
        capital.grow(-1e6);
        capital.add(Capital::new(1e-4));
        assert!(close(capital.ln(), 1e-4_f64.ln()));
        capital.grow(3.0);
        assert!(close(capital.ln(), 3.0 + 1e-4_f64.ln()));
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
