//! States that earlier versions have left, which are kept in `tests/fixtures`.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use expect_test::expect_file;
use leadsman_core::time::Timestamp;
use leadsman_store::sqlite::{SqliteLog, verify_file};
use leadsman_store::{Append, EventLog as _, FigureLog as _, NewEvent, Recorded};
use serde_json::{Value, json};

use super::client::{Traffic, get};
use super::machine::{Machine, QUICK};
use super::processes;

/// Where the environment of every kept state listens.
const ADDRESS: &str = "127.0.0.1:47111";

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// Returns the kept states by format.
fn kept() -> BTreeMap<u64, PathBuf> {
    let entries = fs::read_dir(fixtures())
        .unwrap()
        .map(|it| it.unwrap().path());
    let kept = entries.filter(|path| path.is_dir()).map(|path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        (name.strip_prefix("state-").unwrap().parse().unwrap(), path)
    });
    let kept: BTreeMap<u64, PathBuf> = kept.collect();
    // None is ever removed.
    assert!(kept.keys().copied().eq(1..=kept.len() as u64), "{kept:?}");
    kept
}

/// Copies a folder, with the address that it names replaced, for its owner alone.
fn copy(from: &Path, to: &Path, address: &str) {
    fs::create_dir_all(to).unwrap();
    fs::set_permissions(to, PermissionsExt::from_mode(0o700)).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (from, to) = (
            entry.as_ref().unwrap().path(),
            to.join(entry.unwrap().file_name()),
        );
        if from.is_dir() {
            copy(&from, &to, address);
        } else if from
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            fs::write(
                to,
                fs::read_to_string(from).unwrap().replace(ADDRESS, address),
            )
            .unwrap();
        } else {
            fs::copy(from, to).unwrap();
        }
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(future)
}

fn events(log: &SqliteLog) -> Vec<Recorded> {
    block_on(log.read_all(0, usize::MAX)).unwrap()
}

/// Returns what event of a log appends the same to another one, with the address replaced.
fn again(event: &Recorded, address: &str) -> Append {
    Append {
        stream: event.stream.clone(),
        expected_version: event.version - 1,
        at: event.at,
        actor: event.actor.clone(),
        events: vec![NewEvent {
            kind: event.kind.clone(),
            body: event.body.replace(ADDRESS, address),
        }],
    }
}

/// Writes a log like the one at `from`, whose environment listens elsewhere.
fn write_again(from: &SqliteLog, to: &Path, address: &str) {
    let to = SqliteLog::open(to).unwrap();
    for event in events(from) {
        block_on(to.append(again(&event, address))).unwrap();
    }
    let series = block_on(from.figure_series()).unwrap();
    assert!(!series.is_empty(), "figures are a part of a state");
    for (name, _) in series {
        let rows = block_on(from.read_figures(&name, Timestamp::default(), usize::MAX)).unwrap();
        block_on(to.append_figures(rows)).unwrap();
    }
}

/// The file that was left is opened, brought up to date, verified and gone on with as it is.
#[test]
fn every_log_that_was_ever_left_is_verified_and_appended_to() {
    for (format, fixture) in kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.db");
        fs::copy(fixture.join("events.db"), &path).unwrap();
        let log = SqliteLog::open(&path).unwrap();
        let before = events(&log);
        let verified = block_on(log.verify()).unwrap();
        assert_eq!(verified.events, before.len() as u64, "format {format}");
        assert_eq!(
            verified.head,
            before.last().unwrap().hash,
            "format {format}"
        );
        let last = before
            .iter()
            .rfind(|event| event.stream.as_str().contains('/'))
            .unwrap();
        let more = Append {
            expected_version: last.version,
            ..again(last, ADDRESS)
        };
        let more = block_on(log.append(more)).unwrap();
        drop(log);
        assert_eq!(verify_file(&path).unwrap().head, more[0].hash);
        assert_eq!(
            events(&SqliteLog::open(&path).unwrap()),
            [before, more].concat()
        );
    }
}

/// Returns what is shown of a state that depends on neither the time nor the machine.
fn view(machine: &Machine, at_rest: &Value) -> Value {
    let environment = machine.environment();
    let of = |at: &str| environment.pointer(at).cloned().unwrap_or_default();
    let side = |side: &str| {
        let of = |what: &str| of(&format!("/services/0/{side}/{what}"));
        json!({ "release": of("release"), "weight": of("weight_percent"), "wanted": of("wanted") })
    };
    json!({
        "log": at_rest,
        "status": {
            "serves": of("/serves"),
            "deployment": of("/deployment"),
            "stable": side("stable"),
            "canary": side("canary"),
            "step": of("/services/0/rollout/step"),
            "steps": of("/services/0/rollout/steps"),
            "stage": of("/services/0/rollout/stage"),
            "judged": of("/services/0/rollout/verdict/requests"),
        },
        "history": machine.json(&["history", "--limit", "1000"]),
    })
}

#[test]
fn every_state_that_was_ever_left_shows_what_it_was_and_goes_on() {
    for (format, fixture) in kept() {
        println!("format {format}");
        let mut machine = Machine::new();
        let address = machine.address.to_string();
        copy(&fixture, &machine.state(), &address);
        let path = machine.state().join("events.db");
        let left = SqliteLog::open(&path).unwrap();
        let verified = block_on(left.verify()).unwrap();
        let at_rest = json!({
            "events": verified.events,
            "streams": verified.streams,
            "head": verified.head.to_string(),
        });
        let elsewhere = machine.state().join("again.db");
        write_again(&left, &elsewhere, &address);
        drop(left);
        fs::rename(elsewhere, &path).unwrap();
        let before = events(&SqliteLog::open(&path).unwrap());

        machine.up();
        let answers = |machine: &Machine, version: &str| {
            get(machine.address, "/").is_ok_and(|answer| answer.body.trim() == version)
        };
        machine.wait_until("both versions answer", || {
            let answered = |version| (0..20).any(|_| answers(&machine, version));
            answered("version two") && answered("version four")
        });
        machine.wait_until("its judge has been told what it knew", || {
            let environment = machine.environment();
            environment
                .pointer("/services/0/rollout/verdict/requests")
                .is_some()
        });
        let shown = serde_json::to_string_pretty(&view(&machine, &at_rest)).unwrap();
        let shown = format!("{}\n", shown.replace(&address, ADDRESS));
        expect_file![fixtures().join(format!("state-{format}.view.json"))].assert_eq(&shown);

        // Back first, and then on.
        machine.run(&["abort"]).succeeds();
        machine.wait_for_phase("rolled_back");
        assert!((0..20).all(|_| answers(&machine, "version two")));
        machine.place.write("dist/index.html", "version five\n");
        let ready = "{ http: /, every: 50ms, within: 20s }";
        machine.project_of("    serve: dist\n", ready, QUICK);
        let traffic = Traffic::start(machine.address);
        machine.ship().succeeds();
        drop(traffic.end_without_failure());
        assert!(answers(&machine, "version five"));
        machine.run(&["audit", "verify"]).succeeds();
        processes::terminate(machine.control());
        machine.control_ends();
        let after = events(&SqliteLog::open(&path).unwrap());
        assert_eq!(after[..before.len()], before);
        assert!(after.len() > before.len());
        machine.up();
        machine.down();
    }
}
