//! Never a gap: whatever is exchanged, upgraded or killed, users get their answers.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use super::client::{Traffic, get};
use super::machine::Machine;
use super::processes;
use super::users::Users;

/// How many users there are, and how long they are watched after each act: few and short where this
/// is one test of many, as in production with `./dev test --long`.
fn scale() -> (usize, Duration) {
    match std::env::var_os("LEADSMAN_LONG") {
        None => (30, Duration::from_millis(500)),
        Some(_) => (150, Duration::from_secs(5)),
    }
}

const ROLLING: &str = "strategy: rolling\nlimits: { requests: 20, against_stable: null }\n";

const BLUE_GREEN: &str = "strategy: { blue_green: { steps: [50%], soak: 1s }, keep_warm: 10m }\n\
                          limits: { requests: 20, against_stable: null }\n";

/// A canary that can be killed in the middle of its only soak.
const CANARY: &str = "strategy: { canary: { steps: [50%], soak: 2s }, keep_warm: 10m }\n\
                      limits: { requests: 20, against_stable: null }\n";

/// Ships a version and waits until it has all traffic.
fn ship(machine: &Machine, version: &str, strategy: &str) {
    machine.project(version, strategy);
    machine.ship_detached();
    machine.wait_for_version(version);
    machine.wait_until("it is over or settling", || {
        ["settling", "settled"].contains(&machine.phase().as_str())
    });
}

#[test]
fn releases_upgrades_and_a_killed_control_fail_no_request_and_a_killed_data_plane_those_in_flight()
{
    let (count, pause) = scale();
    let mut machine = Machine::with_first_release();
    let begun = Instant::now();
    let users = Users::start(machine.address, count);
    let mut acts: Vec<(&str, Duration)> = Vec::new();
    let mut act = |name: &'static str, machine: &mut Machine, play: &dyn Fn(&mut Machine)| {
        let begun = Instant::now();
        play(machine);
        acts.push((name, begun.elapsed()));
        // Not a wait for anything: what goes wrong afterwards should be seen, too.
        std::thread::sleep(pause);
    };
    act("a rolling release", &mut machine, &|machine| {
        ship(machine, "two", ROLLING);
    });
    act("blue/green", &mut machine, &|machine| {
        ship(machine, "three", BLUE_GREEN);
    });
    act(
        "a canary, and `kill -9` of control in its soak",
        &mut machine,
        &|machine| {
            machine.project("four", CANARY);
            machine.ship_detached();
            machine.wait_for_soak();
            machine.kill_control();
            machine.up();
            machine.wait_for_phase("settling");
            machine.wait_for_version("four");
        },
    );
    act("a rollback", &mut machine, &|machine| {
        machine.run(&["rollback"]).succeeds();
        machine.wait_for_phase("rolled_back");
        machine.wait_for_version("three");
    });
    act("an upgrade of the data plane", &mut machine, &|machine| {
        let before = machine.proxy();
        machine.kill_control();
        machine.install_newer();
        machine.up();
        let after = machine.proxy();
        assert_ne!(before.pid, after.pid, "{}", machine.said());
        assert_ne!(before.command, after.command);
    });
    act(
        "another set-up of the data plane",
        &mut machine,
        &|machine| {
            let before = machine.proxy();
            machine.kill_control();
            machine.up_with(&["--proxy-threads", "3"]);
            assert_ne!(before.pid, machine.proxy().pid, "{}", machine.said());
        },
    );
    let outcome = users.end();
    println!(
        "{count} users, {} requests in {:?}:",
        outcome.visits.len(),
        begun.elapsed()
    );
    for (name, took) in acts {
        println!("  {name}: {took:?}");
    }
    println!(
        "  asked again on a connection that was closed: {}",
        outcome.asked_again()
    );
    let failed = outcome.failed();
    assert!(
        failed.is_empty(),
        "{} failed: {:#?}",
        failed.len(),
        failed.first()
    );

    kill_the_data_plane(&machine, count, pause);
    machine.down();
}

/// Kills the data plane, and checks that only those in flight notice.
fn kill_the_data_plane(machine: &Machine, count: usize, pause: Duration) {
    let users = Users::start(machine.address, count);
    std::thread::sleep(pause);
    let before = machine.proxy();
    let killed_at = Instant::now();
    processes::kill(before.pid);
    // One who comes at once: how long it takes until somebody serves again.
    let back = get(machine.address, "/").map(|answer| answer.status);
    let back_after = killed_at.elapsed();
    assert_eq!(back, Ok(200));
    std::thread::sleep(pause);
    let outcome = users.end();
    let failed = outcome.failed();
    let concerned: Vec<_> = outcome
        .visits
        .iter()
        .filter(|visit| visit.came.is_err() || visit.asked_again_at.is_some())
        .collect();
    println!(
        "`kill -9` of the data plane: the first answer after {back_after:?}; of {} requests {} had to \
         be asked again, and {} failed",
        outcome.visits.len(),
        outcome.asked_again(),
        failed.len()
    );
    assert_ne!(machine.proxy().pid, before.pid);
    // Each user has one connection, and loses it once.
    assert!(concerned.len() <= count, "{concerned:#?}");
    for visit in &failed {
        assert!(
            visit.asked_at <= killed_at && visit.over_at >= killed_at,
            "{visit:?}"
        );
    }
    // 0.3 s is promised; a machine that is busy with other tests gets more.
    assert!(back_after < Duration::from_secs(3), "{back_after:?}");
}

#[test]
fn a_data_plane_that_cannot_be_upgraded_goes_on_and_up_says_why() {
    let mut machine = Machine::with_first_release();
    let before = machine.proxy();
    let traffic = Traffic::start(machine.address);
    machine.kill_control();
    // Somebody has begun to succeed it, and does not get on.
    let mut other = UnixStream::connect(machine.state().join("proxy.sock")).unwrap();
    let ask = b"POST /handover HTTP/1.1\r\nhost: proxy\r\ncontent-length: 0\r\n\r\n";
    other.write_all(ask).unwrap();
    other.read_exact(&mut [0; 12]).unwrap();
    machine.up_with(&["--proxy-threads", "3"]);
    let said = machine.said();
    assert!(
        said.contains("warning: the data plane goes on as it was"),
        "{said}"
    );
    assert!(
        said.contains("the successor exited with status 1 before it served; it said: "),
        "{said}"
    );
    assert!(
        said.contains("another successor is there already"),
        "{said}"
    );
    drop(other);
    assert_eq!(machine.proxy(), before);
    drop(traffic.end_without_failure());
    // It is what comes back after a crash, too.
    processes::kill(before.pid);
    machine.wait_for_version("one");
    assert_eq!(machine.proxy().command, before.command);
}

#[test]
fn the_same_data_plane_is_not_exchanged() {
    let mut machine = Machine::with_first_release();
    let before = machine.proxy();
    machine.kill_control();
    machine.up();
    assert_eq!(machine.proxy(), before);
    assert!(
        !machine.said().contains("the data plane is"),
        "{}",
        machine.said()
    );
}

#[test]
fn a_data_plane_that_is_told_to_end_by_a_stranger_is_succeeded_first() {
    let machine = Machine::with_first_release();
    let before = machine.proxy();
    let traffic = Traffic::start(machine.address);
    processes::terminate(before.pid);
    machine.wait_until("another one serves, and the first has ended", || {
        !processes::is_alive(before.pid) && machine.proxy().pid != before.pid
    });
    drop(traffic.end_without_failure());
}
