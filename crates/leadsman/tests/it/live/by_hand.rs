//! Every command that a person gives to a deployment, once.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::client::{Traffic, get};
use super::machine::{LONG, Machine, QUICK, text};

/// Gives a command with `--json`, and checks that it was recorded and says what follows.
fn give(machine: &Machine, arguments: &[&str]) -> Value {
    let accepted = machine.json(arguments);
    let version = accepted.pointer("/version").and_then(Value::as_u64);
    assert!(version.is_some_and(|version| version > 0), "{accepted}");
    assert!(!text(&accepted, "/sentence").is_empty(), "{accepted}");
    accepted
}

/// Ships a version and lets it have all traffic at once.
pub(super) fn promote_all(machine: &Machine, version: &str) {
    machine.project(version, QUICK);
    machine.ship_detached();
    machine.wait_for_soak();
    give(machine, &["promote", "--all"]);
    machine.wait_for_phase("settling");
    machine.wait_for_version(version);
}

#[test]
fn a_rollback_by_hand_leaves_the_revision_within_a_second() {
    let machine = Machine::with_first_release();
    promote_all(&machine, "two");
    let traffic = Traffic::start(machine.address);
    machine.wait_until("requests flow", || get(machine.address, "/").is_ok());
    let begun = Instant::now();
    machine.run(&["rollback"]).succeeds();
    machine.wait_for_phase("rolled_back");
    machine.wait_for_version("one");
    let sent = traffic.end();
    assert!(
        sent.iter()
            .all(|sent| matches!(&sent.answer, Ok(answer) if answer.status == 200))
    );
    let of_two = |body: &str| body == "two";
    let last = sent
        .iter()
        .filter(|sent| {
            sent.answer
                .as_ref()
                .is_ok_and(|answer| of_two(&answer.body))
        })
        .map(|sent| sent.answered_at)
        .next_back()
        .unwrap();
    let took = last.saturating_duration_since(begun);
    println!("from the start of `rollback` to the last answer of what was left: {took:?}");
    // A second is promised; a machine that is busy with other tests gets three.
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert_eq!(machine.environment().pointer("/serves").unwrap(), 1);
}

#[test]
fn a_named_release_is_brought_back() {
    let machine = Machine::with_first_release();
    promote_all(&machine, "two");
    promote_all(&machine, "three");
    give(&machine, &["rollback", "--to", "1"]);
    machine.wait_for_version("one");
    machine.wait_until("release 1 serves", || {
        machine.environment().pointer("/serves").unwrap() == 1
    });
    let ran = machine.run(&["rollback", "--to", "99", "--json"]);
    assert_eq!(ran.status, 1, "{}", ran.whole());
    let error: Value = serde_json::from_str(&ran.stderr).unwrap();
    assert!(text(&error, "/error/code").starts_with('R'), "{error}");
}

#[test]
fn a_canary_is_paused_resumed_promoted_and_taken_back_by_hand() {
    let machine = Machine::with_first_release();
    for command in ["pause", "resume", "promote", "abort"] {
        machine.run(&[command]).fails(1, &["error[R0"]);
    }
    machine.project("two", LONG);
    machine.ship_detached();
    machine.wait_for_soak();
    give(&machine, &["pause"]);
    assert_eq!(machine.phase(), "paused");
    machine.run(&["pause"]).fails(1, &["error[R0"]);
    give(&machine, &["resume"]);
    machine.wait_for_phase("moving");
    give(&machine, &["promote"]);
    machine.wait_until("the next step holds", || {
        let environment = machine.environment();
        environment.pointer("/services/0/canary/weight_percent") == Some(&50.0.into())
    });
    machine.wait_for_soak();
    give(&machine, &["rollback", "--canary"]);
    machine.wait_for_phase("rolled_back");
    assert_eq!(get(machine.address, "/").unwrap().body, "one");

    machine.project("three", LONG);
    machine.ship_detached();
    machine.wait_for_soak();
    give(&machine, &["abort"]);
    machine.wait_for_phase("rolled_back");
    assert_eq!(get(machine.address, "/").unwrap().body, "one");
    machine.wait_until("only what serves is left", || {
        machine.instances().len() == 1
    });
}
