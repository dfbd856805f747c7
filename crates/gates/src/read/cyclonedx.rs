//! What a release is made of, as CycloneDX JSON from 1.4 on.

use serde::Deserialize;

use super::error::{ReadError, Wrong};
use super::json::{self, List, Scalar};
use super::limits::Limits;
use crate::facts::{self, Components, Finding, Findings, Says, Severity, bounded};

#[derive(Deserialize)]
struct Document {
    #[serde(rename = "bomFormat", default)]
    format: Scalar,
    #[serde(rename = "specVersion", default)]
    version: Scalar,
    #[serde(default)]
    components: List<Component>,
    vulnerabilities: Option<List<Vulnerability>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Component {
    #[serde(rename = "type")]
    kind: Scalar,
    #[serde(rename = "bom-ref")]
    reference: Scalar,
    group: Scalar,
    name: Scalar,
    version: Scalar,
    licenses: List<Choice>,
    components: List<Self>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Choice {
    license: License,
    expression: Scalar,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct License {
    id: Scalar,
    name: Scalar,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Vulnerability {
    id: Scalar,
    description: Scalar,
    ratings: List<Rating>,
    affects: List<Affected>,
    analysis: Analysis,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Rating {
    severity: Scalar,
    score: Scalar,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Affected {
    r#ref: Scalar,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Analysis {
    state: Scalar,
}

pub(super) fn read(text: &str, limits: &Limits) -> Result<Says, ReadError> {
    let document: Document = json::document(text, limits)?;
    if document.format.text() != "CycloneDX" {
        let what = "no `\"bomFormat\": \"CycloneDX\"`".to_owned();
        return Err(ReadError::new(Wrong::OtherKind(what)));
    }
    let version = document.version.text();
    let minor = version
        .strip_prefix("1.")
        .and_then(|minor| minor.parse().ok());
    if minor.is_none_or(|minor: u32| minor < 4) {
        let what = format!("version {}; 1.4 and later are read", bounded(version, 20));
        return Err(ReadError::new(Wrong::OtherKind(what)));
    }
    let mut list = Vec::new();
    let mut references = std::collections::BTreeMap::new();
    let mut waiting: Vec<&Component> = document.components.0.iter().rev().collect();
    while let Some(component) = waiting.pop() {
        waiting.extend(component.components.0.iter().rev());
        // Files and data of a component are no components to have a licence of their own.
        if matches!(component.kind.text(), "file" | "data") {
            continue;
        }
        let made = made(component);
        references.insert(component.reference.text(), made.name.clone());
        list.push(made);
    }
    let mut suppressed = 0;
    let findings = document.vulnerabilities.map(|vulnerabilities| {
        let mut found = Vec::new();
        for vulnerability in &vulnerabilities.0 {
            let state = vulnerability.analysis.state.text();
            if matches!(
                state,
                "resolved" | "resolved_with_pedigree" | "false_positive" | "not_affected"
            ) {
                suppressed += 1;
                continue;
            }
            let affected = vulnerability.affects.0.iter().map(|affected| {
                let reference = affected.r#ref.text();
                let name = references.get(reference).cloned();
                name.unwrap_or_else(|| bounded(reference, 300))
            });
            let mut places: Vec<String> = affected.collect();
            if places.is_empty() {
                places.push(String::new());
            }
            found.extend(
                places
                    .into_iter()
                    .map(|place| finding(vulnerability, place)),
            );
        }
        found
    });
    Ok(Says {
        components: Some(Components::of(list)),
        findings: findings.map(|found| Findings {
            suppressed,
            ..Findings::of(found)
        }),
        ..Says::default()
    })
}

fn made(component: &Component) -> facts::Component {
    let mut name = bounded(component.name.text(), 200);
    let group = component.group.text();
    if !group.is_empty() {
        name = format!("{}/{name}", bounded(group, 100));
    }
    let version = component.version.text();
    if !version.is_empty() {
        name = format!("{name}@{}", bounded(version, 80));
    }
    facts::Component {
        name,
        licences: licences(&component.licenses.0),
    }
}

fn licences(choices: &[Choice]) -> Vec<String> {
    let is_known = |choice: &Choice| {
        let words = [&choice.expression, &choice.license.id];
        words.iter().any(|word| !word.text().is_empty())
    };
    let any_known = choices.iter().any(is_known);
    let said = choices.iter().take(50).map(|choice| {
        let words = [&choice.expression, &choice.license.id, &choice.license.name];
        let mut words = words.into_iter().map(Scalar::text);
        let word = words.find(|word| !word.is_empty()).unwrap_or_default();
        bounded(word, 300)
    });
    // A category of Python's index beside a licence that is known by its id says the same, vaguely.
    let is_vague = |word: &str| any_known && word.starts_with("License :: ");
    said.filter(|word| !(word.is_empty() || is_vague(word)))
        .collect()
}

fn finding(vulnerability: &Vulnerability, place: String) -> Finding {
    let ratings = vulnerability.ratings.0.iter().map(|rating| {
        match Severity::of_tool(rating.severity.text()) {
            Severity::Unknown => rating
                .score
                .number()
                .map_or(Severity::Unknown, Severity::of_score),
            known => known,
        }
    });
    Finding {
        tool: "cyclonedx".to_owned(),
        id: bounded(vulnerability.id.text(), 200),
        aliases: Vec::new(),
        severity: ratings.max().unwrap_or_default(),
        place,
        title: bounded(vulnerability.description.text(), 300),
    }
}
