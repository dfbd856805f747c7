//! Numbers that look random, and are the same in every run.

/// A sequence of them (splitmix64).
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        println!("the seed is {seed:#x}");
        Self(seed)
    }

    /// Parts another sequence off, which moves by itself.
    pub(super) fn fork(&mut self) -> Self {
        Self(self.below(u64::MAX))
    }

    /// Returns the next number, from 0 to below `bound`.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}
