//! What needs a smaller disk or a shorter patience than a log in use has.

use std::path::PathBuf;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use futures_util::future::{FutureExt as _, join, join_all};
use leadsman_core::time::Timestamp;
use rusqlite::Connection;
use tempfile::TempDir;

use super::*;
use crate::event::NewEvent;

/// How many pages of 4 KiB the small disk has beyond those of an empty log.
const SPARE_PAGES: u32 = 30;

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.db");
    (folder, path)
}

/// Opens a log on a disk with little space left.
fn small_log(path: &Path) -> SqliteLog {
    drop(SqliteLog::open(path).unwrap());
    let sql = "PRAGMA page_count";
    let used: u32 = Connection::open(path)
        .unwrap()
        .query_row(sql, [], |row| row.get(0))
        .unwrap();
    let settings = Settings {
        page_count_max: Some(used + SPARE_PAGES),
        ..Settings::default()
    };
    SqliteLog::open_with(path.to_owned(), settings).unwrap()
}

/// An append whose first event has a body of `bytes` bytes, and whose second is tiny.
fn append(stream: &str, expected_version: u64, bytes: usize) -> Append {
    let event = |body| NewEvent {
        kind: "Noted".to_owned(),
        body,
    };
    Append {
        stream: stream.parse().unwrap(),
        expected_version,
        at: Timestamp::from_millis(1),
        actor: "ada".to_owned(),
        events: vec![
            event(format!("\"{}\"", "a".repeat(bytes))),
            event("{}".to_owned()),
        ],
    }
}

#[tokio::test]
async fn a_full_disk_is_said_and_nothing_is_half_written() {
    let (_folder, path) = folder();
    let log = small_log(&path);
    let mut version = 0;
    let error = loop {
        match log.append(append("a", version, 8_000)).await {
            Ok(recorded) => version += recorded.len() as u64,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, AppendError::Full { .. }), "{error:?}");
    assert!(version > 0);
    let stream = "a".parse().unwrap();
    assert_eq!(
        log.read_stream(&stream, 0).await.unwrap().len() as u64,
        version
    );
    assert_eq!(log.verify().await.unwrap().events, version);

    // Still full, still well; and with space again it goes on.
    let error = log.append(append("a", version, 8_000)).await.unwrap_err();
    assert!(matches!(error, AppendError::Full { .. }), "{error:?}");
    drop(log);
    let log = SqliteLog::open(&path).unwrap();
    log.append(append("a", version, 8_000)).await.unwrap();
    assert_eq!(log.verify().await.unwrap().events, version + 2);
}

#[tokio::test]
async fn space_that_figures_gave_back_is_used_for_events() {
    let (_folder, path) = folder();
    let log = small_log(&path);
    let row = |at| FigureRow {
        series: "shop".to_owned(),
        at: Timestamp::from_millis(at),
        body: format!("\"{}\"", "a".repeat(8_000)),
    };
    let mut moments = 0..;
    let error = loop {
        if let Err(error) = log
            .append_figures(moments.next().map(row).into_iter().collect())
            .await
        {
            break error;
        }
    };
    assert!(matches!(error, AppendError::Full { .. }), "{error:?}");
    let error = log.append(append("a", 0, 50_000)).await.unwrap_err();
    assert!(matches!(error, AppendError::Full { .. }), "{error:?}");
    assert!(
        log.prune_figures("shop", Timestamp::from_millis(u64::MAX))
            .await
            .unwrap()
            > 0
    );
    log.append(append("a", 0, 50_000)).await.unwrap();
}

#[tokio::test]
async fn members_of_a_group_do_not_harm_each_other() {
    let (_folder, path) = folder();
    let log = small_log(&path);
    // While another process holds the lock, all of these gather behind the first.
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let appends = join_all([
        log.append(append("first", 0, 1)),
        log.append(append("a", 0, 1)),
        log.append(append("too-large", 0, 1_000_000)),
        log.append(append("a", 1, 1)),
        log.append(append("a", 2, 1)),
        log.append(append("b", 0, 1)),
    ]);
    let release = async { other.execute_batch("COMMIT").unwrap() };
    let (answers, ()) = join(appends, release).await;

    let said: Vec<_> = answers
        .iter()
        .map(|answer| match answer {
            Ok(_) => "recorded",
            Err(AppendError::Full { .. }) => "full",
            Err(AppendError::Conflict {
                expected: 1,
                actual: 2,
                ..
            }) => "conflict",
            Err(error) => unreachable!("{error:?}"),
        })
        .collect();
    assert_eq!(
        said,
        [
            "recorded", "recorded", "full", "conflict", "recorded", "recorded"
        ]
    );
    assert_eq!(log.verify().await.unwrap().events, 8);
}

/// No test can cut the power; these are the settings with which SQLite withstands it.
#[test]
fn a_commit_waits_for_the_disk() {
    let (_folder, path) = folder();
    connection::create_file(&path).unwrap();
    let connection = open_connection(&path, Settings::default()).unwrap();
    let pragma = |sql| connection.query_row(sql, [], |row| row.get::<_, rusqlite::types::Value>(0));
    assert_eq!(pragma("PRAGMA journal_mode"), Ok("wal".to_owned().into()));
    assert_eq!(pragma("PRAGMA synchronous"), Ok(2.into()), "FULL");
}

#[tokio::test]
async fn an_append_is_answered_only_when_it_is_in_the_file() {
    let (_folder, path) = folder();
    let log = SqliteLog::open(&path).unwrap();
    let recorded = log.append(append("a", 0, 1)).await.unwrap();
    let other = Connection::open(&path).unwrap();
    let count: i64 = other
        .query_row("SELECT count(*) FROM event", [], |row| row.get(0))
        .unwrap();
    assert_eq!(count, recorded.len() as i64);
}

#[test]
fn several_may_make_the_same_log_at_once() {
    for _ in 0..50 {
        let (_folder, path) = folder();
        let start = Barrier::new(4);
        let open = || {
            start.wait();
            SqliteLog::open(&path).map(drop)
        };
        thread::scope(|scope| {
            let opened = [(); 4].map(|()| scope.spawn(open));
            for opened in opened {
                opened.join().unwrap().unwrap();
            }
        });
    }
}

#[tokio::test]
async fn a_lock_that_is_not_released_is_said() {
    let (_folder, path) = folder();
    let settings = Settings {
        lock_timeout: Duration::from_millis(20),
        ..Settings::default()
    };
    let log = SqliteLog::open_with(path.clone(), settings).unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();

    let error = SqliteLog::open_with(path.clone(), settings).unwrap_err();
    assert!(matches!(error, OpenError::Locked { .. }), "{error:?}");
    let error = log.append(append("a", 0, 1)).await.unwrap_err();
    assert!(matches!(error, AppendError::Io { .. }), "{error:?}");
    // Reading does not need the lock.
    assert_eq!(log.read_all(0, 1).await.unwrap(), []);

    other.execute_batch("COMMIT").unwrap();
    log.append(append("a", 0, 1)).await.unwrap();
}

#[tokio::test]
async fn what_was_accepted_is_written_before_the_log_is_gone() {
    let (_folder, path) = folder();
    let log = SqliteLog::open(&path).unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    // Polled once, it is accepted; then nobody waits for the answer any more.
    assert!(log.append(append("a", 0, 1)).now_or_never().is_none());
    other.execute_batch("COMMIT").unwrap();
    drop(log);
    assert_eq!(verify_file(&path).unwrap().events, 2);
}
