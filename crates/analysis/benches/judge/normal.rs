//! The normal distribution.

/// Returns the chance that a standard normal number is larger than `z`.
pub(crate) fn above(z: f64) -> f64 {
    if z < 0.0 {
        return 1.0 - above(-z);
    }
    // Beyond nine standard deviations there is nothing that a simulation could meet.
    const END: f64 = 9.0;
    if z >= END {
        return 0.0;
    }
    // Simpson's rule; the error is below 1e-9.
    const PARTS: u32 = 600;
    let width = (END - z) / f64::from(PARTS);
    let density = |x: f64| (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt();
    let inner = (1..PARTS).map(|part| {
        let weight = if part % 2 == 1 { 4.0 } else { 2.0 };
        weight * density(z + f64::from(part) * width)
    });
    (density(z) + inner.sum::<f64>() + density(END)) * width / 3.0
}
