//! Norms of Rust files: their size, their heads, and that each of them is compiled at all.

use std::collections::{BTreeMap, BTreeSet};

use crate::finding::{Finding, expect_none, lines};
use crate::tree;

/// The most lines that a file of production code may have, its tests not counted. Most have 100
/// to 300; the largest file of a project is the one that everybody must edit at once.
const LINES_MAX: usize = 700;

/// Returns the lines of production code with their numbers: the tests at a file's end are left out.
pub(crate) fn production_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut previous = "";
    text.lines()
        .zip(1..)
        .take_while(move |(line, _)| {
            let tests_begin =
                previous == "#[cfg(test)]" && line.starts_with("mod ") && line.ends_with('{');
            previous = line;
            !tests_begin
        })
        .map(|(line, number)| (number, line))
}

/// Says whether a file holds nothing but tests and benchmarks.
pub(crate) fn is_test(path: &str) -> bool {
    path.contains("/tests/") || path.contains("/benches/") || path.ends_with("/tests.rs")
}

fn check_size(path: &str, text: &str) -> Option<Finding> {
    let count = production_lines(text).count();
    (count > LINES_MAX).then(|| {
        let message = format!("{count} lines, {LINES_MAX} at most: split it by the nouns it holds");
        Finding::new(path, LINES_MAX + 1, message)
    })
}

fn check_head(path: &str, text: &str) -> Option<Finding> {
    let head: Vec<&str> = text
        .lines()
        .take_while(|line| line.starts_with("//!"))
        .collect();
    let complete = head.len() >= 3 && head.iter().any(|line| line.contains("Read first"));
    (!complete).then(|| {
        let message = "begin with `//!`: what the crate is, what it deliberately does not do, and \
                       `Read first:` with up to three types";
        Finding::new(path, 1, message)
    })
}

/// Attributes that let a test pass, or be passed over, without showing anything.
const NO_TEST: &[(&str, &str)] = &[
    (
        "#[ignore",
        "a test that is not run shows nothing: have it say why it is skipped",
    ),
    ("#[should_panic", "assert on the value or the error instead"),
];

fn check_attributes(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        for (attribute, remedy) in NO_TEST {
            if line.trim_start().starts_with(attribute) {
                findings.push(Finding::new(
                    path,
                    number,
                    format!("`{attribute}`: {remedy}"),
                ));
            }
        }
    }
    findings
}

/// Finds files that no `mod` names: they would never be compiled, nor their tests be run.
fn forgotten(files: &BTreeMap<&str, &str>) -> Vec<Finding> {
    let mut findings = Vec::new();
    // Files that several targets share are named by where they lie.
    let by_place: BTreeSet<String> = files
        .iter()
        .flat_map(|(path, text)| text.lines().map(move |line| (path, line)))
        .filter_map(|(path, line)| {
            let named = line
                .trim()
                .strip_prefix("#[path = \"")?
                .strip_suffix("\"]")?;
            Some(beside(path, named))
        })
        .collect();
    for path in files.keys() {
        let Some((folder, name)) = path.rsplit_once('/') else {
            continue;
        };
        let stem = name.trim_end_matches(".rs");
        let own_target = matches!(stem, "lib" | "main" | "build")
            || ["tests", "benches", "examples", "bin"]
                .iter()
                .any(|it| folder.ends_with(it))
                && folder.rsplit('/').nth(1) != Some("src");
        if own_target || folder.ends_with("src/bin") {
            continue;
        }
        // `a/b/mod.rs` and `a/b.rs` both are module `b`, which a file of `a` must name.
        let (module, folder) = match (stem, folder.rsplit_once('/')) {
            ("mod", Some((parent, folder))) => (folder, parent),
            _ => (stem, folder),
        };
        let parents = [
            format!("{folder}/mod.rs"),
            format!("{folder}/lib.rs"),
            format!("{folder}/main.rs"),
            format!("{folder}.rs"),
        ];
        let declaration = format!("mod {module};");
        let declared = parents
            .iter()
            .filter_map(|parent| files.get(parent.as_str()))
            .any(|text| {
                text.lines().any(|line| {
                    let line = line.trim();
                    line == declaration
                        || line
                            .strip_suffix(&declaration)
                            .is_some_and(|before| before.starts_with("pub"))
                })
            });
        if !declared && !by_place.contains(*path) {
            let message =
                format!("no file names it: add `mod {module};` to its parent, or remove it");
            findings.push(Finding::new(path, 0, message));
        }
    }
    findings
}

