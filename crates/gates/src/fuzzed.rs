//! The targets of `./dev fuzz` here: what reads bytes of others.

use std::sync::OnceLock;

use crate::facts::{Facts, Says, Source};
use crate::fuzz::fuzz;
use crate::gate::About;
use crate::kind::ReportKind;
use crate::read::{Limits, guess, read};
use crate::rule::{Rule, Value, check_rule};

/// Reads an input as reports of these kinds: what is read is kept and comes back as it was, and has
/// no more than it may.
fn check(kinds: &[ReportKind], input: &[u8]) {
    let _looks_like = guess(input);
    for kind in kinds {
        match read(*kind, input, &Limits::default()) {
            Ok(says) => {
                let kept = serde_json::to_string(&says).unwrap();
                assert_eq!(serde_json::from_str::<Says>(&kept).unwrap(), says);
                let shown = says.lines().join("");
                assert!(!shown.contains(char::is_control), "{shown:?}");
                let mut facts = Facts::default();
                for path in ["a", "b"] {
                    let source = Source {
                        kind: *kind,
                        path: path.to_owned(),
                        job: None,
                        group: None,
                    };
                    facts.add(source, says.clone());
                }
                // What two reports say of the same is no less grave than what one says.
                let (one, both) = (says.findings, facts.findings());
                assert_eq!(one.is_some(), both.is_some());
                if let (Some(one), Some(both)) = (one, both) {
                    assert!(both.total() >= one.total());
                }
            }
            Err(error) => assert!(!error.to_string().contains(char::is_control), "{error}"),
        }
    }
}

#[test]
fn fuzzed_report_xml() {
    fuzz("report-xml", |input| {
        check(&[ReportKind::Junit, ReportKind::Cobertura], input);
    });
}

#[test]
fn fuzzed_report_lcov() {
    fuzz("report-lcov", |input| check(&[ReportKind::Lcov], input));
}

#[test]
fn fuzzed_report_json() {
    let kinds = [
        ReportKind::Sarif,
        ReportKind::Trivy,
        ReportKind::Grype,
        ReportKind::Cyclonedx,
        ReportKind::K6,
        ReportKind::Load,
        ReportKind::Numbers,
    ];
    fuzz("report-json", |input| check(&kinds, input));
}

/// What rules are evaluated on: something of everything.
fn facts() -> &'static Facts {
    static FACTS: OnceLock<Facts> = OnceLock::new();
    FACTS.get_or_init(|| {
        let mut facts = Facts::default();
        for (kind, bytes) in [
            (
                ReportKind::Junit,
                &include_bytes!("../tests/fixtures/pytest.xml")[..],
            ),
            (
                ReportKind::Lcov,
                include_bytes!("../tests/fixtures/coverage-py.lcov"),
            ),
            (
                ReportKind::Trivy,
                include_bytes!("../tests/fixtures/trivy.json"),
            ),
            (
                ReportKind::Numbers,
                br#"{"bundle_kb": 200, "bundle-kb": 1}"#,
            ),
        ] {
            let source = Source {
                kind,
                path: String::new(),
                job: Some("unit".to_owned()),
                group: None,
            };
            facts.add(source, read(kind, bytes, &Limits::default()).unwrap());
        }
        facts
    })
}

#[test]
fn fuzzed_rule() {
    fuzz("rule", |input| {
        let Ok(text) = std::str::from_utf8(input) else {
            return;
        };
        for problem in check_rule(text) {
            assert!(text.get(problem.at.clone()).is_some(), "{problem:?}");
            assert!(!problem.message.is_empty());
        }
        if let Ok(rule) = Rule::of(text) {
            let everything = Value::everything(facts(), Some(facts()), &About::default());
            if let Err(why) = rule.holds(text, &everything) {
                assert!(!why.contains("of other kinds"), "{why}");
            }
        }
    });
}
