//! The demo, in short: real processes, virtual users, one good release and one bad one.
//!
//! Its own expectations about time are not asserted here, where other tests run beside it.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::program::Place;

/// Says why a test cannot run that ships the example service.
fn expect_service() {
    let service = Path::new(env!("CARGO_BIN_EXE_leadsman")).with_file_name("tide");
    assert!(
        service.is_file(),
        "build it first with `cargo build --package tide`"
    );
}

/// Returns the processes whose command line or environment mentions `place`.
fn processes_of(place: &Place) -> Vec<String> {
    let needle = place.path().to_str().unwrap().as_bytes();
    let mentions = |bytes: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
    let entries = std::fs::read_dir("/proc").unwrap();
    entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let read = |file| std::fs::read(path.join(file)).unwrap_or_default();
            let command = read("cmdline");
            (mentions(&command) || mentions(&read("environ")))
                .then(|| String::from_utf8_lossy(&command).into_owned())
        })
        .collect()
}

/// Asserts that the demo left neither a process nor a file.
fn expect_nothing_left(place: &Place) {
    assert_eq!(processes_of(place), Vec::<String>::new());
    let files: Vec<_> = std::fs::read_dir(place.path()).unwrap().collect();
    assert!(files.is_empty(), "{files:?}");
}

#[test]
fn a_release_with_errors_goes_back_and_the_users_lose_nothing() {
    expect_service();
    let place = Place::new();
    let ran = place.run(&["demo", "--json", "--users", "100", "--act", "errors"]);
    let line = ran.stdout.lines().last().unwrap_or_default();
    let record: Value = serde_json::from_str(line).unwrap_or_else(|error| {
        panic!("{error}: {line}\n{}", ran.stderr);
    });
    assert_eq!(record["failed_by_platform"], 0, "{record:#}");
    assert_eq!(record["processes_left"], 0, "{record:#}");
    assert!(record["requests"].as_u64().unwrap() > 1000, "{record:#}");
    assert!(record["up_to_first_request_ms"].is_u64(), "{record:#}");

    let acts = record["acts"].as_array().unwrap();
    let names: Vec<&Value> = acts.iter().map(|act| &act["name"]).collect();
    assert_eq!(names, ["first-release", "errors"]);
    assert_eq!(acts[0]["outcome"], "promoted");
    let bad = &acts[1];
    assert_eq!(bad["outcome"], "rolled_back", "{record:#}");
    let count = |field: &str| bad[field].as_u64().unwrap();
    // At 5 % of the traffic a few hundred requests are enough, and every twentieth is bad.
    assert!((3..=100).contains(&count("bad_responses")), "{bad:#}");
    assert!(count("answers") < count("requests") / 10, "{bad:#}");
    assert!(
        bad["detected_ms"].is_u64() && bad["cut_ms"].is_u64(),
        "{bad:#}"
    );
    assert!(
        bad["reason"].as_str().unwrap().contains("errors"),
        "{bad:#}"
    );

    // Where only a duration was too long, it says so and leaves its folder to be looked at.
    let ok = record["ok"].as_bool().unwrap();
    assert_eq!(ran.status, if ok { 0 } else { 1 }, "{}", ran.stderr);
    if ok {
        expect_nothing_left(&place);
    }
    assert_eq!(processes_of(&place), Vec::<String>::new());
}

#[test]
fn an_interrupted_demo_takes_everything_with_it() {
    expect_service();
    let place = Place::new();
    let mut demo = place
        .command(&["demo", "--users", "20", "--act", "good-release"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut talk = BufReader::new(demo.stderr.take().unwrap()).lines();
    let second = talk.find(|line| line.as_ref().unwrap().starts_with("act 2 of 2"));
    assert!(second.is_some(), "it ended before the second act");
    assert!(processes_of(&place).len() > 4, "{:?}", processes_of(&place));

    kill_process(Pid::from_child(&demo), Signal::INT).unwrap();
    assert_eq!(demo.wait().unwrap().code(), Some(130));
    expect_nothing_left(&place);
}

#[test]
fn a_service_that_is_not_there_is_named_with_the_way_to_get_it() {
    let place = Place::new();
    let ran = place.run(&["demo", "--service", "nowhere/tide"]);
    assert_eq!((ran.status, &*ran.stdout), (1, ""));
    for part in [
        "error[L072]",
        "`[FOLDER]/nowhere/tide`",
        "cargo build --release --package tide",
        "--service",
    ] {
        assert!(ran.stderr.contains(part), "{part}: {}", ran.stderr);
    }
    expect_nothing_left(&place);
}
