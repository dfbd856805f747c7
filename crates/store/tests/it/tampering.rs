//! What is changed behind the log's back is found, and it is said where and what.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use leadsman_store::sqlite::{SqliteLog, verify_file};
use leadsman_store::{EventLog as _, Fault, Verified, VerifyError};
use rusqlite::Connection;

use crate::support::{append, block_on, folder};

/// Makes a log of six events in two streams at `path`, and opens it to be tampered with.
fn six_events(path: &Path) -> (Verified, Connection) {
    let log = SqliteLog::open(path).unwrap();
    for (name, expected, kinds) in [
        ("a", 0, &["a1", "a2"][..]),
        ("b", 0, &["b1"]),
        ("a", 2, &["a3", "a4"]),
        ("b", 1, &["b2"]),
    ] {
        block_on(log.append(append(name, expected, kinds))).unwrap();
    }
    drop(log);
    let verified = verify_file(path).unwrap();
    assert_eq!(verified.events, 6);
    let connection = Connection::open(path).unwrap();
    connection
        .execute_batch(
            "DROP TRIGGER event_is_never_changed;
             DROP TRIGGER event_is_never_removed;",
        )
        .unwrap();
    (verified, connection)
}

/// Checks that what `statements` do is found as `fault` at `position`.
fn check(statements: &str, position: u64, fault: &Fault) {
    let (_folder, path) = folder();
    let (_, connection) = six_events(&path);
    connection.execute_batch(statements).unwrap();
    drop(connection);
    match verify_file(&path) {
        Err(VerifyError::Broken {
            position: at,
            fault: found,
        }) => {
            assert_eq!((at, &found), (position, fault), "{statements}");
        }
        other => unreachable!("{statements}: {other:?}"),
    }
}

#[test]
fn a_change_of_any_column_is_found() {
    for change in [
        "stream = 'c'",
        "stream = 'Not A Name'",
        "version = 9",
        "version = -9",
        "at = at + 1",
        "at = -1",
        "actor = 'eve'",
        "kind = 'x'",
        "body = '{}'",
        "body = body || ' '",
        "body = CAST(x'ff' AS TEXT)",
        "hash = zeroblob(32)",
        "hash = x'00'",
        // The boundary between two columns moves, their concatenation stays.
        "actor = actor || substr(kind, 1, 1), kind = substr(kind, 2)",
    ] {
        for position in [1, 3, 6] {
            let statement = format!("UPDATE event SET {change} WHERE position = {position}");
            check(&statement, position, &Fault::Changed);
        }
    }
}

#[test]
fn a_removed_row_is_found() {
    for position in [1, 3, 6] {
        let statement = format!("DELETE FROM event WHERE position = {position}");
        check(&statement, position, &Fault::Removed);
    }
    check("DELETE FROM event WHERE position > 4", 5, &Fault::Removed);
    check("DELETE FROM event", 1, &Fault::Removed);
}

#[test]
fn a_gap_that_was_closed_is_found() {
    let close = "UPDATE event SET position = position - 1 WHERE position > 3;
                 UPDATE head SET position = 5;";
    check(
        &format!("DELETE FROM event WHERE position = 3; {close}"),
        3,
        &Fault::Changed,
    );
}

#[test]
fn reordered_rows_are_found() {
    let swap = "UPDATE event SET position = 99 WHERE position = 2;
                UPDATE event SET position = 2 WHERE position = 5;
                UPDATE event SET position = 5 WHERE position = 99;";
    check(swap, 2, &Fault::Reordered { found_at: 5 });
    let swap_hashes = "CREATE TABLE was AS SELECT position, hash FROM event;
        UPDATE event SET hash = (SELECT hash FROM was WHERE was.position = 7 - event.position)
            WHERE position IN (2, 5);
        DROP TABLE was;";
    check(
        &format!("{swap} {swap_hashes}"),
        2,
        &Fault::Reordered { found_at: 5 },
    );
    let move_away = "UPDATE event SET position = 99 WHERE position = 2";
    check(move_away, 2, &Fault::Reordered { found_at: 99 });
}

