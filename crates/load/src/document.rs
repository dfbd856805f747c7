//! A report as programs read it: JSON that is only ever added to.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::report::{Figures, Report};
use crate::scenario::{Model, Scenario, Version};
use crate::threshold::{Latency, Threshold};

/// The version of what is written: raised only when a reader of the one before would be misled.
pub const DOCUMENT_VERSION: u32 = 1;

/// A report as programs read it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// Always `leadsman-load`.
    pub kind: String,
    /// The version of this form.
    pub version: u32,
    /// Whether the figures are valid, it was not interrupted, and every threshold holds.
    pub holds: bool,
    /// Whether the figures are those of the load that was asked for.
    pub valid: bool,
    /// Why they are not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub invalid: Vec<String>,
    /// Whether it was ended early.
    pub interrupted: bool,
    /// What else is to be known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// The server, as a URL without a path.
    pub target: String,
    /// `open` or `closed`.
    pub model: String,
    /// `1.1` or `2`.
    pub http: String,
    /// The most requests a second that were asked for, in an open model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_asked: Option<f64>,
    /// The most users that were asked for, in a closed model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users: Option<f64>,
    /// How long was not measured in the beginning, in seconds.
    pub warm_up_s: f64,
    /// The figures of all requests.
    #[serde(flatten)]
    pub all: DocumentFigures,
    /// How much later than due the generator turned to requests.
    pub late_ms: BTreeMap<String, f64>,
    /// What became of the thresholds.
    pub thresholds: Vec<DocumentThreshold>,
    /// The figures of each kind of request.
    pub by_request: Vec<DocumentRequest>,
}

/// What was counted of requests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DocumentFigures {
    /// How long was measured, in seconds.
    pub measured_s: f64,
    /// Requests that were due.
    pub requests: u64,
    /// Requests that were answered, however.
    pub answers: u64,
    /// Requests that failed.
    pub errors: u64,
    /// Their share, from 0 to 1; `null` where nothing was measured.
    pub error_share: Option<f64>,
    /// How many failed in which way.
    pub errors_by_kind: BTreeMap<String, u64>,
    /// Requests a second that were due, were begun, and were answered as they should be.
    pub rate: DocumentRate,
    /// Latencies by name (`mean`, `p50`, `p90`, `p95`, `p99`, `p999`, `max`), in milliseconds from
    /// the moment on at which a request was due; none where nothing was answered.
    pub latency_ms: BTreeMap<String, f64>,
    /// Bytes of the bodies of answers.
    pub bytes: u64,
    /// Requests that found every connection taken.
    pub waited: u64,
}

/// Requests a second; `null` where nothing was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DocumentRate {
    /// Those that were due.
    pub due: Option<f64>,
    /// Those that were begun in time.
    pub begun: Option<f64>,
    /// Those that were answered as they should be.
    pub good: Option<f64>,
}

/// A threshold and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DocumentThreshold {
    /// As a person reads it, such as `p95 <= 400ms`.
    pub threshold: String,
    /// The value's name.
    pub of: String,
    /// The bound: milliseconds, a share from 0 to 1, or requests a second.
    pub bound: f64,
    /// The value, in the same unit; `null` where nothing was measured.
    pub value: Option<f64>,
    /// Whether it holds.
    pub holds: bool,
}

/// A kind of request and what was counted of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DocumentRequest {
    /// Its name.
    pub name: String,
    /// What was counted.
    #[serde(flatten)]
    pub figures: DocumentFigures,
}

impl Document {
    /// Returns what is written of a report.
    pub fn of(scenario: &Scenario, report: &Report) -> Self {
        let highest = scenario.profile().highest();
        let (model, rate_asked, users) = match &scenario.model {
            Model::Rate(_) => ("open", Some(highest), None),
            Model::Users { .. } => ("closed", None, Some(highest)),
        };
        Self {
            kind: "leadsman-load".to_owned(),
            version: DOCUMENT_VERSION,
            holds: report.holds() && !report.interrupted,
            valid: report.is_valid(),
            invalid: report.invalid.clone(),
            interrupted: report.interrupted,
            notes: report.notes.clone(),
            target: scenario.target.to_string(),
            model: model.to_owned(),
            http: match scenario.version {
                Version::Http1 => "1.1",
                Version::Http2 => "2",
            }
            .to_owned(),
            rate_asked,
            users,
            warm_up_s: scenario.warm_up.as_secs_f64(),
            all: figures(&report.all),
            late_ms: by_name(|latency| report.all.late(latency)),
            thresholds: report
                .thresholds
                .iter()
                .map(|held| {
                    let (bound, factor) = match held.threshold {
                        Threshold::Latency(_, most) => (millis(most), 1000.0),
                        Threshold::Errors(most) => (most, 1.0),
                        Threshold::Rate(least) => (least, 1.0),
                    };
                    DocumentThreshold {
                        threshold: held.threshold.to_string(),
                        of: json_name(held.threshold.name()),
                        bound,
                        value: held.value.map(|value| value * factor),
                        holds: held.holds,
                    }
                })
                .collect(),
            by_request: report
                .requests
                .iter()
                .map(|(name, counted)| DocumentRequest {
                    name: name.clone(),
                    figures: figures(counted),
                })
                .collect(),
        }
    }
}

fn figures(figures: &Figures) -> DocumentFigures {
    let kinds = figures.failures().iter();
    DocumentFigures {
        measured_s: figures.length().as_secs_f64(),
        requests: figures.requests(),
        answers: figures.answers(),
        errors: figures.errors(),
        error_share: figures.error_share(),
        errors_by_kind: kinds
            .map(|(kind, count)| (kind.to_string(), *count))
            .collect(),
        rate: DocumentRate {
            due: figures.asked_rate(),
            begun: figures.begun_rate(),
            good: figures.good_rate(),
        },
        latency_ms: by_name(|latency| figures.latency(latency)),
        bytes: figures.bytes(),
        waited: figures.waited(),
    }
}

fn by_name(of: impl Fn(Latency) -> Option<Duration>) -> BTreeMap<String, f64> {
    let value = |latency: Latency| Some((json_name(latency.name()), millis(of(latency)?)));
    Latency::ALL.into_iter().filter_map(value).collect()
}

/// A dot in a name would look like a step of a path.
fn json_name(name: &str) -> String {
    name.replace('.', "")
}

/// Returns milliseconds with three decimals: what is measured are microseconds.
fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1_000_000.0).round() / 1000.0
}
