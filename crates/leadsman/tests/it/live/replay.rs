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

/// Returns what a command tells line by line.
fn lines(machine: &Machine, arguments: &[&str]) -> Vec<Value> {
    let lines = machine.run(arguments).succeeds().stdout;
    let lines = lines.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
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

    let lines = lines(&machine, &["replay", "2", "--json"]);
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
    // What is slow is the judge's alone: no tripwire can be faster.
    machine.project(
        "two slow",
        "strategy: { canary: { steps: [25%], soak: 1h } }\n\
         limits: { requests: 20, p95: 10ms, against_stable: null }\n",
    );
    let traffic = Traffic::start(machine.address);
    machine.ship_detached();
    machine.wait_for_phase("rolled_back");
    traffic.end_without_failure();
    let step = |replay: &[&str]| {
        let mut lines = lines(&machine, replay).into_iter();
        lines.find(|line| line["line"] == "step").unwrap()
    };
    assert!(step(&["replay", "--json"])["fails_after_ms"].is_u64());
    machine
        .place
        .write("limits.yaml", "p95: 10s\nagainst_stable: null\n");
    let lenient = ["replay", "--limits", "limits.yaml"];
    let words = ["by other limits: ", "p95 at most ", "recorded: fail after "];
    machine.run(&lenient).succeeds().says(&words);
    let again = step(&[&lenient[..], &["--json"]].concat());
    assert!(again["fails_after_ms"].is_null(), "{again}");
    assert_ne!(again["verdict"]["outcome"], "fail");

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
