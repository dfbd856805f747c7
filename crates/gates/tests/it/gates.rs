//! Each gate: open, closed, or unknown, with one sentence and its numbers.

use leadsman_gates::{
    About, CoverageGate, Day, Evidence, Exception, Facts, FindingsGate, GateResult, Gates, JobEnd,
    LicencesGate, Limits, LoadGate, NumberGate, Outcome, ReportKind, Says, Severity, Source,
    TestsGate, all_open, evaluate, read,
};

use crate::fixture;

fn day(text: &str) -> Day {
    Day::parse(text).expect("a day")
}

fn facts(reports: &[(ReportKind, &str)]) -> Facts {
    let mut facts = Facts::default();
    for (kind, report) in reports {
        let bytes = match report.rsplit_once('.') {
            Some((_, "xml" | "lcov" | "json" | "sarif")) => fixture(report),
            Some(_) | None => report.as_bytes().to_vec(),
        };
        let source = Source {
            kind: *kind,
            path: (*report).to_owned(),
            job: Some("unit".to_owned()),
            group: None,
        };
        facts.add(
            source,
            read(*kind, &bytes, &Limits::default()).expect("it can be read"),
        );
    }
    facts
}

fn results(gates: &Gates, facts: &Facts, promoted: Option<&Facts>) -> Vec<GateResult> {
    let evidence = Evidence {
        facts,
        collected: Some(day("2026-11-20")),
        promoted,
        about: &About::default(),
        today: day("2026-11-22"),
    };
    evaluate(gates, &evidence)
}

fn sentence(gates: &Gates, facts: &Facts) -> String {
    let results = results(gates, facts, None);
    let told: Vec<String> = results
        .into_iter()
        .map(|r| format!("{} | {}", r.name, r.sentence))
        .collect();
    told.join("\n")
}

#[test]
fn tests_must_pass() {
    let gate = |gate| Gates {
        tests: Some(gate),
        ..Gates::default()
    };
    let suite = |inside: &str| format!("<testsuite>{inside}</testsuite>");
    let passed = "<testcase name='a'/>";
    let flaky = "<testcase name='b'><flakyFailure/></testcase>";
    let skipped = "<testcase name='c'><skipped/></testcase>";
    let plain = TestsGate::default();
    for (report, tests, told) in [
        (suite(passed), plain.clone(), "1 test passed: open"),
        (
            suite(&passed.repeat(1234)),
            plain.clone(),
            "1,234 tests passed: open",
        ),
        (
            suite(&[passed, flaky, skipped].concat()),
            plain.clone(),
            "2 tests passed, 1 of them only when run again, 1 left out: open",
        ),
        (
            suite(""),
            plain.clone(),
            "no test ran; see why the job found none to run: unknown",
        ),
        (
            suite(skipped),
            plain.clone(),
            "no test ran; see why the job found none to run: unknown",
        ),
        (
            suite(passed),
            TestsGate {
                at_least: 2,
                ..plain.clone()
            },
            "1 test passed, 2 at least: closed",
        ),
        (
            suite(&[passed, skipped].concat()),
            TestsGate {
                skipped: Some(0),
                ..plain.clone()
            },
            "1 test left out, 0 at most: closed",
        ),
        (
            suite(&[passed, flaky].concat()),
            TestsGate {
                flaky: Some(0),
                ..plain.clone()
            },
            "1 test passed only when run again, 0 at most: closed",
        ),
        // A suite that could not start has no case that failed.
        (
            "<testsuite tests='2' failures='0' errors='1'><testcase name='a'/></testsuite>"
                .to_owned(),
            plain,
            "1 of 2 tests failed: `(no case)`: closed",
        ),
    ] {
        let facts = facts(&[(ReportKind::Junit, &report)]);
        assert_eq!(
            sentence(&gate(tests), &facts),
            format!("tests | {told}"),
            "{report}"
        );
    }
    assert_eq!(
        sentence(
            &gate(TestsGate::default()),
            &facts(&[(ReportKind::Junit, "pytest.xml")])
        ),
        "tests | 2 of 5 tests failed: `test_shop::test_wrong`, `test_shop::test_stored`: closed"
    );
    assert_eq!(
        sentence(&gate(TestsGate::default()), &Facts::default()),
        "tests | no report speaks of tests; a job has to give `junit` under `reports`: unknown"
    );
}

