//! The rows of figures.

use std::path::Path;

use leadsman_core::time::Timestamp;
use rusqlite::{Connection, params};

use super::connection::read_error;
use super::integer::{clamp, from_integer, to_integer};
use super::writer::{Group, Write};
use crate::error::{AppendError, ReadError};
use crate::figure::FigureRow;

/// Figures to be stored.
pub(super) struct AppendFigures(pub(super) Vec<FigureRow>);

impl Write for AppendFigures {
    type Output = ();

    fn write(&self, group: &mut Group<'_>) -> rusqlite::Result<Result<(), AppendError>> {
        let sql = "INSERT INTO figure (series, at, body) VALUES (?1, ?2, ?3)
                   ON CONFLICT (series, at) DO UPDATE SET body = excluded.body";
        let mut statement = group.connection().prepare_cached(sql)?;
        for row in &self.0 {
            statement.execute(params![
                row.series,
                to_integer(row.at.as_millis())?,
                row.body
            ])?;
        }
        Ok(Ok(()))
    }
}

/// Figures of a series from before a moment, to be thrown away.
pub(super) struct PruneFigures {
    pub(super) series: String,
    pub(super) before: Timestamp,
}

impl Write for PruneFigures {
    type Output = u64;

    fn write(&self, group: &mut Group<'_>) -> rusqlite::Result<Result<u64, AppendError>> {
        let mut statement = group
            .connection()
            .prepare_cached("DELETE FROM figure WHERE series = ?1 AND at < ?2")?;
        let count = statement.execute((&self.series, clamp(self.before.as_millis())))?;
        Ok(Ok(count as u64))
    }
}

pub(super) fn read(
    connection: &Connection,
    path: &Path,
    series: &str,
    since: Timestamp,
    limit: usize,
) -> Result<Vec<FigureRow>, ReadError> {
    let rows = || {
        let sql = "SELECT at, body FROM figure WHERE series = ?1 AND at >= ?2 ORDER BY at LIMIT ?3";
        let mut statement = connection.prepare_cached(sql)?;
        let limit = clamp(limit as u64);
        let rows = statement.query_map((series, clamp(since.as_millis()), limit), |row| {
            Ok(FigureRow {
                series: series.to_owned(),
                at: Timestamp::from_millis(from_integer(row, 0)?),
                body: row.get(1)?,
            })
        })?;
        rows.collect::<rusqlite::Result<_>>()
    };
    rows().map_err(|error| read_error(path, error))
}

/// Goes from one series to the next by the key, past the rows in between: there are few series,
/// and many large rows.
pub(super) fn series(
    connection: &Connection,
    path: &Path,
) -> Result<Vec<(String, Timestamp)>, ReadError> {
    let rows = || {
        let sql = "
            WITH RECURSIVE known (series) AS (
                SELECT min(series) FROM figure
                UNION ALL
                SELECT (SELECT min(series) FROM figure WHERE series > known.series)
                FROM known WHERE known.series IS NOT NULL
            )
            SELECT series, (SELECT max(at) FROM figure WHERE figure.series = known.series)
            FROM known WHERE series IS NOT NULL";
        let mut statement = connection.prepare_cached(sql)?;
        let rows = statement.query_map([], |row| {
            Ok((row.get(0)?, Timestamp::from_millis(from_integer(row, 1)?)))
        })?;
        rows.collect::<rusqlite::Result<_>>()
    };
    rows().map_err(|error| read_error(path, error))
}
