//! The output of instances.

use std::io::{BufRead as _, BufReader};

use super::client::get;
use super::machine::{Machine, QUICK};
use super::processes;

#[test]
fn what_an_instance_wrote_can_be_read_while_it_runs_and_after_it_is_gone() {
    let machine = Machine::with_first_release();
    let logs = |arguments: &[&str]| {
        machine
            .run(&[&["logs"], arguments].concat())
            .succeeds()
            .stdout
    };
    machine.wait_until("its first line is there", || {
        logs(&[]).contains("one listens")
    });
    // Where there is one processor, what runs the service begins the line with a name of its own.
    let is_first = |line: &str| line.starts_with("web.r1.d1.1 | ") && line.ends_with("one listens");
    let of_web = logs(&["web"]);
    assert!(of_web.lines().any(is_first), "{of_web}");
    assert!(!logs(&["web", "-n", "0"]).contains("one listens"));

    let mut following = machine.start(&["logs", "-f"]);
    let mut lines = BufReader::new(following.stdout.take().unwrap()).lines();
    let line = lines.find(|line| line.as_ref().unwrap().contains("one listens"));
    assert!(line.is_some());
    get(machine.address, "/say").unwrap();
    let line = lines.find(|line| line.as_ref().unwrap().contains("asked to say something"));
    assert!(line.unwrap().unwrap().contains("web.r1.d1.1"));
    // An instance that is started later belongs to it, too.
    machine.project("two", &QUICK.replace("keep_warm: 10m", "keep_warm: 0s"));
    machine.ship_detached();
    let line = lines.find(|line| line.as_ref().unwrap().contains("two listens"));
    assert!(line.is_some());
    processes::kill(i32::try_from(following.id()).unwrap());
    following.wait().unwrap();

    machine.wait_for_soak();
    machine.run(&["promote", "--all"]).succeeds();
    machine.wait_for_phase("settled");
    machine.wait_until("the first one is gone", || machine.instances().len() == 1);
    let all = logs(&[]);
    for line in [
        "one listens",
        "one was asked to say something",
        "two listens",
    ] {
        assert!(all.contains(line), "{line:?} is not in {all}");
    }
}
