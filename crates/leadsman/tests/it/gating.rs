//! `leadsman facts` and `leadsman gate`, as people and scripts use them.

use expect_test::expect;
use serde_json::Value;

use crate::program::Place;

const PROJECT: &str = "application: shop
services: { web: { run: ./server } }
gates:
  tests: pass
  coverage: { backend: 85% }
  numbers: { bundle.kb: { at_most: 250, growth: 5% } }
  rules: { few: \"!has(promoted.tests.skipped) || tests.skipped <= promoted.tests.skipped\" }
environments:
  staging: { listen: 127.0.0.1:8081, gates: { coverage: null, numbers: null } }
  production: { gates: { findings: high } }
  open: { listen: 127.0.0.1:8082, gates: null }
";

const UNIT: &str =
    "<testsuite><testcase name='a'/><testcase name='b'><skipped/></testcase></testsuite>";

const FAILED: &str = "<testsuite><testcase classname='shop' name='a'><failure message='1 is not 2'/></testcase></testsuite>";

fn place() -> Place {
    let place = Place::new();
    place
        .write("leadsman.yaml", PROJECT)
        .write("unit.xml", UNIT)
        .write("failed.xml", FAILED)
        .write("cov.lcov", "SF:a\nDA:1,1\nDA:2,0\nend_of_record\n")
        .write("size.json", r#"{"bundle": {"kb": 213.5}}"#)
        .write("old.json", r#"{"bundle": {"kb": 200}}"#)
        .write(
            "found.json",
            r#"{"matches": [], "descriptor": {"name": "grype"}, "source": {}}"#,
        );
    place
}

#[test]
fn reports_are_told_one_by_one() {
    let place = place();
    let ran = place.run(&[
        "facts",
        "unit.xml",
        "failed.xml",
        "lcov/backend=cov.lcov",
        "size.json",
        "found.json",
    ]);
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
    expect![[r#"
        `unit.xml` (JUnit XML)
          1 test passed, 1 left out
        `failed.xml` (JUnit XML)
          0 tests passed, 1 failed
            shop::a: 1 is not 2
        `cov.lcov` of `backend` (an lcov file)
          50 % of 2 lines covered
        `size.json` (JSON with numbers)
          bundle.kb is 213.5
        `found.json` (JSON of Grype)
          nothing was found
    "#]]
    .assert_eq(&ran.stdout);

    let ran = place.run(&["facts", "--json", "unit.xml"]);
    let facts: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(facts["reports"][0]["source"]["kind"], "junit");
    assert_eq!(facts["reports"][0]["says"]["tests"]["passed"], 1);
}

#[test]
fn what_is_no_report_is_refused_with_the_way_out() {
    let place = place();
    place
        .write("cut.xml", &UNIT[..40])
        .write(
            "bomb.xml",
            "<!DOCTYPE t [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]><testsuite name=\"&b;\"/>",
        )
        .write("text.txt", "hello");
    let mut told = String::new();
    for arguments in [
        ["facts", "cut.xml"],
        ["facts", "bomb.xml"],
        ["facts", "sarif=unit.xml"],
        ["facts", "text.txt"],
        ["facts", "missing.xml"],
        ["facts", "--kind=tests"],
    ] {
        let ran = place.run(&arguments);
        assert_ne!(ran.status, 0, "{arguments:?}");
        assert_eq!(ran.stdout, "");
        told.push_str(&format!("== {}\n{}", arguments.join(" "), ran.stderr));
    }
    expect![[r#"
        == facts cut.xml
        error[L121]: `cut.xml` says nothing
          caused by: failed to read the report as JUnit XML: it ends in the middle of a tag: it was cut off (line 1, column 41)
        hint: have the tool write it again, to its end
        == facts bomb.xml
        error[L121]: `bomb.xml` says nothing
          caused by: failed to read the report as JUnit XML: it declares a document type, which is refused: nothing that a tool reports needs it (line 1, column 54)
        hint: have the tool write it again, or name another file
        == facts sarif=unit.xml
        error[L121]: `unit.xml` says nothing
          caused by: failed to read the report as SARIF: it is not JSON: expected value (line 1, column 1); it looks like JUnit XML (`junit`)
        hint: say what it is with `junit=unit.xml`
        == facts text.txt
        error[L121]: `text.txt` looks like no report that can be read
        hint: say what it is with `KIND=text.txt`: junit, lcov, cobertura, sarif, trivy, grype, cyclonedx, k6, load, numbers
        == facts missing.xml
        error[L120]: failed to read the report `missing.xml`
          caused by: No such file or directory (os error 2)
        == facts --kind=tests
        error: invalid value 'tests' for '--kind <KIND>': there are junit, lcov, cobertura, sarif, trivy, grype, cyclonedx, k6, load, numbers

        For more information, try '--help'.
    "#]].assert_eq(&told);
}

#[test]
fn gates_are_asked_before_anything_is_pushed() {
    let place = place();
    let ran = place.run(&[
        "gate",
        "production",
        "--facts",
        "unit.xml",
        "lcov/backend=cov.lcov",
        "numbers/bundle.kb:/bundle/kb=size.json",
        "--promoted",
        "old.json",
    ]);
    assert_eq!(ran.status, 1);
    expect![[r#"
        status 1
        --- stdout
        open     tests              1 test passed, 1 left out
        closed   coverage.backend   coverage of `backend` 50 % of 2 lines, 85 % wanted
        unknown  findings           no report speaks of findings; a job has to give `sarif`, `trivy`, `grype` or `cyclonedx` under `reports`
        closed   numbers.bundle.kb  `bundle.kb` is 213.5, 210 at most, 5 % more than the promoted 200
        open     rules.few          `!has(promoted.tests.skipped) || tests.skipped <= promoted.tests.skipped` holds
        --- stderr
        error[L122]: 3 of 5 gates of `production` would not be open
    "#]].assert_eq(&ran.whole());

    let ran = place.run(&["gate", "staging", "--facts", "unit.xml"]);
    assert_eq!(ran.status, 0, "{}", ran.whole());
    expect![[r#"
        status 0
        --- stdout
        open  tests      1 test passed, 1 left out
        open  rules.few  `!has(promoted.tests.skipped) || tests.skipped <= promoted.tests.skipped` holds
    "#]].assert_eq(&ran.whole());

    let ran = place.run(&["gate", "--environment", "open"]);
    assert_eq!(
        (ran.status, ran.stdout.as_str()),
        (0, "`open` has no gates\n")
    );

    let ran = place.run(&["--json", "gate", "staging", "--facts", "failed.xml"]);
    assert_eq!(ran.status, 1);
    let told: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(told["open"], false);
    assert_eq!(told["gates"][0]["outcome"], "closed");
    assert_eq!(
        told["gates"][0]["sentence"],
        "1 of 1 test failed: `shop::a`: closed"
    );
}
