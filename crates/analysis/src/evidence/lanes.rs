//! Arithmetic on one number of each of several bettors.
//!
//! Exponentials and logarithms are worked out here from additions, multiplications and divisions
//! alone. Those are exact to the last bit on every machine, so what was judged once is judged the
//! same anywhere; what a system's own library returns differs from one processor to the next. And
//! lanes side by side cost much less than one after the other.

use std::f64::consts::LOG2_E;

/// The natural logarithm of 2 in two parts, the first so short that its product with a whole number
/// up to 2^32 is exact.
pub(crate) const LN_2_HIGH: f64 = 0.693_147_180_369_123_8;
pub(crate) const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;

/// How many bits of an `f64` are its fraction, and what its exponent is stored more by.
const FRACTION: u32 = 52;
const BIAS: u64 = 1023;

/// 1.5 * 2^52. Added to a whole number below 2^51 it leaves that number in the lowest bits; added to
/// any other it leaves no room for a fraction.
const NO_FRACTION: f64 = 6_755_399_441_055_744.0;

/// Returns the nearest whole number of one below 2^51.
fn nearest(x: f64) -> f64 {
    (x + NO_FRACTION) - NO_FRACTION
}

/// Returns the `f64` of a whole number below 2^52.
fn whole(number: u64) -> f64 {
    const ONE_IN_LAST_PLACE: f64 = 4_503_599_627_370_496.0;
    f64::from_bits(ONE_IN_LAST_PLACE.to_bits() | number) - ONE_IN_LAST_PLACE
}

/// Returns `2^power` for whole numbers between -1022 and 1023.
pub(crate) fn power_of_two(power: f64) -> f64 {
    f64::from_bits((power + (BIAS as f64 + NO_FRACTION)).to_bits() << FRACTION)
}

/// Returns the exponent of a number that is positive and not tiny: 2 to its power is the largest that
/// is not above it.
pub(crate) fn exponent(x: f64) -> f64 {
    whole(x.to_bits() >> FRACTION) - BIAS as f64
}

/// Returns `e^x`, for `x` up to a million million either way, as a number between 0.7 and 1.42 and the
/// power of two that it is to be multiplied by.
///
/// What remains of `x` is at most half of `LN_2`, where a quotient of polynomials (Padé's, of degree
/// 6) is as good as an `f64` can be.
pub(crate) fn exp<const N: usize>(x: [f64; N]) -> ([f64; N], [f64; N]) {
    let (mut mantissa, mut power) = ([0.0; N], [0.0; N]);
    for k in 0..N {
        power[k] = nearest(x[k] * LOG2_E);
        let rest = (x[k] - power[k] * LN_2_HIGH) - power[k] * LN_2_LOW;
        let square = rest * rest;
        let even =
            1.0 + square * (5.0 / 44.0 + square * (1.0 / 792.0 + square * (1.0 / 665_280.0)));
        let odd = rest * (0.5 + square * (1.0 / 66.0 + square * (1.0 / 15_840.0)));
        mantissa[k] = 1.0 + 2.0 * odd / (even - odd);
    }
    (mantissa, power)
}

/// Returns the natural logarithm of `of / over`, both positive and neither tiny.
pub(crate) fn ln_ratio<const N: usize>(of: [f64; N], over: [f64; N]) -> [f64; N] {
    /// Half of what one more in the exponent is, and the bias.
    const ROUND: u64 = (BIAS << FRACTION) + (1 << (FRACTION - 1));
    let mut ln = [0.0; N];
    for k in 0..N {
        // The bits of an `f64` rise about as its logarithm does, so their difference says by which
        // power of two the one is to be brought near the other.
        let bits = of[k].to_bits().wrapping_sub(over[k].to_bits());
        let power = whole(bits.wrapping_add(ROUND) >> FRACTION) - BIAS as f64;
        let near = of[k] * power_of_two(-power);
        // ln(a / b) is twice the inverse hyperbolic tangent of (a - b) / (a + b), at most 0.201 here.
        let part = (near - over[k]) / (near + over[k]);
        ln[k] = (2.0 * artanh(part) + power * LN_2_LOW) + power * LN_2_HIGH;
    }
    ln
}

/// Returns the inverse hyperbolic tangent of a number up to 0.201 either way, by its power series.
fn artanh(x: f64) -> f64 {
    let square = x * x;
    let (two, four) = (square * square, square * square * square * square);
    let low = (1.0 / 3.0 + square * (1.0 / 5.0)) + two * (1.0 / 7.0 + square * (1.0 / 9.0));
    let middle = (1.0 / 11.0 + square * (1.0 / 13.0)) + two * (1.0 / 15.0 + square * (1.0 / 17.0));
    let high = 1.0 / 19.0 + square * (1.0 / 21.0) + two * (1.0 / 23.0);
    let sum = square * (low + four * (middle + four * high));
    x + x * sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The distance of two numbers, in units of the last place of the expected one.
    fn off(found: f64, expected: f64) -> f64 {
        let last_place = expected.abs().next_up() - expected.abs();
        (found - expected).abs() / last_place
    }

    /// Numbers all over an interval, as unlike each other as numbers of a sequence can be.
    fn all_over(from: f64, to: f64) -> impl Iterator<Item = f64> {
        (0..10_000)
            .map(move |i| from + (to - from) * (f64::from(i) * 0.618_033_988_749_894_9).fract())
    }

    #[test]
    fn exponentials_are_those_of_the_library() {
        for x in all_over(-700.0, 700.0)
            .chain(all_over(-1e-3, 1e-3))
            .chain([0.0, 1.0])
        {
            let ([mantissa], [power]) = exp([x]);
            let found = mantissa * power_of_two(power);
            assert!(
                off(found, x.exp()) <= 2.0,
                "{x}: {found} is not {}",
                x.exp()
            );
        }
    }

    #[test]
    fn logarithms_are_those_of_the_library() {
        for x in all_over(1e-9, 4.0)
            .chain(all_over(0.5, 1e9))
            .chain([1.0, 2.0, 0.5])
        {
            let [found] = ln_ratio([x], [1.0]);
            assert!(off(found, x.ln()) <= 2.0, "{x}: {found} is not {}", x.ln());
        }
        for (of, over) in all_over(1e-6, 1.0).zip(all_over(0.3, 1e-7)) {
            let [found] = ln_ratio([of], [over]);
            let expected = (of / over).ln();
            let close = (found - expected).abs() <= 4e-16 * expected.abs().max(1.0);
            assert!(close, "{of} / {over}: {found} is not {expected}");
        }
    }

    #[test]
    fn powers_of_two_are_exact() {
        for power in [-1022, -52, -1, 0, 1, 52, 1023] {
            let power = f64::from(power);
            for times in [1.0, 1.999] {
                let found = exponent(power_of_two(power) * times);
                assert!(found.to_bits() == power.to_bits(), "{found} is not {power}");
            }
        }
    }
}
