//! The lines of `leadsman judge`: what the judge is told as JSON, one object a line, and what it
//! says.
//!
//! | line in | meaning |
//! |---|---|
//! | `{"seconds":1,"baseline":ARM}` | before the first step: how the baseline was doing |
//! | `{"step":{"weight":0.05,"baseline_weight":0.95}}` | from here on requests are split like this |
//! | `{"seconds":1,"canary":ARM,"baseline":ARM}` | a closed window; `"reference":ARM` and `"restarts":N` may follow |
//!
//! `ARM` is `{"requests":5,"errors":0,"latency":[[BUCKET,COUNT],...],"over":[N,N]}`, of which
//! `latency` and `over` may be left out. Every line may have a `"t"`, a moment in seconds.

mod cursor;
mod read;
mod write;

pub(crate) use self::read::{Reader, Wrong};
pub(crate) use self::write::write;
