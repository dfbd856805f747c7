//! Processes that are killed, and what goes on without them.

use std::time::Duration;

use super::client::{Traffic, get};
use super::machine::{Machine, QUICK, text};
use super::processes;
use super::random::Random;

/// A rollout that can be killed in the middle of its only soak.
const KILLABLE: &str = "strategy: { canary: { steps: [50%], soak: 3s } }\n\
                        limits: { requests: 20, against_stable: null }\n";

#[test]
fn a_rollout_goes_on_after_control_was_killed_and_no_request_fails() {
    let mut machine = Machine::with_first_release();
    machine.project("two", KILLABLE);
    let traffic = Traffic::start(machine.address);
    machine.ship_detached();
    machine.wait_for_soak();
    let before = machine.instances();
    assert_eq!(before.len(), 2, "{before:#?}");
    machine.kill_control();
    machine.up();
    assert_eq!(machine.instances(), before, "they are adopted");
    machine.wait_for_phase("settling");
    machine.wait_for_version("two");
    let bodies = traffic.end_without_failure();
    assert!(bodies.iter().any(|body| body == "two"));
    let events = machine.events();
    let count = |kind: &str| events.iter().filter(|event| *event == kind).count();
    assert_eq!(count("deployment_started"), 2, "{events:?}");
    assert_eq!(count("soak_started"), 1, "{events:?}");
    assert_eq!(count("deployment_promoted"), 2, "{events:?}");
}

#[test]
fn releases_find_their_place_however_often_control_is_killed() {
    let mut random = Random::new(0x5041);
    let mut machine = Machine::with_first_release();
    let traffic = Traffic::start(machine.address);
    for (version, phase, serving, instances) in [
        // What served before is kept warm.
        ("two", "settling", "two", 2),
        ("three errors", "rolled_back", "two", 1),
        ("four", "settling", "four", 2),
    ] {
        machine.project(version, QUICK);
        machine.ship_detached();
        for _ in 0..6 {
            let after = Duration::from_millis(random.below(400));
            println!("{version}: killed after {after:?}");
            std::thread::sleep(after);
            machine.kill_control();
            machine.up();
        }
        machine.wait_for_phase(phase);
        machine.wait_until("only what is needed is left", || {
            machine.instances().len() == instances
        });
        for _ in 0..20 {
            assert_eq!(get(machine.address, "/").unwrap().body, serving);
        }
    }
    // No answer but those that the bad release gave.
    for sent in traffic.end() {
        let answer = sent.answer.unwrap();
        assert!(answer.status == 200 || answer.body == "three", "{answer:?}");
    }
    let started = machine.events();
    let started = started.iter().filter(|kind| *kind == "deployment_started");
    assert_eq!(started.count(), 4, "each of them once");
    machine.run(&["audit", "verify"]).succeeds();
    machine.down();
}

#[test]
fn control_that_is_killed_while_it_starts_leaves_nothing_twice() {
    let mut machine = Machine::with_first_release();
    machine.down();
    let traffic = Traffic::start(machine.address);
    for round in 0..12 {
        machine.launch();
        // From before the data plane is started until after the instance is: no condition is
        // waited for, because it should be killed wherever it happens to be.
        std::thread::sleep(Duration::from_millis(round * 8));
        machine.kill_control();
    }
    machine.up();
    machine.wait_for_version("one");
    machine.wait_until("one instance, one data plane, and a shim for each", || {
        let processes = machine.processes();
        let is = |word: &str| {
            processes
                .iter()
                .filter(|p| p.command.contains(word))
                .count()
        };
        (is(" proxy"), is("/proxy-shim"), is("/instances/")) == (1, 1, 1)
            && machine.instances().len() == 1
    });
    drop(traffic.end());
    machine.down();
}

