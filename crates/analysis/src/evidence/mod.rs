//! Evidence as money: bets that a fair game would not let grow.
//!
//! To show that a limit is exceeded, bettors with a capital of 1 together bet against its being
//! kept. If it is kept, their capital is 1 or less on average at every moment, so the chance that it
//! ever reaches 100 is at most 1 in 100 (Ville, 1939): however often one looks, however long the
//! rollout lasts, however requests are split. Capital is an *e-value*; its logarithm is reported.
//!
//! Read first: [`bernoulli`] (one bet), [`process`] (several bettors), [`prior`] (when they begin).

#![expect(
    clippy::needless_range_loop,
    reason = "bettors stand in lanes, and a loop over lanes is what the compiler works on at once"
)]

pub(crate) mod bernoulli;
pub(crate) mod capital;
pub(crate) mod gate;
pub(crate) mod lanes;
pub(crate) mod prior;
pub(crate) mod process;
