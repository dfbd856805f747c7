//! Facts are kept for ever: what was written once is read by every later version.

use expect_test::expect_file;
use leadsman_gates::{Facts, Limits, Source, read};

use crate::{FIXTURES, fixture};

fn facts() -> Facts {
    let mut facts = Facts::default();
    for (name, kind) in FIXTURES {
        let source = Source {
            kind: *kind,
            path: format!("out/{name}"),
            job: Some("unit".to_owned()),
            group: name.starts_with("jest").then(|| "frontend".to_owned()),
        };
        facts.add(
            source,
            read(*kind, &fixture(name), &Limits::default()).expect("a fixture can be read"),
        );
    }
    facts
}

/// This golden may get new fields; none that is there may change or go.
#[test]
fn facts_are_written_as_they_always_were() {
    let mut written = serde_json::to_string_pretty(&facts()).unwrap();
    written.push('\n');
    expect_file!["../golden/facts.json"].assert_eq(&written);
}

#[test]
fn facts_that_were_kept_are_read_again() {
    let kept = include_str!("../golden/facts.json");
    assert_eq!(
        serde_json::from_str::<Facts>(kept).expect("a fixture can be read"),
        facts()
    );
    // An earlier version had fewer fields, a later one has more.
    let other = r#"{"reports": [{"source": {"kind": "junit", "of": 1}, "says": {"tests": {"passed": 1}}}]}"#;
    let other: Facts = serde_json::from_str(other).unwrap();
    assert_eq!(other.tests().unwrap().passed, 1);
}
