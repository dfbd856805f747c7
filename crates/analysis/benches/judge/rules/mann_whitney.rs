//! The Mann-Whitney test as Kayenta uses it: an interval for how far two samples lie apart.
//!
//! The Hodges-Lehmann estimate is the median of all differences between a value of the one and a
//! value of the other. The interval's ends are differences too: those at which the number of
//! larger differences is as far from its expectation as the normal approximation allows, with
//! corrections for continuity and for ties. Kayenta searches for these ends with a tolerance of
//! 1e-4; here they are exact.

/// How far the values of one sample lie above those of another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Shift {
    /// The lower end of the two-sided interval of 98 %.
    pub(crate) lower: f64,
    pub(crate) estimate: f64,
}

/// The standard normal distribution's quantile for the upper end of an interval of 98 %.
const Z: f64 = 2.326_347_874_040_841;

/// Returns how far `high` lies above `low`; neither is empty and no value is NaN.
pub(crate) fn shift(high: &[f64], low: &[f64]) -> Shift {
    let mut differences: Vec<f64> = high
        .iter()
        .flat_map(|high| low.iter().map(move |low| high - low))
        .collect();
    differences.sort_unstable_by(f64::total_cmp);
    let pairs = differences.len();
    let middle = (differences[(pairs - 1) / 2] + differences[pairs / 2]) / 2.0;

    let (m, n) = (high.len() as f64, low.len() as f64);
    // Where each sample is one value throughout, Kayenta adds noise in proportion to the value,
    // and there are no ties left unless it is zero.
    let noisy = is_constant(high) && is_constant(low);
    let tied = |values: &[f64]| {
        if noisy && values[0] != 0.0 {
            0.0
        } else {
            ties(values)
        }
    };
    let spread = (m + n + 1.0) - (tied(high) + tied(low)) / ((m + n) * (m + n - 1.0));
    let deviation = (m * n / 12.0 * spread).sqrt();
    // So many differences must be larger than the lower end.
    let larger = (m * n / 2.0 + 0.5 + Z * deviation).ceil();
    let lower = if larger > m * n {
        differences[0]
    } else {
        differences[pairs - larger as usize]
    };
    Shift {
        lower,
        estimate: middle,
    }
}

fn is_constant(values: &[f64]) -> bool {
    values
        .iter()
        .all(|value| value.total_cmp(&values[0]).is_eq())
}

/// Returns the sum of `t^3 - t` over all groups of `t` equal values.
pub(crate) fn ties(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let groups = sorted.chunk_by(|one, other| one.total_cmp(other).is_eq());
    groups
        .map(|group| (group.len() as f64).powi(3) - group.len() as f64)
        .sum()
}
