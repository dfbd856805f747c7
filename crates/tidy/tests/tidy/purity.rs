//! `core`, `analysis` and `gates` decide and judge; they do not look at the world or at a clock.

use crate::finding::{Finding, expect_none, lines};
use crate::rust_files::production_lines;
use crate::tree;

/// The folders of what must stay pure.
const PURE: &[&str] = &[
    "crates/analysis/src/",
    "crates/core/src/",
    "crates/gates/src/",
];

/// What gives impurity away.
const IMPURE: &[(&str, &str)] = &[
    ("Instant::now", "take the moment as an argument"),
    ("SystemTime::now", "take the moment as an argument"),
    ("std::fs", "take what the file holds as an argument"),
    ("std::net::Tcp", "observe the world in `engine`"),
    ("std::net::Udp", "observe the world in `engine`"),
    ("std::os", "observe the world in `engine`"),
    ("std::process", "observe the world in `engine`"),
    (
        "std::thread",
        "leave running things side by side to `engine`",
    ),
    ("std::env", "take the setting as an argument"),
    ("tokio", "leave waiting to `engine`"),
    ("hyper", "leave HTTP to `server` and `proxy`"),
    ("rusqlite", "leave the log to `store`"),
    ("async ", "leave waiting to `engine`"),
    (".await", "leave waiting to `engine`"),
    (
        "use std::{",
        "import one path per line, so that this rule can read it",
    ),
];

fn check(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in production_lines(text) {
        let code = line.split("//").next().unwrap_or_default();
        for (word, remedy) in IMPURE {
            if code.contains(word) {
                let message = format!("`{}` in pure code: {remedy}", word.trim());
                findings.push(Finding::new(path, number, message));
            }
        }
    }
    findings
}

#[test]
fn what_decides_is_pure() {
    let pure = tree::texts("rs").filter(|(path, _)| PURE.iter().any(|at| path.starts_with(at)));
    let (mut findings, mut count) = (Vec::new(), 0);
    for (path, text) in pure {
        findings.extend(check(path, text));
        count += 1;
    }
    assert!(
        count >= PURE.len(),
        "the pure crates have moved: tell this rule where they are"
    );
    expect_none(findings);
}

#[test]
fn impure_code_is_found_but_not_in_comments_and_tests() {
    let text = "\
//! Not tokio.
use std::time::Instant;
fn now() -> Instant { Instant::now() }
use std::{fs, io};
pub async fn wait() {}
#[cfg(test)]
mod tests {
    fn read() { std::fs::read(\"x\"); }
}
";
    assert_eq!(lines(&check("crates/core/src/x.rs", text)), [3, 4, 5]);
}
