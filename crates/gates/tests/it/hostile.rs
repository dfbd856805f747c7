//! Broken and hostile reports: each is refused with its place, none takes long, none says something
//! that looks good.

use std::time::{Duration, Instant};

use leadsman_gates::{Limits, ReportKind, read};
use proptest::prelude::*;

use crate::{FIXTURES, fixture};

fn refusal(kind: ReportKind, bytes: &[u8]) -> String {
    let error = read(kind, bytes, &Limits::default()).expect_err("it is refused");
    error.to_string()
}

#[test]
fn what_is_cut_off_anywhere_is_refused() {
    for (name, kind) in FIXTURES {
        let whole = fixture(name);
        let end = whole.trim_ascii_end().len();
        for cut in 0..end {
            let read = read(*kind, &whole[..cut], &Limits::default());
            assert!(
                read.is_err(),
                "{name} was read without its end from byte {cut} on"
            );
        }
    }
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let cases: &[(ReportKind, &[u8], &str)] = &[
        (ReportKind::Junit, b"", "as JUnit XML: it is empty"),
        (ReportKind::Junit, b" \n", "as JUnit XML: it is empty"),
        (
            ReportKind::Junit,
            b"<testsuite><testcase name='a'>\n  <failure>",
            "as JUnit XML: it ends inside of `<failure>`: it was cut off (line 2, column 12)",
        ),
        (
            ReportKind::Junit,
            b"<testsuite>\n\xff</testsuite>",
            "as JUnit XML: it is not text in UTF-8 (line 2, column 1)",
        ),
        (
            ReportKind::Junit,
            b"<!DOCTYPE t [<!ENTITY a '&b;&b;'>]><testsuite name='&a;'/>",
            "as JUnit XML: it declares a document type, which is refused: nothing that a tool \
             reports needs it (line 1, column 36)",
        ),
        (
            ReportKind::Junit,
            b"<testsuite><testcase name='a'><failure>&xxe;</failure></testcase></testsuite>",
            "as JUnit XML: it uses an entity of its own, which is refused: nothing that a tool \
             reports needs it (line 1, column 45)",
        ),
        (
            ReportKind::Cobertura,
            b"<coverage generated='1' clover='3'/>",
            "as Cobertura XML: it has `<coverage>` without `line-rate`, as Clover writes it (line 1, \
             column 37)",
        ),
        (
            ReportKind::Cobertura,
            b"<coverage lines-valid='5' lines-covered='6' line-rate='1'/>",
            "as Cobertura XML: it says that 6 of 5 are covered",
        ),
        (
            ReportKind::Lcov,
            b"SF:a\nDA:1,1\nDA:2",
            "as an lcov file: `DA` is followed by something else than its numbers (line 3, column 1)",
        ),
        (
            ReportKind::Lcov,
            b"SF:a\nDA:1,1\n",
            "as an lcov file: it ends inside of a record, before its `end_of_record`: it was cut off \
             (line 2, column 1)",
        ),
        (
            ReportKind::Lcov,
            b"hello\n",
            "as an lcov file: it has no record such as `SF:src/main.rs` (line 1, column 1)",
        ),
        (
            ReportKind::Sarif,
            b"{\"version\": \"2.1.0\",\n \"runs\": [}",
            "as SARIF: it is not JSON: expected value (line 2, column 11); it looks like",
        ),
        (
            ReportKind::Sarif,
            b"{\"version\": \"1.0.0\", \"runs\": []}",
            "as SARIF: it has version 1.0.0; 2.1.0 is read",
        ),
        (
            ReportKind::Sarif,
            b"{\"version\": \"2.1.0\", \"runs\": []}",
            "as SARIF: it holds no run of any tool",
        ),
        (
            ReportKind::Cyclonedx,
            b"{\"bomFormat\": \"CycloneDX\", \"specVersion\": \"1.3\"}",
            "as a CycloneDX BOM: it has version 1.3; 1.4 and later are read",
        ),
        (
            ReportKind::K6,
            b"{\"metrics\": {\"iterations\": {\"count\": 1}}}",
            "as a k6 summary: it has no metric `http_reqs`: no request over HTTP was sent",
        ),
        (
            ReportKind::Numbers,
            b"{\"a\": 1e999}",
            "as JSON with numbers: it is not JSON: number out of range (line 1, column 11)",
        ),
        (
            ReportKind::Numbers,
            b"{\"a\": \"1\"}",
            "as JSON with numbers: it has no number in it",
        ),
    ];
    for (kind, bytes, told) in cases {
        let told = format!("failed to read the report {told}");
        let refused = refusal(*kind, bytes);
        let shown = String::from_utf8_lossy(bytes);
        assert!(
            refused.starts_with(told.trim_end_matches("; it looks like")),
            "{shown}: {refused}"
        );
    }
}