#[test]
fn the_data_plane_comes_back_with_its_last_table_also_without_control() {
    let mut machine = Machine::with_first_release();
    let comes_back = |machine: &Machine| {
        let killed = machine.proxy();
        processes::kill(killed.pid);
        machine.wait_until("it is another process", || {
            let mut all = machine.processes().into_iter();
            all.any(|process| process.command == killed.command && process.pid != killed.pid)
        });
        machine.wait_for_version("one");
    };
    comes_back(&machine);
    machine.kill_control();
    comes_back(&machine);
    // Control finds it again, and what it was told since.
    machine.up();
    assert_eq!(
        text(
            &machine.environment(),
            "/services/0/stable/instances/0/state"
        ),
        "running"
    );
    assert_eq!(get(machine.address, "/").unwrap().body, "one");
}

#[test]
fn the_data_plane_comes_back_after_its_shim_was_killed() {
    let mut machine = Machine::with_first_release();
    let before = machine.proxy();
    processes::kill(before.parent);
    machine.wait_until("nothing is left of them", || {
        [before.pid, before.parent]
            .into_iter()
            .all(|pid| !processes::is_alive(pid))
    });
    machine.wait_for_version("one");
    let after = machine.proxy();
    assert_ne!(after.parent, before.parent);
    // Both are what control knows: it ends them with everything else.
    machine.project("two", QUICK);
    machine.ship_detached();
    machine.wait_for_version("two");
    assert_eq!(machine.proxy(), after);
    machine.down();
}

#[test]
fn a_data_plane_whose_shim_is_killed_while_control_waits_for_it_is_started_anew() {
    let mut machine = Machine::with_first_release();
    machine.kill_control();
    let before = machine.proxy();
    // It does not answer: whoever asks it waits.
    processes::stop(before.pid, true);
    // It was bound under this name with an ending.
    let socket = machine.state().join("proxy.sock");
    let asking = || {
        let sockets = std::fs::read_to_string("/proc/net/unix").unwrap();
        let path = socket.to_str().unwrap();
        sockets.lines().filter(|line| line.contains(path)).count()
    };
    let asked = asking();
    assert!(asked > 0, "it listens");
    machine.launch();
    machine.wait_until("control asks it", || asking() > asked);
    processes::kill(before.parent);
    machine.wait_for_control();
    machine.wait_for_version("one");
    assert_ne!(machine.proxy().parent, before.parent);
}

#[test]
fn an_instance_that_is_killed_is_started_again() {
    let machine = Machine::with_first_release();
    let [killed] = &machine.instances()[..] else {
        panic!("one instance is expected: {:#?}", machine.processes());
    };
    processes::kill(killed.pid);
    let restarts = machine.wait_for("its restart is counted", || {
        let environment = machine.environment();
        let instance = environment.pointer("/services/0/stable/instances/0")?;
        let is_ready = instance.pointer("/ready")?.as_bool()?;
        let restarts = instance.pointer("/restarts")?.as_u64()?;
        (is_ready && restarts > 0).then_some(restarts)
    });
    assert_eq!(restarts, 1);
    machine.wait_for_version("one");
    let now = machine.instances();
    assert_eq!(now.len(), 1, "{now:#?}");
    assert_eq!(now[0].parent, killed.parent, "its shim is the same");
}

#[test]
fn an_instance_whose_shim_is_killed_is_replaced_and_leaves_no_orphan() {
    let machine = Machine::with_first_release();
    let (shims, instances) = (machine.shims(), machine.instances());
    assert_eq!((shims.len(), instances.len()), (1, 1));
    processes::kill(shims[0].pid);
    machine.wait_until("another one runs, and only that", || {
        let (new_shims, new_instances) = (machine.shims(), machine.instances());
        new_shims.len() == 1
            && new_instances.len() == 1
            && new_shims[0].pid != shims[0].pid
            && new_instances[0].pid != instances[0].pid
    });
    machine.wait_until("the old one is gone", || {
        !processes::is_alive(instances[0].pid)
    });
    machine.wait_for_version("one");
    machine.wait_until("it counts as ready", || {
        let ready = machine.environment();
        ready.pointer("/services/0/stable/instances/0/ready") == Some(&true.into())
    });
}
