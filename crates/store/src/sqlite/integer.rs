//! Numbers: the database has `i64` only, and nothing that is counted is negative.

use rusqlite::types::Type;
use rusqlite::{Error, Row};

pub(super) fn to_integer(number: u64) -> rusqlite::Result<i64> {
    i64::try_from(number).map_err(|error| Error::ToSqlConversionFailure(Box::new(error)))
}

pub(super) fn from_integer(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let number: i64 = row.get(column)?;
    u64::try_from(number)
        .map_err(|error| Error::FromSqlConversionFailure(column, Type::Integer, Box::new(error)))
}

/// Turns a bound of a query into a number. Nothing above `i64::MAX` is stored, so that asking
/// for what is above is asking for nothing.
pub(super) fn clamp(bound: u64) -> i64 {
    i64::try_from(bound).unwrap_or(i64::MAX)
}
