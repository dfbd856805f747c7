//! What a report looks like, from how it begins: enough for a hint, and for who does not say it.

use crate::kind::ReportKind;

/// How much of a report is looked at, from its begin and from its end: keys may be sorted.
const LOOKED_AT: usize = 64 << 10;

/// Returns what kind of report the bytes look like; `None` if like none.
pub fn guess(bytes: &[u8]) -> Option<ReportKind> {
    let head = bytes.get(..LOOKED_AT).unwrap_or(bytes);
    let tail = bytes.get(head.len()..).unwrap_or_default();
    let tail = tail.get(tail.len().saturating_sub(LOOKED_AT)..);
    let mut text = String::from_utf8_lossy(head).into_owned();
    text.push_str(&String::from_utf8_lossy(tail.unwrap_or_default()));
    let text = text.trim_start_matches('\u{feff}').trim_start();
    if text.starts_with('<') {
        return xml(text);
    }
    if text.starts_with(['{', '[']) {
        return json(text);
    }
    let is_record = |line: &str| ["TN:", "SF:"].iter().any(|word| line.starts_with(word));
    text.lines()
        .take(20)
        .any(is_record)
        .then_some(ReportKind::Lcov)
}

fn xml(text: &str) -> Option<ReportKind> {
    let has = |word: &str| text.contains(word);
    if has("<testsuite") {
        Some(ReportKind::Junit)
    } else if has("<coverage") && (has("line-rate") || has("lines-valid")) {
        Some(ReportKind::Cobertura)
    } else {
        None
    }
}

fn json(text: &str) -> Option<ReportKind> {
    let has = |key: &str| text.contains(&format!("\"{key}\""));
    if has("bomFormat") || has("CycloneDX") && has("specVersion") {
        Some(ReportKind::Cyclonedx)
    } else if has("runs") && (has("tool") || has("version")) {
        Some(ReportKind::Sarif)
    } else if has("ArtifactName") && has("SchemaVersion") {
        Some(ReportKind::Trivy)
    } else if has("matches") && (has("vulnerability") || text.contains("grype") || has("source")) {
        Some(ReportKind::Grype)
    } else if has("metrics") && (has("http_reqs") || has("iterations") || has("root_group")) {
        Some(ReportKind::K6)
    } else if has(super::load::KIND) {
        Some(ReportKind::Load)
    } else {
        text.contains(|c: char| c.is_ascii_digit())
            .then_some(ReportKind::Numbers)
    }
}
