//! Copies of a log that is being written to.

use std::fs;
use std::io::BufRead as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use leadsman_core::time::Timestamp;
use leadsman_store::sqlite::{SqliteLog, snapshot_file, verify_file};
use leadsman_store::{
    EventLog as _, FigureLog as _, FigureRow, Hash, OpenError, Recorded, SnapshotError, VerifyError,
};
use rusqlite::Connection;

use crate::durability::Appender;
use crate::support::{append, block_on, folder};

fn figure(at: u64) -> FigureRow {
    FigureRow {
        series: "shop/production/1/web".to_owned(),
        at: Timestamp::from_millis(at),
        body: r#"["a telling figure"]"#.to_owned(),
    }
}

/// Makes a log with three events and two figures, which stays open.
fn log(path: &Path) -> SqliteLog {
    let log = SqliteLog::open(path).unwrap();
    block_on(log.append(append("a", 0, &["a1", "a2", "a3"]))).unwrap();
    block_on(log.append_figures(vec![figure(1), figure(2)])).unwrap();
    log
}

fn all(path: &Path) -> Vec<Recorded> {
    let log = SqliteLog::open(path).unwrap();
    block_on(log.read_all(0, usize::MAX)).unwrap()
}

#[test]
fn a_snapshot_is_the_log_as_it_was_and_goes_on_as_one() {
    let (folder, path) = folder();
    let to = folder.path().join("copy.db");
    let log = log(&path);
    let verified = snapshot_file(&path, &to, true).unwrap();
    let before = block_on(log.read_all(0, 9)).unwrap();
    let later = block_on(log.append(append("a", 3, &["a4"]))).unwrap();
    assert_eq!((verified.events, verified.head), (3, before[2].hash));
    assert_eq!(all(&to), before);
    let copy = SqliteLog::open(&to).unwrap();
    let series = figure(0).series;
    let figures = block_on(copy.read_figures(&series, Timestamp::default(), 9)).unwrap();
    assert_eq!(figures, [figure(1), figure(2)]);
    // The same happens to both, and so they stay the same.
    let again = block_on(copy.append(append("a", 3, &["a4"]))).unwrap();
    assert_eq!(again, later);
}

#[test]
fn a_snapshot_is_one_file_for_its_owner() {
    let (folder, path) = folder();
    let to = folder.path().join("copies/copy.db");
    fs::create_dir(to.parent().unwrap()).unwrap();
    let _log = log(&path);
    for with_figures in [true, false] {
        snapshot_file(&path, &to, with_figures).unwrap();
        let entries = fs::read_dir(to.parent().unwrap()).unwrap();
        let names: Vec<_> = entries.map(|it| it.unwrap().file_name()).collect();
        assert_eq!(names, ["copy.db"]);
        let mode = fs::metadata(&to).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::remove_file(&to).unwrap();
    }
}

#[test]
fn without_figures_no_trace_of_them_is_left() {
    let (folder, path) = folder();
    let log = log(&path);
    let holds_figures = |with_figures| {
        let to = folder.path().join(format!("{with_figures}.db"));
        let verified = snapshot_file(&path, &to, with_figures).unwrap();
        assert_eq!(verified, block_on(log.verify()).unwrap());
        let bytes = fs::read(&to).unwrap();
        let text = b"a telling figure";
        bytes.windows(text.len()).any(|window| window == text)
    };
    assert!(holds_figures(true));
    assert!(!holds_figures(false));
}

#[test]
fn a_log_that_nobody_has_open_is_copied_too() {
    let (folder, path) = folder();
    drop(log(&path));
    let to = folder.path().join("copy.db");
    assert_eq!(snapshot_file(&path, &to, true).unwrap().events, 3);
    assert_eq!(all(&to), all(&path));
}

