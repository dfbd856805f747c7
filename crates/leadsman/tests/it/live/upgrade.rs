//! Another version of Leadsman takes over from the one that runs, in the middle of a rollout.
//!
//! The one that runs is a copy of this program, or the one that `LEADSMAN_PREVIOUS` names:
//! `./dev upgrade-test REVISION` builds one from an earlier revision of this repository.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use super::machine::{LONG, Machine, QUICK, text};
use super::processes;
use super::users::{Place, Users};
use crate::program::PROGRAM;

/// How many users there are.
const USERS: usize = 30;

/// Returns the program that runs before the upgrade.
fn previous(machine: &Machine) -> PathBuf {
    if let Some(previous) = std::env::var_os("LEADSMAN_PREVIOUS") {
        return previous.into();
    }
    let copy = machine.place.path().join("leadsman-previous");
    fs::copy(PROGRAM, &copy).unwrap();
    copy
}

fn number(value: &Value, at: &str) -> u64 {
    value
        .pointer(at)
        .and_then(Value::as_u64)
        .unwrap_or_default()
}

/// What an upgrade may not change.
#[derive(Debug, PartialEq)]
struct Standing {
    shims: Vec<i32>,
    instances: Vec<i32>,
    /// Kinds of events, but for what a judge has to say meanwhile.
    events: Vec<String>,
    release: Value,
    deployment: Value,
    step: Value,
    weight: Value,
}

impl Standing {
    fn of(machine: &Machine) -> Self {
        let environment = machine.environment();
        let at = |at| environment.pointer(at).cloned().unwrap();
        let pids = |processes: Vec<processes::Process>| processes.iter().map(|it| it.pid).collect();
        let mut events = machine.events();
        events.retain(|kind| kind != "verdict_reached");
        Self {
            shims: pids(machine.shims()),
            instances: pids(machine.instances()),
            events,
            release: at("/deployment/release"),
            deployment: at("/deployment/number"),
            step: at("/services/0/rollout/step"),
            weight: at("/services/0/rollout/weight_percent"),
        }
    }
}

/// Ships a version under users, and returns them once a step is held for longer than any test waits.
fn ship_into_a_soak(machine: &Machine) -> Users {
    machine.project("one", QUICK);
    machine.ship().succeeds();
    machine.wait_for_version("one");
    machine.project("two", LONG);
    machine.ship_detached();
    let users = users_of(machine);
    machine.wait_for_soak();
    users
}

fn users_of(machine: &Machine) -> Users {
    let place = Place {
        address: machine.address,
        tls: None,
    };
    Users::start(&place, USERS)
}

#[test]
fn an_upgrade_in_the_middle_of_a_rollout_is_noticed_by_no_user_no_instance_and_no_release() {
    let mut machine = Machine::new();
    let previous = previous(&machine);
    println!("upgraded from `{}`", previous.display());
    machine.install(&previous);
    machine.up();
    let users = ship_into_a_soak(&machine);
    let rollout = |machine: &Machine| {
        let environment = machine.environment();
        let rollout = environment.pointer("/services/0/rollout").unwrap();
        let judged = number(rollout, "/verdict/requests");
        (number(rollout, "/soaked_ms"), judged)
    };
    let (soaked, judged) = machine.wait_for("the judge has seen something", || {
        let (soaked, judged) = rollout(&machine);
        (judged > 20).then_some((soaked, judged))
    });
    let before = Standing::of(&machine);
    assert_eq!((before.shims.len(), before.instances.len()), (2, 2));
    let proxy = machine.proxy();

    // As a service manager does it: the one that runs ends, and the next one begins.
    processes::terminate(machine.control());
    machine.control_ends();
    machine.install(PROGRAM.as_ref());
    machine.up();
    machine.wait_until("the data plane is this program", || {
        let now = machine.proxy();
        now.pid != proxy.pid && now.command.starts_with(PROGRAM) && !processes::is_there(proxy.pid)
    });
    assert_eq!(Standing::of(&machine), before, "{}", machine.said());
    // What the judge was told by then is not forgotten, and it is told more.
    machine.wait_until("the judge goes on", || {
        let (soaked_now, judged_now) = rollout(&machine);
        assert!(soaked_now >= soaked && judged_now >= judged);
        judged_now > judged
    });
    assert_eq!(Standing::of(&machine), before);
    let outcome = users.end();
    let failed = outcome.failed();
    let count = outcome.visits.len();
    assert!(
        failed.is_empty(),
        "{} of {count}: {failed:#?}",
        failed.len()
    );
    let of = |version: &str| {
        let is_it = |visit: &&super::users::Visit| visit.came.as_deref() == Ok(version);
        outcome.visits.iter().filter(is_it).count()
    };
    println!(
        "{count} requests, {} of them by the canary, none failed",
        of("two")
    );
    assert!(of("two") > 0);
    assert_eq!(of("one") + of("two"), count);

    // It goes on from there, by what a person says and by what the judge says.
    let users = users_of(&machine);
    machine.json(&["promote"]);
    machine.wait_until("the next step holds", || {
        let environment = machine.environment();
        let rollout = environment.pointer("/services/0/rollout").unwrap();
        number(rollout, "/step") == 2 && text(rollout, "/stage") == "soaking"
    });
    machine.project("three", QUICK);
    machine.ship_detached();
    machine.wait_for_version("three");
    machine.wait_for_phase("settling");
    let failed = users.end();
    assert!(failed.failed().is_empty(), "{:#?}", failed.failed());
    machine.run(&["replay"]).succeeds();
    machine.run(&["audit", "verify"]).succeeds();
    machine.down();
}

/// The version before may be one that this one has left behind. Then it says so and touches nothing.
#[test]
fn the_version_before_goes_on_from_what_this_one_leaves_or_keeps_away_from_it() {
    let mut machine = Machine::new();
    let previous = previous(&machine);
    machine.up();
    let users = ship_into_a_soak(&machine);
    let before = Standing::of(&machine);
    let proxy = machine.proxy();
    processes::terminate(machine.control());
    machine.control_ends();
    machine.install(&previous);
    machine.launch();
    let begins = machine.wait_for("the version before begins, or says why not", || {
        let is_there = processes::is_alive(machine.control());
        let answers = is_there && machine.run(&["status", "--json"]).status == 0;
        (answers || !is_there).then_some(answers)
    });
    let name = previous.to_str().unwrap();
    if begins {
        println!("the way back to `{name}` is open");
        machine.wait_until("the data plane is that program", || {
            let now = machine.proxy();
            now.command.starts_with(name) && !processes::is_there(proxy.pid)
        });
    } else {
        println!("the way back to `{name}` is closed: {}", machine.said());
        machine.control_ends();
        assert!(machine.said().contains("error[L043]"), "{}", machine.said());
        assert_eq!(machine.proxy(), proxy);
        machine.install(PROGRAM.as_ref());
        machine.up();
    }
    assert_eq!(Standing::of(&machine), before, "{}", machine.said());
    let outcome = users.end();
    let failed = outcome.failed();
    println!("{} requests, {} failed", outcome.visits.len(), failed.len());
    assert!(failed.is_empty(), "{failed:#?}");
    machine.json(&["promote"]);
    machine.wait_until("the next step is on its way", || {
        number(&machine.environment(), "/services/0/rollout/step") == 2
    });
    machine.run(&["audit", "verify"]).succeeds();
    machine.down();
}
