//! State that a newer program has written: an older one keeps away from it, and says who is needed.

use std::fs;
use std::path::Path;

use leadsman_core::time::Timestamp;
use leadsman_store::sqlite::SqliteLog;
use leadsman_store::{Append, EventLog as _, NewEvent};

use super::client::{Traffic, get};
use super::machine::{LONG, Machine};
use super::processes;
use crate::program::Ran;

/// Lets the log be of a newer schema: the 4 bytes at 60 are what SQLite calls `user_version`.
fn raise_schema(state: &Path) {
    let log = state.join("events.db");
    let mut bytes = fs::read(&log).unwrap();
    bytes[60..64].copy_from_slice(&99_u32.to_be_bytes());
    fs::write(log, bytes).unwrap();
}

/// Records what this program does not know.
fn record_unknown(state: &Path) {
    let log = SqliteLog::open(state.join("events.db")).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(async {
        let stream = "quay/production".parse().unwrap();
        let version = log.read_stream(&stream, 0).await.unwrap().len() as u64;
        let append = Append {
            stream,
            expected_version: version,
            at: Timestamp::from_millis(1_790_000_000_000),
            actor: "mia".to_owned(),
            events: vec![NewEvent {
                kind: "moon_risen".to_owned(),
                body: r#"{"event":"moon_risen","full":true}"#.to_owned(),
            }],
        };
        log.append(append).await.unwrap();
    });
}

fn stamp(state: &Path, text: &str) {
    fs::write(state.join("format.json"), text).unwrap();
}

/// Starts control, which has to end at once.
fn refused(machine: &Machine) -> Ran {
    let ran = machine.run(&["up"]);
    assert_eq!(ran.status, 1, "{}", ran.whole());
    ran
}

#[test]
fn control_that_is_too_old_touches_nothing_and_says_which_program_is_needed() {
    let mut machine = Machine::with_first_release();
    machine.project("two", LONG);
    machine.ship_detached();
    machine.wait_for_soak();
    // As in an upgrade: control ends, and another program begins. It would exchange the data plane.
    processes::terminate(machine.control());
    machine.control_ends();
    let older = machine.place.path().join("leadsman-older");
    fs::copy(crate::program::PROGRAM, &older).unwrap();
    machine.install(&older);
    let state = machine.state();
    let kept = |name: &str| fs::read(state.join(name)).unwrap();
    let (log, format) = (kept("events.db"), kept("format.json"));
    let before = machine.processes();
    let traffic = Traffic::start(machine.address);
    let newer = r#"{"format":1,"program":"7.1.0"}"#;
    // What it is, how it comes to be, and what is said of it.
    type Case<'c> = (&'c str, &'c dyn Fn(), &'c [&'c str]);
    let cases: [Case<'_>; 4] = [
        (
            "the folder",
            &|| stamp(&state, r#"{"format":99,"program":"7.1.0"}"#),
            &[
                "was written by Leadsman 7.1.0 in format 99; this is Leadsman 0.",
                "up to 2",
            ],
        ),
        (
            "the schema of the log",
            &|| {
                raise_schema(&state);
                stamp(&state, newer);
            },
            &[
                "schema version 99, this program knows versions up to 1",
                "use Leadsman 7.1.0",
            ],
        ),
        (
            "a kind of event",
            &|| {
                record_unknown(&state);
                stamp(&state, newer);
            },
            &[
                "of `quay/production` (`moon_risen`) is not readable",
                "use Leadsman 7.1.0",
            ],
        ),
        (
            "a kind of event, and nobody knows whose",
            &|| record_unknown(&state),
            &[
                "`moon_risen`",
                "use the version of Leadsman that has written it",
            ],
        ),
    ];
    for (what, change, said) in cases {
        change();
        let changed = (kept("events.db"), kept("format.json"));
        refused(&machine).fails(1, &[&["error[L043]"], said].concat());
        assert_eq!((kept("events.db"), kept("format.json")), changed, "{what}");
        assert_eq!(machine.processes(), before, "{what}");
        fs::write(state.join("events.db"), &log).unwrap();
        fs::write(state.join("format.json"), &format).unwrap();
    }
    machine.up();
    assert_eq!(machine.instances().len(), 2);
    machine.wait_for_soak();
    drop(traffic.end_without_failure());
    machine.down();
}

#[test]
fn a_data_plane_that_is_too_old_leaves_the_last_table_as_it_is_and_says_so() {
    let machine = Machine::with_first_release();
    let table = machine.state().join("proxy/table.json");
    let good = fs::read_to_string(&table).unwrap();
    let newer = good.replacen(
        "\"format\":1,\"program\":\"",
        "\"format\":99,\"program\":\"7.1.0",
        1,
    );
    assert_ne!(newer, good);
    fs::write(&table, &newer).unwrap();
    let before = machine.proxy();
    processes::kill(before.pid);
    let output = machine.state().join("logs/proxy/output.log");
    machine.wait_until("it is said who is needed", || {
        let said = fs::read_to_string(&output).unwrap();
        said.contains("error[L043]: the last table, `") && said.contains("use Leadsman 7.1.0")
    });
    assert_eq!(fs::read_to_string(&table).unwrap(), newer);
    // Once it is a table that it knows, it serves by itself.
    fs::write(&table, &good).unwrap();
    machine.wait_for_version("one");
    assert_eq!(get(machine.address, "/").unwrap().status, 200);
}
