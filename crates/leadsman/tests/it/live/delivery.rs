//! From a push to production: the example of a repository in miniature, with the real program.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use serde_json::Value;

use super::client::{Traffic, get};
use super::machine::Machine;
use super::people::{elsewhere, with_api};
use super::pipeline::{commit, git, wait_for_end};

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/harbour");

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// A machine whose folder is the example, as a repository with one commit.
fn machine() -> (Machine, String) {
    let mut machine = Machine::new();
    let folder = machine.place.path().to_owned();
    copy(Path::new(EXAMPLE), &folder);
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let staging = free.local_addr().unwrap();
    drop(free);
    let project = fs::read_to_string(folder.join("leadsman.yaml")).unwrap();
    let project = project
        .replace("127.0.0.1:8081", &staging.to_string())
        .replace("127.0.0.1:8080", &machine.address.to_string())
        // A machine that does much else is not the service's fault.
        .replace(
            "rate: 40, for: 3s, p95: 400ms",
            "rate: 20, for: 2s, p95: 2s",
        )
        .replace(
            "after: staging\n      load",
            "after: staging\n      retry: { times: 2, backoff: 100ms }\n      load",
        );
    assert!(project.contains("p95: 2s") && project.contains("backoff: 100ms"));
    machine.place.write("leadsman.yaml", project);
    machine
        .place
        .write(".gitignore", ".leadsman/\nout/\ndist/\n__pycache__/\n");
    git(&folder, &["init", "--quiet", "--initial-branch=main"]);
    let url = with_api(&mut machine);
    (machine, url)
}

/// Commits whatever has changed, and lets it go through the pipeline.
fn push(machine: &Machine) -> Value {
    commit(machine);
    let begun = machine.json(&["run", "--detach"]);
    let number = begun.pointer("/number").and_then(Value::as_u64);
    let number = number.unwrap_or_else(|| panic!("{begun}"));
    wait_for_end(machine, number)
}

/// Returns what `environment` says of its only request.
fn missing(machine: &Machine, environment: &str) -> Option<String> {
    let all = machine.json(&["requests"]);
    let of = |one: &&Value| one["environment"] == environment;
    let one = all.as_array().unwrap().iter().find(of)?;
    Some(one.pointer("/requests/0/missing")?.to_string())
}

/// Returns how a job of a run stands.
fn job(machine: &Machine, run: &Value, name: &str) -> Value {
    let number = run["number"].to_string();
    let run = machine.json(&["run", "show", &number]);
    let jobs = run["jobs"].as_array().unwrap();
    let of = |job: &&Value| job["name"] == name;
    jobs.iter().find(of).cloned().unwrap_or_default()
}

fn serves(machine: &Machine, environment: &str) -> Value {
    let status = machine.json(&["status"]);
    let all = status["environments"].as_array().unwrap();
    let of = |one: &&Value| one["environment"] == environment;
    all.iter()
        .find(of)
        .map_or(Value::Null, |one| one["serves"].clone())
}

fn edit(machine: &Machine, file: &str, change: impl FnOnce(String) -> String) {
    let path = machine.place.path().join(file);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, change(text)).unwrap();
}

