//! What a file must be to be opened, and how it is said that it is something else.

use std::error::Error as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use leadsman_store::sqlite::{SqliteLog, verify_file};
use leadsman_store::{EventLog as _, OpenError, VerifyError};
use rusqlite::Connection;

use crate::support::{append, block_on, folder};

/// Makes a log with three events at `path`.
fn three_events(path: &Path) {
    let log = SqliteLog::open(path).unwrap();
    block_on(log.append(append("a", 0, &["a1", "a2", "a3"]))).unwrap();
}

fn sql(path: &Path, sql: &str) {
    Connection::open(path).unwrap().execute_batch(sql).unwrap();
}

/// Returns why `path` cannot be opened, after checks that hold for every reason.
fn refusal(path: &Path) -> OpenError {
    let error = SqliteLog::open(path).unwrap_err();
    let text = error.to_string();
    assert!(text.contains(&format!("`{}`", path.display())), "{text}");
    if let Some(source) = error.source() {
        assert!(
            !text.contains(&source.to_string()),
            "{text} repeats its source"
        );
    }
    error
}

#[test]
fn a_log_goes_on_where_it_ended() {
    let (_folder, path) = folder();
    three_events(&path);
    let log = SqliteLog::open(&path).unwrap();
    let recorded = block_on(log.append(append("a", 3, &["a4"]))).unwrap();
    assert_eq!(recorded[0].position, 4);
    let outside = verify_file(&path).unwrap();
    assert_eq!((outside.events, outside.head), (4, recorded[0].hash));
    drop(log);
    assert_eq!(verify_file(&path).unwrap(), outside);
}

#[test]
fn a_closed_log_is_a_single_file() {
    let (folder, path) = folder();
    let log = SqliteLog::open(&path).unwrap();
    block_on(log.append(append("a", 0, &["a1"]))).unwrap();
    assert_eq!(block_on(log.read_all(0, 9)).unwrap().len(), 1);
    drop(log);
    let names: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|it| it.unwrap().file_name())
        .collect();
    assert_eq!(names, ["events.db"]);
}

#[test]
fn only_the_owner_can_read_the_files() {
    let (folder, path) = folder();
    let log = SqliteLog::open(&path).unwrap();
    block_on(log.append(append("a", 0, &["a1"]))).unwrap();
    let mut count = 0;
    for entry in fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{entry:?} has mode {mode:o}");
        count += 1;
    }
    assert_eq!(count, 3, "the database, its journal and its index");
}

#[test]
fn a_file_left_empty_by_a_crash_becomes_a_log() {
    let (_folder, path) = folder();
    fs::write(&path, "").unwrap();
    three_events(&path);
    assert_eq!(verify_file(&path).unwrap().events, 3);
}

#[test]
fn a_missing_folder_is_said() {
    let (folder, _) = folder();
    let error = refusal(&folder.path().join("missing/events.db"));
    assert!(
        matches!(error, OpenError::FolderMissing { .. }),
        "{error:?}"
    );
}

/// Not even root can create a file there.
#[test]
fn a_folder_that_is_not_writable_is_said() {
    let error = refusal(Path::new("/sys/leadsman-events.db"));
    assert!(matches!(error, OpenError::NotWritable { .. }), "{error:?}");
}

#[test]
fn a_folder_in_place_of_the_file_is_said() {
    let (folder, _) = folder();
    let error = refusal(folder.path());
    assert!(matches!(error, OpenError::Io { .. }), "{error:?}");
}

#[test]
fn a_file_that_is_no_database_is_left_alone() {
    let (_folder, path) = folder();
    let text = "Dear diary. ".repeat(1000);
    fs::write(&path, &text).unwrap();
    let error = refusal(&path);
    assert!(matches!(error, OpenError::NotADatabase { .. }), "{error:?}");
    let error = verify_file(&path).unwrap_err();
    assert!(
        matches!(error, VerifyError::Open(OpenError::NotADatabase { .. })),
        "{error:?}"
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn the_database_of_another_program_is_left_alone() {
    for statements in [
        "CREATE TABLE bookmark (url TEXT)",
        "PRAGMA user_version = 1",
        "PRAGMA application_id = 7",
        "PRAGMA application_id = 0x4c454144; PRAGMA user_version = -1",
    ] {
        let (_folder, path) = folder();
        sql(&path, statements);
        let before = fs::read(&path).unwrap();
        let error = refusal(&path);
        assert!(matches!(error, OpenError::Foreign { .. }), "{error:?}");
        let error = verify_file(&path).unwrap_err();
        assert!(
            matches!(error, VerifyError::Open(OpenError::Foreign { .. })),
            "{error:?}"
        );
        assert_eq!(fs::read(&path).unwrap(), before);
    }
}

#[test]
fn a_newer_schema_is_refused_with_both_versions() {
    let (_folder, path) = folder();
    three_events(&path);
    sql(&path, "PRAGMA user_version = 99");
    let error = refusal(&path);
    assert!(
        matches!(
            error,
            OpenError::Newer {
                found: 99,
                known: 1,
                ..
            }
        ),
        "{error:?}"
    );
    let text = error.to_string();
    assert!(
        text.contains("version 99") && text.contains("up to 1"),
        "{text}"
    );
    let error = verify_file(&path).unwrap_err();
    assert!(
        matches!(error, VerifyError::Open(OpenError::Newer { .. })),
        "{error:?}"
    );
}

#[test]
fn nothing_is_appended_to_a_log_that_lost_its_end() {
    for statements in [
        "DROP TRIGGER event_is_never_removed; DELETE FROM event WHERE position = 3",
        "DROP TRIGGER event_is_never_removed; DELETE FROM event",
        "DROP TRIGGER event_is_never_changed; UPDATE event SET hash = zeroblob(32)",
        "UPDATE head SET position = 2",
        "UPDATE head SET hash = zeroblob(32)",
        "UPDATE head SET position = 0, hash = zeroblob(32)",
        "DELETE FROM head",
    ] {
        let (_folder, path) = folder();
        three_events(&path);
        sql(&path, statements);
        let error = refusal(&path);
        assert!(
            matches!(error, OpenError::Damaged { .. }),
            "{statements}: {error:?}"
        );
    }
}

#[test]
fn events_cannot_be_changed_by_mistake() {
    let (_folder, path) = folder();
    three_events(&path);
    let connection = Connection::open(&path).unwrap();
    for statement in ["UPDATE event SET actor = 'eve'", "DELETE FROM event"] {
        let error = connection.execute(statement, []).unwrap_err();
        assert!(error.to_string().contains("an event is never"), "{error}");
    }
}

#[test]
fn a_log_that_is_not_there_is_not_created_by_verifying_it() {
    let (_folder, path) = folder();
    let error = verify_file(&path).unwrap_err();
    assert!(
        matches!(error, VerifyError::Open(OpenError::Missing { .. })),
        "{error:?}"
    );
    assert!(!path.exists());
}
