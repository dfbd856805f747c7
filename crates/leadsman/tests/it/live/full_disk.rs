//! A state folder on a disk that is full.

use super::client::Traffic;
use super::machine::{Machine, QUICK};
use super::small_disk::{self, Ran, fill, in_a_namespace};

/// This test.
const NAME: &str = "live::full_disk::nothing_moves_on_a_full_disk_and_everything_goes_on_after_it";

#[test]
fn nothing_moves_on_a_full_disk_and_everything_goes_on_after_it() {
    match in_a_namespace(NAME, &[]) {
        Ran::Inside => inside(),
        Ran::Outside { passed } => assert!(passed, "it failed in its namespace"),
        Ran::Nowhere(why) => println!("skipped: {why}"),
    }
}

fn inside() {
    let mut machine = Machine::new();
    let state = machine.state();
    if let Err(why) = small_disk::mount(&state, 4) {
        println!("skipped: a small disk cannot be mounted here: {why}");
        return;
    }
    machine.up();
    machine.project("one", QUICK);
    machine.ship().succeeds();
    let traffic = Traffic::start(machine.address);
    machine.project("two", QUICK);
    machine.ship_detached();
    machine.wait_for_soak();
    let ballast = state.join("ballast");
    fill(&ballast);
    let events = machine.events();
    // What a person asks for is refused with what to do about it.
    machine.project("three", QUICK);
    for command in [&["pause"][..], &["ship", "--detach"]] {
        let words = ["error[L082]", "no space is left", "make room"];
        machine.run(command).fails(1, &words);
    }
    // What would go on by itself waits, and says so.
    for command in ["why", "status"] {
        machine.wait_until(&format!("`{command}` says why nothing moves"), || {
            let said = machine.run(&[command]).succeeds().stdout;
            let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
            said.contains("no space is left")
        });
    }
    assert_eq!(machine.events(), events, "nothing moves");
    let weight = machine.environment();
    let weight = weight.pointer("/services/0/canary/weight_percent").cloned();
    assert_eq!(weight, Some(50.0.into()));

    std::fs::remove_file(&ballast).unwrap();
    machine.wait_for_phase("settling");
    machine.wait_for_version("two");
    machine.ship().succeeds();
    machine.wait_for_version("three");
    traffic.end_without_failure();
    machine.down();
    machine.run(&["audit", "verify"]).succeeds();
}
