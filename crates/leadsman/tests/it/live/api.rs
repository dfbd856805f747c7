//! The description of the API, held against control by tools that nobody here wrote.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::machine::{LONG, Machine};
use super::people::with_api;
use crate::tool::{missing, tool};

/// How Schemathesis asks.
const HOOKS: &str = include_str!("schemathesis_hooks.py");

/// How many requests it makes up for each endpoint where nobody says otherwise.
const EXAMPLES: &str = "12";

/// From what it makes them up where nobody says otherwise: the same requests every time, so that what
/// it finds is found where it was brought in. Others are made up from another number.
const SEED: &str = "1";

/// Makes up requests, good ones and bad ones, and holds every answer against the description.
#[test]
fn a_property_based_tester_finds_no_answer_outside_the_description() {
    let mut machine = Machine::new();
    let url = with_api(&mut machine);
    machine.project("one", LONG);
    machine.ship().succeeds();
    machine
        .run(&["people", "add", "mia", "--role", "admin"])
        .succeeds();
    let create = |name: &str| {
        let made = machine.run(&["token", "create", name, "--person", "mia"]);
        made.succeeds().stdout.trim().to_owned()
    };
    // It ends tokens of small numbers, and is not to end its own.
    let tokens: Vec<String> = (0..30)
        .map(|number| create(&format!("t{number}")))
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    fs::write(place.join("token"), tokens.last().unwrap()).unwrap();
    fs::write(place.join("hooks.py"), HOOKS).unwrap();
    let described = fetched(&url);
    fs::write(place.join("openapi.json"), &described).unwrap();

    let Some(tester) = found("schemathesis") else {
        return;
    };
    let or = |name, usual: &str| std::env::var(name).unwrap_or(usual.to_owned());
    let examples = or("LEADSMAN_API_EXAMPLES", EXAMPLES);
    let seed = or("LEADSMAN_API_SEED", SEED);
    let told = Command::new(tester)
        .current_dir(place)
        .env("SCHEMATHESIS_HOOKS", "hooks")
        .env("TOKEN_FILE", place.join("token"))
        .args(["run", "openapi.json", "--url", &url, "--no-color"])
        .args(["--max-examples", &examples, "--seed", &seed])
        .args(["--phases", "coverage,fuzzing"])
        // What ends control and what has no end are tried by tests of their own.
        .args(["--exclude-path", "/v1/system/down"])
        .args(["--exclude-path", "/v1/events"])
        // Who asks without a token too often is told to wait, and not that one is missing; and what
        // is well-formed may still be refused.
        .args([
            "--exclude-checks",
            "ignored_auth,missing_required_header,positive_data_acceptance",
        ])
        .args(["--request-timeout", "30", "--output-truncate", "false"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&told.stdout);
    let errors = String::from_utf8_lossy(&told.stderr);
    assert!(told.status.success(), "{said}\n{errors}");
    let line = said.lines().find(|line| line.contains(" generated, "));
    let line = line.unwrap_or_else(|| panic!("{said}"));
    println!("{}", line.trim());
    let count = line
        .split_whitespace()
        .next()
        .and_then(|it| it.parse::<u32>().ok());
    assert!(count > Some(500), "{line}");
    // It has asked for what is there, and in the name of somebody.
    let of_mia = ["audit", "list", "--actor", "mia", "--limit", "1"];
    machine.run(&of_mia).succeeds().says(&["mia"]);
}

#[test]
fn a_public_validator_takes_the_description() {
    let Some(validator) = found("openapi") else {
        return;
    };
    let described = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/openapi.json");
    let told = Command::new(validator).arg(described).output().unwrap();
    let said = String::from_utf8_lossy(&told.stdout);
    assert!(told.status.success(), "{said}");
    println!("{}", said.trim());
}

/// Returns a tool; none where `./dev test` has said why there is none.
fn found(name: &str) -> Option<std::path::PathBuf> {
    if let Some(why) = missing(name) {
        println!("skipped, there is no {name}: {why}");
        return None;
    }
    Some(tool(name, "./dev test").unwrap_or_else(|error| panic!("{error}")))
}

/// Returns the description that control publishes.
fn fetched(url: &str) -> String {
    let address = url.strip_prefix("http://").unwrap().parse().unwrap();
    let answer = super::client::get(address, "/openapi.json").unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body
}
