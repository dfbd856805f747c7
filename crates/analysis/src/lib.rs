//! The judge: figures and limits in, a verdict with its numbers out.
//!
//! Pure: it knows no time, no IO and no releases. A window is what was counted in one closed
//! interval; the caller says how long it was and which arm is which.
//!
//! Read first: [`Judge`] (how windows become a verdict), [`Limits`] (what may not be exceeded) and
//! [`Verdict`] (what came of it).

mod edges;
mod evidence;
mod figures;
mod histogram;
mod judge;
mod limits;
mod plausible;
mod verdict;
mod words;

pub use figures::{Figures, Window};
pub use histogram::{BUCKETS, Histogram};
pub use judge::Judge;
pub use limits::{AgainstStable, Limits};
pub use verdict::{Finding, Metric, Outcome, Verdict};
