//! Rules: what is wrong with one is found before it is needed, and every one ends.

use std::time::{Duration, Instant};

use leadsman_gates::{
    About, Day, Evidence, Facts, Gates, Limits, Outcome, ReportKind, Source, check_rule, evaluate,
    read,
};
use proptest::prelude::*;

use crate::fixture;

/// What is known of the release that rules are tried on.
fn facts(numbers: &str) -> Facts {
    let mut facts = Facts::default();
    let mut add = |kind, path: &str, bytes: &[u8]| {
        let source = Source {
            kind,
            path: path.to_owned(),
            job: Some("unit".to_owned()),
            group: None,
        };
        facts.add(
            source,
            read(kind, bytes, &Limits::default()).expect("it can be read"),
        );
    };
    add(ReportKind::Junit, "a", &fixture("pytest.xml"));
    add(ReportKind::Lcov, "b", &fixture("coverage-py.lcov"));
    add(ReportKind::Trivy, "c", &fixture("trivy.json"));
    add(ReportKind::Numbers, "d", numbers.as_bytes());
    facts
}

fn outcome(rule: &str, promoted: Option<&Facts>) -> (Outcome, String) {
    let gates = Gates {
        rules: [("r".to_owned(), rule.to_owned())].into(),
        ..Gates::default()
    };
    let about = About {
        number: 7,
        branch: "main".to_owned(),
        ..About::default()
    };
    let evidence = Evidence {
        facts: &facts(r#"{"bundle_kb": 262.5, "bundle-kb": 3, "zero": 0}"#),
        collected: None,
        promoted,
        about: &about,
        today: Day::parse("2026-11-22").expect("a day"),
    };
    let mut results = evaluate(&gates, &evidence);
    let result = results.pop().expect("one gate, one result");
    (result.outcome, result.sentence)
}

#[test]
fn rules_hold_or_do_not() {
    let promoted = facts(r#"{"bundle_kb": 250}"#);
    for (rule, holds) in [
        ("true", true),
        ("tests.passed == 3 && tests.failed == 1", true),
        (
            "tests.ran == tests.passed + tests.failed + tests.errors",
            true,
        ),
        (
            "tests.passed / 2 == 1 && tests.passed % 2 == 1 && -tests.passed < 0",
            true,
        ),
        ("coverage.percent > 66.6 && coverage.percent < 66.7", true),
        ("coverage.groups.unit.lines == 6", true),
        ("coverage.groups[\"unit\"].covered != 4", false),
        (
            "numbers.bundle_kb <= promoted.numbers.bundle_kb * 1.05",
            true,
        ),
        (
            "numbers.bundle_kb <= promoted.numbers.bundle_kb * 1.04",
            false,
        ),
        (
            "numbers.bundle_kb <= promoted.numbers.bundle_kb + 10",
            false,
        ),
        ("numbers[\"bundle-kb\"] == 3", true),
        ("has(promoted.load) ? promoted.load.p95_ms < 1 : true", true),
        ("has(numbers.nothing)", false),
        ("\"zero\" in numbers && !(\"one\" in numbers)", true),
        (
            "release.branch in [\"main\", 'release'] && release.number == 7",
            true,
        ),
        ("release.tag == \"\" || release.tag.startsWith(\"v\")", true),
        (
            "findings.list.exists(f, f.id == \"CVE-2026-1001\" && f.severity == \"high\")",
            true,
        ),
        ("findings.list.all(f, f.tool == 'trivy')", true),
        (
            "findings.list.exists_one(f, f.place.contains(\"app.env\"))",
            true,
        ),
        (
            "size(findings.list.filter(f, f.severity == \"high\")) == findings.high",
            true,
        ),
        ("findings.list.map(f, f.id)[0].endsWith(\"key\")", true),
        ("\"CVE-2026-1002\" in findings.list.map(f, f.id)", true),
        (
            "components.licences.MIT == 1 && size(components.licences) == 1",
            true,
        ),
        (
            "double(tests.passed) / 2.0 == 1.5 && int(2.9) == 2 && string(1) + \"a\" == \"1a\"",
            true,
        ),
        // What decides is enough, on whichever side it stands.
        ("load.p95_ms < 1 || true", true),
        ("true || load.p95_ms < 1", true),
        ("false && load.p95_ms < 1", false),
        ("1 < 2 ? 2 < 1 : true", false),
        (
            "!!true && 1 - 1 - 1 == -1 && 2 + 3 * 4 == 14 && (2 + 3) * 4 == 20",
            true,
        ),
    ] {
        let (outcome, sentence) = outcome(rule, Some(&promoted));
        let wanted = if holds {
            Outcome::Open
        } else {
            Outcome::Closed
        };
        assert_eq!(outcome, wanted, "{rule}: {sentence}");
    }
}

#[test]
fn what_cannot_be_said_is_unknown_and_says_why() {
    for (rule, why) in [
        ("load.p95_ms < 400", "no report speaks of load"),
        (
            "promoted.numbers.bundle_kb > 1",
            "no release was promoted here yet",
        ),
        (
            "numbers.bundle < 1",
            "no report says `bundle`: there are bundle-kb, bundle_kb, zero",
        ),
        ("1 / (tests.passed - 3) == 1", "it divides by zero"),
        ("numbers.bundle_kb / numbers.zero > 1", "it divides by zero"),
        (
            "tests.passed % (tests.passed - 3) == 1",
            "it divides by zero",
        ),
        (
            "findings.list[99].id == \"a\"",
            "a list of 4 has nothing at 99",
        ),
        (
            "tests.passed * 9223372036854775807 > 1",
            "a number is too large",
        ),
        (
            "numbers.bundle_kb * 1e308 * 10 > 1",
            "a number is too large",
        ),
        ("int(release.branch) > 1", "\"main\" is not a number"),
        ("load.p95_ms < 400 || false", "no report speaks of load"),
        (
            "has(promoted.tests) || promoted.tests.passed > 1",
            "no release was promoted here yet",
        ),
    ] {
        let (outcome, sentence) = outcome(rule, None);
        assert_eq!(outcome, Outcome::Unknown, "{rule}: {sentence}");
        let told = format!(
            "`{rule}` cannot be said: {why}; a report has to say it, or the rule to ask with \
             `has(...)` first: unknown"
        );
        assert_eq!(sentence, told);
    }
}

#[test]
fn sentences_tell_what_was_looked_at() {
    let promoted = facts(r#"{"bundle_kb": 250}"#);
    let rule = "numbers.bundle_kb <= promoted.numbers.bundle_kb * 1.04";
    let (_, sentence) = outcome(rule, Some(&promoted));
    assert_eq!(
        sentence,
        "`numbers.bundle_kb <= promoted.numbers.bundle_kb * 1.04` does not hold; \
         numbers.bundle_kb is 262.5, promoted.numbers.bundle_kb is 250: closed"
    );
}

/// The problems of a rule, each with the part of the text that it is about.
fn problems(rule: &str) -> Vec<String> {
    let problems = check_rule(rule).into_iter();
    problems
        .map(|problem| format!("{}: {}", &rule[problem.at], problem.message))
        .collect()
}

#[test]
fn what_is_wrong_is_found_before_it_is_needed() {
    for (rule, wanted) in [
        ("", ": the rule ends where something should follow"),
        (
            "tests.passed",
            "tests.passed: the rule is a whole number, and has to be true or false",
        ),
        ("test.passed > 1", "test: the name `test` is not known"),
        ("tests.pased > 1", "pased: the field `pased` is not known"),
        (
            "promoted.number.x > 1.0",
            "number: the field `number` is not known",
        ),
        (
            "tests > 1",
            "tests > 1: `>` does not fit between what became of tests and a whole number",
        ),
        (
            "release.branch > 1",
            "release.branch > 1: `>` does not fit between text and a whole number",
        ),
        (
            "tests.passed && true",
            "tests.passed: `&&` needs a truth, and this is a whole number",
        ),
        (
            "!tests.passed",
            "tests.passed: `!` needs a truth, and this is a whole number",
        ),
        ("tests.passed = 1", "=: `=` means nothing in a rule"),
        (
            "tests.passed > 1 tests",
            "tests: the rule should end before this",
        ),
        (
            "(tests.passed > 1",
            ": the rule ends where `)` should follow",
        ),
        ("tests.passed > \"1", "\": a quote is not closed"),
        (
            "tests.passed > 1u",
            "1u: this is not a number that a rule can have",
        ),
        (
            "tests.passed > 99999999999999999999",
            "99999999999999999999: this is not a number that a rule can have",
        ),
        (
            "tests.passed > 1e999",
            "1e999: this is not a number that a rule can have",
        ),
        ("numbers.bundle-kb > 1", "kb: the name `kb` is not known"),
        (
            "numbers.\"bundle-kb\" > 1",
            "\"bundle-kb\": the name of a field should follow the dot",
        ),
        ("tests.passed > 1 ; true", ";: `;` means nothing in a rule"),
        (
            "release.tag.matches(\"(a+)+$\")",
            "release.tag.matches(\"(a+)+$\"): there are no patterns in rules",
        ),
        (
            "max(1, 2) > 1",
            "max(1, 2): the function `max` is not known",
        ),
        ("has(tests)", "tests: `has` asks for a field"),
        (
            "size(1) > 1",
            "1: `size` needs text, a list or values by name, and this is a whole number",
        ),
        (
            "findings.list.exists(f, f.id)",
            "f.id: `exists` needs a truth, and this is text",
        ),
        (
            "findings.list.exists(f, f.idd == \"\")",
            "idd: the field `idd` is not known",
        ),
        (
            "findings.list.exists(tests, true)",
            "findings.list.exists(tests, true): `tests` means something else already",
        ),
        (
            "findings.exists(f, true)",
            "findings: `exists` walks through a list, and this is findings",
        ),
        (
            "findings.list.exists(f, findings.list.exists(g, f.id == g.id))",
            "findings.list.exists(g, f.id == g.id): a walk through a list cannot hold another",
        ),
        (
            "findings.list.exists(1, true)",
            "1: `exists` begins with a name of your choice",
        ),
        (
            "findings.list.exists(f)",
            "findings.list.exists(f): `exists` takes 2, and there are 1",
        ),
        (
            "true ? 1 : \"a\"",
            "true ? 1 : \"a\": before `:` there is a whole number, and behind it text",
        ),
        (
            "size([1, \"a\"]) > 1",
            "\"a\": this is text, and what stands before it is a whole number",
        ),
        (
            "tests.passed in [\"a\"]",
            "tests.passed in [\"a\"]: `in` does not fit between a whole number and a list",
        ),
        ("null == 1", "null: the name `null` is not known"),
        ("é > 1", "é: `é` means nothing in a rule"),
    ] {
        let problems = problems(rule);
        assert_eq!(problems.first().map(String::as_str), Some(wanted), "{rule}");
    }
}

#[test]
fn every_rule_ends() {
    let long = |text: &str, times: usize| text.repeat(times);
    let walks = format!("findings.list{}.exists(f, true)", long(".map(f, f)", 60));
    let doubled = format!(
        "findings.list{}.exists(f, true)",
        long(".map(t, t + t)", 60)
    );
    let doubled = doubled.replacen(".map(t, t + t)", ".map(f, f.id)", 1);
    for rule in [
        format!("{}true{}", long("(", 1000), long(")", 990)),
        format!("{}true", long("!", 1990)),
        format!("{}1 > 0", long("-", 1990)),
        format!("{}1 > 0", long("1+", 900)),
        format!("{}true", long("true && ", 200)),
        format!("{}true", long("true ? true : ", 140)),
        format!("tests{}", long(".a", 900)),
        format!("numbers{}", long("[\"a\"]", 300)),
        format!("{}1{} == [1]", long("[", 900), long("]", 900)),
        format!("size([{}1]) > 1", long("1,", 900)),
        long("a", 2001),
        walks,
        doubled,
    ] {
        let begun = Instant::now();
        let (outcome, _) = outcome(&rule, None);
        let took = begun.elapsed();
        let shown = &rule[..rule.len().min(60)];
        assert!(
            took < Duration::from_secs(5),
            "{took:?}: {shown} {outcome:?}"
        );
    }
}

proptest! {
    #[test]
    fn no_rule_panics(text in "[a-z0-9 .()\\[\\]\"'+*/%<>=!&|?:,-]{0,80}") {
        let _problems = problems(&text);
    }

    #[test]
    fn words_of_rules_in_any_order_are_checked_and_evaluated(
        words in prop::collection::vec(prop::sample::select(vec![
            "tests.passed", "numbers.bundle_kb", "promoted", ".numbers", "findings.list", ".exists(f, ",
            "f.id", ".map(f, ", "release.branch", "\"a\"", "1", "2.5", "0", "true", "(", ")", "[", "]",
            " + ", " - ", " * ", " / ", " % ", " == ", " < ", " && ", " || ", " ? ", " : ", " in ", "!", "-",
            ",", "has(", "size(", "int(", "double(", "string(", "coverage.percent",
        ]), 1..14)
    ) {
        let rule = words.concat();
        let checked = check_rule(&rule);
        let (outcome, sentence) = outcome(&rule, None);
        // What was checked is evaluated as what it was taken for.
        if checked.is_empty() {
            prop_assert!(!sentence.contains("of other kinds"), "{}: {}", rule, sentence);
        } else {
            prop_assert_eq!(outcome, Outcome::Unknown);
        }
    }
}
