//! What real tools write is understood.

use expect_test::expect_file;
use leadsman_gates::{Limits, ReportKind, guess, read};

use crate::told::told;
use crate::{FIXTURES, fixture};

#[test]
fn reports_of_real_tools_say_what_they_say() {
    let mut all = String::new();
    for (name, kind) in FIXTURES {
        let says = read(*kind, &fixture(name), &Limits::default());
        let says = says.unwrap_or_else(|error| panic!("{name}: {error}"));
        all.push_str(&format!("== {name} ({})\n{}", kind.as_str(), told(&says)));
    }
    expect_file!["../golden/reports.txt"].assert_eq(&all);
}

#[test]
fn every_report_looks_like_what_it_is() {
    for (name, kind) in FIXTURES {
        assert_eq!(guess(&fixture(name)), Some(*kind), "{name}");
    }
    for text in ["", "hello", "<html></html>", "{}", "---\nkey: value\n"] {
        assert_eq!(guess(text.as_bytes()), None, "{text}");
    }
}

#[test]
fn what_is_of_another_kind_is_refused_and_named() {
    for (name, kind) in FIXTURES {
        for other in ReportKind::ALL {
            // Numbers are found in any JSON.
            let fits = other == *kind || other == ReportKind::Numbers;
            let read = read(other, &fixture(name), &Limits::default());
            match read {
                Ok(_) => assert!(fits, "{name} was read as {}", other.as_str()),
                Err(error) => {
                    assert!(other != *kind, "{name}: {error}");
                    assert_eq!(
                        error.looks_like,
                        Some(*kind),
                        "{name} as {}",
                        other.as_str()
                    );
                }
            }
        }
    }
}
