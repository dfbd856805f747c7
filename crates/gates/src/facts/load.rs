//! How a release bore load.

use serde::{Deserialize, Serialize};

/// What a load test measured. What it does not say is `None`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Load {
    /// How many requests were sent.
    pub requests: u64,
    /// How many requests were sent in a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// The share of requests that failed, from 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errors: Option<f64>,
    /// How long requests took on average, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean_ms: Option<f64>,
    /// How long at most every second request took, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p50_ms: Option<f64>,
    /// How long at most 90 of 100 requests took, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p90_ms: Option<f64>,
    /// How long at most 95 of 100 requests took, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p95_ms: Option<f64>,
    /// How long at most 99 of 100 requests took, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p99_ms: Option<f64>,
    /// How long at most 999 of 1000 requests took, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p999_ms: Option<f64>,
    /// How long the slowest request took, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_ms: Option<f64>,
    /// Why the figures show nothing, such as that the generator could not keep up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invalid: Option<String>,
    /// The thresholds of the test itself that were crossed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub crossed: Vec<String>,
}

impl Load {
    /// Returns the worse of two results, figure by figure: what holds for it holds for both. What
    /// one of the two does not say is not said.
    pub(crate) fn and(self, other: Self) -> Self {
        let of = |worse: fn(f64, f64) -> f64, one: Option<f64>, other: Option<f64>| {
            one.zip(other).map(|(one, other)| worse(one, other))
        };
        let more = |one, other| of(f64::max, one, other);
        let mut crossed = self.crossed;
        crossed.extend(other.crossed);
        crossed.truncate(100);
        Self {
            requests: self.requests.saturating_add(other.requests),
            rate: of(f64::min, self.rate, other.rate),
            errors: more(self.errors, other.errors),
            mean_ms: more(self.mean_ms, other.mean_ms),
            p50_ms: more(self.p50_ms, other.p50_ms),
            p90_ms: more(self.p90_ms, other.p90_ms),
            p95_ms: more(self.p95_ms, other.p95_ms),
            p99_ms: more(self.p99_ms, other.p99_ms),
            p999_ms: more(self.p999_ms, other.p999_ms),
            max_ms: more(self.max_ms, other.max_ms),
            invalid: self.invalid.or(other.invalid),
            crossed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_results_the_worse_counts() {
        let load = |rate, p95_ms, p99_ms, errors| Load {
            requests: 10,
            rate: Some(rate),
            p95_ms: Some(p95_ms),
            p99_ms,
            errors: Some(errors),
            ..Load::default()
        };
        let both = load(100.0, 20.0, None, 0.0).and(load(50.0, 10.0, Some(9.0), 0.1));
        assert_eq!(
            both,
            Load {
                requests: 20,
                ..load(50.0, 20.0, None, 0.1)
            }
        );
    }
}
