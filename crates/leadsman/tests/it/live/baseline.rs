//! A canary beside a fresh copy of the revision that serves, with real processes.

use serde_json::Value;

use super::client::{Traffic, get};
use super::machine::{Machine, text};
use super::processes;

const FRESH: &str = "strategy: { canary: { steps: [25%, 50%], soak: 1h, baseline: fresh } }\n\
                     limits: { requests: 20, against_stable: null }\n";

/// Returns the shares of the canary, its baseline and stable that are in force, in percent.
fn shares(machine: &Machine) -> [Option<f64>; 3] {
    let environment = machine.environment();
    ["canary", "baseline", "stable"].map(|role| {
        let at = format!("/services/0/{role}/weight_percent");
        environment.pointer(&at).and_then(Value::as_f64)
    })
}

fn coming_in() -> Machine {
    let machine = Machine::with_first_release();
    machine.project("two", FRESH);
    let plan = machine.json(&["plan"]);
    let planned = |step: usize| {
        let at = format!("/services/0/steps/{step}/baseline/weight_percent");
        plan.pointer(&at).and_then(Value::as_f64)
    };
    assert_eq!(
        [0, 1, 2].map(planned),
        [Some(25.0), Some(50.0), None],
        "{plan}"
    );
    machine.ship_detached();
    machine.wait_for_soak();
    machine
}

#[test]
fn a_canary_and_its_baseline_share_requests_alike_until_one_of_them_goes() {
    let mut machine = coming_in();
    assert_eq!(shares(&machine), [Some(25.0), Some(25.0), Some(50.0)]);
    let running = machine.instances();
    assert_eq!(running.len(), 3, "{running:#?}");
    let said = machine.run(&["status"]).succeeds();
    assert!(said.stdout.contains("baseline"), "{}", said.whole());

    let traffic = Traffic::start(machine.address);
    machine.kill_control();
    machine.up();
    assert_eq!(machine.instances(), running, "they are adopted");
    assert_eq!(shares(&machine), [Some(25.0), Some(25.0), Some(50.0)]);
    machine.run(&["promote"]).succeeds();
    machine.wait_until("half is on the canary", || {
        shares(&machine) == [Some(50.0), Some(50.0), Some(0.0)]
    });
    machine.wait_for_soak();
    machine.run(&["promote"]).succeeds();
    machine.wait_for_phase("settling");
    machine.wait_until("the copy is gone, and the way back is warm", || {
        machine.instances().len() == 2
    });
    machine.run(&["rollback"]).succeeds();
    machine.wait_for_phase("rolled_back");
    machine.wait_for_version("one");
    traffic.end_without_failure();
}

#[test]
fn a_baseline_that_is_killed_is_given_up_and_the_release_goes_on() {
    let machine = coming_in();
    let shims = machine.shims();
    let is_copy = |command: &str| command.contains(".r1.d2.");
    let shim = shims.iter().find(|shim| is_copy(&shim.command));
    let shim = shim.unwrap_or_else(|| unreachable!("it runs: {shims:#?}"));
    let all = machine.instances();
    let copy = all.iter().find(|process| process.parent == shim.pid);
    processes::kill(copy.expect("its shim holds it").pid);
    machine.wait_until("stable takes its share", || {
        shares(&machine) == [Some(25.0), None, Some(75.0)]
    });
    let reason = text(&machine.environment(), "/reasons/0/sentence");
    assert!(reason.contains("compared with stable"), "{reason}");
    assert!(machine.events().contains(&"baseline_given_up".to_owned()));
    assert_eq!(machine.phase(), "moving");
    assert!(get(machine.address, "/").is_ok());
}
