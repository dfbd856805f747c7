//! What no file may do: crash the reader, keep it busy, or have it point outside of the text.

use std::time::{Duration, Instant};

use leadsman_core::project::{Problems, Project};
use proptest::prelude::*;

use super::fixtures;

/// Reads a text and checks whatever is said about it.
fn read(text: &str) -> Result<Project, Problems> {
    let result = Project::parse(text, "leadsman.yaml");
    match &result {
        Ok(project) => {
            assert!(
                project
                    .environments()
                    .all(|name| project.resolve(name).is_some())
            );
            assert!(project.environments().next().is_some());
        }
        Err(problems) => {
            assert!(problems.count() > 0);
            let lines: Vec<&str> = text.split('\n').collect();
            for problem in problems.iter() {
                let place = &problem.location;
                let line = lines.get(place.line - 1).expect("the line is there");
                let length = line.trim_end_matches('\r').chars().count();
                assert!((1..=length + 1).contains(&place.column), "{problem:?}");
                assert!(
                    place.column - 1 + place.length <= length.max(place.column),
                    "{problem:?}"
                );
                assert!(
                    !problem.message.is_empty() && !problem.hint.is_empty(),
                    "{problem:?}"
                );
                assert!(
                    problem.message.len() < 1000 && problem.hint.len() < 8000,
                    "{problem:?}"
                );
            }
            let shown = problems.to_string();
            assert!(
                shown.chars().all(|c| c == '\n' || !c.is_control()),
                "{shown:?}"
            );
        }
    }
    result
}

/// Reads a text that must be refused, in little time, with this code.
#[track_caller]
fn refused(text: &str, code: &str) {
    let start = Instant::now();
    let problems = read(text).map(|_| ()).expect_err("it is refused");
    let took = start.elapsed();
    assert_eq!(
        problems.iter().next().map(|problem| problem.code),
        Some(code),
        "{problems}"
    );
    // Some milliseconds; the bound leaves room for a busy machine and an unoptimised build.
    assert!(took < Duration::from_secs(5), "it took {took:?}");
}

#[test]
fn a_file_of_more_than_a_mebibyte_is_refused() {
    refused(
        &format!("application: a\n{}", "#\n".repeat(1 << 20)),
        "P002",
    );
}

#[test]
fn an_alias_bomb_is_refused_without_being_unfolded() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..30 {
        let before = vec![format!("*a{}", level - 1); 9].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{before}]\n"));
    }
    refused(&bomb, "P005");
    assert!(
        read(&bomb)
            .unwrap_err()
            .iter()
            .any(|problem| problem.code == "P007")
    );
}

#[test]
fn depth_is_bounded() {
    for (open, inner) in [
        ("[", ""),
        ("{a: ", ""),
        ("- ", "x"),
        ("? ", "x"),
        ("[{a: ", ""),
    ] {
        refused(&format!("{}{inner}", open.repeat(100_000)), "P002");
    }
    let deep: String = (0..400)
        .map(|level| format!("{}a:\n", " ".repeat(level)))
        .collect();
    refused(&deep, "P002");
}

#[test]
fn the_number_of_values_is_bounded() {
    refused(&format!("application: [{}]", "1,".repeat(400_000)), "P002");
    let keys: String = (0..100_000).map(|n| format!("k{n}: 1\n")).collect();
    refused(&keys, "P002");
}

#[test]
fn the_largest_file_that_is_let_through_is_read_in_little_time() {
    let services: String = (0..100)
        .map(|n| {
            let env: String = (0..40).map(|v| format!("V{v}: x, ")).collect();
            let after = if n > 0 {
                format!("s{}", n - 1)
            } else {
                String::new()
            };
            format!("  s{n}: {{ run: x, ready: tcp, after: [{after}], env: {{ {env} }} }}\n")
        })
        .collect();
    let environments: String = (0..20)
        .map(|n| format!("  e{n}: {{ listen: 127.0.0.1:{} }}\n", 1000 + n))
        .collect();
    let text =
        format!("application: a\nroutes: []\nservices:\n{services}environments:\n{environments}");
    let start = Instant::now();
    assert!(read(&text).is_ok());
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn many_problems_are_counted_but_not_all_shown() {
    let unknown: String = (0..5000).map(|n| format!("unknown{n}: 1\n")).collect();
    let problems = read(&unknown).unwrap_err();
    assert_eq!(problems.iter().count(), 100);
    assert_eq!(problems.count(), 5002);
    assert!(problems.to_string().ends_with("... and 4902 more"));
}

#[test]
fn odd_beginnings_and_ends_are_no_trouble() {
    for text in [
        "\u{feff}application: a\nservices: { web: { run: x } }\n",
        "application: a\r\nservices:\r\n  web:\r\n    run: x\r\n",
        "---\napplication: a\nservices: { web: { run: x } }\n...\n",
        "# comment\n\napplication: a # comment\nservices: { web: { run: x } }",
    ] {
        assert!(read(text).is_ok(), "{text:?}: {}", read(text).unwrap_err());
    }
    for text in [
        "\u{feff}",
        "\r",
        "\n\n\n",
        "\0",
        "---",
        "...",
        "#",
        "a:\r\r b",
        "%YAML 9.9\n---\n",
    ] {
        assert!(read(text).is_err(), "{text:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 300 } else { 5000 }))]

    #[test]
    fn any_text_is_read_or_refused(text in any::<String>()) {
        drop(read(&text));
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        drop(read(&String::from_utf8_lossy(&bytes)));
    }

    #[test]
    fn what_looks_like_yaml_is_read_or_refused(
        text in r#"([a-z]{1,4}: |- |\n {0,6}|[{},\[\]:&*!|>'"%#?~\t-]|[0-9]{1,3}(s|%|MiB)?|[^\n]){0,60}"#,
    ) {
        drop(read(&text));
    }

    #[test]
    fn a_damaged_file_is_read_or_refused(
        which in any::<proptest::sample::Index>(),
        cuts in proptest::collection::vec(
            (any::<proptest::sample::Index>(), 0_usize..12, r#"[ -~\n\t é💥]{0,6}"#),
            1..5,
        ),
    ) {
        let files = fixtures();
        let mut text: Vec<char> = which.get(&files).1.chars().collect();
        for (at, removed, inserted) in cuts {
            let at = at.index(text.len() + 1);
            let end = (at + removed).min(text.len());
            text.splice(at..end, inserted.chars());
        }
        drop(read(&text.into_iter().collect::<String>()));
    }

    #[test]
    fn a_file_with_another_value_is_read_or_refused(
        which in any::<proptest::sample::Index>(),
        at in any::<proptest::sample::Index>(),
        value in r#"(~|true|-?[0-9]{1,20}|[0-9]{1,20}(ms|s|m|h|d|%|MiB)|\[\]|\{\}|"[^"\\\n]{0,9}"|\*a|!b c)"#,
    ) {
        let files = fixtures();
        let text = &which.get(&files).1;
        let starts: Vec<usize> = text.match_indices(": ").map(|(at, _)| at + 2).collect();
        let start = *at.get(&starts);
        let end = text[start..].find([',', '}', '\n']).map_or(text.len(), |end| start + end);
        drop(read(&format!("{}{value}{}", &text[..start], &text[end..])));
    }
}
