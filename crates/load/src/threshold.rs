//! What must hold of the figures.

use std::fmt;
use std::time::Duration;

use crate::report::Figures;

/// A value of the figures and the bound that it must keep.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Threshold {
    /// Answers take at most so long.
    Latency(Latency, Duration),
    /// At most this share of requests fails, 1 being all.
    Errors(f64),
    /// At least so many requests a second are answered as they should be.
    Rate(f64),
}

/// A latency that stands for many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Latency {
    /// The mean.
    Mean,
    /// The median.
    P50,
    /// Nine of ten are no longer.
    P90,
    /// 95 of 100 are no longer.
    P95,
    /// 99 of 100 are no longer.
    P99,
    /// 999 of 1000 are no longer.
    P999,
    /// The longest.
    Max,
}

impl Latency {
    /// Every one.
    pub const ALL: [Self; 7] = [
        Self::Mean,
        Self::P50,
        Self::P90,
        Self::P95,
        Self::P99,
        Self::P999,
        Self::Max,
    ];

    /// Returns its name in thresholds and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::P50 => "p50",
            Self::P90 => "p90",
            Self::P95 => "p95",
            Self::P99 => "p99",
            Self::P999 => "p99.9",
            Self::Max => "max",
        }
    }
}

/// A threshold and what became of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Held {
    /// The threshold.
    pub threshold: Threshold,
    /// What the value was: seconds, a share, or requests a second; `None` where nothing was
    /// measured.
    pub value: Option<f64>,
    /// Whether the threshold holds. Nothing that was not measured holds.
    pub holds: bool,
}

impl Threshold {
    /// Returns the name of its value.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Latency(latency, _) => latency.name(),
            Self::Errors(_) => "errors",
            Self::Rate(_) => "rate",
        }
    }

    /// Holds it against figures.
    pub fn judge(self, figures: &Figures) -> Held {
        let (value, holds) = match self {
            Self::Latency(latency, most) => {
                let value = figures.latency(latency);
                (
                    value.map(|value| value.as_secs_f64()),
                    value.is_some_and(|value| value <= most),
                )
            }
            Self::Errors(most) => {
                let value = figures.error_share();
                (value, value.is_some_and(|value| value <= most))
            }
            Self::Rate(least) => {
                let value = figures.good_rate();
                (value, value.is_some_and(|value| value >= least))
            }
        };
        Held {
            threshold: self,
            value,
            holds,
        }
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name();
        match self {
            Self::Latency(_, most) => {
                write!(f, "{name} <= {}ms", number(most.as_secs_f64() * 1000.0))
            }
            Self::Errors(most) => write!(f, "{name} <= {}%", number(most * 100.0)),
            Self::Rate(least) => write!(f, "{name} >= {}/s", number(*least)),
        }
    }
}

/// Returns a number with at most four decimals.
fn number(value: f64) -> String {
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
