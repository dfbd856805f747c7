//! State folders that cannot be had.

use super::client::get;
use super::machine::Machine;

#[test]
fn a_second_up_on_the_same_state_folder_is_refused_and_harms_nothing() {
    let mut machine = Machine::with_first_release();
    let process = format!("process {}", machine.control());
    let ran = machine.run(&["up"]);
    let ran = ran.fails(1, &["error[L071]", &process, "since 2", "leadsman down"]);
    assert!(!ran.stderr.contains("is ready"), "{}", ran.whole());
    assert_eq!(
        machine
            .json(&["status"])
            .pointer("/environments/0/serves")
            .unwrap(),
        1
    );
    assert_eq!(get(machine.address, "/").unwrap().body, "one");
    machine.down();
}

#[test]
fn a_state_folder_that_cannot_be_made_is_said_with_its_path() {
    let machine = Machine::new();
    machine.place.write("file", "no folder");
    let ran = machine.run(&["up", "--state", "file/below/state"]);
    ran.fails(
        1,
        &[
            "error[L014]",
            "[FOLDER]/file/below/state",
            "Not a directory",
            "--state",
        ],
    );
    // One that is there but is no folder.
    machine
        .run(&["up", "--state", "file"])
        .fails(1, &["[FOLDER]/file"]);
}