#[test]
fn coverage_has_a_floor_for_all_and_for_groups() {
    let gate = |all, groups: &[(&str, f64)]| Gates {
        coverage: Some(CoverageGate {
            all,
            groups: groups
                .iter()
                .map(|(name, share)| ((*name).to_owned(), *share))
                .collect(),
        }),
        ..Gates::default()
    };
    let of = |hit: usize, all: usize| {
        let lines = (0..all).map(|line| format!("DA:{line},{}\n", u8::from(line < hit)));
        format!("SF:a\n{}end_of_record\n", lines.collect::<String>())
    };
    for (hit, all, wanted, told) in [
        (
            10_353,
            12_310,
            0.85,
            "coverage 84.1 % of 12,310 lines, 85 % wanted: closed",
        ),
        (
            84_999,
            100_000,
            0.85,
            "coverage 84.9 % of 100,000 lines, 85 % wanted: closed",
        ),
        (
            851,
            1000,
            0.851,
            "coverage 85.1 % of 1,000 lines, 85.1 % wanted: open",
        ),
        (
            10,
            10,
            1.0,
            "coverage 100 % of 10 lines, 100 % wanted: open",
        ),
        (0, 10, 0.0, "coverage 0 % of 10 lines, 0 % wanted: open"),
    ] {
        let facts = facts(&[(ReportKind::Lcov, &of(hit, all))]);
        assert_eq!(
            sentence(&gate(Some(wanted), &[]), &facts),
            format!("coverage | {told}")
        );
    }
    let facts = facts(&[(ReportKind::Lcov, &of(8, 10))]);
    assert_eq!(
        sentence(&gate(None, &[("frontend", 0.5), ("unit", 0.5)]), &facts),
        "coverage.frontend | no report speaks of coverage of `frontend`: there is coverage of \
         `unit`; a job of this name has to give `lcov` or `cobertura`: unknown\n\
         coverage.unit | coverage of `unit` 80 % of 10 lines, 50 % wanted: open"
    );
    let nothing = self::facts(&[(ReportKind::Lcov, "SF:a\nend_of_record\n")]);
    assert_eq!(
        sentence(&gate(Some(0.5), &[]), &nothing),
        "coverage | coverage is said of no line at all; see whether the tests run the code that is \
         meant: unknown"
    );
}

fn exception(id: &str, until: &str) -> Exception {
    Exception {
        id: id.to_owned(),
        until: day(until),
        reason: "not reached".to_owned(),
    }
}

#[test]
fn findings_block_from_a_severity_on_unless_they_are_excepted() {
    let gate = |from, exceptions: &[Exception]| Gates {
        findings: Some(FindingsGate {
            from,
            exceptions: exceptions.to_vec(),
        }),
        ..Gates::default()
    };
    let found = facts(&[
        (ReportKind::Trivy, "trivy.json"),
        (ReportKind::Grype, "grype.json"),
    ]);
    let all = ["private-key", "CVE-2026-1001", "AVD-DS-0002"];
    let all = all.map(|id| exception(id, "2026-11-22"));
    for (from, exceptions, told) in [
        (
            Severity::Critical,
            vec![],
            "2 of 5 findings count, critical ones are not let pass: `CVE-2026-1001` in left@1.0.0 \
             (critical), `private-key` in config/app.env:4 (critical), 1 not rated yet: closed",
        ),
        (
            Severity::High,
            all.to_vec(),
            "none of 5 findings counts, high and graver ones are not let pass, 3 excepted: \
             `CVE-2026-1001` until 2026-11-22 (not reached), `private-key` until 2026-11-22 (not \
             reached), `AVD-DS-0002` until 2026-11-22 (not reached), 1 not rated yet: open",
        ),
        (
            Severity::Critical,
            vec![
                exception("GHSA-aaaa-bbbb-cccc", "2026-11-21"),
                exception("private-key", "2026-12-01"),
            ],
            "1 of 5 findings counts, critical ones are not let pass: `CVE-2026-1001` in left@1.0.0 \
             (critical), 1 excepted: `private-key` until 2026-12-01 (not reached), an exception \
             counts no more: `GHSA-aaaa-bbbb-cccc` ended on 2026-11-21 (not reached), 1 not rated \
             yet: closed",
        ),
        (
            Severity::Unknown,
            all.to_vec(),
            "2 of 5 findings count, none is let pass: `CVE-2026-2001` in libc6@2.36-9 (low), \
             `CVE-2026-1002` in right@2.1.0 (unknown), 3 excepted: `CVE-2026-1001` until 2026-11-22 \
             (not reached), `private-key` until 2026-11-22 (not reached), `AVD-DS-0002` until \
             2026-11-22 (not reached): closed",
        ),
    ] {
        assert_eq!(
            sentence(&gate(from, &exceptions), &found),
            format!("findings | {told}")
        );
    }
    let clean = facts(&[(ReportKind::Grype, r#"{"matches": []}"#)]);
    assert_eq!(
        sentence(&gate(Severity::High, &[]), &clean),
        "findings | nothing was found: open"
    );
    let failed = r#"{"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "scan"}}, "results": [],
        "invocations": [{"executionSuccessful": false}]}]}"#;
    let failed = facts(&[(ReportKind::Sarif, failed)]);
    assert_eq!(
        sentence(&gate(Severity::High, &[]), &failed),
        "findings | `scan` says of itself that it failed; have the scanner run to its end: unknown"
    );
}

