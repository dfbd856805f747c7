//! The verification of a real event log, without control.

use expect_test::expect;
use leadsman_core::time::Timestamp;
use leadsman_store::sqlite::SqliteLog;
use leadsman_store::{Append, EventLog as _, NewEvent};

use crate::program::Place;

/// Records two events in the log of the place's state folder.
fn record(place: &Place) {
    place.write(".leadsman/control.lock", "");
    let log = SqliteLog::open(place.path().join(".leadsman/events.db")).unwrap();
    let event = |body: &str| NewEvent {
        kind: "noted".to_owned(),
        body: body.to_owned(),
    };
    let append = Append {
        stream: "shop/production".parse().unwrap(),
        expected_version: 0,
        at: Timestamp::from_millis(1_790_000_000_000),
        actor: "mia".to_owned(),
        events: vec![
            event(r#"{"text":"all is well"}"#),
            event(r#"{"text":"still"}"#),
        ],
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(log.append(append)).unwrap();
}

#[test]
fn a_whole_log_is_shown_to_be_whole() {
    let place = Place::new();
    record(&place);
    expect![[r#"
        status 0
        --- stdout
        the log is whole: 2 events in 1 stream
        its head is 2454052eef069cfe11dcb62f88294a328087faf868390aab6d2c8aa2a23e2bfc
    "#]]
    .assert_eq(&place.run(&["audit", "verify"]).whole());
    let json = place.run(&["audit", "verify", "--json"]).stdout;
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(report.get("events").unwrap(), 2, "{report}");
}

#[test]
fn a_single_changed_letter_is_found() {
    let place = Place::new();
    record(&place);
    let path = place.path().join(".leadsman/events.db");
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes
        .windows(4)
        .position(|window| window == b"well")
        .unwrap();
    bytes[at..at + 4].copy_from_slice(b"hell");
    std::fs::write(&path, bytes).unwrap();
    expect![[r#"
        status 1
        --- stderr
        error[L040]: the event log is broken at position 1: the event was changed
        hint: stop trusting this log from that position on, and keep the file as it is: it is evidence
    "#]].assert_eq(&place.run(&["audit", "verify"]).whole());
}

#[test]
fn a_log_that_is_not_there_is_not_called_whole() {
    expect![[r#"
        status 1
        --- stderr
        error[L041]: there is no event log `[FOLDER]/.leadsman/events.db`
        hint: name the folder that holds it with `--state`
    "#]]
    .assert_eq(&Place::new().run(&["audit", "verify"]).whole());
}

#[test]
fn an_export_is_verified_by_itself_and_what_was_changed_is_found() {
    let place = Place::new();
    record(&place);
    let exported = place.run(&["audit", "export", "log.jsonl", "--json"]);
    assert_eq!(exported.status, 0, "{}", exported.whole());
    let report: serde_json::Value = serde_json::from_str(&exported.stdout).unwrap();
    let key = place.run(&["audit", "key"]).stdout.trim().to_owned();
    assert_eq!(report["key"], key.as_str());
    assert_eq!(report["events"], 2);
    let left: Vec<_> = std::fs::read_dir(place.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert!(
        left.iter()
            .all(|name| !name.to_string_lossy().contains("leadsman-")),
        "{left:?}"
    );

    // Elsewhere, where there is no state.
    let other = Place::new();
    let file = std::fs::read_to_string(place.path().join("log.jsonl")).unwrap();
    assert_eq!(file.lines().count(), 3);
    other.write("log.jsonl", &file);
    let verified = other
        .run(&["audit", "verify", "log.jsonl", "--key", &key])
        .whole();
    assert!(
        verified.contains("the export is whole: 2 events in 1 stream"),
        "{verified}"
    );
    assert!(
        verified.contains("signed by the key that was given"),
        "{verified}"
    );
    other.write("log.jsonl", file.replace("all is well", "all is bad"));
    expect![[r"
        status 1
        --- stderr
        error[L108]: line 1 of `log.jsonl` is wrong: the event was changed
        hint: stop trusting the file from that line on, and keep it as it is: it is evidence
    "]]
    .assert_eq(
        &other
            .run(&["audit", "verify", "log.jsonl", "--key", &key])
            .whole(),
    );
    let wrong = "0".repeat(64);
    other.write("log.jsonl", &file);
    let denied = other
        .run(&["audit", "verify", "log.jsonl", "--key", &wrong])
        .whole();
    assert!(
        denied.contains("line 3 of `log.jsonl` is wrong: the checkpoint"),
        "{denied}"
    );
    let usage = other.run(&["audit", "verify", "log.jsonl", "--key", "x"]);
    assert_eq!(usage.status, 2, "{}", usage.whole());
}

#[test]
fn what_needs_the_state_folder_is_not_done_from_elsewhere() {
    let place = Place::new();
    for arguments in [
        &["audit", "export", "log.jsonl"][..],
        &["audit", "verify"],
        &["audit", "key"],
        &["up"],
    ] {
        let server = ["--server", "http://127.0.0.1:9"];
        let ran = place.run(&[&server[..], arguments].concat());
        assert!(ran.whole().contains("error[L105]"), "{}", ran.whole());
    }
}
