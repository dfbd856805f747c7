//! What came of a load.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::threshold::{Held, Latency};

/// The longest latency that is told from longer ones, in microseconds: two hours, twice the
/// longest timeout.
const LONGEST: u64 = 2 * 3_600_000_000;

/// How a request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Failure {
    /// No connection came about.
    Connect,
    /// The connection was made, but not encrypted.
    Tls,
    /// There was no whole answer in time.
    Timeout,
    /// The connection was closed before the answer was whole.
    Closed,
    /// What came was no answer of HTTP.
    Protocol,
    /// The answer's body was longer than allowed.
    TooLong,
    /// The answer had another status than expected.
    Status(u16),
    /// The answer's body did not contain what it should.
    Check,
    /// Too many waited for a connection: it was not made at all.
    NotMade,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::Closed => "closed",
            Self::Protocol => "protocol",
            Self::TooLong => "too long",
            Self::Status(status) => return write!(f, "status {status}"),
            Self::Check => "check",
            Self::NotMade => "not made",
        })
    }
}

/// What was counted of requests.
#[derive(Clone, Debug)]
pub struct Figures {
    /// How long it was counted.
    pub(crate) length: Duration,
    /// Requests that were due.
    pub(crate) requests: u64,
    /// Requests that were begun while it was counted.
    pub(crate) begun: u64,
    /// Requests that were answered, however.
    pub(crate) answers: u64,
    pub(crate) failures: BTreeMap<Failure, u64>,
    /// Bytes of the bodies of answers.
    pub(crate) bytes: u64,
    /// How long answers took, and requests that had none in time, in microseconds.
    pub(crate) latencies: Histogram<u64>,
    /// How much later than due the generator turned to a request, in microseconds.
    pub(crate) late: Histogram<u64>,
    /// Requests that found every connection taken.
    pub(crate) waited: u64,
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST, 3).expect("the bounds are apart, and 3 digits allowed")
}

impl Default for Figures {
    fn default() -> Self {
        Self {
            length: Duration::ZERO,
            requests: 0,
            begun: 0,
            answers: 0,
            failures: BTreeMap::new(),
            bytes: 0,
            latencies: histogram(),
            late: histogram(),
            waited: 0,
        }
    }
}

/// Returns a time as it is counted.
pub(crate) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

impl Figures {
    /// Adds what somebody else counted at the same time.
    pub(crate) fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.begun += other.begun;
        self.answers += other.answers;
        self.bytes += other.bytes;
        self.waited += other.waited;
        for (failure, count) in &other.failures {
            *self.failures.entry(*failure).or_default() += count;
        }
        // Both have the same bounds, within which everything was put.
        let _ = self.latencies.add(&other.latencies);
        let _ = self.late.add(&other.late);
    }

    /// Returns how long it was counted.
    pub fn length(&self) -> Duration {
        self.length
    }

    /// Returns how many requests were due.
    pub fn requests(&self) -> u64 {
        self.requests
    }

    /// Returns how many requests were answered, however.
    pub fn answers(&self) -> u64 {
        self.answers
    }

    /// Returns how many requests failed.
    pub fn errors(&self) -> u64 {
        self.failures.values().sum()
    }

    /// Returns how many requests failed in which way.
    pub fn failures(&self) -> &BTreeMap<Failure, u64> {
        &self.failures
    }

    /// Returns which share of the requests failed; `None` where there was none.
    pub fn error_share(&self) -> Option<f64> {
        let over = self.errors() + self.good();
        (over > 0).then(|| ratio(self.errors(), over))
    }

    /// Returns how many requests were answered as they should be.
    pub fn good(&self) -> u64 {
        let bad: u64 = self
            .failures
            .iter()
            .filter(|(failure, _)| matches!(failure, Failure::Status(_) | Failure::Check))
            .map(|(_, count)| count)
            .sum();
        self.answers.saturating_sub(bad)
    }

    /// Returns how many requests a second were due.
    pub fn asked_rate(&self) -> Option<f64> {
        self.rate(self.requests)
    }

    /// Returns how many requests a second were begun.
    pub fn begun_rate(&self) -> Option<f64> {
        self.rate(self.begun)
    }

    /// Returns how many requests a second were answered as they should be.
    pub fn good_rate(&self) -> Option<f64> {
        self.rate(self.good())
    }

    fn rate(&self, count: u64) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "no load has 2^53 requests")]
        let count = count as f64;
        (!self.length.is_zero()).then(|| count / self.length.as_secs_f64())
    }

    /// Returns how many bytes the bodies of the answers had.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns how many requests found every connection taken.
    pub fn waited(&self) -> u64 {
        self.waited
    }

    /// Returns a latency that stands for many; `None` where nothing was answered.
    pub fn latency(&self, latency: Latency) -> Option<Duration> {
        value(&self.latencies, latency)
    }

    /// Returns how much later than due the generator turned to requests.
    pub fn late(&self, latency: Latency) -> Option<Duration> {
        value(&self.late, latency)
    }
}

