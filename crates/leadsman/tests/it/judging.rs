//! `leadsman judge`, line by line.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::Stdio;

use serde_json::Value;

use crate::program::{Place, Ran};

/// Known answers of an independent implementation; see the judge's own tests.
const VECTORS: &str = include_str!("../../../analysis/tests/fixtures/vectors.json");

fn judge(place: &Place, arguments: &[&str], lines: &str) -> Ran {
    let mut command = place.command(&[&["judge"], arguments].concat());
    command.stdin(Stdio::piped());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let lines = lines.to_owned();
    // It answers while it is told, so both must go on at once.
    let teller = std::thread::spawn(move || drop(stdin.write_all(lines.as_bytes())));
    let output = child.wait_with_output().unwrap();
    teller.join().unwrap();
    Ran {
        status: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn said(stdout: &str) -> Vec<Value> {
    stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Writes a sequence of the vectors as lines; arms in another order in every second window, which
/// must not matter.
fn lines(sequence: &Value, arms: &[Value]) -> String {
    let arm = |index: &Value| {
        let arm = &arms[usize::try_from(index.as_u64().unwrap()).unwrap()];
        serde_json::json!({
            "requests": arm[0], "errors": arm[1], "over": [arm[2], arm[3]], "latency": arm[4],
        })
        .to_string()
    };
    let mut lines = String::new();
    for row in sequence["history"].as_array().unwrap() {
        for _ in 0..row[3].as_u64().unwrap() {
            let (baseline, reference) = (arm(&row[1]), arm(&row[2]));
            let seconds = &row[0];
            writeln!(
                lines,
                r#"{{"seconds":{seconds},"baseline":{baseline},"reference":{reference}}}"#
            )
            .unwrap();
        }
    }
    for (i, event) in sequence["events"].as_array().unwrap().iter().enumerate() {
        if event[0] == "step" {
            let (weight, baseline) = (&event[1], &event[2]);
            writeln!(
                lines,
                r#"{{"step":{{"weight":{weight},"baseline_weight":{baseline}}}}}"#
            )
            .unwrap();
            continue;
        }
        let (seconds, canary) = (&event[1], arm(&event[2]));
        let (baseline, reference) = (arm(&event[3]), arm(&event[4]));
        let line = if i % 2 == 0 {
            format!(
                r#"{{"seconds":{seconds},"canary":{canary},"baseline":{baseline},"reference":{reference}}}"#
            )
        } else {
            format!(
                r#"{{"reference":{reference},"baseline":{baseline},"canary":{canary},"seconds":{seconds}}}"#
            )
        };
        for _ in 0..event[5].as_u64().unwrap() {
            writeln!(lines, "{line}").unwrap();
        }
    }
    lines
}

#[test]
fn it_says_what_the_equations_say() {
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    let arms = vectors["arms"].as_array().unwrap();
    let place = Place::new();
    let mut compared = 0;
    for sequence in vectors["sequences"].as_array().unwrap() {
        // The others need settings that no file can express, or are about the two tiers.
        if !sequence["cfg"].as_object().unwrap().is_empty() {
            continue;
        }
        let ran = judge(&place, &[], &lines(sequence, arms));
        let name = &sequence["name"];
        assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{name}");
        let said = said(&ran.stdout);
        for expected in sequence["expect"].as_array().unwrap() {
            let window = usize::try_from(expected["window"].as_u64().unwrap()).unwrap();
            let said = &said[window - 1];
            assert_eq!(said["window"], expected["window"]);
            for (ours, theirs) in [
                ("log_e", "log_e"),
                ("log_e_strict", "log_strict"),
                ("eta_fail_s", "eta_fail"),
                ("eta_pass_s", "eta_pass"),
            ] {
                let (found, wanted) = (said[ours].as_f64(), expected[theirs].as_f64());
                let same = match (found, wanted) {
                    (Some(found), Some(wanted)) => {
                        (found - wanted).abs() <= 1e-9 * wanted.abs().max(1.0)
                    }
                    (found, wanted) => found.is_none() && wanted.is_none(),
                };
                assert!(
                    same,
                    "{name}, window {window}: {ours} {found:?} is not {wanted:?}"
                );
                compared += 1;
            }
            assert_eq!(said["pass"], expected["passed"], "{name}, window {window}");
            assert_eq!(said["warn"], expected["warn"].as_u64() == Some(1), "{name}");
        }
    }
    assert!(compared > 500, "{compared}");
}

const STEP: &str = "{\"step\":{\"weight\":0.05,\"baseline_weight\":0.95}}\n";

#[test]
fn a_broken_line_ends_it_and_what_was_said_before_stands() {
    let good = "{\"seconds\":1,\"canary\":{\"requests\":5,\"errors\":0},\"baseline\":{\"requests\":95,\"errors\":0}}\n";
    let broken = "{\"seconds\":1,\"canary\":{\"requests\":5,\"errors\":6},\"baseline\":{\"requests\":95,\"errors\":0}}\n";
    let lines = format!("{STEP}{good}\n{broken}{good}");
    let ran = judge(&Place::new(), &[], &lines);
    assert_eq!(ran.status, 2);
    assert_eq!(said(&ran.stdout).len(), 1);
    expect_test::expect![[r#"
        error[L016]: line 4 of standard input is not understood
          caused by: canary: 6 errors of 5 requests (column 48)
    "#]]
    .assert_eq(&ran.stderr);
    assert_eq!(judge(&Place::new(), &[], "").status, 0);
}

#[test]
fn limits_come_from_a_file() {
    let place = Place::new();
    // One error in fifty: within five points, but not within one.
    let window = "{\"seconds\":1,\"canary\":{\"requests\":50,\"errors\":1},\"baseline\":{\"requests\":50,\"errors\":0}}\n";
    let lines = format!("{STEP}{}", window.repeat(400));
    let outcome = |arguments: &[&str]| {
        let ran = judge(&place, arguments, &lines);
        assert_eq!(ran.status, 0, "{}", ran.stderr);
        said(&ran.stdout).pop().unwrap()["outcome"].clone()
    };
    assert_eq!(outcome(&[]), "fail");
    place.write(
        "wide.yaml",
        "against_stable: { errors: 5%, p95: null, p99: null }\n",
    );
    assert_eq!(outcome(&["--limits", "wide.yaml"]), "pass");

    place.write("wrong.yaml", "errors: 5 apples\n");
    let ran = judge(&place, &["--limits", "wrong.yaml"], &lines);
    assert_eq!((ran.status, ran.stdout.as_str()), (1, ""));
    assert!(ran.stderr.contains("error[L015]"), "{}", ran.stderr);
    assert!(ran.stderr.contains("1:9"), "{}", ran.stderr);
}
