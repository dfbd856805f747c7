//! Numbers to name requests by and to choose with; not for keeping secrets.

use std::cell::Cell;
use std::hash::{BuildHasher as _, RandomState};

/// The generator xoshiro256++, by Blackman and Vigna: its period is so long that two workers, or
/// two machines, do not come across each other's numbers.
#[derive(Debug)]
pub(super) struct Random([Cell<u64>; 4]);

impl Random {
    /// Returns one that begins anywhere: the library takes its keys from the system.
    pub(super) fn new() -> Self {
        let anything = || RandomState::new().hash_one(0_u8);
        // All zeroes would stay so.
        Self([anything() | 1, anything(), anything(), anything()].map(Cell::new))
    }

    /// Returns one whose numbers follow from `seed`.
    pub(super) fn of(seed: u64) -> Self {
        // As its authors have it: with SplitMix64.
        let state = [1_u64, 2, 3, 4].map(|step| seed.wrapping_add(step.wrapping_mul(GAMMA)));
        Self(state.map(|bits| Cell::new(mix(bits))))
    }

    pub(super) fn next(&self) -> u64 {
        let [a, b, c, d] = &self.0;
        let next = (a.get().wrapping_add(d.get()))
            .rotate_left(23)
            .wrapping_add(a.get());
        let shifted = b.get() << 17;
        c.set(c.get() ^ a.get());
        d.set(d.get() ^ b.get());
        b.set(b.get() ^ c.get());
        a.set(a.get() ^ d.get());
        c.set(c.get() ^ shifted);
        d.set(d.get().rotate_left(45));
        next
    }

    /// Returns a number below `most`.
    pub(super) fn below(&self, most: usize) -> usize {
        // Multiplied instead of divided.
        let scaled = (u128::from(self.next()) * most as u128) >> 64;
        usize::try_from(scaled).unwrap_or(0)
    }

    /// Returns true in this share of all cases.
    pub(super) fn falls_within(&self, share: f64) -> bool {
        #[expect(
            clippy::cast_precision_loss,
            reason = "53 bits are what a float can hold"
        )]
        let uniform = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        uniform < share
    }
}

/// By how much the states of `SplitMix64` differ: the golden section of all numbers.
const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// Spreads what differs in few bits over all of them (the finaliser of `SplitMix64`). It must
/// stay as it is: users are led to sides by it, too.
pub(super) fn mix(bits: u64) -> u64 {
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_the_generator_that_it_claims_to_be() {
        let random = Random([1, 2, 3, 4].map(Cell::new));
        // By the authors' program, from the same state.
        let known = [
            41_943_041,
            58_720_359,
            3_588_806_011_781_223,
            3_591_011_842_654_386,
        ];
        assert_eq!(known.map(|_| random.next()), known);
    }

    #[test]
    fn two_of_them_differ_but_of_one_seed() {
        assert_ne!(Random::new().next(), Random::new().next());
        assert_ne!(Random::of(1).next(), Random::of(2).next());
        assert_eq!(Random::of(1).next(), Random::of(1).next());
    }

    #[test]
    fn what_falls_within_a_share_is_that_share() {
        let random = Random::of(7);
        let hits = (0..100_000).filter(|_| random.falls_within(0.1)).count();
        assert!((9_600..10_400).contains(&hits), "{hits}");
    }
}
