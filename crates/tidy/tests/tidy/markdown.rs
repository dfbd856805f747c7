//! Norms of Markdown: one title, links that lead somewhere, a plain voice.

use std::path::Path;

use crate::finding::{Finding, expect_none, lines};
use crate::tree;

/// Returns the lines outside of fenced blocks, with their numbers.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    text.lines().zip(1..).filter_map(move |(line, number)| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        (!fenced && !fence).then_some((number, line))
    })
}

/// Returns a line without what stands in backticks.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join("`")
}

/// Returns where the inline links of a line lead.
fn targets(line: &str) -> Vec<String> {
    let line = without_code(line);
    let ends = line
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split([')', ' ']).next());
    ends.map(str::to_owned).collect()
}

/// Returns what a heading is linked by: its words in lower case, joined by hyphens.
fn slug(heading: &str) -> String {
    let kept = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = kept
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn check(path: &str, text: &str, read: &dyn Fn(&Path) -> Option<String>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let titles: Vec<usize> = prose(text)
        .filter(|(_, line)| line.starts_with("# "))
        .map(|(number, _)| number)
        .collect();
    match *titles.as_slice() {
        [_] => {}
        [] => findings.push(Finding::new(path, 1, "no title: begin with one `# ` line")),
        [_, second, ..] => {
            findings.push(Finding::new(
                path,
                second,
                "a second title: use `##` below the first",
            ));
        }
    }
    for (number, line) in prose(text) {
        for target in targets(line) {
            if let Some(problem) = broken(path, text, &target, read) {
                findings.push(Finding::new(path, number, problem));
            }
        }
        if without_code(line)
            .to_lowercase()
            .split(|c: char| !c.is_alphabetic())
            .any(|w| w == "simply")
        {
            findings.push(Finding::new(
                path,
                number,
                "`simply`: what is simple needs no such word",
            ));
        }
    }
    findings
}

/// Says what is wrong with a link, if it leads to a file or a heading that is not there.
fn broken(
    path: &str,
    text: &str,
    target: &str,
    read: &dyn Fn(&Path) -> Option<String>,
) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    if file.starts_with('/') {
        return Some(format!("link `{target}`: write it relative to this file"));
    }
    let text = if file.is_empty() {
        text.to_owned()
    } else {
        let folder = Path::new(path).parent().unwrap_or(Path::new(""));
        match read(&folder.join(file)) {
            Some(text) => text,
            None => return Some(format!("link `{target}` leads nowhere: mend or remove it")),
        }
    };
    let found = anchor.is_empty()
        || prose(&text).any(|(_, line)| line.starts_with('#') && slug(line) == anchor);
    (!found).then(|| format!("link `{target}`: there is no such heading"))
}

#[test]
fn pages_have_one_title_and_links_that_resolve() {
    let read = |path: &Path| {
        let path = tree::root().join(path);
        if path.is_dir() {
            Some(String::new())
        } else {
            std::fs::read_to_string(path).ok()
        }
    };
    expect_none(
        tree::texts("md")
            .flat_map(|(path, text)| check(path, text, &read))
            .collect(),
    );
}

#[test]
fn broken_pages_are_found() {
    let read = |path: &Path| (path == Path::new("docs/b.md")).then(|| "# B\n\n## On it\n".into());
    for (text, at) in [
        (
            "# A\n[b](b.md) [on](b.md#on-it) [web](https://example.org)\n",
            vec![],
        ),
        ("text\n", vec![1]),
        ("# A\n# B\n", vec![2]),
        ("# A\n```sh\n# a comment\n```\n", vec![]),
        ("# A\n[c](c.md)\n", vec![2]),
        ("# A\n[c](b.md#off)\n", vec![2]),
        ("# A\n[c](/docs/b.md)\n", vec![2]),
        ("# A\n`[c](c.md)`\n", vec![]),
        ("# A\nSimply run it.\n", vec![2]),
    ] {
        assert_eq!(lines(&check("docs/a.md", text, &read)), at, "{text:?}");
    }
}
