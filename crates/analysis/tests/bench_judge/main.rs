//! The tests of the benchmark `judge`, which is compiled here once more: a benchmark runs no tests
//! itself, and those beside its code would be dead code in it.

#[expect(dead_code, reason = "the benchmark itself is where all of it is used")]
#[path = "../../benches/judge/main.rs"]
mod judge;

mod alias;
mod argo;
mod by_hand;
mod flagger;
mod kayenta;
mod mann_whitney;
mod no_margin;
mod normal;
mod options;
mod ours;
mod tally;
mod traffic;
mod wald;
mod whole;
