//! What a person ships, and what comes of shipping it.

use std::path::Path;

use serde_json::Value;

use super::client::{Traffic, get};
use super::machine::{LONG, Machine, QUICK, text};

#[test]
fn a_program_nobody_here_wrote_ships_by_a_project_file_of_under_15_lines() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/static-site");
    let project = std::fs::read_to_string(example.join("leadsman.yaml")).unwrap();
    // Only the address and the patience are the test's own.
    let machine = Machine::started();
    let project = format!(
        "{}environments: {{ production: {{ listen: \"{}\" }} }}\n",
        project.replace("soak: 10s", "soak: 1s"),
        machine.address
    );
    assert!(project.lines().count() < 15, "{project}");
    machine.place.write("leadsman.yaml", &project);

    machine.place.write("site/index.html", "version 1");
    machine.ship().succeeds();
    machine.wait_for_version("version 1");
    machine.place.write("site/index.html", "version 2");
    assert_eq!(get(machine.address, "/").unwrap().body, "version 1");
    let traffic = Traffic::start(machine.address);
    let ran = machine.ship().succeeds();
    let bodies = traffic.end_without_failure();
    assert!(ran.stderr.contains("holds 10 %"), "{}", ran.whole());
    let of = |version: &str| bodies.iter().filter(|body| *body == version).count();
    let (first, second) = (of("version 1"), of("version 2"));
    assert!(first > 0 && second >= 40, "{first} and {second}");
    assert_eq!(first + second, bodies.len(), "and nothing else");
    assert_eq!(get(machine.address, "/").unwrap().body, "version 2");
}

#[test]
fn a_project_file_that_changes_in_the_middle_of_a_rollout_changes_nothing_about_it() {
    let machine = Machine::with_first_release();
    machine.project("two", LONG);
    machine.ship_detached();
    machine.wait_for_soak();
    let before = machine.environment();
    machine.project("three", QUICK);
    // The step is the one that was shipped, and so is the next one.
    machine.json(&["promote"]);
    let rollout = |environment: &Value| environment.pointer("/services/0/rollout").cloned();
    let after = machine.wait_for("the next step holds", || {
        let rollout = rollout(&machine.environment())?;
        (rollout.pointer("/step")? == 2 && text(&rollout, "/stage") == "soaking").then_some(rollout)
    });
    let before = rollout(&before).unwrap();
    for (step, rollout, weight) in [(1, &before, 25.0), (2, &after, 50.0)] {
        assert_eq!(rollout.pointer("/step").unwrap(), step, "{rollout}");
        assert_eq!(rollout.pointer("/steps").unwrap(), 3, "{rollout}");
        assert_eq!(rollout.pointer("/weight_percent").unwrap(), weight);
        assert_eq!(rollout.pointer("/soak_ms").unwrap(), 3_600_000);
    }
    // The next shipment takes the file as it is by then.
    let traffic = Traffic::start(machine.address);
    machine.ship().succeeds();
    let bodies = traffic.end_without_failure();
    assert!(bodies.iter().any(|body| body == "three"), "{bodies:?}");
    machine.wait_for_version("three");
}

#[test]
fn a_release_that_serves_already_is_not_deployed_again() {
    let machine = Machine::with_first_release();
    let history = machine.json(&["history"]);
    let again = machine.run(&["ship"]).succeeds();
    assert!(
        again.whole().contains("release 1 already serves"),
        "{}",
        again.whole()
    );
    let shipped = machine.json(&["ship", "--detach"]);
    assert_eq!(shipped.pointer("/started").unwrap(), false, "{shipped}");
    assert_eq!(machine.json(&["history"]), history);
}

#[test]
fn a_release_that_is_on_its_way_is_not_deployed_again() {
    let machine = Machine::with_first_release();
    machine.project("two", LONG);
    machine.ship_detached();
    machine.wait_for_soak();
    let shipped = machine.json(&["ship", "--detach"]);
    assert_eq!(shipped.pointer("/started").unwrap(), false, "{shipped}");
    assert_eq!(shipped.pointer("/release").unwrap(), 2, "{shipped}");
    let history = machine.json(&["history"]);
    let deployments = history.pointer("/deployments").unwrap();
    assert_eq!(deployments.as_array().unwrap().len(), 2, "{deployments}");
}
