//! The upper edges of the histogram's buckets, in whole nanoseconds.
//!
//! An edge is `0.1 ms * 1.2^(j/8)`. A latency is a whole number of nanoseconds, so it lies at or
//! below an edge exactly if it lies at or below the edge's whole part: integers lose nothing, and
//! finding a bucket needs no logarithm. The table is computed at compile time in integers, so it
//! is the same on every machine.

use crate::histogram::BUCKETS;

/// How many edges there are: the overflow bucket has none.
pub(crate) const EDGES: usize = BUCKETS - 1;

/// The first eight edges, `1e5 ns * 1.2^(i/8)`, with 64 binary places.
const FIRST: [u128; 8] = [
    1_844_674_407_370_955_161_600_000,
    1_887_197_611_632_051_735_843_187,
    1_930_701_055_491_749_363_865_700,
    1_975_207_335_310_961_153_781_634,
    2_020_739_568_339_092_419_218_049,
    2_067_321_404_721_497_205_411_517,
    2_114_977_039_783_729_204_859_362,
    2_163_731_226_598_967_692_255_365,
];

/// The upper edge of every bucket but the last, in nanoseconds, rounded down.
pub(crate) static EDGES_NS: [u64; EDGES] = edges();

const fn edges() -> [u64; EDGES] {
    let mut edges = [0; EDGES];
    let mut row = FIRST;
    let mut bucket = 0;
    while bucket < EDGES {
        edges[bucket] = (row[bucket % 8] >> 64) as u64;
        row[bucket % 8] = row[bucket % 8] * 6 / 5;
        bucket += 1;
    }
    edges
}
