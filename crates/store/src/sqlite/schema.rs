//! The tables, and how a file comes to have them.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::connection::open_error;
use crate::error::OpenError;

/// Marks a file as an event log: the bytes of `LEAD`.
const APPLICATION_ID: i64 = 0x4c45_4144;

/// How each schema version is made from the one before it. An entry that was ever released is
/// never changed; new ones are added at the end.
const MIGRATIONS: &[&str] = &["
    CREATE TABLE event (
        position INTEGER PRIMARY KEY,
        stream   TEXT    NOT NULL,
        version  INTEGER NOT NULL,
        at       INTEGER NOT NULL, -- milliseconds since 1970
        actor    TEXT    NOT NULL,
        kind     TEXT    NOT NULL,
        body     TEXT    NOT NULL,
        hash     BLOB    NOT NULL,
        UNIQUE (stream, version)
    ) STRICT;

    -- These stop mistakes, not attackers: the chain is there for those.
    CREATE TRIGGER event_is_never_changed BEFORE UPDATE ON event
        BEGIN SELECT RAISE(ABORT, 'an event is never changed'); END;
    CREATE TRIGGER event_is_never_removed BEFORE DELETE ON event
        BEGIN SELECT RAISE(ABORT, 'an event is never removed'); END;

    -- Where the log ends. Without it the removal of the last events would not be found.
    CREATE TABLE head (
        id       INTEGER PRIMARY KEY CHECK (id = 1),
        position INTEGER NOT NULL,
        hash     BLOB    NOT NULL
    ) STRICT;
    INSERT INTO head (id, position, hash) VALUES (1, 0, zeroblob(32));

    CREATE TABLE figure (
        series TEXT    NOT NULL,
        at     INTEGER NOT NULL, -- milliseconds since 1970
        body   TEXT    NOT NULL,
        PRIMARY KEY (series, at)
    ) STRICT, WITHOUT ROWID;
"];

/// The newest schema version that this program knows.
pub(super) fn known_version() -> i64 {
    MIGRATIONS.len() as i64
}

/// Whose file it is.
enum Contents {
    Nothing,
    /// An event log of this schema version.
    Log(i64),
}

/// Refuses a file that this program cannot use, without changing it.
pub(super) fn check(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    contents(connection, path).map(drop)
}

fn contents(connection: &Connection, path: &Path) -> Result<Contents, OpenError> {
    let number = |sql| {
        connection
            .query_row(sql, [], |row| row.get::<_, i64>(0))
            .map_err(|error| open_error(path, error))
    };
    let version = number("PRAGMA user_version")?;
    let known = known_version();
    match number("PRAGMA application_id")? {
        APPLICATION_ID if version > known => Err(OpenError::Newer {
            path: path.to_owned(),
            found: version,
            known,
        }),
        APPLICATION_ID if version > 0 => Ok(Contents::Log(version)),
        0 if version == 0 && number("SELECT count(*) FROM sqlite_schema")? == 0 => {
            Ok(Contents::Nothing)
        }
        _ => Err(OpenError::Foreign {
            path: path.to_owned(),
        }),
    }
}

/// Refuses a file that holds no event log, or one of a schema that has to be migrated first.
pub(super) fn check_readable(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    match contents(connection, path)? {
        Contents::Log(version) if version == known_version() => Ok(()),
        Contents::Log(version) => Err(OpenError::Older {
            path: path.to_owned(),
            found: version,
            known: known_version(),
        }),
        Contents::Nothing => Err(OpenError::Foreign {
            path: path.to_owned(),
        }),
    }
}

/// Brings the schema up to date. Two processes that do it at once do it one after the other.
pub(super) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), OpenError> {
    let failed = |error| open_error(path, error);
    let tx = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(failed)?;
    let version = match contents(&tx, path)? {
        Contents::Nothing => 0,
        Contents::Log(version) => version,
    };
    let missing = usize::try_from(version)
        .ok()
        .and_then(|done| MIGRATIONS.get(done..));
    for migration in missing.unwrap_or_default() {
        tx.execute_batch(migration).map_err(failed)?;
    }
    if version != known_version() {
        tx.pragma_update(None, "application_id", APPLICATION_ID)
            .map_err(failed)?;
        tx.pragma_update(None, "user_version", known_version())
            .map_err(failed)?;
    }
    tx.commit().map_err(failed)
}
