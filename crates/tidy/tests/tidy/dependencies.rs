//! What is built with ours: the rules of `deny.toml` for licences, bans, duplicates and sources.
//!
//! `cargo deny` reads the same file and checks advisories besides, where it is installed and a
//! network is there. Building it takes minutes; this takes a fraction of a second and no network.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::finding::{Finding, expect_none};
use crate::metadata::{Package, everything};
use crate::{spdx, tree};

/// The part of `deny.toml` that is checked here. The others' meaning is `cargo deny`'s own.
#[derive(Deserialize)]
struct Policy {
    licenses: Licenses,
    bans: Bans,
    sources: Sources,
}

#[derive(Deserialize)]
struct Licenses {
    allow: Vec<String>,
}

#[derive(Deserialize)]
struct Bans {
    deny: Vec<Named>,
    /// Old versions that may stay beside the current one.
    skip: Vec<Named>,
}

/// A crate, or one version of it as `name@version`, and why it is listed.
#[derive(Deserialize)]
struct Named {
    #[serde(rename = "crate")]
    name: String,
    reason: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Sources {
    allow_registry: Vec<String>,
}

const POLICY: &str = "deny.toml";

fn check(policy: &Policy, packages: &[Package]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut find = |message| findings.push(Finding::new(POLICY, 0, message));
    let allowed = |licence: &str| policy.licenses.allow.iter().any(|it| it == licence);
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for Package {
        name,
        version,
        license,
        source,
        ..
    } in packages
    {
        let license = license.as_deref().unwrap_or_default();
        if !spdx::is_met(license, &allowed) {
            find(format!(
                "`{name}` {version} has licence `{license}`, which is not allowed: replace it"
            ));
        }
        if let Some(ban) = policy.bans.deny.iter().find(|ban| ban.name == *name) {
            find(format!(
                "`{name}` is banned ({}): `cargo tree -i {name}` shows who asks for it",
                ban.reason
            ));
        }
        if let Some(source) = source
            && !policy
                .sources
                .allow_registry
                .iter()
                .any(|it| source == &format!("registry+{it}"))
        {
            find(format!(
                "`{name}` comes from `{source}`, which is not allowed"
            ));
        }
        let skipped = policy
            .bans
            .skip
            .iter()
            .any(|it| it.name == format!("{name}@{version}"));
        if !skipped {
            versions.entry(name).or_default().push(version);
        }
    }
    for (name, versions) in versions.iter().filter(|(_, versions)| versions.len() > 1) {
        let versions = versions.join(", ");
        find(format!(
            "`{name}` is built in several versions ({versions}): agree on one, or `skip` the old one"
        ));
    }
    for skip in &policy.bans.skip {
        if !packages
            .iter()
            .any(|it| format!("{}@{}", it.name, it.version) == skip.name)
        {
            find(format!(
                "`skip` lists `{}`, which is not built (any more): remove it",
                skip.name
            ));
        }
    }
    findings
}

fn policy() -> Policy {
    let text = std::fs::read_to_string(tree::root().join(POLICY)).expect("deny.toml can be read");
    toml::from_str(&text).expect("deny.toml holds a policy")
}

#[test]
fn what_is_built_with_ours_follows_the_policy() {
    assert!(
        everything().len() > 50,
        "cargo metadata lists what is built with ours"
    );
    expect_none(check(&policy(), everything()));
}

#[test]
fn every_exception_has_a_reason() {
    let Bans { deny, skip } = policy().bans;
    let bare = deny
        .iter()
        .chain(&skip)
        .filter(|it| it.reason.split_whitespace().count() < 3);
    let bare =
        bare.map(|it| Finding::new(POLICY, 0, format!("`{}`: say why in a sentence", it.name)));
    expect_none(bare.collect());
}

#[test]
fn breaches_of_the_policy_are_found() {
    let policy: Policy = toml::from_str(
        r#"
        licenses.allow = ["MIT"]
        bans.deny = [{ crate = "openssl-sys", reason = "a second TLS stack" }]
        bans.skip = [{ crate = "syn@2.0.0", reason = "" }, { crate = "gone@1.0.0", reason = "" }]
        sources.allow-registry = ["https://example.org/index"]
        "#,
    )
    .unwrap();
    let package = |name: &str, version: &str, license: &str, source: &str| {
        serde_json::from_value(serde_json::json!({
            "name": name, "version": version, "license": license, "source": source,
            "dependencies": [], "manifest_path": "",
        }))
        .unwrap()
    };
    let registry = "registry+https://example.org/index";
    let packages: Vec<Package> = vec![
        package("good", "1.0.0", "MIT OR GPL-3.0-only", registry),
        package("syn", "2.0.0", "MIT", registry),
        package("syn", "3.0.0", "MIT", registry),
        package("copyleft", "1.0.0", "GPL-3.0-only", registry),
        package("openssl-sys", "1.0.0", "MIT", registry),
        package("elsewhere", "1.0.0", "MIT", "git+https://example.org/repo"),
        package("twice", "1.0.0", "MIT", registry),
        package("twice", "2.0.0", "MIT", registry),
    ];
    let findings = check(&policy, &packages);
    let found: Vec<&str> = findings
        .iter()
        .filter_map(|finding| finding.message.split('`').nth(1))
        .collect();
    assert_eq!(
        found,
        ["copyleft", "openssl-sys", "elsewhere", "twice", "skip"]
    );
}
