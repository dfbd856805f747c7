//! Numbers that nobody else has: for naming requests, not for keeping secrets.

use std::cell::Cell;
use std::hash::{BuildHasher as _, RandomState};

/// The generator xoshiro256++, by Blackman and Vigna: its period is so long that two workers, or
/// two machines, do not come across each other's numbers.
pub(super) struct Random([Cell<u64>; 4]);

impl Random {
    /// Returns one that begins anywhere: the library takes its keys from the system.
    pub(super) fn new() -> Self {
        let anything = || RandomState::new().hash_one(0_u8);
        // All zeroes would stay so.
        Self([anything() | 1, anything(), anything(), anything()].map(Cell::new))
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
    fn two_of_them_differ() {
        assert_ne!(Random::new().next(), Random::new().next());
    }
}
