//! What `leadsman load --json` prints.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::error::{ReadError, Wrong};
use super::json::{self, List, Scalar};
use super::limits::Limits;
use crate::facts::{Load, Says, bounded};

/// The word that such a document begins with.
pub(super) const KIND: &str = "leadsman-load";

/// The form that is read. A later one would mislead who reads it as this.
const VERSION: u64 = 1;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Document {
    kind: Scalar,
    version: Scalar,
    valid: Scalar,
    invalid: List<Scalar>,
    interrupted: Scalar,
    requests: Scalar,
    error_share: Scalar,
    rate: Option<Rate>,
    latency_ms: Option<BTreeMap<String, Scalar>>,
    thresholds: List<Threshold>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Rate {
    good: Scalar,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Threshold {
    threshold: Scalar,
    holds: Scalar,
}

pub(super) fn read(text: &str, limits: &Limits) -> Result<Says, ReadError> {
    let document: Document = json::document(text, limits)?;
    if document.kind.text() != KIND {
        let what = format!("no `\"kind\": \"{KIND}\"`");
        return Err(ReadError::new(Wrong::OtherKind(what)));
    }
    if document.version.count() != Some(VERSION) {
        let what = format!("another version than {VERSION}, which is the one that is read");
        return Err(ReadError::new(Wrong::OtherKind(what)));
    }
    let took = |name: &str| {
        let latencies = document.latency_ms.as_ref()?;
        latencies.get(name).and_then(Scalar::number)
    };
    let holds = |threshold: &&Threshold| threshold.holds.flag() != Some(true);
    let crossed = document.thresholds.0.iter().filter(holds).take(100);
    let load = Load {
        requests: document.requests.count().unwrap_or_default(),
        rate: document.rate.as_ref().and_then(|rate| rate.good.number()),
        errors: document.error_share.number(),
        mean_ms: took("mean"),
        p50_ms: took("p50"),
        p90_ms: took("p90"),
        p95_ms: took("p95"),
        p99_ms: took("p99"),
        p999_ms: took("p999"),
        max_ms: took("max"),
        invalid: invalid(&document),
        crossed: crossed
            .map(|threshold| bounded(threshold.threshold.text(), 100))
            .collect(),
    };
    Ok(Says {
        load: Some(load),
        ..Says::default()
    })
}

/// Returns why the figures show nothing; `None` if they are those of the load that was asked for.
fn invalid(document: &Document) -> Option<String> {
    if document.interrupted.flag() == Some(true) {
        return Some("it was ended early".to_owned());
    }
    if document.valid.flag() == Some(true) {
        return None;
    }
    let why = document.invalid.0.first().map(Scalar::text);
    Some(bounded(
        why.unwrap_or("it does not say that it is valid"),
        300,
    ))
}
