//! How far the canary is from its baseline, as an interval: to be shown to people, decides nothing.
//!
//! Unlike an interval of a textbook it may be looked at after every window: over all moments together
//! it misses the true difference about as seldom as it says (a confidence sequence from a normal
//! mixture: Robbins, 1970; Waudby-Smith and others, "Time-uniform central limit theory and asymptotic
//! confidence sequences", 2024). That holds the better the more requests there are, which is good
//! enough to look at and not to decide by.

/// How seldom it misses the true difference.
const ALPHA: f64 = 0.01;

/// It is narrowest where the variance of the sum of errors is about this: a few hundred errors.
const TUNED_AT: f64 = 100.0;

/// Errors of so many requests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Errors {
    pub(crate) errors: u64,
    pub(crate) requests: u64,
}

impl Errors {
    fn share(self) -> f64 {
        self.errors as f64 / self.requests as f64
    }

    /// The variance of one request, half a request away from none.
    fn variance(self) -> f64 {
        let share = (self.errors as f64 + 0.5) / (self.requests as f64 + 1.0);
        share * (1.0 - share)
    }
}

/// Returns between which two numbers the canary's share of errors less the baseline's lies, -1 to 1;
/// `None` without requests on both.
pub(crate) fn difference(canary: Errors, baseline: Errors) -> Option<[f64; 2]> {
    if canary.requests == 0 || baseline.requests == 0 {
        return None;
    }
    let requests = canary.requests as f64;
    // What the difference varies by, in errors of the canary.
    let times = requests / baseline.requests as f64;
    let variance = requests * (canary.variance() + times * baseline.variance());
    let half = radius(variance, ALPHA, TUNED_AT) / requests;
    let middle = canary.share() - baseline.share();
    Some([(middle - half).max(-1.0), (middle + half).min(1.0)])
}

/// Returns by how much a sum may be off its mean, at any moment, in all cases but a share of `alpha`;
/// `variance` is that of the sum, and the narrowest radius is where it is `tuned_at`.
pub(crate) fn radius(variance: f64, alpha: f64, tuned_at: f64) -> f64 {
    let twice = -2.0 * alpha.ln();
    let rho = (twice + twice.ln_1p()) / tuned_at;
    let spread = variance * rho + 1.0;
    (2.0 * spread / rho * (spread.sqrt() / alpha).ln()).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(canary: (u64, u64), baseline: (u64, u64)) -> Option<[f64; 2]> {
        let errors = |(errors, requests)| Errors { errors, requests };
        difference(errors(canary), errors(baseline))
    }

    #[test]
    fn it_holds_what_is_seen_and_narrows() {
        let few = of((2, 100), (10, 1_000)).unwrap();
        let many = of((200, 10_000), (1_000, 100_000)).unwrap();
        for [low, high] in [few, many] {
            assert!(low < 0.01 && 0.01 < high, "{low} to {high}");
        }
        assert!(many[0] > 0.0 && many[1] < 0.02, "{many:?}");
        assert!(few[0] < many[0] && many[1] < few[1], "{few:?} {many:?}");
    }

    #[test]
    fn nothing_is_said_of_nothing_and_nothing_impossible_of_little() {
        assert_eq!(of((0, 0), (1, 10)), None);
        assert_eq!(of((1, 10), (0, 0)), None);
        let [low, high] = of((1, 1), (0, 1)).unwrap();
        assert!(low <= -1.0 && high >= 1.0, "{low} to {high}");
    }
}
