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

#[test]
fn what_another_application_answers_already_is_said_and_left_to_it() {
    let machine = Machine::with_first_release();
    let pier = |routes: &str| {
        machine.project("two", &format!("{QUICK}{routes}"));
        let project = machine.place.path().join("leadsman.yaml");
        let text = std::fs::read_to_string(project).unwrap();
        let text = text.replace("application: quay", "application: pier");
        machine.place.write("leadsman.yaml", text);
        machine.ship_detached();
    };
    pier("");
    let status = machine.wait_for("the problem is known", || {
        let status = machine.run(&["status"]).succeeds().stdout;
        status.contains("could both be meant").then_some(status)
    });
    assert!(status.contains("quay/production/web"), "{status}");
    assert_eq!(get(machine.address, "/").unwrap().body, "one");

    // It is served as soon as it asks for requests of its own.
    pier("routes: [{ path: /pier, service: web }]\n");
    machine.wait_until("both are served", || {
        let both = ["/pier", "/"].map(|path| get(machine.address, path).unwrap().body);
        both == ["two", "one"]
    });
}
