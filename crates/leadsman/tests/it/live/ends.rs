//! Ending everything, and beginning again.

use std::time::Instant;

use super::client::get;
use super::machine::{LONG, Machine, text};

#[test]
fn down_ends_everything_and_the_next_up_serves_again_by_itself() {
    let mut machine = Machine::with_first_release();
    machine.down();
    assert!(get(machine.address, "/").is_err());
    machine
        .run(&["status"])
        .fails(3, &["error[L001]", "leadsman up"]);

    let begun = Instant::now();
    machine.launch();
    machine.wait_for_version("one");
    let took = begun.elapsed().as_millis();
    println!("from `up` to the first answer of what served before: {took} ms");
    machine.wait_for_control();
    assert_eq!(machine.phase(), "settled");
    let events = machine.events();
    let started = events.iter().filter(|kind| *kind == "deployment_started");
    assert_eq!(started.count(), 1, "{events:?}");
    machine.down();
}

#[test]
fn down_in_the_middle_of_a_rollout_only_interrupts_it() {
    let mut machine = Machine::with_first_release();
    machine.project("two", LONG);
    machine.ship_detached();
    machine.wait_for_soak();
    machine.down();
    machine.up();
    // While only one side runs again, it answers for both. Then one request in four belongs to
    // the canary; each core of the data plane counts for itself.
    machine.wait_until("the canary has its share again", || {
        let answers = (0..40).map(|_| get(machine.address, "/"));
        let of_two = answers.filter(|answer| answer.as_ref().is_ok_and(|a| a.body == "two"));
        (8..=12).contains(&of_two.count())
    });
    let environment = machine.environment();
    assert_eq!(text(&environment, "/services/0/rollout/stage"), "soaking");
    assert_eq!(environment.pointer("/deployment/number").unwrap(), 2);
    assert_eq!(environment.pointer("/serves").unwrap(), 1);
    machine.run(&["abort"]).succeeds();
    machine.wait_for_phase("rolled_back");
    machine.down();
}

#[test]
fn what_runs_is_found_again_after_a_machine_was_cut_off() {
    let mut machine = Machine::with_first_release();
    machine.kill_control();
    for process in machine.processes() {
        super::processes::kill(process.pid);
    }
    machine.wait_until("nothing is left", || machine.processes().is_empty());
    machine.up();
    // It knows what it has before it answers for the first time.
    assert_eq!(machine.phase(), "settled");
    assert_eq!(machine.said().matches("nothing is deployed yet").count(), 1);
    machine.wait_for_version("one");
    assert_eq!(machine.instances().len(), 1);
    machine.down();
}

#[test]
fn a_signal_ends_control_alone_and_says_what_goes_on() {
    let mut machine = Machine::with_first_release();
    let control = rustix::process::Pid::from_raw(machine.control()).unwrap();
    rustix::process::kill_process(control, rustix::process::Signal::TERM).unwrap();
    assert!(machine.control_ends().success(), "{}", machine.said());
    assert!(
        machine.said().contains("1 instance goes on"),
        "{}",
        machine.said()
    );
    assert_eq!(get(machine.address, "/").unwrap().body, "one");
    machine.up();
    machine.down();
}