#[test]
fn an_inserted_row_is_found() {
    for (stored_at, position) in [(7, 7), (0, 0), (-5, 0)] {
        let statement = format!(
            "INSERT INTO event VALUES ({stored_at}, 'a', 5, 0, 'eve', 'x', '{{}}', zeroblob(32))"
        );
        check(&statement, position, &Fault::Inserted);
    }
    let in_the_middle = "UPDATE event SET position = -position WHERE position > 3;
        UPDATE event SET position = 1 - position WHERE position < 0;
        INSERT INTO event VALUES (4, 'a', 9, 0, 'eve', 'x', '{}', zeroblob(32));
        UPDATE head SET position = 7;";
    check(in_the_middle, 4, &Fault::Reordered { found_at: 5 });
}

#[test]
fn a_wrong_head_is_found() {
    for (statement, position, fault) in [
        ("UPDATE head SET hash = zeroblob(32)", 6, Fault::Head),
        ("UPDATE head SET position = 5", 6, Fault::Head),
        (
            "UPDATE head SET position = 5, hash = (SELECT hash FROM event WHERE position = 5)",
            6,
            Fault::Head,
        ),
        (
            "UPDATE head SET position = 0, hash = zeroblob(32)",
            6,
            Fault::Head,
        ),
        ("UPDATE head SET position = 7", 7, Fault::Removed),
        ("UPDATE head SET position = -1", 6, Fault::HeadRemoved),
        ("UPDATE head SET hash = x'00'", 6, Fault::HeadRemoved),
        ("DELETE FROM head", 6, Fault::HeadRemoved),
    ] {
        check(statement, position, &fault);
    }
}

/// Who may write the file may also compute hashes: that the chain is whole proves nothing about
/// them. A head that was kept elsewhere does.
#[test]
fn a_log_that_was_cut_off_with_its_head_has_another_head() {
    let (_folder, path) = folder();
    let (before, connection) = six_events(&path);
    connection
        .execute_batch(
            "DELETE FROM event WHERE position = 6;
             UPDATE head SET position = 5, hash = (SELECT hash FROM event WHERE position = 5);",
        )
        .unwrap();
    let after = verify_file(&path).unwrap();
    assert_eq!(after.events, 5);
    assert_ne!(after.head, before.head);
}

/// A read by stream goes by the index: an event hidden there is found although every row is as
/// it was recorded.
#[test]
fn an_index_that_does_not_agree_is_found() {
    let (_folder, path) = folder();
    let (_, connection) = six_events(&path);
    connection
        .execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
        .unwrap();
    let sql = "SELECT rootpage FROM sqlite_schema WHERE name = 'sqlite_autoindex_event_1'";
    let page: u32 = connection.query_row(sql, [], |row| row.get(0)).unwrap();
    drop(connection);

    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(&path)
        .unwrap();
    let offset = u64::from(page - 1) * 4096;
    let mut bytes = [0; 4096];
    file.read_exact_at(&mut bytes, offset).unwrap();
    // An entry of stream `b`: its name, its version and its position, the last two below 128.
    let entry = bytes.windows(3).position(|it| it == [b'b', 2, 6]).unwrap();
    bytes[entry] = b'c';
    file.write_all_at(&bytes, offset).unwrap();

    let error = verify_file(&path).unwrap_err();
    assert!(matches!(error, VerifyError::Corrupt { .. }), "{error:?}");
}

#[test]
fn an_open_log_finds_it_too() {
    let (_folder, path) = folder();
    let (_, connection) = six_events(&path);
    let log = SqliteLog::open(&path).unwrap();
    connection
        .execute("UPDATE event SET actor = 'eve' WHERE position = 4", [])
        .unwrap();
    let error = block_on(log.verify()).unwrap_err();
    assert!(
        matches!(
            error,
            VerifyError::Broken {
                position: 4,
                fault: Fault::Changed
            }
        ),
        "{error:?}"
    );
    assert_eq!(
        error.to_string(),
        "the event log is broken at position 4: the event was changed"
    );
}
