//! The address of an environment, taken by somebody else.

use std::net::TcpListener;

use super::client::get;
use super::machine::{Machine, QUICK, text};

#[test]
fn a_port_that_is_taken_is_said_and_used_as_soon_as_it_is_free() {
    let machine = Machine::started();
    let address = machine.address.to_string();
    let taken = TcpListener::bind(machine.address).unwrap();
    machine.project("one", QUICK);
    machine.ship_detached();
    let problem = machine.wait_for("the problem is known", || {
        let problem = text(&machine.environment(), "/url_problem");
        (!problem.is_empty()).then_some(problem)
    });
    assert!(problem.contains(&address), "{problem}");
    assert!(problem.contains("in use"), "{problem}");
    let why = machine.wait_for("it is a reason", || {
        let why = machine.run(&["why"]).succeeds().stdout;
        why.contains(&address).then_some(why)
    });
    assert!(why.contains("in use"), "{why}");
    let status = machine.run(&["status"]).succeeds().stdout;
    assert!(
        status.contains(&address) && status.contains("in use"),
        "{status}"
    );
    assert_eq!(machine.phase(), "moving", "it waits");

    drop(taken);
    machine.wait_for_phase("settled");
    assert_eq!(get(machine.address, "/").unwrap().body, "one");
    assert_eq!(text(&machine.environment(), "/url_problem"), "");
}
