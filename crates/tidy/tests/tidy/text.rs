//! Norms of every text file: whitespace, and words that have no place here.

use crate::finding::{Finding, expect_none, lines};
use crate::tree;

/// Words that belong to somebody's machine or to unfinished work. In pieces, so that this file
/// does not hold them itself.
const WORDS: &[(&str, &str)] = &[
    (concat!("/wo", "rk/"), "a path of one machine"),
    (concat!("/ro", "ot/"), "a path of one machine"),
    (concat!("/ho", "me/"), "a path of one machine"),
    (concat!("../sha", "red"), "a path outside the repository"),
    (
        concat!("TO", "DO"),
        "unfinished: do it, or write down elsewhere what is to be done",
    ),
    (concat!("FIX", "ME"), "unfinished: mend it"),
    (concat!("XX", "X"), "unfinished: say what is wrong"),
    (concat!("<<<<", "<<< "), "a merge that was not finished"),
    (concat!(">>>>", ">>> "), "a merge that was not finished"),
    (concat!("Co-authored", "-by"), "history belongs to git"),
    (
        concat!("issue", " #"),
        "say what it is about: a number needs a tracker beside it",
    ),
];

/// Says whether `word` stands in `line` by itself, not as a part of something longer.
fn holds(line: &str, word: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '}');
    line.match_indices(word).any(|(at, _)| {
        let before = line.get(..at).and_then(|before| before.chars().next_back());
        let after = line
            .get(at + word.len()..)
            .and_then(|after| after.chars().next());
        let goes_on = word.ends_with(is_word) && after.is_some_and(is_word);
        !before.is_some_and(is_word) && !goes_on
    })
}

fn check(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut find = |line, message: &str| findings.push(Finding::new(path, line, message));
    let last = text.lines().count();
    if !text.is_empty() && !text.ends_with('\n') {
        find(last, "no newline at the end of the file: add one");
    }
    if text.ends_with("\n\n") {
        find(last, "empty lines at the end of the file: remove them");
    }
    for (line, number) in text.split_terminator('\n').zip(1..) {
        if line.ends_with([' ', '\t', '\r']) {
            find(number, "whitespace at the end of the line: remove it");
        }
        // A tab inside a literal is written as an escape, so that it can be seen.
        if line.contains('\t') {
            find(
                number,
                "a tab: indent with spaces, write `\\t` in a literal",
            );
        }
        for (word, why) in WORDS {
            if holds(line, word) {
                find(number, &format!("`{word}`: {why}"));
            }
        }
    }
    findings
}

/// Says whether people write the file: locks, goldens and states that are kept are written by
/// programs.
fn is_ours(path: &str) -> bool {
    !path.ends_with(".lock")
        && path != "LICENSE"
        && !path.contains("/golden/")
        && !path.contains("/fixtures/state-")
}

#[test]
fn text_is_clean() {
    let ours = tree::files().iter().filter(|file| is_ours(&file.path));
    let texts = ours.filter_map(|file| Some((file.path.as_str(), file.text.as_deref()?)));
    expect_none(texts.flat_map(|(path, text)| check(path, text)).collect());
}

#[test]
fn no_toolchain_is_pinned() {
    let pins = tree::files().iter().filter(|file| {
        let name = file.path.rsplit('/').next().unwrap_or_default();
        name == "rust-toolchain.toml" || name == "rust-toolchain"
    });
    let message = "rustup would download it where a recent enough Rust is there: remove it";
    expect_none(
        pins.map(|file| Finding::new(&file.path, 0, message))
            .collect(),
    );
}

#[test]
fn unclean_text_is_found() {
    let machine = format!("see {}x", WORDS[0].0);
    for (text, at) in [
        ("a \n", vec![1]),
        ("a\n\tb\n", vec![2]),
        ("a\nb", vec![2]),
        ("a\n\n", vec![2]),
        ("a\r\n", vec![1]),
        ("mktemp XXXXXX\n", vec![]),
        ("the frame/work/done\n", vec![]),
        (&format!("{machine}\n"), vec![1]),
    ] {
        assert_eq!(lines(&check("a.md", text)), at, "{text:?}");
    }
}