#[test]
fn what_is_not_kept_by_name_blocks_all_the_same() {
    let many: Vec<String> = (0..600)
        .map(|n| format!(r#"{{"vulnerability": {{"id": "CVE-{n}", "severity": "High"}}, "artifact": {{"name": "a"}}}}"#))
        .collect();
    let report = format!(r#"{{"matches": [{}]}}"#, many.join(","));
    let exceptions: Vec<Exception> = (0..600)
        .map(|n| exception(&format!("CVE-{n}"), "2026-12-31"))
        .collect();
    let gates = Gates {
        findings: Some(FindingsGate {
            from: Severity::High,
            exceptions,
        }),
        ..Gates::default()
    };
    let results = results(&gates, &facts(&[(ReportKind::Grype, &report)]), None);
    assert_eq!(
        results[0].outcome,
        Outcome::Closed,
        "{}",
        results[0].sentence
    );
    assert!(
        results[0].sentence.starts_with("100 of 600 findings count"),
        "{}",
        results[0].sentence
    );
}

#[test]
fn licences_are_let_pass_by_name() {
    let gate = |allow: &[&str], deny: &[&str], exceptions: &[Exception]| Gates {
        licences: Some(LicencesGate {
            allow: allow.iter().map(|&id| id.to_owned()).collect(),
            deny: deny.iter().map(|&id| id.to_owned()).collect(),
            exceptions: exceptions.to_vec(),
        }),
        ..Gates::default()
    };
    let bom = facts(&[(ReportKind::Cyclonedx, "bom-1.6.json")]);
    for (gates, told) in [
        (
            gate(&["MIT", "Apache-2.0"], &[], &[]),
            "2 of 4 components are under licences that are not let pass: `bare@0.1.0` (no licence \
             stated), `right@2.1.0` (`Custom licence of right`): closed",
        ),
        (
            gate(
                &["MIT"],
                &[],
                &[
                    exception("bare", "2026-12-31"),
                    exception("right@2.1.0", "2026-12-31"),
                ],
            ),
            "all licences of 4 components are let pass, 2 excepted: `bare` until 2026-12-31 (not \
             reached), `right@2.1.0` until 2026-12-31 (not reached): open",
        ),
        (
            gate(&[], &["GPL-3.0-only"], &[]),
            "all licences of 4 components are let pass, 1 state none: open",
        ),
        (
            gate(&[], &["MIT"], &[]),
            "1 of 4 components is under licences that are not let pass: `left@1.0.0` (`MIT`), 1 \
             state none: closed",
        ),
    ] {
        assert_eq!(sentence(&gates, &bom), format!("licences | {told}"));
    }
}

#[test]
fn load_keeps_its_bounds() {
    let gate = |gate| Gates {
        load: Some(gate),
        ..Gates::default()
    };
    let k6 = facts(&[(ReportKind::K6, "k6-export.json")]);
    let own = facts(&[(ReportKind::Load, "load.json")]);
    let plain = LoadGate::default();
    for (facts, load, told) in [
        (
            &own,
            LoadGate {
                p95: Some(400.0),
                errors: Some(0.01),
                rate: Some(50.0),
                ..plain.clone()
            },
            "p95 8.111 ms, 400 ms at most, errors 0 %, 1 % at most, rate 50/s, 50/s at least over \
             150 requests: open",
        ),
        (
            &own,
            LoadGate {
                p95: Some(8.0),
                p99: Some(400.0),
                ..plain.clone()
            },
            "p95 8.111 ms, 8 ms at most over 150 requests: closed",
        ),
        (
            &own,
            LoadGate {
                rate: Some(50.1),
                ..plain.clone()
            },
            "rate 50/s, 50.1/s at least over 150 requests: closed",
        ),
        (
            &k6,
            LoadGate {
                p99: Some(400.0),
                ..plain
            },
            "the test's own threshold `http_req_duration: p(99)<50` was crossed over 12,000 \
             requests: closed",
        ),
    ] {
        assert_eq!(sentence(&gate(load), facts), format!("load | {told}"));
    }
    let own = String::from_utf8(fixture("load.json")).expect("it is text");
    for (was, is, told) in [
        (
            "\"valid\": true",
            "\"valid\": false, \"invalid\": [\"it was late\"]",
            "it was late",
        ),
        (
            "\"interrupted\": false",
            "\"interrupted\": true",
            "it was ended early",
        ),
        ("\"valid\": true,", "", "it does not say that it is valid"),
    ] {
        let facts = facts(&[(ReportKind::Load, &own.replace(was, is))]);
        assert_eq!(
            sentence(
                &gate(LoadGate {
                    p95: Some(400.0),
                    ..LoadGate::default()
                }),
                &facts
            ),
            format!(
                "load | the load test shows nothing: {told}; have it run where nothing holds it up: \
                 unknown"
            )
        );
    }
    let silent = facts(&[(ReportKind::K6, "k6-summary.json")]);
    assert_eq!(
        sentence(
            &gate(LoadGate {
                p99: Some(400.0),
                ..plain
            }),
            &silent
        ),
        "load | the load test does not say `p99`; have it measure that, or take the gate out: unknown"
    );
}

#[test]
fn jobs_must_have_tried_the_release_and_passed() {
    let gates = Gates {
        jobs: ["smoke".to_owned()].into(),
        ..Gates::default()
    };
    let said = |end: Option<JobEnd>| {
        let mut facts = Facts::default();
        let source = |job: &str| Source {
            kind: ReportKind::Job,
            path: String::new(),
            job: Some(job.to_owned()),
            group: None,
        };
        let says = |job| Says {
            job,
            ..Says::default()
        };
        facts.add(source("smoke"), says(end));
        // Another job says nothing of this one.
        facts.add(
            source("other"),
            says(Some(JobEnd {
                passed: true,
                why: String::new(),
            })),
        );
        sentence(&gates, &facts)
    };
    let end = |passed, why: &str| {
        Some(JobEnd {
            passed,
            why: why.to_owned(),
        })
    };
    assert_eq!(
        said(None),
        "jobs.smoke | job `smoke` has not tried this release; it begins once the release serves, in \
         the run that made it: unknown"
    );
    assert_eq!(said(end(true, "")), "jobs.smoke | job `smoke` passed: open");
    assert_eq!(
        said(end(false, "`./smoke` exited with status 1")),
        "jobs.smoke | job `smoke` failed: `./smoke` exited with status 1: closed"
    );
}

#[test]
fn numbers_are_bounded_absolutely_and_against_the_promoted_release() {
    let at = |json: &str| facts(&[(ReportKind::Numbers, json)]);
    let gate = |gate| Gates {
        numbers: [("kb".to_owned(), gate)].into(),
        ..Gates::default()
    };
    let (most, least) = (Some(250.0), Some(10.0));
    let plain = NumberGate::default();
    for (now, promoted, number, told) in [
        (
            250.0,
            None,
            NumberGate {
                at_most: most,
                ..plain.clone()
            },
            "`kb` is 250, 250 at most: open",
        ),
        (
            250.5,
            None,
            NumberGate {
                at_most: most,
                ..plain.clone()
            },
            "`kb` is 250.5, 250 at most: closed",
        ),
        (
            9.0,
            None,
            NumberGate {
                at_least: least,
                ..plain.clone()
            },
            "`kb` is 9, 10 at least: closed",
        ),
        (
            105.0,
            Some(r#"{"kb": 100}"#),
            NumberGate {
                growth: Some(0.05),
                ..plain.clone()
            },
            "`kb` is 105, 105 at most, 5 % more than the promoted 100: open",
        ),
        (
            106.0,
            Some(r#"{"kb": 100}"#),
            NumberGate {
                at_most: most,
                growth: Some(0.05),
                ..plain.clone()
            },
            "`kb` is 106, 105 at most, 5 % more than the promoted 100: closed",
        ),
        (
            89.0,
            Some(r#"{"kb": 100}"#),
            NumberGate {
                shrink: Some(0.1),
                ..plain.clone()
            },
            "`kb` is 89, 90 at least, 10 % less than the promoted 100: closed",
        ),
        (
            -90.0,
            Some(r#"{"kb": -100}"#),
            NumberGate {
                growth: Some(0.05),
                ..plain.clone()
            },
            "`kb` is -90, -95 at most, 5 % more than the promoted -100: closed",
        ),
        (
            1e6,
            None,
            NumberGate {
                growth: Some(0.05),
                ..plain.clone()
            },
            "`kb` is 1000000, no release was promoted here to compare with: open",
        ),
        (
            1e6,
            Some(r#"{"other": 1}"#),
            NumberGate {
                growth: Some(0.05),
                ..plain
            },
            "`kb` is 1000000, the promoted release has none to compare with: open",
        ),
    ] {
        let promoted = promoted.map(at);
        let results = results(
            &gate(number),
            &at(&format!(r#"{{"kb": {now}}}"#)),
            promoted.as_ref(),
        );
        assert_eq!(results[0].sentence, told);
        assert_eq!(results[0].name, "numbers.kb");
    }
    assert_eq!(
        sentence(&gate(plain), &at(r#"{"other": 1}"#)),
        "numbers.kb | no report says `kb`; a job has to give a `numbers` report with this name in \
         it: unknown"
    );
}

#[test]
fn results_expire_with_their_facts_and_with_the_exceptions_they_rest_on() {
    let gates = Gates {
        tests: Some(TestsGate::default()),
        findings: Some(FindingsGate {
            from: Severity::Critical,
            exceptions: vec![exception("private-key", "2026-11-30")],
        }),
        ..Gates::default()
    };
    let known = facts(&[
        (ReportKind::Junit, "gradle.xml"),
        (ReportKind::Trivy, "trivy.json"),
    ]);
    let expires: Vec<_> = results(&gates, &known, None)
        .iter()
        .map(|r| r.expires)
        .collect();
    assert_eq!(expires, [Some(day("2026-12-21")), Some(day("2026-12-01"))]);

    let old = |today| {
        let evidence = Evidence {
            facts: &known,
            collected: Some(day("2026-11-20")),
            promoted: None,
            about: &About::default(),
            today: day(today),
        };
        evaluate(&gates, &evidence).remove(0).sentence
    };
    assert!(old("2026-12-20").ends_with(": closed"));
    assert_eq!(
        old("2026-12-21"),
        "the facts are of 2026-11-20, and count for 30 days; run the pipeline again: unknown"
    );
}

#[test]
fn only_open_lets_pass() {
    let result = |outcome| GateResult {
        name: "a".to_owned(),
        outcome,
        sentence: String::new(),
        expires: None,
    };
    assert!(all_open(&[]));
    assert!(all_open(&[result(Outcome::Open)]));
    for outcome in [Outcome::Closed, Outcome::Unknown] {
        assert!(!all_open(&[result(Outcome::Open), result(outcome)]));
    }
}

#[test]
fn gates_are_kept_as_they_are() {
    let gates = Gates {
        tests: Some(TestsGate::default()),
        findings: Some(FindingsGate {
            from: Severity::High,
            exceptions: vec![exception("CVE-1", "2026-12-31")],
        }),
        rules: [("a".to_owned(), "true".to_owned())].into(),
        ..Gates::default()
    };
    let kept = serde_json::to_string(&gates).expect("gates can be written");
    assert_eq!(
        kept,
        r#"{"tests":{"at_least":0},"findings":{"from":"high","exceptions":[{"id":"CVE-1","until":"2026-12-31","reason":"not reached"}]},"rules":{"a":"true"},"expire":30}"#
    );
    assert_eq!(
        serde_json::from_str::<Gates>(&kept).expect("and read"),
        gates
    );
    assert!(
        serde_json::from_str::<Gates>("{}")
            .expect("nothing is no gate")
            .is_empty()
    );
}
