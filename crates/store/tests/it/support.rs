//! Logs and events to test with.

use std::path::PathBuf;

use leadsman_core::time::Timestamp;
use leadsman_store::memory::MemoryLog;
use leadsman_store::sqlite::SqliteLog;
use leadsman_store::{Append, EventLog, FigureLog, NewEvent, StreamName};
use tempfile::TempDir;

/// Everything that an implementation implements.
pub(crate) trait Log: EventLog + FigureLog {}

impl<L: EventLog + FigureLog> Log for L {}

/// A log, and the folder it lies in.
pub(crate) struct Scratch {
    pub(crate) log: Box<dyn Log>,
    _folder: Option<TempDir>,
}

pub(crate) fn memory() -> Scratch {
    Scratch {
        log: Box::new(MemoryLog::new()),
        _folder: None,
    }
}

pub(crate) fn sqlite() -> Scratch {
    let (folder, path) = folder();
    let log = SqliteLog::open(path).expect("a fresh folder takes a log");
    Scratch {
        log: Box::new(log),
        _folder: Some(folder),
    }
}

/// Returns a fresh folder and the path of a log in it.
pub(crate) fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("there is a place for temporary files");
    let path = folder.path().join("events.db");
    (folder, path)
}

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be built")
        .block_on(future)
}

pub(crate) fn stream(name: &str) -> StreamName {
    name.parse().expect("the name is usable")
}

pub(crate) fn event(kind: &str) -> NewEvent {
    NewEvent {
        kind: kind.to_owned(),
        body: format!(r#"{{"of":"{kind}"}}"#),
    }
}

pub(crate) fn append(name: &str, expected_version: u64, kinds: &[&str]) -> Append {
    Append {
        stream: stream(name),
        expected_version,
        at: Timestamp::from_millis(1_700_000_000_000 + expected_version),
        actor: "ada".to_owned(),
        events: kinds.iter().map(|kind| event(kind)).collect(),
    }
}
