//! What Grype found, as its JSON.

use serde::Deserialize;

use super::error::{ReadError, Wrong};
use super::json::{self, List, Scalar};
use super::limits::Limits;
use super::trivy::with_way_out;
use crate::facts::{Finding, Findings, Says, Severity, bounded};

#[derive(Deserialize)]
struct Document {
    matches: Option<List<Match>>,
    #[serde(rename = "ignoredMatches", default)]
    ignored: List<serde::de::IgnoredAny>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Match {
    vulnerability: Vulnerability,
    #[serde(rename = "relatedVulnerabilities")]
    related: List<Related>,
    artifact: Artifact,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Vulnerability {
    id: Scalar,
    severity: Scalar,
    description: Scalar,
    fix: Fix,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Fix {
    versions: List<Scalar>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Related {
    id: Scalar,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Artifact {
    name: Scalar,
    version: Scalar,
}

pub(super) fn read(text: &str, limits: &Limits) -> Result<Says, ReadError> {
    let document: Document = json::document(text, limits)?;
    let Some(matches) = document.matches else {
        return Err(ReadError::new(Wrong::OtherKind("no `matches`".to_owned())));
    };
    let list = matches.0.iter().map(finding).collect();
    Ok(Says {
        findings: Some(Findings {
            suppressed: document.ignored.0.len() as u64,
            ..Findings::of(list)
        }),
        ..Says::default()
    })
}

fn finding(found: &Match) -> Finding {
    let name = bounded(found.artifact.name.text(), 200);
    let version = bounded(found.artifact.version.text(), 80);
    let id = bounded(found.vulnerability.id.text(), 200);
    let related = found.related.0.iter().take(5);
    let related = related.map(|related| bounded(related.id.text(), 200));
    let title = bounded(found.vulnerability.description.text(), 300);
    let mended = found.vulnerability.fix.versions.0.first();
    Finding {
        tool: "grype".to_owned(),
        aliases: related
            .filter(|other| !other.is_empty() && *other != id)
            .collect(),
        id,
        severity: Severity::of_tool(found.vulnerability.severity.text()),
        place: format!("{name}@{version}"),
        title: with_way_out(title, mended.map_or("", Scalar::text)),
    }
}
