//! What a gauge may not exceed.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The limits of one gauge. Those that are `None` are not judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GaugeLimit {
    /// The largest value.
    pub at_most: Option<f64>,
    /// The smallest value.
    pub at_least: Option<f64>,
    /// How much worse than the baseline's the value may be: 0.2 is a fifth of the baseline's.
    pub against_stable: Option<f64>,
    /// Which values are the worse ones in a comparison.
    pub worse: Worse,
    /// For how long a limit must be exceeded, in at least three samples; 0 is at once.
    pub hold: Duration,
    /// For how long its source may fail before that is a source error.
    pub outage: Duration,
}

/// Which values of a gauge are the worse ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Worse {
    /// The larger ones, as for a queue.
    #[default]
    More,
    /// The smaller ones, as for a cache's hits.
    Less,
}

impl GaugeLimit {
    /// For how long a source may fail, unless something else is said.
    pub const OUTAGE: Duration = Duration::from_secs(120);
    /// For how long a limit must be exceeded, unless something else is said.
    pub const HOLD: Duration = Duration::from_secs(30);

    /// Returns a limit that is exceeded by values above `most` over `hold`.
    pub(crate) fn at_most(most: f64, hold: Duration) -> Self {
        Self {
            at_most: Some(most),
            at_least: None,
            against_stable: None,
            worse: Worse::More,
            hold,
            outage: Self::OUTAGE,
        }
    }

    /// Returns a limit that one value above `most` exceeds.
    pub(crate) fn at_once(most: f64) -> Self {
        Self::at_most(most, Duration::ZERO)
    }
}
