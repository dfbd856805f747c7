//! What becomes of everything when the state goes to another machine.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::Value;

use super::client::{Traffic, get};
use super::machine::{Machine, QUICK, text};

/// A rollout that is in its only soak for long enough to be moved in it.
const MOVABLE: &str = "strategy: { canary: { steps: [50%], soak: 6s }, keep_warm: 10m }\n\
                       limits: { requests: 20, against_stable: null }\n";

/// Returns every event that is in the log, the oldest first.
fn history(machine: &Machine) -> Vec<Value> {
    let history = machine.json(&["history", "--limit", "1000"]);
    let mut events = history
        .pointer("/events")
        .unwrap()
        .as_array()
        .unwrap()
        .clone();
    events.reverse();
    events
}

/// Exports to a file and returns what was said of it.
fn export(machine: &Machine, file: &Path) -> Value {
    machine.json(&["state", "export", file.to_str().unwrap()])
}

#[test]
fn another_machine_goes_on_where_this_one_was_exported() {
    let elsewhere = tempfile::tempdir().unwrap();
    let file = elsewhere.path().join("export.tar");
    let mut first = Machine::with_first_release();
    first.project("two", MOVABLE);
    let traffic = Traffic::start(first.address);
    first.ship_detached();
    first.wait_for_soak();
    let exported = export(&first, &file);
    let mut before = history(&first);
    drop(traffic.end_without_failure());
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(exported.pointer("/artifacts"), Some(&0.into()));
    let events = exported.pointer("/events").unwrap().as_u64().unwrap();
    assert!(events > 0);
    // The port is free only then, and so it is with a machine that has burnt down.
    first.down();

    let mut second = Machine::at(first.address);
    let imported = second.json(&["state", "import", file.to_str().unwrap()]);
    assert_eq!(imported.pointer("/head"), exported.pointer("/head"));
    let verified = second.json(&["audit", "verify"]);
    assert_eq!(verified.pointer("/head"), exported.pointer("/head"));
    second.up();
    second.wait_until("both versions answer", || {
        let versions = ["one", "two"].map(|version| {
            (0..20).any(|_| get(second.address, "/").is_ok_and(|answer| answer.body == version))
        });
        versions == [true, true]
    });
    let traffic = Traffic::start(second.address);
    second.wait_for_phase("settling");
    second.wait_for_version("two");
    let bodies = traffic.end_without_failure();
    assert!(bodies.iter().any(|body| body == "two"));

    // What was recorded before is word for word the same; the rest is one story with it.
    let after = history(&second);
    // The judge may have said something between the export and the question.
    before.retain(|event| event.pointer("/position").unwrap().as_u64().unwrap() <= events);
    assert_eq!(after[..before.len()], before);
    let kinds = second.events();
    let count = |kind: &str| kinds.iter().filter(|other| *other == kind).count();
    assert_eq!(count("deployment_started"), 2, "{kinds:?}");
    assert_eq!(count("soak_started"), 1, "{kinds:?}");
    assert_eq!(count("deployment_promoted"), 2, "{kinds:?}");
    second.run(&["audit", "verify"]).succeeds();
    assert!(is_in_the_log(&second, &text(&exported, "/head")));
    second.down();
}

/// Whether an event of the log has this hash.
fn is_in_the_log(machine: &Machine, hash: &str) -> bool {
    use leadsman_store::EventLog as _;
    let log = leadsman_store::sqlite::SqliteLog::open(machine.state().join("events.db")).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let events = runtime.block_on(log.read_all(0, usize::MAX)).unwrap();
    events.iter().any(|event| event.hash.to_string() == hash)
}

/// Writes a front end of a version and the project file that serves it, and ships it under load.
fn build_and_ship(machine: &Machine, version: &str) {
    machine.place.write("dist/index.html", version);
    let ready = "{ http: /, every: 50ms, within: 20s }";
    machine.project_of("    serve: dist\n", ready, QUICK);
    let traffic = Traffic::start(machine.address);
    machine.ship().succeeds();
    machine.wait_for_version(version);
    drop(traffic.end());
}

/// The export is older than the end, and the machine ends at once, as by a power failure.
#[test]
fn what_serves_is_back_from_an_older_export_with_what_it_was_built_from() {
    let elsewhere = tempfile::tempdir().unwrap();
    let file = elsewhere.path().join("export.tar");
    let first = Machine::started();
    build_and_ship(&first, "one");
    build_and_ship(&first, "two");
    let name = file.to_str().unwrap();
    let options = ["--without-figures", "--without-keys"];
    let exported = first.json(&[&["state", "export", name], &options[..]].concat());
    assert_eq!(exported.pointer("/artifacts"), Some(&2.into()));
    build_and_ship(&first, "three");
    let address = first.address;
    drop(first);

    let mut second = Machine::at(address);
    second.run(&["state", "import", name]).succeeds();
    // A second state does not come over the first.
    second
        .run(&["state", "import", name])
        .fails(1, &["error[L046]"]);
    second.up();
    second.wait_for_version("two");
    // The way back is still there, and so is the way on.
    second.run(&["rollback"]).succeeds();
    second.wait_for_version("one");
    build_and_ship(&second, "three");
    second.run(&["audit", "verify"]).succeeds();
    second.down();
}
