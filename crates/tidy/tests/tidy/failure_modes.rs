//! The page on failure modes lists every one of them, names no test that is not there, and leaves
//! no story out.

use std::collections::BTreeSet;

use crate::finding::{Finding, expect_none, lines};
use crate::tree;

const PAGE: &str = "docs/failure-modes.md";

/// Where the stories are.
const STORIES: &str = "crates/testkit/tests/it/";

/// The sections' letters, and how many failure modes each has.
const SECTIONS: [(char, usize); 4] = [('T', 13), ('V', 13), ('S', 9), ('R', 10)];

/// Returns the name of the function that a line begins to define.
fn function(line: &str) -> Option<&str> {
    let words = line.trim_start();
    let words = words.strip_prefix("async ").unwrap_or(words);
    let (name, _) = words.strip_prefix("fn ")?.split_once('(')?;
    Some(name)
}

/// Returns the tests of a file: functions that stand below an attribute that makes one of them.
fn tests(text: &str) -> BTreeSet<&str> {
    let mut is_test = false;
    let mut found = BTreeSet::new();
    for line in text.lines() {
        let trimmed = line.trim_start();
        if trimmed.starts_with("#[test]") || trimmed.starts_with("#[tokio::test") {
            is_test = true;
        } else if let Some(name) = function(line) {
            if is_test {
                found.insert(name);
            }
            is_test = false;
        }
    }
    found
}

/// Returns the tests that a row names, as file and function.
fn named(row: &str) -> impl Iterator<Item = (String, &str)> {
    let quoted = row.split('`').skip(1).step_by(2);
    quoted.filter_map(|name| {
        let (file, test) = name.split_once("::")?;
        Some((format!("crates/{file}"), test))
    })
}

/// Returns the id of a row of a table, if it is one of a failure mode.
fn id(row: &str) -> Option<&str> {
    let id = row.strip_prefix("| ")?.split(' ').next()?;
    let digits = id.get(1..)?;
    let is_id = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_id.then_some(id)
}

fn check(page: &str, sources: &[(&str, &str)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut missing: Vec<String> = SECTIONS
        .iter()
        .flat_map(|(letter, count)| (1..=*count).map(move |number| format!("{letter}{number}")))
        .collect();
    let mut all_named = BTreeSet::new();
    for (row, number) in page.lines().zip(1..) {
        let Some(id) = id(row) else { continue };
        let before = missing.len();
        missing.retain(|wanted| wanted != id);
        if missing.len() == before {
            let message = format!("`{id}` is there twice, or is no failure mode");
            findings.push(Finding::new(PAGE, number, message));
        }
        let mut covered = row.contains("| cannot occur: ") || row.contains("| not covered: ");
        for (file, test) in named(row) {
            covered = true;
            let source = sources.iter().find(|(path, _)| *path == file);
            if !source.is_some_and(|(_, text)| tests(text).contains(test)) {
                let message = format!("`{test}` is no test in {file}");
                findings.push(Finding::new(PAGE, number, message));
            }
            all_named.insert((file, test));
        }
        if !covered {
            let message = format!("`{id}` names no test, nor why there is none");
            findings.push(Finding::new(PAGE, number, message));
        }
    }
    for id in missing {
        findings.push(Finding::new(PAGE, 0, format!("`{id}` is missing")));
    }
    let stories = sources.iter().filter(|(path, _)| path.starts_with(STORIES));
    for (path, text) in stories {
        for test in tests(text) {
            if !all_named.contains(&((*path).to_owned(), test)) {
                let message = format!("{PAGE} does not name the story `{test}`");
                findings.push(Finding::new(path, 0, message));
            }
        }
    }
    findings
}

#[test]
fn every_failure_mode_is_listed_with_what_covers_it() {
    let page = tree::texts("md").find(|(path, _)| *path == PAGE);
    let (_, page) = page.expect("the page on failure modes is there");
    let sources: Vec<_> = tree::texts("rs").collect();
    expect_none(check(page, &sources));
}

#[test]
fn what_is_missing_double_or_leads_nowhere_is_found() {
    let rows: Vec<String> = SECTIONS
        .iter()
        .flat_map(|(letter, count)| (1..=*count).map(move |number| (letter, number)))
        .filter(|(letter, number)| (**letter, *number) != ('R', 10))
        .map(|(letter, number)| format!("| {letter}{number} | | | cannot occur: it is so |\n"))
        .collect();
    let page = rows.concat().replacen(
        "| T1 | | | cannot occur: it is so |",
        "| T1 | | | `testkit/tests/it/traffic.rs::t1_is`, `core/src/a.rs::is_not` |",
        1,
    );
    let page = page + "| T2 | | | cannot occur: twice |\n| X1 | | | `no test` |\n";
    let story = "#[test]\nfn t1_is() {}\n\n#[test]\nfn t1_is_left_out() {}\n\nfn is_no_test() {}\n";
    let sources = [
        ("crates/testkit/tests/it/traffic.rs", story),
        ("crates/core/src/a.rs", "fn is_not() {}\n"),
    ];
    let mut findings = check(&page, &sources);
    findings.sort();
    let page: Vec<_> = findings
        .extract_if(.., |finding| finding.path == PAGE)
        .collect();
    // R10 is missing; `is_not` is no test; T2 is there twice; X1 is no id, and names no test.
    assert_eq!(lines(&page), [0, 1, 45, 46, 46]);
    let stories: Vec<String> = findings.iter().map(ToString::to_string).collect();
    let left_out = "crates/testkit/tests/it/traffic.rs: docs/failure-modes.md does not name the \
                    story `t1_is_left_out`";
    assert_eq!(stories, [left_out]);
}