#[test]
fn a_snapshot_beside_a_writer_is_a_prefix() {
    let (folder, path) = folder();
    let log = Arc::new(SqliteLog::open(&path).unwrap());
    block_on(log.append(append("a", 0, &["first"]))).unwrap();
    let ends = Arc::new(AtomicBool::new(false));
    let writer = std::thread::spawn({
        let (log, ends) = (Arc::clone(&log), Arc::clone(&ends));
        move || {
            let mut version = 1;
            while !ends.load(Ordering::SeqCst) {
                block_on(log.append(append("a", version, &["b", "c"]))).unwrap();
                block_on(log.append_figures(vec![figure(version)])).unwrap();
                version += 2;
            }
        }
    });
    let mut taken = Vec::new();
    let mut before = 0;
    while taken.len() < 10 {
        // Each one has something that the one before has not.
        let now = block_on(log.read_all(before, 1)).unwrap();
        if now.is_empty() {
            std::thread::yield_now();
            continue;
        }
        let to = folder.path().join(format!("{}.db", taken.len()));
        let verified = snapshot_file(&path, &to, taken.len() % 2 == 0).unwrap();
        assert!(verified.events > before);
        before = verified.events;
        taken.push((to, verified));
    }
    ends.store(true, Ordering::SeqCst);
    writer.join().unwrap();
    let whole = block_on(log.read_all(0, usize::MAX)).unwrap();
    assert!(whole.len() as u64 >= before);
    for (to, verified) in taken {
        let events = usize::try_from(verified.events).unwrap();
        // Both events of an append are there, or none.
        assert_eq!(events % 2, 1);
        assert_eq!(all(&to), whole[..events]);
        assert_eq!(verified.head, whole[events - 1].hash);
    }
}

/// Another process writes, and is killed: its journal is part of the log.
#[test]
fn what_another_process_acknowledged_is_in_the_snapshot() {
    let (folder, path) = folder();
    let mut writer = Appender::start(&path);
    let mut said = writer.said().lines();
    for round in 0..4 {
        // What is said was acknowledged before the snapshot is begun.
        let acknowledged: Vec<String> = said.by_ref().take(20).map(Result::unwrap).collect();
        if round == 3 {
            writer.kill();
        }
        let to = folder.path().join(format!("{round}.db"));
        let verified = snapshot_file(&path, &to, true).unwrap();
        let copied = all(&to);
        assert_eq!(verified.events, copied.len() as u64);
        for line in acknowledged {
            let (stream, version) = line.rsplit_once(' ').unwrap();
            let version: u64 = version.parse().unwrap();
            let is_it =
                |event: &Recorded| event.stream.as_str() == stream && event.version == version;
            assert!(copied.iter().any(is_it), "{line} is missing");
        }
    }
}

#[test]
fn a_log_that_was_tampered_with_gives_no_snapshot() {
    let (folder, path) = folder();
    drop(log(&path));
    let statement = "DROP TRIGGER event_is_never_changed;
                     UPDATE event SET actor = 'eve' WHERE position = 2";
    Connection::open(&path)
        .unwrap()
        .execute_batch(statement)
        .unwrap();
    let error = snapshot_file(&path, &folder.path().join("copy.db"), true).unwrap_err();
    let SnapshotError::Verify(VerifyError::Broken { position: 2, .. }) = error else {
        panic!("{error:?}");
    };
}

#[test]
fn an_empty_log_has_an_empty_snapshot() {
    let (folder, path) = folder();
    let _log = SqliteLog::open(&path).unwrap();
    let verified = snapshot_file(&path, &folder.path().join("copy.db"), false).unwrap();
    assert_eq!((verified.events, verified.head), (0, Hash::GENESIS));
}

#[test]
fn nothing_that_is_there_is_overwritten_and_nothing_is_made_of_nothing() {
    let (folder, path) = folder();
    let to = folder.path().join("copy.db");
    let error = snapshot_file(&path, &to, true).unwrap_err();
    assert!(
        matches!(error, SnapshotError::Open(OpenError::Missing { .. })),
        "{error:?}"
    );
    assert!(!path.exists() && !to.exists());
    drop(log(&path));
    fs::write(&to, "precious").unwrap();
    let error = snapshot_file(&path, &to, true).unwrap_err();
    assert!(matches!(error, SnapshotError::Copy { .. }), "{error:?}");
    assert_eq!(fs::read_to_string(&to).unwrap(), "precious");
    assert_eq!(verify_file(&path).unwrap().events, 3);
}
