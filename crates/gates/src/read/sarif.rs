//! Findings, as SARIF 2.1.0.
//!
//! How grave a finding is: the score that its rule has (`security-severity`, as CVSS counts), or else
//! its level: an error is high, a warning medium, a note low.

use serde::Deserialize;

use super::error::{ReadError, Wrong};
use super::json::{self, List, Scalar};
use super::limits::Limits;
use crate::facts::{Finding, Findings, Says, Severity, bounded};

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    version: Scalar,
    runs: Option<List<Run>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Run {
    tool: Tool,
    results: List<Outcome>,
    invocations: List<Invocation>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Tool {
    driver: Component,
    extensions: List<Component>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Component {
    name: Scalar,
    rules: List<Rule>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Rule {
    id: Scalar,
    #[serde(rename = "shortDescription")]
    short: Message,
    #[serde(rename = "defaultConfiguration")]
    configuration: Configuration,
    properties: Properties,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Configuration {
    level: Scalar,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Properties {
    #[serde(rename = "security-severity")]
    score: Scalar,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Message {
    text: Scalar,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Outcome {
    #[serde(rename = "ruleId")]
    rule_id: Scalar,
    #[serde(rename = "ruleIndex")]
    rule_index: Scalar,
    rule: RuleReference,
    level: Scalar,
    kind: Scalar,
    message: Message,
    locations: List<Location>,
    suppressions: List<Suppression>,
    #[serde(rename = "baselineState")]
    baseline: Scalar,
    properties: Properties,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RuleReference {
    id: Scalar,
    index: Scalar,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Location {
    #[serde(rename = "physicalLocation")]
    physical: Physical,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Physical {
    #[serde(rename = "artifactLocation")]
    artifact: Artifact,
    region: Region,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Artifact {
    uri: Scalar,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Region {
    #[serde(rename = "startLine")]
    line: Scalar,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Suppression {
    status: Scalar,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Invocation {
    #[serde(rename = "executionSuccessful")]
    successful: Scalar,
}

pub(super) fn read(text: &str, limits: &Limits) -> Result<Says, ReadError> {
    let document: Document = json::document(text, limits)?;
    let Some(runs) = document.runs else {
        return Err(ReadError::new(Wrong::OtherKind("no `runs`".to_owned())));
    };
    let version = document.version.text();
    if !version.is_empty() && !version.starts_with("2.") {
        let what = format!("version {}; 2.1.0 is read", bounded(version, 20));
        return Err(ReadError::new(Wrong::OtherKind(what)));
    }
    if runs.0.is_empty() {
        let what = "it holds no run of any tool".to_owned();
        return Err(ReadError::new(Wrong::Implausible(what)));
    }
    let mut list = Vec::new();
    let (mut suppressed, mut incomplete) = (0, None);
    for run in runs.0 {
        let tool = bounded(run.tool.driver.name.text(), 60);
        let mut invocations = run.invocations.0.iter();
        if invocations.any(|invocation| invocation.successful.flag() == Some(false)) {
            incomplete = Some(format!("`{tool}` says of itself that it failed"));
        }
        for result in &run.results.0 {
            // What was looked at and is in order is a result, too.
            let is_finding = matches!(result.kind.text(), "" | "fail" | "review" | "open");
            if !is_finding || result.baseline.text() == "absent" {
                continue;
            }
            let mut suppressions = result.suppressions.0.iter();
            if suppressions.any(|s| matches!(s.status.text(), "" | "accepted")) {
                suppressed += 1;
                continue;
            }
            list.push(finding(result, &run.tool, &tool));
        }
    }
    Ok(Says {
        findings: Some(Findings {
            suppressed,
            incomplete,
            ..Findings::of(list)
        }),
        ..Says::default()
    })
}

fn finding(result: &Outcome, tool: &Tool, name: &str) -> Finding {
    let rule = rule(result, tool);
    let id = [&result.rule_id, &result.rule.id]
        .into_iter()
        .chain(rule.map(|rule| &rule.id))
        .map(Scalar::text)
        .find(|id| !id.is_empty());
    let place = result.locations.0.first().map(|location| {
        let uri = bounded(location.physical.artifact.uri.text(), 300);
        match location.physical.region.line.count() {
            Some(line) => format!("{uri}:{line}"),
            None => uri,
        }
    });
    let short = rule.map_or("", |rule| rule.short.text.text());
    let title = match result.message.text.text() {
        "" => short,
        text => text,
    };
    Finding {
        tool: name.to_owned(),
        id: bounded(id.unwrap_or("(no rule)"), 200),
        aliases: Vec::new(),
        severity: severity(result, rule),
        place: place.unwrap_or_default(),
        title: bounded(title, 300),
    }
}

fn rule<'t>(result: &Outcome, tool: &'t Tool) -> Option<&'t Rule> {
    let index = result.rule_index.count().or(result.rule.index.count());
    let id = match result.rule_id.text() {
        "" => result.rule.id.text(),
        id => id,
    };
    let at = index.and_then(|index| tool.driver.rules.0.get(usize::try_from(index).ok()?));
    // An index may count in an extension, which only its name would tell: the id decides.
    if let Some(rule) = at.filter(|rule| id.is_empty() || rule.id.text() == id) {
        return Some(rule);
    }
    let all = [&tool.driver].into_iter().chain(&tool.extensions.0);
    let mut rules = all.flat_map(|component| &component.rules.0);
    rules.find(|rule| !id.is_empty() && rule.id.text() == id)
}

fn severity(result: &Outcome, rule: Option<&Rule>) -> Severity {
    let score = result.properties.score.number();
    let score = score.or_else(|| rule.and_then(|rule| rule.properties.score.number()));
    if let Some(score) = score {
        return Severity::of_score(score);
    }
    let level = match result.level.text() {
        "" => rule.map_or("", |rule| rule.configuration.level.text()),
        level => level,
    };
    match level {
        "error" => Severity::High,
        // What says nothing is a warning: so the standard has it.
        "warning" | "" => Severity::Medium,
        "note" | "none" => Severity::Low,
        _ => Severity::Unknown,
    }
}
