//! Norms of manifests: versions and lints stand in one place, and nothing is asked for in vain.

use std::collections::BTreeSet;

use toml::{Table, Value};

use crate::finding::{Finding, expect_none};
use crate::metadata::members;
use crate::tree;

fn parse(path: &str) -> (String, Table) {
    let text = std::fs::read_to_string(tree::root().join(path)).expect("a manifest can be read");
    let table = text.parse().expect("cargo has read this manifest already");
    (text, table)
}

/// Returns the line that begins with `key`; 0 where there is none.
fn line_of(text: &str, key: &str) -> usize {
    let begins = |line: &str| {
        line.strip_prefix(key)
            .is_some_and(|rest| rest.starts_with(['.', ' ', '=']))
    };
    text.lines().position(begins).map_or(0, |index| index + 1)
}

/// Returns the names and descriptions of every dependency that a manifest lists.
fn dependencies(manifest: &Table) -> Vec<(&str, &Value)> {
    let kinds = ["dependencies", "dev-dependencies", "build-dependencies"];
    let platforms = manifest
        .get("target")
        .and_then(Value::as_table)
        .into_iter()
        .flatten();
    let tables = platforms
        .filter_map(|(_, it)| it.as_table())
        .chain([manifest]);
    tables
        .flat_map(|table| kinds.iter().filter_map(|kind| table.get(*kind)?.as_table()))
        .flatten()
        .map(|(name, value)| (name.as_str(), value))
        .collect()
}

fn inherits(value: Option<&Value>) -> bool {
    value
        .and_then(|it| it.get("workspace"))
        .and_then(Value::as_bool)
        == Some(true)
}

fn check_member(path: &str, text: &str, manifest: &Table) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !inherits(manifest.get("lints")) {
        let message = "add `[lints]` with `workspace = true`: one lint table holds for all";
        findings.push(Finding::new(path, 0, message));
    }
    for (name, value) in dependencies(manifest) {
        if !inherits(Some(value)) {
            let message = format!(
                "`{name}`: write `{name}.workspace = true`, and its version once in the root"
            );
            findings.push(Finding::new(path, line_of(text, name), message));
        }
    }
    findings
}

/// Finds what a manifest asks for and no file of its folder names.
fn unused(path: &str, text: &str, manifest: &Table, sources: &[&str]) -> Vec<Finding> {
    let is_part = |c: char| !(c.is_alphanumeric() || c == '_');
    let words: BTreeSet<&str> = sources
        .iter()
        .flat_map(|source| source.split(is_part))
        .collect();
    let mut findings = Vec::new();
    for (name, _) in dependencies(manifest) {
        if !words.contains(name.replace('-', "_").as_str()) {
            let message = format!("`{name}` is not used in this crate: remove it");
            findings.push(Finding::new(path, line_of(text, name), message));
        }
    }
    findings
}

#[test]
fn members_inherit_versions_and_lints() {
    expect_none(
        members()
            .iter()
            .flat_map(|package| {
                let path = package.manifest();
                let (text, manifest) = parse(&path);
                check_member(&path, &text, &manifest)
            })
            .collect(),
    );
}

#[test]
fn every_dependency_of_a_crate_is_used_in_it() {
    let rust: Vec<(&str, &str)> = tree::texts("rs").collect();
    expect_none(
        members()
            .iter()
            .flat_map(|package| {
                let (path, folder) = (package.manifest(), package.folder());
                let (text, manifest) = parse(&path);
                let own = rust.iter().filter(|(path, _)| path.starts_with(&folder));
                let sources: Vec<&str> = own.map(|(_, source)| *source).collect();
                unused(&path, &text, &manifest, &sources)
            })
            .collect(),
    );
}

#[test]
fn every_dependency_of_the_workspace_is_used_by_a_crate() {
    let (text, root) = parse("Cargo.toml");
    let all = root
        .get("workspace")
        .and_then(|it| it.get("dependencies"))
        .and_then(Value::as_table);
    let all = all.expect("the root lists what its members share");
    let manifests: Vec<Table> = members().iter().map(|it| parse(&it.manifest()).1).collect();
    let used: BTreeSet<&str> = manifests
        .iter()
        .flat_map(dependencies)
        .map(|(name, _)| name)
        .collect();
    let idle = all.keys().filter(|name| !used.contains(name.as_str()));
    expect_none(
        idle.map(|name| {
            let message = format!("no crate uses `{name}`: remove it");
            Finding::new("Cargo.toml", line_of(&text, name), message)
        })
        .collect(),
    );
}

#[test]
fn what_a_manifest_must_not_hold_is_found() {
    let text = "[dependencies]\nserde.workspace = true\ntoml = \"1\"\n";
    let manifest: Table = text.parse().unwrap();
    let findings = check_member("Cargo.toml", text, &manifest);
    let found: Vec<_> = findings.iter().map(|finding| finding.line).collect();
    assert_eq!(found, [0, 3]);

    let findings = unused("Cargo.toml", text, &manifest, &["use serde::Deserialize;"]);
    let found: Vec<_> = findings.iter().map(|finding| finding.line).collect();
    assert_eq!(found, [3]);
}
