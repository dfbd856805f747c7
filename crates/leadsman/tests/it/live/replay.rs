//! A past rollout, judged again.

use serde_json::Value;

use super::client::Traffic;
use super::machine::{LONG, Machine};

/// Waits until the judge has so many more requests of the new revision to go by.
fn wait_for_requests(machine: &Machine, more: u64) {
    let requests = || {
        let environment = machine.environment();
        let requests = environment.pointer("/services/0/rollout/verdict/requests");
        requests.and_then(Value::as_u64).unwrap_or(0)
    };
    let before = requests();
    machine.wait_until("requests are judged", || requests() >= before + more);
}

#[test]
fn what_was_recorded_comes_out_again_though_control_was_killed() {
    let mut machine = Machine::with_first_release();
    machine.project("two", LONG);
    let traffic = Traffic::start(machine.address);
    machine.ship_detached();
    machine.wait_for_soak();
    wait_for_requests(&machine, 5);
    machine.kill_control();
    machine.up();
    wait_for_requests(&machine, 5);
    traffic.end_without_failure();
    machine.run(&["abort"]).succeeds();
    machine.wait_for_phase("rolled_back");

    let again = machine.run(&["replay"]).succeeds().stdout;
    for words in [
        "quay/production  deployment 2: release 2 went back",
        "by the limits it was held to",
        "    25 %  ",
        "recorded: inconclusive after ",
        "recorded verdicts came out again, to the last bit",
    ] {
        assert!(again.contains(words), "{words:?} is not in {again}");
    }
    let named = machine.run(&["replay", "quay/production", "2", "--service", "web"]);
    assert_eq!(named.succeeds().stdout, again);

    let lines = machine.run(&["replay", "2", "--json"]).succeeds().stdout;
    let lines: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let kinds: Vec<&str> = lines
        .iter()
        .map(|line| line["line"].as_str().unwrap())
        .collect();
    assert_eq!(kinds[..2], ["deployment", "rollout"]);
    assert!(kinds.contains(&"window"), "{kinds:?}");
    let recorded = lines.iter().filter(|line| line["judged"] == true);
    let same: Vec<&Value> = recorded.map(|line| &line["same"]).collect();
    assert!(
        !same.is_empty() && same.iter().all(|same| **same == true),
        "{same:?}"
    );
}

#[test]
fn other_limits_are_read_with_care_and_show_what_would_have_been() {
    let machine = Machine::with_first_release();
    machine.project("two errors", LONG);
    let traffic = Traffic::start(machine.address);
    machine.ship_detached();
    machine.wait_for_phase("rolled_back");
    drop(traffic.end());
    let own = machine.run(&["replay"]).succeeds().stdout;
    // All of its answers fail: by the judge or by the data plane, whoever sees it first.
    assert!(own.contains("recorded: fail after "), "{own}");
    let lenient = "errors: null\nagainst_stable: null\n";
    machine.place.write("limits.yaml", lenient);
    let again = machine.run(&["replay", "--limits", "limits.yaml"]);
    let again = again.succeeds().stdout;
    for words in ["by other limits: ", "recorded: fail after "] {
        assert!(again.contains(words), "{words:?} is not in {again}");
    }
    assert!(
        !again.contains("fail after") || !again.contains("25 %  fail"),
        "{again}"
    );

    machine
        .place
        .write("limits.yaml", "errors: 2%\np95: fast\n");
    let wrong = machine.run(&["replay", "--limits", "limits.yaml"]);
    wrong.fails(1, &["L015", "2:6: ", "P011"]);
    let missing = machine.run(&["replay", "--limits", "nowhere.yaml"]);
    missing.fails(1, &["L015", "failed to read limits `nowhere.yaml`"]);
    let unknown = machine.run(&["replay", "99"]);
    unknown.fails(1, &["L081", "numbered from 1 to 2", "leadsman history"]);
    let unknown = machine.run(&["replay", "staging"]);
    unknown.fails(1, &["L021"]);
}
