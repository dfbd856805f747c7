//! A copy of the whole log as it is at one moment, while somebody may be writing to it.
//!
//! `VACUUM INTO` reads within one transaction and leaves the log itself alone: writers go on, and
//! what they append meanwhile is not in the copy. The online backup API would begin anew whenever
//! another process writes, which never ends beside a busy one, and would copy the empty pages too.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;

use super::connection::{self, Settings, open_error};
use super::{events, open_to_read};
use crate::chain::Verified;
use crate::error::SnapshotError;

/// Copies the log in the file at `path` as it is now to a new file `to`, verifies the copy and
/// returns what it holds. The log may be open elsewhere, also in other processes, and is not
/// written to. The copy is a single file that has reached the disk, readable by its owner only.
/// Blocks.
///
/// Figures are copied if `with_figures` says so; without them no trace of them is in the copy.
///
/// # Errors
///
/// There is no log at `path` or it is damaged; `to` exists already or cannot be written. What was
/// begun at `to` may stay.
pub fn snapshot_file(
    path: &Path,
    to: &Path,
    with_figures: bool,
) -> Result<Verified, SnapshotError> {
    let log = open_to_read(path)?;
    let failed = |source: crate::Cause| SnapshotError::Copy {
        path: path.to_owned(),
        to: to.to_owned(),
        source,
    };
    let sql_failed = |error: rusqlite::Error| failed(Arc::new(error));
    let io_failed = |error: io::Error| failed(Arc::new(error));
    // SQLite copies into a file only if it is empty, and so one that was there stays as it is.
    if to.exists() {
        return Err(io_failed(io::ErrorKind::AlreadyExists.into()));
    }
    connection::create_file(to)?;
    let name = to
        .to_str()
        .ok_or_else(|| io_failed(io::Error::other("the name of the copy is no text")))?;
    log.execute("VACUUM INTO ?1", [name]).map_err(sql_failed)?;
    drop(log);
    let mut copy =
        connection::open_writer(to, Settings::default()).map_err(|error| open_error(to, error))?;
    if !with_figures {
        leave_out_figures(&copy).map_err(sql_failed)?;
    }
    let verified = events::verify(&mut copy, to)?;
    copy.close().map_err(|(_, error)| sql_failed(error))?;
    // It was written without waiting for the disk.
    File::open(to)
        .and_then(|file| file.sync_all())
        .map_err(io_failed)?;
    Ok(verified)
}

fn leave_out_figures(copy: &Connection) -> rusqlite::Result<()> {
    // Rewritten, because rows that are deleted leave their text in the file.
    copy.execute_batch("DELETE FROM figure; VACUUM;")
}
