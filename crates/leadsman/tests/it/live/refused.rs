//! Releases that cannot serve, and releases that were taken back.

use std::time::{Duration, Instant};

use super::client::{Traffic, get};
use super::machine::{Machine, QUICK, text};
use super::service;

/// Ships what stands in the project file, which must be taken back with every one of `words` as
/// the reason and without a single request.
fn is_taken_back(machine: &Machine, words: &[&str]) {
    let before = machine.events().len();
    let traffic = Traffic::start(machine.address);
    let begun = Instant::now();
    machine.ship().fails(4, words);
    // Within a second it counts as not ready; the rest is for a busy machine.
    assert!(begun.elapsed() < Duration::from_secs(15));
    let bodies = traffic.end_without_failure();
    assert!(bodies.iter().all(|body| body == "one"), "{bodies:?}");
    let cause = text(&machine.environment(), "/deployment/cause");
    for word in words {
        assert!(cause.contains(word), "{word:?} is not in {cause:?}");
    }
    let events = &machine.events()[before..];
    assert!(!events.contains(&"weight_shifted".to_owned()), "{events:?}");
    machine.wait_until("only what serves is left", || {
        machine.instances().len() == 1
    });
}

#[test]
fn a_command_that_is_not_there_is_the_reason_and_gets_no_request() {
    let machine = Machine::with_first_release();
    machine.project_of("    run: no-such-program --serve\n", "tcp", QUICK);
    is_taken_back(&machine, &["no-such-program"]);
}

#[test]
fn a_command_that_may_not_be_run_is_the_reason_and_gets_no_request() {
    let machine = Machine::with_first_release();
    machine.place.write("build/data.txt", "no program");
    machine.project_of("    artifact: build\n    run: ./data.txt\n", "tcp", QUICK);
    is_taken_back(&machine, &["data.txt"]);
}

#[test]
fn a_health_path_that_says_no_is_the_reason_and_gets_no_request() {
    let machine = Machine::with_first_release();
    let ready = "{ http: /health, every: 50ms, within: 1s }";
    machine.project_of(&service::lines("two unhealthy"), ready, QUICK);
    is_taken_back(&machine, &["/health", "404"]);
}

#[test]
fn a_health_path_that_never_answers_is_the_reason_and_gets_no_request() {
    let machine = Machine::with_first_release();
    let ready = "{ http: /health, every: 50ms, timeout: 100ms, within: 1s }";
    machine.project_of(&service::lines("two mute"), ready, QUICK);
    is_taken_back(&machine, &["/health"]);
}

/// Checks that it was taken back for its errors: by the judge, or by the data plane if that was
/// faster.
fn is_failed_with_figures(machine: &Machine) {
    let cause = text(&machine.environment(), "/deployment/cause");
    let judged = cause.contains(": errors 100 % (limit 5 %)");
    assert!(
        judged || cause.contains(" answers failed on the new revision"),
        "{cause}"
    );
}

#[test]
fn a_release_with_errors_is_taken_back_with_the_figures_as_the_reason() {
    let machine = Machine::with_first_release();
    machine.project("two errors", QUICK);
    let traffic = Traffic::start(machine.address);
    machine.ship().fails(4, &["`web` at 50 %: "]);
    is_failed_with_figures(&machine);
    drop(traffic.end());
    for _ in 0..20 {
        assert_eq!(get(machine.address, "/").unwrap().body, "one");
    }
}

#[test]
fn a_release_that_was_taken_back_returns_only_by_retry() {
    let machine = Machine::with_first_release();
    machine.project("two ailing", QUICK);
    let traffic = Traffic::start(machine.address);
    machine.ship().fails(4, &["`web` at 50 %: "]);
    is_failed_with_figures(&machine);
    for _ in 0..2 {
        machine.ship().fails(1, &["R004", "leadsman retry"]);
        assert_eq!(machine.phase(), "rolled_back");
    }
    // What it suffered from is over, but only a person can know that.
    machine.place.write("cured", "");
    machine.run(&["retry"]).succeeds();
    machine.wait_for_phase("settling");
    let environment = machine.environment();
    assert_eq!(text(&environment, "/deployment/origin"), "retry");
    assert_eq!(environment.pointer("/serves").unwrap(), 2);
    machine.wait_for_version("two");
    drop(traffic.end());
}
