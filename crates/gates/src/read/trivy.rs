//! What Trivy found, as its JSON: weaknesses, settings, secrets, and the licences it saw.

use serde::Deserialize;

use super::error::{ReadError, Wrong};
use super::json::{self, List, Scalar};
use super::limits::Limits;
use crate::facts::{Component, Components, Finding, Findings, Says, Severity, bounded};

#[derive(Deserialize)]
struct Document {
    #[serde(rename = "SchemaVersion", default)]
    version: Scalar,
    #[serde(rename = "ArtifactName", default)]
    artifact: Scalar,
    #[serde(rename = "Results", default)]
    results: List<Target>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Target {
    target: Scalar,
    vulnerabilities: List<Vulnerability>,
    misconfigurations: List<Misconfiguration>,
    secrets: List<Secret>,
    licenses: List<License>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Vulnerability {
    #[serde(rename = "VulnerabilityID")]
    id: Scalar,
    #[serde(rename = "VendorIDs")]
    vendor_ids: List<Scalar>,
    pkg_name: Scalar,
    installed_version: Scalar,
    fixed_version: Scalar,
    severity: Scalar,
    title: Scalar,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Misconfiguration {
    #[serde(rename = "ID")]
    id: Scalar,
    #[serde(rename = "AVDID")]
    other_id: Scalar,
    severity: Scalar,
    title: Scalar,
    status: Scalar,
    cause_metadata: Cause,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Cause {
    start_line: Scalar,
}

/// What was found is not read: nobody wants to keep it.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Secret {
    #[serde(rename = "RuleID")]
    id: Scalar,
    severity: Scalar,
    title: Scalar,
    start_line: Scalar,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct License {
    pkg_name: Scalar,
    name: Scalar,
    file_path: Scalar,
}

pub(super) fn read(text: &str, limits: &Limits) -> Result<Says, ReadError> {
    let targets = if text.trim_start().starts_with('[') {
        // As it was before there was a version.
        json::document::<List<Target>>(text, limits)?
    } else {
        let document: Document = json::document(text, limits)?;
        if document.version.number().is_none() || document.artifact == Scalar::Other {
            let what = "no `SchemaVersion` and `ArtifactName`".to_owned();
            return Err(ReadError::new(Wrong::OtherKind(what)));
        }
        document.results
    };
    let (mut list, mut components) = (Vec::new(), Vec::new());
    for target in &targets.0 {
        let file = bounded(target.target.text(), 300);
        list.extend(target.vulnerabilities.0.iter().map(vulnerability));
        let failed = target.misconfigurations.0.iter();
        let failed = failed.filter(|found| matches!(found.status.text(), "" | "FAIL"));
        list.extend(failed.map(|found| Finding {
            aliases: named([&found.other_id]),
            place: at(&file, &found.cause_metadata.start_line),
            ..made(&found.id, &found.severity, &found.title)
        }));
        list.extend(target.secrets.0.iter().map(|found| Finding {
            place: at(&file, &found.start_line),
            ..made(&found.id, &found.severity, &found.title)
        }));
        components.extend(target.licenses.0.iter().map(|license| {
            let name = match license.pkg_name.text() {
                "" => license.file_path.text(),
                name => name,
            };
            Component {
                name: bounded(name, 200),
                licences: vec![bounded(license.name.text(), 200)],
            }
        }));
    }
    Ok(Says {
        findings: Some(Findings::of(list)),
        components: (!components.is_empty()).then(|| Components::of(components)),
        ..Says::default()
    })
}

fn vulnerability(found: &Vulnerability) -> Finding {
    let name = bounded(found.pkg_name.text(), 200);
    let version = bounded(found.installed_version.text(), 80);
    let made = made(&found.id, &found.severity, &found.title);
    Finding {
        aliases: named(found.vendor_ids.0.iter().take(5)),
        place: format!("{name}@{version}"),
        title: with_way_out(made.title, found.fixed_version.text()),
        ..made
    }
}

/// Adds the version in which it is mended, if there is one.
pub(super) fn with_way_out(title: String, version: &str) -> String {
    match version {
        "" => title,
        version => format!("{title} (mended in {})", bounded(version, 60)),
    }
}

fn made(id: &Scalar, severity: &Scalar, title: &Scalar) -> Finding {
    Finding {
        tool: "trivy".to_owned(),
        id: bounded(id.text(), 200),
        severity: Severity::of_tool(severity.text()),
        title: bounded(title.text(), 300),
        ..Finding::default()
    }
}

fn named<'s>(names: impl IntoIterator<Item = &'s Scalar>) -> Vec<String> {
    let names = names.into_iter().map(|name| bounded(name.text(), 200));
    names.filter(|name| !name.is_empty()).collect()
}

fn at(file: &str, line: &Scalar) -> String {
    match line.count() {
        Some(line) if line > 0 => format!("{file}:{line}"),
        Some(_) | None => file.to_owned(),
    }
}
