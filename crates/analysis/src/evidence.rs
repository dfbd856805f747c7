//! How strongly counts speak against a limit.
//!
//! A limit on a share is a line: at most so many of all requests. The evidence against it is the
//! logarithm of how much better the counts are explained by the shares that were seen than by any
//! shares that keep the limit (the likelihood ratio, in nats). It is 0 as long as the share that
//! was seen keeps the limit, and grows in proportion to the requests once it does not. One error
//! says little, five out of five say a lot, and a stable side without any error needs no special
//! treatment.
//!
//! Why not a normal approximation: at five requests it is wrong by orders of magnitude, and five
//! requests are what a plain failure should cost.

/// Evidence from which on a limit counts as shown to be exceeded: the counts are 22,000 times
/// (`e^10`) better explained by an exceeded limit than by a kept one.
///
/// So high because it is looked at every second; `tests/it/simulation.rs` measures what this gives.
pub(crate) const SHOWN: f64 = 10.0;

/// How many of how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Those that were errors, or slow; at most `of`.
    pub(crate) hits: u64,
    /// All of them.
    pub(crate) of: u64,
}

impl Tally {
    /// Returns the share of hits, 0 to 1; `None` of nothing.
    pub(crate) fn share(self) -> Option<f64> {
        (self.of > 0).then(|| self.hits as f64 / self.of as f64)
    }

    /// Returns the log-likelihood that is lost by assuming the share `assumed` instead of the one
    /// that was seen; at least 0, infinite where `assumed` rules out what was seen.
    fn loss(self, assumed: f64) -> f64 {
        let part = |count: u64, assumed: f64| {
            if count == 0 {
                return 0.0;
            }
            let seen = count as f64 / self.of as f64;
            count as f64 * (seen / assumed.max(0.0)).ln()
        };
        (part(self.hits, assumed) + part(self.of - self.hits, 1.0 - assumed)).max(0.0)
    }
}

/// Returns the evidence that the share behind `canary` exceeds `limit`.
pub(crate) fn above_limit(canary: Tally, limit: f64) -> f64 {
    match canary.share() {
        Some(share) if share > limit => canary.loss(limit),
        _ => 0.0,
    }
}

/// Returns the evidence that the share behind `canary` exceeds the one behind `stable` by more
/// than `margin`, 0 to 1.
pub(crate) fn above_stable(canary: Tally, stable: Tally, margin: f64) -> f64 {
    let (Some(ours), Some(theirs)) = (canary.share(), stable.share()) else {
        return 0.0;
    };
    let margin = margin.max(0.0);
    if ours <= theirs + margin {
        return 0.0;
    }
    let sizes = (canary.of as f64, stable.of as f64);
    let theirs = most_likely_on_the_line(sizes, (ours, theirs), margin);
    canary.loss((theirs + margin).min(1.0)) + stable.loss(theirs)
}

