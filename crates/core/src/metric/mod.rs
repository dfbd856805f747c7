//! Where the values of a metric come from.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::{EnvironmentId, RevisionId};

mod query;
mod selector;

pub use query::{BadQuery, Query};
pub use selector::{BadSelector, Label, Selector};

/// Where the values of one metric of a service come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MetricSource {
    /// Each instance shows it itself, in the text format of Prometheus.
    Shown(Shown),
    /// Prometheus knows it.
    Queried(Queried),
    /// The runtime measures it of each instance; the largest one counts.
    Measured(Measured),
}

/// A metric that each instance shows by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// Which of the series.
    pub selector: Selector,
    /// The path of the page that shows it.
    pub path: String,
    /// It only grows, so its growth per second is what counts.
    pub counter: bool,
    /// What becomes of several series of one instance; `None`: there may be only one.
    pub series: Option<Fold>,
    /// What becomes of several instances.
    pub instances: Fold,
    /// How often it is read.
    pub every: Duration,
}

/// A metric that Prometheus is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queried {
    /// Where Prometheus is.
    pub server: PrometheusServer,
    /// What it is asked.
    pub query: Query,
    /// How long a window is, each of which gives one value. At least as long as Prometheus takes
    /// from one scrape to the next.
    pub every: Duration,
}

/// Where Prometheus is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrometheusServer {
    /// Its address, such as `http://127.0.0.1:9090`, without a slash at the end.
    pub url: String,
    /// The file that holds the token that it wants; an absolute path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_file: Option<String>,
}

/// What the runtime measures of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measured {
    /// Resident memory, in bytes.
    Memory,
    /// Processor time per second, in cores.
    Cpu,
}

/// What becomes of several values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fold {
    /// The largest one counts.
    Max,
    /// The smallest one counts.
    Min,
    /// They are added up.
    Sum,
    /// They are added up and divided by their number.
    Mean,
}

impl Fold {
    /// Returns what becomes of `values`; `None` of none.
    pub fn of(self, values: impl IntoIterator<Item = f64>) -> Option<f64> {
        let values: Vec<f64> = values.into_iter().collect();
        let largest = values.iter().copied().reduce(f64::max)?;
        let sum = || values.iter().sum::<f64>();
        Some(match self {
            Self::Max => largest,
            Self::Min => values.iter().copied().fold(largest, f64::min),
            Self::Sum => sum(),
            #[expect(clippy::cast_precision_loss, reason = "nobody has 2^53 instances")]
            Self::Mean => sum() / values.len() as f64,
        })
    }
}

/// One of the two revisions that a metric is wanted of.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// Where it runs.
    pub environment: &'a EnvironmentId,
    /// What it is.
    pub revision: &'a RevisionId,
    /// Where its instances accept requests.
    pub instances: &'a [SocketAddr],
}

impl Side<'_> {
    /// Returns a regular expression that matches the addresses of the instances and nothing else.
    /// It needs no escape in any kind of quotes.
    fn pattern(&self) -> String {
        let mut pattern = String::new();
        for address in self.instances {
            if !pattern.is_empty() {
                pattern.push('|');
            }
            for c in address.to_string().chars() {
                if matches!(c, '.' | '[' | ']') {
                    let _infallible = write!(pattern, "[{c}]");
                } else {
                    pattern.push(c);
                }
            }
        }
        pattern
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_values_become_one() {
        for (values, max, min, sum, mean) in [
            (&[2.0] as &[f64], 2.0, 2.0, 2.0, 2.0),
            (&[1.0, 4.0, -2.0], 4.0, -2.0, 3.0, 1.0),
        ] {
            let fold = |fold: Fold| fold.of(values.iter().copied());
            assert_eq!(fold(Fold::Max), Some(max), "{values:?}");
            assert_eq!(fold(Fold::Min), Some(min), "{values:?}");
            assert_eq!(fold(Fold::Sum), Some(sum), "{values:?}");
            assert_eq!(fold(Fold::Mean), Some(mean), "{values:?}");
        }
        assert_eq!(Fold::Sum.of([]), None);
    }
}
