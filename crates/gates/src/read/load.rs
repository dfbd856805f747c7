//! What `leadsman load --json` prints.

use serde::Deserialize;

use super::error::{ReadError, Wrong};
use super::json::{self, List, Scalar};
use super::limits::Limits;
use crate::facts::{Load, Says, bounded};

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Document {
    requests: Scalar,
    rate: Scalar,
    error_share: Scalar,
    mean_ms: Scalar,
    p50_ms: Scalar,
    p90_ms: Scalar,
    p95_ms: Scalar,
    p99_ms: Scalar,
    p999_ms: Scalar,
    max_ms: Scalar,
    invalid: List<Scalar>,
}

pub(super) fn read(text: &str, limits: &Limits) -> Result<Says, ReadError> {
    let document: Document = json::document(text, limits)?;
    let Some(requests) = document.requests.count() else {
        let what = "no number of `requests`".to_owned();
        return Err(ReadError::new(Wrong::OtherKind(what)));
    };
    let reasons = document.invalid.0.iter().map(Scalar::text);
    let invalid = reasons.map(|reason| bounded(reason, 300)).next();
    let load = Load {
        requests,
        rate: document.rate.number(),
        errors: document.error_share.number(),
        mean_ms: document.mean_ms.number(),
        p50_ms: document.p50_ms.number(),
        p90_ms: document.p90_ms.number(),
        p95_ms: document.p95_ms.number(),
        p99_ms: document.p99_ms.number(),
        p999_ms: document.p999_ms.number(),
        max_ms: document.max_ms.number(),
        invalid,
        crossed: Vec::new(),
    };
    Ok(Says {
        load: Some(load),
        ..Says::default()
    })
}