/// Returns the path that a file means by `named`, as seen from its folder.
fn beside(file: &str, named: &str) -> String {
    let mut parts: Vec<&str> = file.split('/').collect();
    parts.pop();
    for part in named.split('/') {
        match part {
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[test]
fn files_are_small() {
    let production = tree::texts("rs").filter(|(path, _)| !is_test(path));
    expect_none(
        production
            .filter_map(|(path, text)| check_size(path, text))
            .collect(),
    );
}

#[test]
fn crates_say_what_they_are() {
    let heads = tree::texts("rs").filter(|(path, _)| path.ends_with("src/lib.rs"));
    expect_none(
        heads
            .filter_map(|(path, text)| check_head(path, text))
            .collect(),
    );
}

#[test]
fn no_test_is_passed_over() {
    expect_none(
        tree::texts("rs")
            .flat_map(|(path, text)| check_attributes(path, text))
            .collect(),
    );
}

#[test]
fn no_file_is_forgotten() {
    expect_none(forgotten(&tree::texts("rs").collect()));
}

#[test]
fn a_long_file_is_found_and_its_tests_do_not_count() {
    let long = "//\n".repeat(LINES_MAX + 1);
    assert!(check_size("a.rs", &long).is_some());
    let tests = format!("fn a() {{}}\n#[cfg(test)]\nmod tests {{\n{long}}}\n");
    assert_eq!(check_size("a.rs", &tests), None);
}

#[test]
fn a_crate_without_a_head_is_found() {
    assert!(check_head("a.rs", "//! Store.\n\nmod log;\n").is_some());
    assert_eq!(
        check_head("a.rs", "//! Store.\n//!\n//! Read first: [`Log`].\n"),
        None
    );
}

#[test]
fn an_ignored_test_is_found() {
    let text = "#[test]\n    #[ignore = \"slow\"]\nfn a() {}\n";
    assert_eq!(lines(&check_attributes("a.rs", text)), [2]);
}

#[test]
fn a_forgotten_file_is_found() {
    let files = BTreeMap::from([
        ("crates/a/src/lib.rs", "mod plan;\npub(crate) mod decide;\n"),
        ("crates/a/src/plan.rs", "mod facts;\n"),
        ("crates/a/src/plan/facts.rs", ""),
        ("crates/a/src/decide/mod.rs", ""),
        ("crates/a/src/left.rs", ""),
        ("crates/a/src/bin/tool.rs", ""),
        ("crates/a/tests/it/main.rs", "mod crash;\n"),
        ("crates/a/tests/it/crash.rs", ""),
        ("crates/a/tests/it/restart.rs", ""),
        (
            "crates/a/benches/append.rs",
            "#[path = \"common/clock.rs\"]\nmod clock;\n",
        ),
        ("crates/a/benches/common/clock.rs", ""),
        ("crates/a/benches/common/left.rs", ""),
        (
            "crates/a/benches/one/main.rs",
            "#[path = \"../common/case.rs\"]\nmod case;\n",
        ),
        ("crates/a/benches/common/case.rs", ""),
        // Another one of the same name is named by nobody.
        ("crates/b/benches/common/case.rs", ""),
    ]);
    let findings = forgotten(&files);
    let found: Vec<_> = findings.iter().map(|f| f.path.as_str()).collect();
    assert_eq!(
        found,
        [
            "crates/a/benches/common/left.rs",
            "crates/a/src/left.rs",
            "crates/a/tests/it/restart.rs",
            "crates/b/benches/common/case.rs"
        ]
    );
}
