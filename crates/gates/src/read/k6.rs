//! The summary of a load test by k6, in either of its two shapes: that of `--summary-export`, in which
//! the figures stand beside the name of a metric, and that of `handleSummary`, in which they stand
//! below its `values`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::error::{ReadError, Wrong};
use super::json;
use super::limits::Limits;
use crate::facts::{Load, Says, bounded};

#[derive(Deserialize)]
struct Document {
    metrics: Option<BTreeMap<String, BTreeMap<String, Value>>>,
}

pub(super) fn read(text: &str, limits: &Limits) -> Result<Says, ReadError> {
    let document: Document = json::document(text, limits)?;
    let Some(metrics) = document.metrics else {
        return Err(ReadError::new(Wrong::OtherKind("no `metrics`".to_owned())));
    };
    let figure = |metric: &str, figure: &str| {
        let metric = metrics.get(metric)?;
        let values = metric.get("values").and_then(Value::as_object);
        let value = match values {
            Some(values) => values.get(figure),
            None => metric.get(figure),
        };
        value.and_then(Value::as_f64)
    };
    let Some(requests) = figure("http_reqs", "count") else {
        let what = "no metric `http_reqs`: no request over HTTP was sent".to_owned();
        return Err(ReadError::new(Wrong::OtherKind(what)));
    };
    let took = |name| figure("http_req_duration", name);
    // Requests that did not fail are counted as "fails" of this metric: the share is clear.
    let errors = figure("http_req_failed", "rate").or(figure("http_req_failed", "value"));
    let load = Load {
        requests: count(requests),
        rate: figure("http_reqs", "rate"),
        errors,
        mean_ms: took("avg"),
        p50_ms: took("med").or(took("p(50)")),
        p90_ms: took("p(90)"),
        p95_ms: took("p(95)"),
        p99_ms: took("p(99)"),
        p999_ms: took("p(99.9)"),
        max_ms: took("max"),
        invalid: (requests < 1.0).then(|| "no request was sent".to_owned()),
        crossed: crossed(&metrics),
    };
    Ok(Says {
        load: Some(load),
        ..Says::default()
    })
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast of a float saturates, and counts are not below zero"
)]
fn count(number: f64) -> u64 {
    number as u64
}

/// Returns the thresholds that were crossed. The two shapes say it the opposite way: `true` is crossed
/// in the one, `{"ok": true}` is kept in the other.
fn crossed(metrics: &BTreeMap<String, BTreeMap<String, Value>>) -> Vec<String> {
    let mut crossed = Vec::new();
    for (metric, keys) in metrics {
        let thresholds = keys.get("thresholds").and_then(Value::as_object);
        for (condition, state) in thresholds.into_iter().flatten() {
            let ok = state.get("ok").and_then(Value::as_bool);
            if ok.map_or(state.as_bool(), |ok| Some(!ok)) == Some(true) && crossed.len() < 100 {
                crossed.push(format!(
                    "{}: {}",
                    bounded(metric, 100),
                    bounded(condition, 100)
                ));
            }
        }
    }
    crossed
}
