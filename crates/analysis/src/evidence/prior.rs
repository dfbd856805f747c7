//! When a regression may begin.
//!
//! A regression may be there from the first request, begin with a step, or at any moment of a soak.
//! A bettor who must guess the moment would miss it, so the capital is divided among all moments
//! beforehand: half of it bets from the start, two tenths wait for later steps (half of what is left
//! at each), three tenths are released over time. What waits is not lost: it counts as it is.
//! Because the shares sum to no more than 1, one bound holds for the whole rollout, however long it
//! is (a Shiryaev-Roberts recursion with a proper prior).

/// The share that bets from the start.
pub(crate) const AT_START: f64 = 0.5;

/// The share for later steps.
const FOR_STEPS: f64 = 0.2;

/// The share that is released over time.
const OVER_TIME: f64 = 0.3;

/// After this many seconds half of [`OVER_TIME`] is released.
const HALF_RELEASED: f64 = 1800.0;

/// Returns the share for the `step`th later step, counted from 1.
pub(crate) fn for_step(step: u32) -> f64 {
    FOR_STEPS * 0.5_f64.powi(i32::try_from(step).unwrap_or(i32::MAX))
}

/// Returns the share that is released between two moments, in seconds since the start.
pub(crate) fn between(from: f64, to: f64) -> f64 {
    released(to) - released(from)
}

/// Returns the share that is released by a moment.
fn released(seconds: f64) -> f64 {
    OVER_TIME * seconds / (seconds + HALF_RELEASED)
}
