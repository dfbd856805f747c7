//! What was acknowledged outlives the process, however it dies.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;

use leadsman_store::sqlite::{SqliteLog, verify_file};
use leadsman_store::{EventLog as _, Verified};

use crate::support::{append, block_on, folder};

/// The last acknowledged version of each stream.
type Acknowledged = BTreeMap<String, u64>;

const SIGKILL: i32 = 9;

/// A process that is killed when the test ends early.
pub(crate) struct Appender(Child);

impl Appender {
    pub(crate) fn start(path: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_append-until-killed"));
        Self(command.arg(path).stdout(Stdio::piped()).spawn().unwrap())
    }

    /// Returns what it says of what was acknowledged.
    pub(crate) fn said(&mut self) -> BufReader<ChildStdout> {
        BufReader::new(self.0.stdout.take().unwrap())
    }

    /// Kills the process, and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// Kills the process once it has acknowledged `count` appends; returns all it acknowledged.
    fn kill_after(mut self, count: usize) -> Acknowledged {
        let output = self.said();
        let mut acknowledged = Acknowledged::new();
        for (index, line) in (1..).zip(output.lines()) {
            if index == count {
                self.0.kill().unwrap();
            }
            let line = line.unwrap();
            let (stream, version) = line.split_once(' ').unwrap();
            acknowledged.insert(stream.to_owned(), version.parse().unwrap());
        }
        let status = self.0.wait().unwrap();
        assert_eq!(
            status.signal(),
            Some(SIGKILL),
            "it ended by itself: {status}"
        );
        acknowledged
    }
}

impl Drop for Appender {
    fn drop(&mut self) {
        // It fails if the process has ended, as it should have.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Checks that `path` has everything acknowledged, no part of an append, and a whole chain.
fn check(path: &Path, acknowledged: &Acknowledged) -> Verified {
    let verified = verify_file(path).unwrap();
    let log = SqliteLog::open(path).unwrap();
    for (stream, version) in acknowledged {
        let events = block_on(log.read_stream(&stream.parse().unwrap(), 0)).unwrap();
        let found = events.len() as u64;
        assert!(
            found >= *version,
            "{stream} has {found} events, {version} were acknowledged"
        );
        assert_eq!(found % 3, 0, "{stream} has a part of an append");
    }
    verified
}

#[test]
fn nothing_acknowledged_is_lost_when_the_process_is_killed() {
    let (_folder, path) = folder();
    let mut acknowledged = Acknowledged::new();
    for count in [1, 7, 60, 2, 200, 19, 120, 3, 77, 300] {
        acknowledged.append(&mut Appender::start(&path).kill_after(count));
        check(&path, &acknowledged);
    }
    assert!(
        acknowledged.len() > 1,
        "the appenders took turns: {acknowledged:?}"
    );
}

#[test]
fn processes_that_append_to_the_same_streams_do_not_harm_each_other() {
    let (_folder, path) = folder();
    let appenders = [Appender::start(&path), Appender::start(&path)];
    let acknowledged = appenders
        .map(|appender| thread::spawn(|| appender.kill_after(100)))
        .map(|thread| thread.join().unwrap());
    for acknowledged in &acknowledged {
        check(&path, acknowledged);
    }
}

#[test]
fn a_running_log_can_be_verified_from_outside() {
    let (_folder, path) = folder();
    let mut appender = Appender::start(&path);
    let mut first = String::new();
    BufReader::new(appender.0.stdout.as_mut().unwrap())
        .read_line(&mut first)
        .unwrap();
    let counts: Vec<_> = (0..10)
        .map(|_| verify_file(&path).unwrap().events)
        .collect();
    assert!(counts[0] >= 3 && counts.is_sorted(), "{counts:?}");
}

/// A power cut leaves any beginning of what was written last, and perhaps something else behind it.
#[test]
fn a_torn_last_row_is_no_row_and_the_log_goes_on_before_it() {
    let (whole, path) = folder();
    let log = SqliteLog::open(&path).unwrap();
    let mut lengths = Vec::new();
    let journal = whole.path().join("events.db-wal");
    for version in 0..6 {
        block_on(log.append(append("a", version, &["a1"]))).unwrap();
        lengths.push(std::fs::metadata(&journal).unwrap().len());
    }
    let (database, journal) = (
        std::fs::read(&path).unwrap(),
        std::fs::read(&journal).unwrap(),
    );
    let from = usize::try_from(lengths[0]).unwrap();
    for cut in (from..=journal.len()).step_by(509) {
        for torn in [false, true] {
            let (_cut, path) = folder();
            std::fs::write(&path, &database).unwrap();
            let mut left = journal[..cut].to_vec();
            if torn {
                left.resize(journal.len(), 0x5a);
            }
            std::fs::write(path.with_extension("db-wal"), left).unwrap();
            let log = SqliteLog::open(&path).unwrap();
            let events = block_on(log.verify()).unwrap().events;
            // Everything whose last byte is there, and nothing of what is cut.
            let written = lengths
                .iter()
                .filter(|length| **length <= cut as u64)
                .count();
            assert_eq!(events, written as u64, "cut at {cut}, torn: {torn}");
            block_on(log.append(append("a", events, &["a9"]))).unwrap();
            assert_eq!(block_on(log.verify()).unwrap().events, events + 1);
        }
    }
}
