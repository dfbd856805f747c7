//! Which of our crates may know which: arrows point down only.

use crate::finding::{Finding, expect_none};
use crate::metadata::{Package, members};
use crate::tree;

/// The arrows, in the words of ARCHITECTURE.md. A crate may leave an arrow unused.
const ARROWS: &[(&str, &[&str])] = &[
    (
        "leadsman",
        &[
            "analysis", "api", "bundle", "core", "engine", "gates", "load", "proxy", "runtime",
            "server", "store",
        ],
    ),
    (
        "server",
        &[
            "analysis", "api", "console", "core", "engine", "gates", "store",
        ],
    ),
    (
        "engine",
        &["analysis", "core", "gates", "proxy", "runtime", "store"],
    ),
    ("console", &["api"]),
    ("store", &["core"]),
    ("runtime", &["core", "deposit", "gates"]),
    ("bundle", &["core"]),
    ("core", &["analysis", "gates"]),
    ("proxy", &["analysis", "deposit"]),
    ("api", &[]),
    ("deposit", &[]),
    ("load", &[]),
    ("analysis", &[]),
    ("gates", &[]),
    // For tests only: it stands in for what the others meet.
    (
        "testkit",
        &[
            "analysis", "api", "core", "engine", "gates", "proxy", "runtime", "server", "store",
        ],
    ),
    // Checks the repository, so it must compile when nothing else does.
    ("tidy", &[]),
    // The example knows nothing of what deploys it.
    ("tide", &[]),
];

/// Returns the short name of one of our packages, as the table has it.
fn short(name: &str) -> &str {
    name.strip_prefix("leadsman-").unwrap_or(name)
}

/// Returns the line of `manifest` on which `dependency` stands; 0 where it is not found.
fn line_of(manifest: &str, dependency: &str) -> usize {
    let found = manifest.lines().position(|line| {
        line.strip_prefix(dependency)
            .is_some_and(|rest| rest.starts_with(['.', ' ', '=']))
    });
    found.map_or(0, |index| index + 1)
}

fn check(packages: &[Package], read: impl Fn(&str) -> String) -> Vec<Finding> {
    let mut findings = Vec::new();
    let ours: Vec<&str> = packages
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    for package in packages {
        let path = package.manifest();
        let from = short(&package.name);
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == from) else {
            findings.push(Finding::new(
                &path,
                0,
                format!("`{from}` has no arrows yet: add it to the table and to ARCHITECTURE.md"),
            ));
            continue;
        };
        let manifest = read(&path);
        for dependency in &package.dependencies {
            let name = dependency.name.as_str();
            if !ours.contains(&name) {
                continue;
            }
            let to = short(name);
            let for_tests = dependency.kind.as_deref() == Some("dev");
            let problem = if to == "testkit" {
                (!for_tests).then(|| "`testkit` is for tests: make it a dev-dependency".to_owned())
            } else {
                (!allowed.contains(&to)).then(|| {
                    format!(
                        "`{from}` must not know `{to}`: pass a value, or move what it needs down"
                    )
                })
            };
            findings.extend(
                problem.map(|message| Finding::new(&path, line_of(&manifest, name), message)),
            );
        }
    }
    findings
}

#[test]
fn arrows_point_down_only() {
    let read = |path: &str| {
        std::fs::read_to_string(tree::root().join(path)).expect("a manifest can be read")
    };
    expect_none(check(members(), read));
}

#[test]
fn an_arrow_up_is_found() {
    let packages = r#"[
        {"name": "leadsman-core", "version": "0.1.0", "manifest_path": "crates/core/Cargo.toml",
         "dependencies": [{"name": "leadsman-store"}, {"name": "serde"}]},
        {"name": "leadsman-store", "version": "0.1.0", "manifest_path": "crates/store/Cargo.toml",
         "dependencies": [{"name": "leadsman-core"}, {"name": "leadsman-testkit", "kind": "dev"}]},
        {"name": "leadsman-testkit", "version": "0.1.0", "dependencies": [],
         "manifest_path": "crates/testkit/Cargo.toml"},
        {"name": "leadsman-api", "version": "0.1.0", "manifest_path": "crates/api/Cargo.toml",
         "dependencies": [{"name": "leadsman-testkit"}]},
        {"name": "leadsman-extra", "version": "0.1.0", "manifest_path": "crates/extra/Cargo.toml",
         "dependencies": []}
    ]"#;
    let packages: Vec<Package> = serde_json::from_str(packages).unwrap();
    let findings = check(&packages, |_| {
        "[dependencies]\nleadsman-store.workspace = true\n".into()
    });
    let found: Vec<_> = findings.iter().map(|f| (f.path.as_str(), f.line)).collect();
    assert_eq!(
        found,
        [
            ("crates/core/Cargo.toml", 2),
            ("crates/api/Cargo.toml", 0),
            ("crates/extra/Cargo.toml", 0)
        ]
    );
}
