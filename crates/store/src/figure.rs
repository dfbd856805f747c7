//! Measurements beside the log.

use leadsman_core::time::Timestamp;

use crate::error::AppendError;
use crate::event::{APPEND_BYTES_MAX, check_body, check_label, check_moment, check_size};

/// One measurement of one series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FigureRow {
    /// What was measured, such as `shop/production/12/web`: 1 to 200 bytes without control
    /// characters.
    pub series: String,
    /// When. A series has one measurement per moment.
    pub at: Timestamp,
    /// What it showed, as JSON text.
    pub body: String,
}

/// Refuses what no log stores.
pub(crate) fn check(rows: &[FigureRow]) -> Result<(), AppendError> {
    check_size(
        "bytes",
        rows.iter().map(|row| row.body.len()).sum(),
        APPEND_BYTES_MAX,
    )?;
    for row in rows {
        check_label("series", &row.series)?;
        check_moment(row.at)?;
        check_body(&row.body)?;
    }
    Ok(())
}