#[test]
fn what_is_huge_is_refused_soon() {
    let repeated = |text: &str| text.repeat((8 << 20) / text.len()).into_bytes();
    let mut deep_xml = b"<testsuite>".to_vec();
    deep_xml.extend(repeated("<a>"));
    let mut attributes = b"<testsuite ".to_vec();
    attributes.extend(repeated("a='1' "));
    attributes.extend(b"/>");
    let mut wide = b"{\"runs\":[".to_vec();
    wide.extend(repeated("{},"));
    let mut lines = b"SF:a\n".to_vec();
    lines.extend(repeated("DA:1,1\n"));
    let mut text = b"<testsuite><testcase name='a'><failure>".to_vec();
    text.extend(repeated("many words "));
    text.extend(b"</failure></testcase></testsuite>");
    for (kind, bytes, refused) in [
        (
            ReportKind::Junit,
            vec![b' '; 65 << 20],
            "it has 68157440 bytes, and 67108864 are the most",
        ),
        (
            ReportKind::Junit,
            deep_xml,
            "it is nested more than 100 levels deep",
        ),
        (ReportKind::Junit, attributes, ""),
        (ReportKind::Junit, text, ""),
        (
            ReportKind::Numbers,
            repeated("["),
            "it is nested more than 100 levels deep",
        ),
        (
            ReportKind::Sarif,
            wide,
            "it has more than 1000000 objects and lists",
        ),
        (ReportKind::Lcov, lines, "it has more than 1000000 lines"),
    ] {
        let begun = Instant::now();
        let read = read(kind, &bytes, &Limits::default());
        let took = begun.elapsed();
        let told = read
            .map(|_| String::new())
            .unwrap_or_else(|error| error.to_string());
        assert!(
            told.contains(refused) && told.is_empty() == refused.is_empty(),
            "{told}"
        );
        assert!(took < Duration::from_secs(20), "{took:?}: {refused}");
    }
}

/// A fixture with some of its bytes exchanged.
fn mutated() -> impl Strategy<Value = (ReportKind, Vec<u8>)> {
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8);
    (0..FIXTURES.len(), changes).prop_map(|(at, changes)| {
        let (name, kind) = FIXTURES[at];
        let mut bytes = fixture(name);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        (kind, bytes)
    })
}

proptest! {
    #[test]
    fn nothing_makes_a_reader_panic(text in "\\PC{0,200}", kind in 0..ReportKind::ALL.len()) {
        let _told = read(ReportKind::ALL[kind], text.as_bytes(), &Limits::default()).is_ok();
    }

    #[test]
    fn what_a_slip_makes_of_a_report_is_read_or_refused((kind, bytes) in mutated()) {
        if let Ok(says) = read(kind, &bytes, &Limits::default()) {
            // What is kept comes back as it was.
            let kept = serde_json::to_string(&says).unwrap();
            let back: leadsman_gates::Says = serde_json::from_str(&kept).unwrap();
            prop_assert_eq!(back, says);
        }
    }
}
