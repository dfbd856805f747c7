//! Every error code that a user may meet has a page that explains it, and no page is left over.

use std::collections::BTreeMap;

use crate::finding::{Finding, expect_none};
use crate::rust_files::{is_test, production_lines};
use crate::tree;

/// Where the pages are, each named by its code.
const PAGES: &str = "docs/errors/";

/// Returns the codes in a line of Rust: string literals of one capital and three digits.
fn codes(line: &str) -> impl Iterator<Item = &str> {
    let code = line.split("//").next().unwrap_or_default();
    code.split('"').filter(|literal| is_code(literal))
}

fn is_code(word: &str) -> bool {
    let letter = word.starts_with(|c: char| c.is_ascii_uppercase());
    letter && word.len() == 4 && word.bytes().skip(1).all(|byte| byte.is_ascii_digit())
}

fn check<'a>(
    sources: impl Iterator<Item = (&'a str, &'a str)>,
    pages: &BTreeMap<&str, &str>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut used: BTreeMap<&str, (&str, usize)> = BTreeMap::new();
    for (path, text) in sources {
        for (number, line) in production_lines(text) {
            for code in codes(line) {
                used.entry(code).or_insert((path, number));
            }
        }
    }
    for (code, (path, line)) in &used {
        if !pages.contains_key(code) {
            let message = format!(
                "no page for `{code}`: write {PAGES}{code}.md (what happened, why, what to do)"
            );
            findings.push(Finding::new(path, *line, message));
        }
    }
    for (code, text) in pages {
        let path = format!("{PAGES}{code}.md");
        if !used.contains_key(code) {
            findings.push(Finding::new(&path, 0, "no code uses this page: remove it"));
        }
        let titled = text
            .strip_prefix("# ")
            .is_some_and(|title| title.starts_with(code));
        if !titled {
            findings.push(Finding::new(&path, 1, format!("begin with `# {code}`")));
        }
    }
    findings
}

#[test]
fn every_error_code_has_its_page() {
    let sources = tree::texts("rs").filter(|(path, _)| path.contains("/src/") && !is_test(path));
    let pages = tree::texts("md").filter_map(|(path, text)| {
        let code = path.strip_prefix(PAGES)?.strip_suffix(".md")?;
        is_code(code).then_some((code, text))
    });
    expect_none(check(sources, &pages.collect()));
}

#[test]
fn missing_and_left_over_pages_are_found() {
    let sources = [
        (
            "a.rs",
            "Self::Paused => \"R005\", // \"R006\"\nlet sound = \"R2D2\";\n",
        ),
        (
            "b.rs",
            "\"R001\" | \"L010\" => {}\n#[cfg(test)]\nmod tests {\n\"T001\"\n}\n",
        ),
    ];
    let pages = BTreeMap::from([
        ("R005", "# R005: paused\n"),
        ("L010", "# Full\n"),
        ("X001", "# X001\n"),
    ]);
    let findings = check(sources.into_iter(), &pages);
    let found: Vec<_> = findings.iter().map(|f| (f.path.as_str(), f.line)).collect();
    assert_eq!(
        found,
        [
            ("b.rs", 1),
            ("docs/errors/L010.md", 1),
            ("docs/errors/X001.md", 0)
        ]
    );
}