/// Returns the stable share that explains both sides best if the canary's is larger by exactly
/// `margin`, although it was seen to be larger by more. Pairs are (canary, stable).
///
/// The loss is convex along that line, so bisection of its slope finds the least; it ends when
/// the interval cannot be halved any more: after some sixty steps, or a thousand if that is at 0.
fn most_likely_on_the_line(sizes: (f64, f64), shares: (f64, f64), margin: f64) -> f64 {
    let slope = |stable: f64| {
        let canary = stable + margin;
        sizes.0 * (canary - shares.0) / (canary * (1.0 - canary))
            + sizes.1 * (stable - shares.1) / (stable * (1.0 - stable))
    };
    let (mut low, mut high) = (shares.1, shares.0 - margin);
    loop {
        let middle = low + (high - low) / 2.0;
        if middle <= low || middle >= high {
            return middle;
        }
        if slope(middle) < 0.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Counts = (u64, u64);

    fn tally(hits: u64, of: u64) -> Tally {
        Tally { hits, of }
    }

    fn close(left: f64, right: f64, tolerance: f64) -> bool {
        (left - right).abs() <= tolerance * right.abs().max(1e-300)
    }

    /// Errors, requests, the limit, and the evidence with 50 decimal places, rounded.
    const ABOVE_LIMIT: [(u64, u64, f64, f64); 6] = [
        (1, 1, 0.05, 2.995_732_273_553_991),
        (4, 4, 0.05, 11.982_929_094_215_963),
        (7, 100, 0.05, 0.376_507_600_750_995_04),
        (3, 3, 0.01, 13.815_510_557_964_274),
        (80, 1_000, 0.05, 8.079_040_952_278_362),
        (51_000, 1_000_000, 0.05, 10.460_492_664_103_21),
    ];

    /// Errors and requests of the canary and of stable, the margin, and the evidence with 50
    /// decimal places and a search that knows no slope, rounded.
    const ABOVE_STABLE: [(Counts, Counts, f64, f64); 6] = [
        ((5, 5), (0, 95), 0.01, 18.856_491_249_270_448),
        ((1, 1), (0, 19), 0.01, 3.771_298_249_854_089_7),
        ((8, 8), (0, 8), 0.01, 10.931_149_595_308_435),
        ((5, 5), (5, 96), 0.0, 12.971_084_452_284_972),
        ((14, 267), (5, 5_073), 0.01, 10.936_895_528_320_811),
        ((300, 10_000), (150, 10_000), 0.01, 2.898_731_495_549_289_8),
    ];

    #[test]
    fn the_most_likely_shares_on_the_line_are_the_projection() {
        // Sizes and shares of both sides, the margin, and the stable share of the projection as
        // another program computed it.
        for (sizes, shares, margin, expected) in [
            ((5.0, 95.0), (0.98, 0.001), 0.01, 0.040_673_036_195_295_546),
            (
                (5.0, 95.0),
                (0.02, 0.001),
                0.01,
                0.001_045_045_012_060_171_7,
            ),
            ((50.0, 50.0), (0.08, 0.02), 0.01, 0.042_498_170_571_351_135),
            ((7.5, 31.25), (0.3, 0.05), 0.0, 0.098_387_096_774_193_55),
            ((1.0, 9.0), (0.9167, 0.011), 0.01, 0.093_535_501_077_907_47),
            (
                (500_000.0, 500_000.0),
                (0.0146, 0.001),
                0.01,
                0.001_396_522_883_738_480_3,
            ),
            ((98.0, 2.0), (0.03, 0.01), 0.01, 0.019_704_484_449_262_08),
        ] {
            let found = most_likely_on_the_line(sizes, shares, margin);
            assert!(close(found, expected, 1e-12), "{found} is not {expected}");
        }
    }

    #[test]
    fn evidence_against_a_limit_is_the_likelihood_ratio() {
        for (hits, of, limit, expected) in ABOVE_LIMIT {
            let found = above_limit(tally(hits, of), limit);
            assert!(
                close(found, expected, 1e-9),
                "{hits} of {of} against {limit}: {found}"
            );
        }
    }

    #[test]
    fn evidence_against_stable_is_the_likelihood_ratio() {
        for (canary, stable, margin, expected) in ABOVE_STABLE {
            let found = above_stable(tally(canary.0, canary.1), tally(stable.0, stable.1), margin);
            assert!(
                close(found, expected, 1e-9),
                "{canary:?} {stable:?} {margin}: {found}"
            );
        }
    }

    #[test]
    fn what_keeps_the_limit_is_no_evidence() {
        assert_eq!(above_limit(tally(5, 100), 0.05).to_bits(), 0);
        assert_eq!(above_limit(tally(0, 0), 0.05).to_bits(), 0);
        assert_eq!(above_limit(tally(1, 1), f64::NAN).to_bits(), 0);
        assert_eq!(
            above_stable(tally(1, 100), tally(0, 100), 0.01).to_bits(),
            0
        );
        assert_eq!(above_stable(tally(9, 9), tally(0, 0), 0.01).to_bits(), 0);
        assert_eq!(above_stable(tally(0, 0), tally(9, 9), 0.01).to_bits(), 0);
        assert_eq!(above_stable(tally(9, 9), tally(0, 90), 1.0).to_bits(), 0);
    }

    #[test]
    fn where_nothing_is_tolerated_one_is_too_many() {
        assert!(above_limit(tally(1, 1_000_000), 0.0).is_infinite());
    }

    #[test]
    fn a_plain_failure_is_shown_by_few_requests() {
        // Every request fails: against 5 %, and against a stable side without errors.
        assert!(above_limit(tally(3, 3), 0.05) < SHOWN);
        assert!(above_limit(tally(4, 4), 0.05) >= SHOWN);
        assert!(above_stable(tally(3, 3), tally(0, 57), 0.01) >= SHOWN);
        assert!(above_stable(tally(8, 8), tally(0, 8), 0.01) >= SHOWN);
        // One error in one request shows nothing.
        assert!(above_stable(tally(1, 1), tally(0, 1_000_000), 0.01) < SHOWN);
    }
}
