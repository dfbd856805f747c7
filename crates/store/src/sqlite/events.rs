//! The rows of events.

use std::path::Path;

use leadsman_core::time::Timestamp;
use rusqlite::{Connection, Params, Row, params};

use super::connection::read_error;
use super::integer::{clamp, from_integer, to_integer};
use super::writer::{Group, Write};
use crate::chain::{self, Hash, Head, Verified};
use crate::error::{AppendError, ReadError, VerifyError};
use crate::event::{Append, Recorded};
use crate::stream::StreamName;

/// How many rows the verification holds in memory at a time.
const VERIFY_PAGE_SIZE: usize = 256;

impl Write for Append {
    type Output = Vec<Recorded>;

    fn write(&self, group: &mut Group<'_>) -> rusqlite::Result<Result<Vec<Recorded>, AppendError>> {
        let actual = version(group.connection(), &self.stream)?;
        if actual != self.expected_version {
            return Ok(Err(AppendError::Conflict {
                stream: self.stream.clone(),
                expected: self.expected_version,
                actual,
            }));
        }
        let mut recorded = Vec::with_capacity(self.events.len());
        for (version, event) in (actual + 1..).zip(&self.events) {
            let next = group
                .head()?
                .record(&self.stream, version, self.at, &self.actor, event);
            insert(group.connection(), &next)?;
            recorded.push(next);
        }
        Ok(Ok(recorded))
    }
}

fn version(connection: &Connection, stream: &StreamName) -> rusqlite::Result<u64> {
    let sql = "SELECT coalesce(max(version), 0) FROM event WHERE stream = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    statement.query_row([stream.as_str()], |row| from_integer(row, 0))
}

fn insert(connection: &Connection, event: &Recorded) -> rusqlite::Result<()> {
    let sql = "INSERT INTO event (position, stream, version, at, actor, kind, body, hash)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    connection.prepare_cached(sql)?.execute(params![
        to_integer(event.position)?,
        event.stream.as_str(),
        to_integer(event.version)?,
        to_integer(event.at.as_millis())?,
        event.actor,
        event.kind,
        event.body,
        event.hash.as_bytes(),
    ])?;
    Ok(())
}

/// Returns where the log says that it ends.
pub(super) fn head(connection: &Connection) -> rusqlite::Result<Head> {
    let mut statement = connection.prepare_cached("SELECT position, hash FROM head")?;
    statement.query_one([], |row| {
        Ok(Head {
            position: from_integer(row, 0)?,
            hash: Hash::from_bytes(row.get(1)?),
        })
    })
}

pub(super) fn set_head(connection: &Connection, head: Head) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached("UPDATE head SET position = ?1, hash = ?2")?;
    statement.execute(params![to_integer(head.position)?, head.hash.as_bytes()])?;
    Ok(())
}

/// Whether the log ends as its head says.
pub(super) fn ends_at_head(connection: &Connection) -> rusqlite::Result<bool> {
    let sql = "SELECT count(*) FROM head WHERE id = 1 AND (position, hash) IS (
                   SELECT position, hash FROM event
                   UNION ALL SELECT 0, zeroblob(32)
                   ORDER BY position DESC LIMIT 1
               )";
    connection
        .query_row(sql, [], |row| row.get::<_, i64>(0))
        .map(|count| count == 1)
}

pub(super) fn read_stream(
    connection: &Connection,
    path: &Path,
    stream: &StreamName,
    after_version: u64,
) -> Result<Vec<Recorded>, ReadError> {
    let sql = "SELECT position, stream, version, at, actor, kind, body, hash FROM event
               WHERE stream = ?1 AND version > ?2 ORDER BY version";
    let after = clamp(after_version);
    events(rows(connection, sql, (stream.as_str(), after)), path)
}

pub(super) fn read_all(
    connection: &Connection,
    path: &Path,
    after_position: u64,
    limit: usize,
) -> Result<Vec<Recorded>, ReadError> {
    let after = clamp(after_position);
    events(rows_after(connection, after, limit), path)
}

pub(super) fn streams(connection: &Connection, path: &Path) -> Result<Vec<StreamName>, ReadError> {
    let names = || {
        let sql = "SELECT DISTINCT stream FROM event ORDER BY stream";
        let mut statement = connection.prepare_cached(sql)?;
        statement
            .query_map([], |row| row.get::<_, String>(0))?
            .collect::<Result<Vec<_>, _>>()
    };
    let names = names()
        .map_err(|error| read_error(path, error))?
        .into_iter();
    let damaged = |name| ReadError::Damaged {
        path: path.to_owned(),
        what: format!("the name of stream `{name}`"),
    };
    names
        .map(|name| StreamName::try_from(name).map_err(|error| damaged(error.0)))
        .collect()
}

/// Verifies the whole log as it is at one moment.
pub(super) fn verify(connection: &mut Connection, path: &Path) -> Result<Verified, VerifyError> {
    let failed = |error| VerifyError::Read(read_error(path, error));
    let tx = connection.transaction().map_err(failed)?;
    let head = match head(&tx) {
        Ok(head) => Some(head),
        // The head is part of what is verified: one that is missing or malformed is a finding.
        Err(error) if error.sqlite_error().is_none() => None,
        Err(error) => return Err(failed(error)),
    };
    let verified = chain::verify(head, |after| {
        rows_after(&tx, after, VERIFY_PAGE_SIZE).map_err(failed)
    })?;
    // The chain was read by position. Reading by stream uses an index, which must agree.
    let detail: String = tx
        .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
        .map_err(failed)?;
    if detail == "ok" {
        Ok(verified)
    } else {
        Err(VerifyError::Corrupt {
            path: path.to_owned(),
            detail,
        })
    }
}

fn rows_after(
    connection: &Connection,
    after: i64,
    limit: usize,
) -> rusqlite::Result<Vec<chain::Row>> {
    let sql = "SELECT position, stream, version, at, actor, kind, body, hash FROM event
               WHERE position > ?1 ORDER BY position LIMIT ?2";
    rows(connection, sql, (after, clamp(limit as u64)))
}

fn rows(
    connection: &Connection,
    sql: &str,
    params: impl Params,
) -> rusqlite::Result<Vec<chain::Row>> {
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(params, |row| {
        Ok(chain::Row {
            position: row.get(0)?,
            event: recorded(row).ok(),
        })
    })?;
    rows.collect()
}

fn recorded(row: &Row<'_>) -> rusqlite::Result<Recorded> {
    let stream = StreamName::try_from(row.get::<_, String>(1)?).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(1, rusqlite::types::Type::Text, Box::new(error))
    })?;
    Ok(Recorded {
        position: from_integer(row, 0)?,
        stream,
        version: from_integer(row, 2)?,
        at: Timestamp::from_millis(from_integer(row, 3)?),
        actor: row.get(4)?,
        kind: row.get(5)?,
        body: row.get(6)?,
        hash: Hash::from_bytes(row.get(7)?),
    })
}

fn events(
    rows: rusqlite::Result<Vec<chain::Row>>,
    path: &Path,
) -> Result<Vec<Recorded>, ReadError> {
    let damaged = |position| ReadError::Damaged {
        path: path.to_owned(),
        what: format!("the event at position {position}"),
    };
    let rows = rows.map_err(|error| read_error(path, error))?.into_iter();
    rows.map(|row| row.event.ok_or_else(|| damaged(row.position)))
        .collect()
}