fn value(histogram: &Histogram<u64>, latency: Latency) -> Option<Duration> {
    if histogram.is_empty() {
        return None;
    }
    let quantile = |quantile| Duration::from_micros(histogram.value_at_quantile(quantile));
    Some(match latency {
        Latency::Mean => Duration::from_secs_f64(histogram.mean() / 1e6),
        Latency::P50 => quantile(0.5),
        Latency::P90 => quantile(0.9),
        Latency::P95 => quantile(0.95),
        Latency::P99 => quantile(0.99),
        Latency::P999 => quantile(0.999),
        Latency::Max => Duration::from_micros(histogram.max()),
    })
}

#[expect(clippy::cast_precision_loss, reason = "no load has 2^53 requests")]
pub(crate) fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}

/// What came of a load.
#[derive(Clone, Debug)]
pub struct Report {
    /// Of all requests.
    pub all: Figures,
    /// Of each kind of request, by name, in the order of the scenario.
    pub requests: Vec<(String, Figures)>,
    /// What became of the thresholds.
    pub thresholds: Vec<Held>,
    /// Why the figures do not say what they seem to; empty where they do.
    pub invalid: Vec<String>,
    /// What else is to be known.
    pub notes: Vec<String>,
    /// Whether it was ended early.
    pub interrupted: bool,
    /// How many threads made requests.
    pub workers: usize,
}

/// One request of so many may be begun too late, or be turned to late.
const ONE_OF: u64 = 100;

/// So late the generator itself must not be.
const LATE: Duration = Duration::from_millis(10);

/// So many requests may be late however few there are: one moment without processor time is none
/// of a generator that cannot keep up.
const LATE_ALLOWED: u64 = 10;

impl Report {
    /// Says whether every threshold holds, and the figures are valid.
    pub fn holds(&self) -> bool {
        self.is_valid() && self.thresholds.iter().all(|held| held.holds)
    }

    /// Says whether the figures are those of the load that was asked for.
    pub fn is_valid(&self) -> bool {
        self.invalid.is_empty()
    }
}

/// Returns why figures are not those of the load that was asked for, in an open model or with users.
pub(crate) fn invalid(all: &Figures, is_open: bool, connections: usize) -> Vec<String> {
    let mut found = Vec::new();
    if all.requests == 0 {
        found.push("no request was due while it was measured".to_owned());
        return found;
    }
    let missing = all.requests.saturating_sub(all.begun);
    if is_open && missing > (all.requests / ONE_OF).max(1) {
        let (rate, asked) = (
            all.begun_rate().unwrap_or_default(),
            all.asked_rate().unwrap_or_default(),
        );
        let why = if all.waited >= missing {
            format!(
                "the server answered more slowly than requests came, and all {connections} \
                 connections were taken"
            )
        } else {
            "this machine was too slow for that".to_owned()
        };
        found.push(format!(
            "{rate:.0} requests a second were begun, not {asked:.0}: {why}"
        ));
    }
    let late = all.late.count_between(micros(LATE), LONGEST);
    if late > (all.requests / ONE_OF).max(LATE_ALLOWED) {
        found.push(format!(
            "the generator turned to {late} of {} requests {} ms late or more: it had no processor \
             time, and its figures would show that and not the server",
            all.requests,
            LATE.as_millis()
        ));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(requests: u64, begun: u64, waited: u64, late: u64) -> Figures {
        let mut figures = Figures {
            length: Duration::from_secs(1),
            requests,
            begun,
            waited,
            ..Figures::default()
        };
        let _ = figures.late.record_n(50, requests - late);
        let _ = figures.late.record_n(15_000, late);
        figures
    }

    #[test]
    fn figures_of_another_load_than_was_asked_for_are_not_valid() {
        for (requests, begun, waited, late, why) in [
            (1000, 1000, 0, 0, &[][..]),
            (1000, 990, 0, 10, &[]),
            (
                1000,
                989,
                0,
                0,
                &["989 requests a second were begun, not 1000: this machine"],
            ),
            (
                1000,
                500,
                600,
                0,
                &["500 requests a second were begun, not 1000: the server"],
            ),
            (
                1000,
                1000,
                0,
                11,
                &["the generator turned to 11 of 1000 requests 10 ms late"],
            ),
            (5000, 5000, 0, 50, &[]),
            (
                5000,
                5000,
                0,
                51,
                &["the generator turned to 51 of 5000 requests 10 ms late"],
            ),
            (10, 9, 0, 10, &[]),
            (0, 0, 0, 0, &["no request was due while it was measured"]),
        ] {
            let found = invalid(&figures(requests, begun, waited, late), true, 7);
            assert_eq!(found.len(), why.len(), "{found:?}");
            for (found, why) in found.iter().zip(why) {
                assert!(found.starts_with(why), "{found}");
            }
        }
        // Users who wait make fewer requests: that is what they do.
        assert!(invalid(&figures(1000, 500, 0, 0), false, 7).is_empty());
    }
}