#[test]
fn one_push_goes_all_the_way_to_production_and_each_gate_is_closed_by_what_breaks_it() {
    let (mut machine, url) = machine();
    for arguments in [
        &["people", "add", "ben"][..],
        &["people", "grant", "ben", "approver", "--for", "harbour"],
        &["people", "add", "eva"],
        &[
            "people",
            "grant",
            "eva",
            "viewer",
            "--for",
            "harbour/staging",
        ],
    ] {
        machine.run(arguments).succeeds();
    }
    let token = |person: &str| {
        let create = [
            "token",
            "create",
            "laptop",
            "--person",
            person,
            "--expires",
            "2h",
        ];
        machine.run(&create).succeeds().stdout.trim().to_owned()
    };
    let (bens, evas) = (token("ben"), token("eva"));
    let as_ben = |arguments: &[&str]| elsewhere(&machine, &url, Some(&bens), arguments);

    // Staging takes it by itself; production waits for staging, for the load that is made there, and
    // then for consent.
    let run = push(&machine);
    assert_eq!(run["state"], "passed", "{run}");
    machine.wait_until("staging has it", || serves(&machine, "staging") == 1);
    machine.wait_until("the load is being made", || {
        job(&machine, &run, "load")["state"] == "running"
    });
    let waits = missing(&machine, "production").unwrap();
    assert!(
        waits.contains("job `load` has not tried this release"),
        "{waits}"
    );
    machine.wait_until("production waits for consent alone", || {
        missing(&machine, "production").is_some_and(|missing| missing == r#"["0 of 1 approvals"]"#)
    });
    machine
        .run(&["approve", "1", "--environment", "production"])
        .fails(1, &["error[R028]"]);
    as_ben(&["approve", "1", "--environment", "harbour/production"]).succeeds();
    machine.wait_until("production has it", || serves(&machine, "production") == 1);
    let answer = get(machine.address, "/price?length=10&nights=2").unwrap();
    assert_eq!(answer.body, r#"{"cents": 3000}"#);

    // The next one comes in beside it, and is judged by what users get.
    edit(&machine, "price.py", |text| {
        text.replace("per_night = 150", "per_night = 160")
    });
    edit(&machine, "test_price.py", |text| {
        text.replace("1500", "1600").replace("9450", "10080")
    });
    push(&machine);
    machine.wait_until("staging has it", || serves(&machine, "staging") == 2);
    let traffic = Traffic::start(machine.address);
    machine.wait_until("production waits for consent alone", || {
        missing(&machine, "production").is_some_and(|missing| missing == r#"["0 of 1 approvals"]"#)
    });
    as_ben(&[
        "approve",
        "2",
        "--environment",
        "harbour/production",
        "-m",
        "tried",
    ])
    .succeeds();
    machine.wait_until("the canary is promoted", || {
        serves(&machine, "production") == 2
    });
    traffic.end_without_failure();
    let events = machine.run(&["history", "--events", "--environment", "production"]);
    let events = events.succeeds().stdout;
    for said in ["50 %", "approved by ben", "every limit is kept"] {
        assert!(events.contains(said), "{said}: {events}");
    }

    super::evidence::of_the_second_release(&machine);

    // What the two environments ask and are is compared by who sees both.
    let diff = [
        "diff",
        "--environment",
        "harbour/staging",
        "--with",
        "production",
    ];
    let said = as_ben(&diff).succeeds().stdout;
    for path in ["entry.after: staging", "gates.jobs", "listen: 127.0.0.1:"] {
        assert!(said.contains(path), "{path}: {said}");
    }
    elsewhere(&machine, &url, Some(&evas), &diff).fails(1, &["error[L102]", "harbour/production"]);

    // Each commit breaks one thing, and one gate says so.
    let good = fs::read_to_string(machine.place.path().join("price.py")).unwrap();
    let untested: String = (0..9).map(|n| format!("    x{n} = {n}\n")).collect();
    let comment = format!("# {}\n", "x".repeat(90)).repeat(40);
    for (gate, more, said) in [
        ("tests", "\nimport os\n\nos.x\n".to_owned(), "tests"),
        (
            "coverage",
            format!("\n\ndef unused():\n{untested}"),
            "coverage",
        ),
        (
            "findings",
            "\nAPI_KEY = \"0123456789abcdef\"\n".to_owned(),
            "key-in-source",
        ),
        ("numbers.dist_bytes", comment, "dist_bytes"),
    ] {
        edit(&machine, "price.py", |_| format!("{good}{more}"));
        let run = push(&machine);
        assert_eq!(run["state"], "passed", "{gate}: {run}");
        machine.wait_until(&format!("gate `{gate}` is closed"), || {
            missing(&machine, "staging").is_some_and(|missing| {
                missing.contains(&format!("gate `{gate}`")) && missing.contains(said)
            })
        });
        assert_eq!(serves(&machine, "staging"), 2, "{gate}");
        let release = run["release"].as_u64().unwrap().to_string();
        for environment in ["staging", "production"] {
            let reject = ["reject", &release, "-m", gate, "--environment", environment];
            machine.run(&reject).succeeds();
        }
    }
    // What is slow only where it runs gets as far as staging.
    edit(&machine, "price.py", |_| {
        let wait = "    if \"PORT\" in os.environ:\n        time.sleep(3)\n    if length";
        format!("import os\nimport time\n\n{good}").replace("    if length", wait)
    });
    let run = push(&machine);
    assert_eq!(run["state"], "passed", "{run}");
    machine.wait_until("the load has broken its threshold", || {
        missing(&machine, "production").is_some_and(|missing| {
            missing.contains("gate `jobs.load`") && missing.contains("`p95 <= 2000ms`")
        })
    });
    assert_eq!(serves(&machine, "staging"), run["release"]);
    assert_eq!(serves(&machine, "production"), 2);
    // What a job refuses goes no further.
    edit(&machine, "price.py", |_| format!("{good}\ndef broken(:\n"));
    let run = push(&machine);
    assert_eq!(run["state"], "failed", "{run}");
    assert_eq!(run["release"], Value::Null);
    machine.down();
}
