//! The judge: figures and limits in, a verdict with its numbers out.
//!
//! Pure: it knows no time, no IO and no releases. A window is what was counted in one closed
//! interval; the caller says how long it was and which arm is which.
//!
//! Read first: [`Judge`] (how windows become a verdict), [`Limits`] (what may not be exceeded) and
//! [`Verdict`] (what came of it).

mod comparison;
mod edges;
mod evidence;
mod figures;
mod gauge;
mod histogram;
mod interval;
mod judge;
mod limits;
mod plausible;
pub mod power;
mod told;
pub mod tripwire;
mod verdict;
mod words;

pub use figures::Figures;
pub use gauge::{GaugeLimit, Worse};
pub use histogram::{BUCKETS, Histogram};
pub use judge::{Call, Judge};
pub use limits::{AgainstStable, Limits, Risk};
pub use told::{Failed, History, Sample, Split, Told, Window};
pub use verdict::{Evidence, Finding, Metric, Outcome, Verdict};
