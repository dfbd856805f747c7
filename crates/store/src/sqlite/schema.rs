//! The tables, and how a file comes to have them.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::connection::open_error;
use crate::error::OpenError;

/// Marks a file as an event log: the bytes of `LEAD`.
const APPLICATION_ID: i64 = 0x4c45_4144;

/// How each version of the tables is made from the one before it.
#[derive(Clone, Copy)]
pub(super) struct Schema<'m>(&'m [&'m str]);

/// The schema of this program. An entry that was ever released is never changed; new ones are added
/// at the end.
pub(super) const SCHEMA: Schema<'static> = Schema(&["
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
"]);

/// Whose file it is.
enum Contents {
    Nothing,
    /// An event log of this schema version.
    Log(i64),
}

impl Schema<'_> {
    /// The newest version that is known.
    fn known_version(self) -> i64 {
        self.0.len() as i64
    }

    /// Refuses a file that this program cannot use, without changing it.
    pub(super) fn check(self, connection: &Connection, path: &Path) -> Result<(), OpenError> {
        self.seen_at_once(connection, path).map(drop)
    }

    /// The contents at one moment: another process may be making the tables.
    fn seen_at_once(self, connection: &Connection, path: &Path) -> Result<Contents, OpenError> {
        let tx = connection
            .unchecked_transaction()
            .map_err(|error| open_error(path, error))?;
        self.contents(&tx, path)
    }

    fn contents(self, connection: &Connection, path: &Path) -> Result<Contents, OpenError> {
        let number = |sql| {
            connection
                .query_row(sql, [], |row| row.get::<_, i64>(0))
                .map_err(|error| open_error(path, error))
        };
        let version = number("PRAGMA user_version")?;
        let known = self.known_version();
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
    pub(super) fn check_readable(
        self,
        connection: &Connection,
        path: &Path,
    ) -> Result<(), OpenError> {
        let known = self.known_version();
        match self.seen_at_once(connection, path)? {
            Contents::Log(version) if version == known => Ok(()),
            Contents::Log(found) => Err(OpenError::Older {
                path: path.to_owned(),
                found,
                known,
            }),
            Contents::Nothing => Err(OpenError::Foreign {
                path: path.to_owned(),
            }),
        }
    }

    /// Brings the tables up to date, all the way or not at all. Two processes that do it at once do
    /// it one after the other.
    pub(super) fn migrate(self, connection: &mut Connection, path: &Path) -> Result<(), OpenError> {
        let failed = |error| open_error(path, error);
        let tx = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(failed)?;
        let version = match self.contents(&tx, path)? {
            Contents::Nothing => 0,
            Contents::Log(version) => version,
        };
        let missing = usize::try_from(version)
            .ok()
            .and_then(|done| self.0.get(done..));
        for migration in missing.unwrap_or_default() {
            tx.execute_batch(migration).map_err(failed)?;
        }
        if version != self.known_version() {
            tx.pragma_update(None, "application_id", APPLICATION_ID)
                .map_err(failed)?;
            tx.pragma_update(None, "user_version", self.known_version())
                .map_err(failed)?;
        }
        tx.commit().map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use leadsman_core::time::Timestamp;
    use tempfile::TempDir;

    use super::super::connection::{Settings, open_reader, open_writer};
    use super::super::{SqliteLog, events};
    use super::*;
    use crate::event::{Append, NewEvent};
    use crate::log::EventLog as _;

    /// A version that was never released: it adds a column, fills it, and brings figures elsewhere.
    const MADE_UP: &str = "
        ALTER TABLE event ADD COLUMN day INTEGER NOT NULL DEFAULT 0;
        DROP TRIGGER event_is_never_changed;
        UPDATE event SET day = at / 86400000;
        CREATE TRIGGER event_is_never_changed BEFORE UPDATE ON event
            BEGIN SELECT RAISE(ABORT, 'an event is never changed'); END;
        ALTER TABLE figure RENAME TO measurement;";

    const BROKEN: &str = "ALTER TABLE figure RENAME TO measurement; SELECT * FROM nowhere;";

    /// Makes a log of the present schema with events in it.
    fn made() -> (TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.db");
        let log = SqliteLog::open(&path).unwrap();
        let append = Append {
            stream: "a".parse().unwrap(),
            expected_version: 0,
            at: Timestamp::from_millis(1_790_000_000_000),
            actor: "ada".to_owned(),
            events: vec![
                NewEvent {
                    kind: "noted".to_owned(),
                    body: "{}".to_owned(),
                };
                3
            ],
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.unwrap().block_on(log.append(append)).unwrap();
        (folder, path)
    }

    fn open(path: &Path) -> Connection {
        open_writer(path, Settings::default()).unwrap()
    }

    fn count(connection: &Connection, sql: &str) -> i64 {
        connection.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn a_log_is_brought_to_a_newer_schema_and_then_an_older_program_refuses_it() {
        let (_folder, path) = made();
        let before = events::verify(&mut open(&path), &path).unwrap();
        let migrations = [SCHEMA.0, &[MADE_UP]].concat();
        let newer = Schema(&migrations);
        // Who only reads does not change it, and says what it is.
        let reader = open_reader(&path, Settings::default()).unwrap();
        let error = newer.check_readable(&reader, &path).unwrap_err();
        assert!(
            matches!(error, OpenError::Older { found, known, .. } if found + 1 == known),
            "{error}"
        );
        drop(reader);
        let mut connection = open(&path);
        // A second time there is nothing to do.
        for _ in 0..2 {
            newer.check(&connection, &path).unwrap();
            newer.migrate(&mut connection, &path).unwrap();
            assert_eq!(
                count(&connection, "SELECT count(*) FROM event WHERE day = 20717"),
                3
            );
            assert_eq!(count(&connection, "SELECT count(*) FROM measurement"), 0);
        }
        newer.check_readable(&connection, &path).unwrap();
        // Every event and the head are what they were.
        assert_eq!(events::verify(&mut connection, &path).unwrap(), before);
        drop(connection);
        let error = SqliteLog::open(&path).unwrap_err();
        assert!(
            matches!(error, OpenError::Newer { found, known, .. } if found == known + 1),
            "{error}"
        );
    }

    #[test]
    fn a_migration_that_fails_leaves_the_log_as_it_was() {
        let (_folder, path) = made();
        for broken in [&[BROKEN][..], &[MADE_UP, BROKEN]] {
            let migrations = [SCHEMA.0, broken].concat();
            let error = Schema(&migrations)
                .migrate(&mut open(&path), &path)
                .unwrap_err();
            assert!(matches!(error, OpenError::Io { .. }), "{error}");
            let mut connection = open(&path);
            SCHEMA.check_readable(&connection, &path).unwrap();
            assert_eq!(events::verify(&mut connection, &path).unwrap().events, 3);
        }
        drop(SqliteLog::open(&path).unwrap());
    }

    #[test]
    fn many_who_migrate_at_once_do_it_once() {
        let (_folder, path) = made();
        let migrations = [SCHEMA.0, &[MADE_UP]].concat();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let migrated = Schema(&migrations).migrate(&mut open(&path), &path);
                    migrated.unwrap();
                });
            }
        });
        assert_eq!(events::verify(&mut open(&path), &path).unwrap().events, 3);
    }

    #[test]
    fn a_file_of_nothing_gets_every_version_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.db");
        std::fs::write(&path, "").unwrap();
        let migrations = [SCHEMA.0, &[MADE_UP]].concat();
        let mut connection = open(&path);
        Schema(&migrations).migrate(&mut connection, &path).unwrap();
        assert_eq!(
            count(&connection, "PRAGMA user_version"),
            migrations.len() as i64
        );
        assert_eq!(events::verify(&mut connection, &path).unwrap().events, 0);
    }
}
