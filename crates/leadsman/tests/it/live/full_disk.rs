//! A state folder on a disk that is full.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use super::client::Traffic;
use super::machine::{Machine, QUICK};

/// Set for the run of the test inside its own mount namespace.
const INSIDE: &str = "IN_A_NAMESPACE";

/// This test.
const NAME: &str = "live::full_disk::nothing_moves_on_a_full_disk_and_everything_goes_on_after_it";

#[test]
fn nothing_moves_on_a_full_disk_and_everything_goes_on_after_it() {
    if std::env::var_os(INSIDE).is_some() {
        return inside();
    }
    let allowed = Command::new("unshare").args(["--mount", "true"]).output();
    if !allowed.as_ref().is_ok_and(|output| output.status.success()) {
        println!("skipped: a mount namespace of its own is not allowed here: {allowed:?}");
        return;
    }
    // Mounts are seen by this run of the test alone, and end with it.
    let inner = Command::new("unshare")
        .arg("--mount")
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", NAME, "--nocapture"])
        .env(INSIDE, "yes")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&inner.stdout);
    let complained = String::from_utf8_lossy(&inner.stderr);
    assert!(inner.status.success(), "{said}\n{complained}");
}

/// Writes until there is no room for a single byte.
fn fill(path: &Path) {
    let mut file = File::create(path).unwrap();
    let mut piece = vec![0; 64 << 10];
    while !piece.is_empty() {
        if file.write_all(&piece).is_err() {
            piece.truncate(piece.len() / 2);
        }
    }
}

fn inside() {
    let mut machine = Machine::new();
    let state = machine.state();
    std::fs::create_dir(&state).unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=4m,mode=700", "tmpfs"])
        .arg(&state)
        .status();
    if !mounted.is_ok_and(|status| status.success()) {
        println!("skipped: a small disk cannot be mounted here");
        return;
    }
    machine.up();
    machine.project("one", QUICK);
    machine.ship().succeeds();
    let traffic = Traffic::start(machine.address);
    machine.project("two", QUICK);
    machine.ship_detached();
    machine.wait_for_soak();
    let ballast = state.join("ballast");
    fill(&ballast);
    let events = machine.events();
    // What a person asks for is refused with what to do about it.
    machine.project("three", QUICK);
    for command in [&["pause"][..], &["ship", "--detach"]] {
        let words = ["error[L082]", "no space is left", "make room"];
        machine.run(command).fails(1, &words);
    }
    // What would go on by itself waits, and says so.
    for command in ["why", "status"] {
        machine.wait_until(&format!("`{command}` says why nothing moves"), || {
            let said = machine.run(&[command]).succeeds().stdout;
            let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
            said.contains("no space is left")
        });
    }
    assert_eq!(machine.events(), events, "nothing moves");
    let weight = machine.environment();
    let weight = weight.pointer("/services/0/canary/weight_percent").cloned();
    assert_eq!(weight, Some(50.0.into()));

    std::fs::remove_file(&ballast).unwrap();
    machine.wait_for_phase("settling");
    machine.wait_for_version("two");
    machine.ship().succeeds();
    machine.wait_for_version("three");
    traffic.end_without_failure();
    machine.down();
    machine.run(&["audit", "verify"]).succeeds();
}
