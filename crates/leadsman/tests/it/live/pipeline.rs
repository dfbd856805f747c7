//! Commits that go through the pipeline.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::machine::Machine;
use super::processes;

/// Runs Git in a folder, and returns what it says.
pub(super) fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(["-c", "user.name=Mia", "-c", "user.email=mia@quay.example"])
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A machine whose folder is a repository, with a pipeline of these jobs.
fn machine(jobs: &str) -> Machine {
    let mut machine = Machine::new();
    git(
        machine.place.path(),
        &["init", "--quiet", "--initial-branch=main"],
    );
    machine
        .place
        .write(".gitignore", "*\n!part\n!part/*\n!leadsman.yaml\n");
    project(&machine, jobs);
    machine.up();
    machine
}

fn project(machine: &Machine, jobs: &str) {
    let text = format!(
        "application: quay\nservices: {{ web: {{ run: ./web }} }}\nenvironments: {{ production: {{ listen: \
         \"{}\" }} }}\npipeline:\n  start: {{ push: [main] }}\n  jobs:\n{jobs}",
        machine.address
    );
    machine.place.write("leadsman.yaml", text);
}

pub(super) fn commit(machine: &Machine) {
    git(machine.place.path(), &["add", "--all"]);
    git(
        machine.place.path(),
        &["commit", "--quiet", "-m", "a change"],
    );
}

fn shown(machine: &Machine, number: u64) -> Value {
    machine.json(&["run", "show", &number.to_string()])
}

pub(super) fn wait_for_end(machine: &Machine, number: u64) -> Value {
    machine.wait_for("the end of the run", || {
        let run = shown(machine, number);
        let is_settled = run["state"] != "passed" || run["release"].is_u64();
        (run["ended_at"].is_u64() && is_settled).then_some(run)
    })
}

fn count(run: &Value, state: &str) -> usize {
    let jobs = run["jobs"].as_array().unwrap();
    jobs.iter().filter(|job| job["state"] == state).count()
}

#[test]
fn fifty_jobs_with_thirty_unchanged_reuse_thirty_and_a_killed_control_loses_none() {
    let mut jobs = String::new();
    for number in 0..50 {
        let needs = match number % 10 {
            0 => String::new(),
            _ => format!(", needs: [job-{}]", number - 1),
        };
        jobs.push_str(&format!(
            "    job-{number}: {{ run: [cat part/{number}, sleep 0.1], inputs: [\"part/{number}\"]{needs} }}\n"
        ));
    }
    let mut machine = machine(&jobs);
    std::fs::create_dir(machine.place.path().join("part")).unwrap();
    for number in 0..50 {
        machine.place.write(&format!("part/{number}"), "old\n");
    }
    commit(&machine);
    machine.run(&["run"]).succeeds();
    assert_eq!(count(&shown(&machine, 1), "passed"), 50);
    for number in 0..20 {
        machine.place.write(&format!("part/{number}"), "new\n");
    }
    commit(&machine);
    machine.run(&["run", "--detach"]).succeeds();
    machine.wait_until("jobs are under way", || {
        count(&shown(&machine, 2), "passed") > 2
    });
    machine.kill_control();
    machine.up();
    let run = wait_for_end(&machine, 2);
    assert_eq!(run["state"], "passed", "{run}");
    assert_eq!(
        (count(&run, "passed"), count(&run, "reused")),
        (20, 30),
        "{run}"
    );
    // None of them ran twice.
    let attempts = run["jobs"].as_array().unwrap().iter();
    assert!(
        attempts
            .clone()
            .all(|job| job["attempts"].as_u64() <= Some(1)),
        "{run}"
    );
    let reused = attempts.filter(|job| job["state"] == "reused");
    assert!(
        reused
            .clone()
            .all(|job| job["sentence"] == "reused from run 1: inputs unchanged")
    );
    machine.down();
}

#[test]
fn a_run_that_is_cancelled_leaves_no_process_and_one_that_failed_is_resumed() {
    let gate = |text: &str| {
        format!(
            "    lint: {{ run: 'true' }}\n    unit: {{ needs: [lint], script: \"{text}\" }}\n    build: {{ \
             needs: [unit], run: 'true' }}\n"
        )
    };
    let mut machine = machine(&gate("setsid sleep 700 & sleep 701"));
    commit(&machine);
    machine.run(&["run", "--detach"]).succeeds();
    let sleeps = |machine: &Machine| {
        let there = processes::of(machine.place.path());
        there
            .iter()
            .any(|process| process.command.contains("sleep 70"))
    };
    machine.wait_until("the job is under way", || sleeps(&machine));
    machine.run(&["run", "cancel", "1"]).succeeds();
    let run = wait_for_end(&machine, 1);
    assert_eq!(run["state"], "cancelled", "{run}");
    assert!(!sleeps(&machine));
    let open = machine.place.path().join("open");
    project(
        &machine,
        &gate(&format!("echo looking; test -e {}", open.display())),
    );
    commit(&machine);
    let ran = machine.run(&["run"]);
    assert_eq!(ran.status, 1, "{}", ran.whole());
    assert!(
        ran.whole()
            .contains("error[L063]: run 2 failed: `unit` did not pass"),
        "{}",
        ran.whole()
    );
    assert_eq!(count(&shown(&machine, 2), "skipped"), 1);
    machine.place.write("open", "");
    machine.run(&["run", "--resume", "2"]).succeeds();
    let run = wait_for_end(&machine, 2);
    let attempts: Vec<_> = run["jobs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|job| job["attempts"].as_u64())
        .collect();
    assert_eq!(attempts, [Some(1), Some(2), Some(1)], "{run}");
    let ran = machine.run(&["logs", "--run", "2", "unit"]);
    assert!(ran.whole().contains("looking"), "{}", ran.whole());
    machine.down();
}

#[test]
fn a_push_begins_a_run_where_the_project_file_says_so() {
    let mut machine = machine("    lint: { run: 'true' }\n");
    commit(&machine);
    let bare = machine.place.path().join("bare.git");
    let path = bare.display().to_string();
    git(
        machine.place.path(),
        &["clone", "--quiet", "--bare", ".", &path],
    );
    let state = machine.state().display().to_string();
    let installed = Command::new(crate::program::PROGRAM)
        .args(["--state", &state, "hook", "install"])
        .current_dir(&bare)
        .output()
        .unwrap();
    assert!(installed.status.success(), "{installed:?}");
    git(
        machine.place.path(),
        &["push", "--quiet", &path, "main:other"],
    );
    assert_eq!(machine.json(&["runs"])["runs"].as_array().unwrap().len(), 0);
    machine.place.write("part", "x");
    commit(&machine);
    git(machine.place.path(), &["push", "--quiet", &path, "main"]);
    let run = wait_for_end(&machine, 1);
    assert_eq!(
        (&run["state"], &run["ref"]),
        (&"passed".into(), &"refs/heads/main".into())
    );
    assert!(
        run["trigger"].as_str().unwrap().starts_with("a push"),
        "{run}"
    );
    machine.down();
}
