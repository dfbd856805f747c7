//! A release that has to meet something before it enters.

use std::fs;

use serde_json::Value;

use super::by_hand::promote_all;
use super::machine::{LONG, Machine, QUICK, text};

const ONE_PASSED: &str = r#"<testsuite name="unit" tests="1"><testcase name="adds"/></testsuite>"#;
const ONE_FAILED: &str = r#"<testsuite name="unit" tests="1" failures="1"><testcase name="adds"><failure message="2 is not 3"/></testcase></testsuite>"#;

fn waiting(machine: &Machine) -> Value {
    let all = machine.json(&["requests"]);
    all.pointer("/0").cloned().unwrap_or_default()
}

#[test]
fn a_release_waits_for_its_gates_and_for_consent_across_a_crash() {
    let mut machine = Machine::with_first_release();
    let folder = machine.state().parent().unwrap().to_owned();
    machine.project("two", QUICK);
    let file = folder.join("leadsman.yaml");
    let project = fs::read_to_string(&file).unwrap();
    let entry = "{ production: { entry: { approvals: { count: 1, by_author: true } },";
    let guarded = project.replacen("{ production: {", entry, 1);
    assert_ne!(guarded, project);
    fs::write(&file, format!("{guarded}\ngates: {{ tests: pass }}\n")).unwrap();

    machine
        .run(&["ship"])
        .fails(1, &["release 2 waits to enter"]);
    let request = waiting(&machine);
    let missing = request.pointer("/requests/0/missing").unwrap().to_string();
    assert!(
        missing.contains("0 of 1 approvals") && missing.contains("no report speaks of tests"),
        "{missing}"
    );
    let digest = text(&request, "/requests/0/digest");

    let report = folder.join("unit.xml");
    fs::write(&report, ONE_FAILED).unwrap();
    machine
        .run(&["report", "2", report.to_str().unwrap()])
        .succeeds();
    machine
        .run(&["approve", "2", "--digest", &digest, "-m", "read it"])
        .succeeds();
    let missing = waiting(&machine)
        .pointer("/requests/0/missing")
        .unwrap()
        .to_string();
    assert!(missing.contains("1 of 1 test failed"), "{missing}");

    // What was asked, reported and approved is not forgotten.
    machine.kill_control();
    machine.up();
    assert_eq!(
        text(&waiting(&machine), "/requests/0/approvals/0/note"),
        "read it"
    );
    let other = format!("sha256:{}", "00".repeat(32));
    machine
        .run(&["approve", "2", "--digest", &other])
        .fails(1, &["error[R026]"]);

    fs::write(&report, ONE_PASSED).unwrap();
    machine
        .run(&["report", "2", report.to_str().unwrap()])
        .succeeds();
    machine.wait_for_soak();
    machine.run(&["promote", "--all"]).succeeds();
    machine.wait_until("release 2 serves", || {
        machine.environment().pointer("/serves").unwrap() == 2
    });
    let events = machine.events();
    for kind in [
        "entry_requested",
        "entry_judged",
        "entry_approved",
        "entry_admitted",
    ] {
        assert!(
            events.iter().any(|event| event == kind),
            "{kind}: {events:?}"
        );
    }
    machine.down();
}

#[test]
fn a_freeze_keeps_releases_out_and_the_way_back_free() {
    let machine = Machine::with_first_release();
    promote_all(&machine, "two");
    machine
        .run(&["freeze", "-m", "the sale", "--for", "1h"])
        .succeeds();
    machine.project("three", QUICK);
    machine
        .run(&["ship"])
        .fails(1, &["release 3 waits to enter"]);
    machine.run(&["requests"]).succeeds();
    machine.run(&["rollback"]).succeeds();
    machine.wait_for_version("one");
    machine.run(&["thaw", "7"]).fails(1, &["error[R030]"]);
    machine.run(&["thaw"]).succeeds();
    machine.wait_for_soak();
    assert_eq!(
        machine
            .environment()
            .pointer("/deployment/release")
            .unwrap(),
        3
    );
}

#[test]
fn a_maintenance_window_holds_what_is_on_its_way_until_somebody_takes_it_back() {
    let machine = Machine::with_first_release();
    machine.project("two", LONG);
    machine.ship_detached();
    machine.wait_for_soak();
    let endless = ["maintenance", "window", "--because", "new disks"];
    machine.run(&endless).fails(1, &["error[R032]"]);
    machine
        .run(&[&endless[..], &["--for", "1h"]].concat())
        .succeeds();
    machine.wait_for_phase("paused");
    let why = machine.run(&["why"]).succeeds().whole();
    assert!(why.contains("maintenance window 1"), "{why}");
    machine.run(&["promote"]).fails(1, &["error[R033]"]);
    machine.run(&["thaw"]).succeeds();
    machine.wait_for_phase("moving");
    machine.run(&["promote", "--all"]).succeeds();
    machine.wait_for_version("two");
}
