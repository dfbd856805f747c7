//! The log in a SQLite file: one machine, nothing to install.
//!
//! One thread writes, with group commit; reads have connections of their own and neither wait
//! for it nor hold it up. Several processes may open the same file: every append checks the
//! version in the transaction that writes it, so that they can only lose to each other.

mod connection;
mod events;
mod figures;
mod integer;
mod schema;
mod snapshot;
#[cfg(test)]
mod tests;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use leadsman_core::time::Timestamp;
use rusqlite::Connection;

pub use self::snapshot::snapshot_file;

use self::connection::{Readers, Settings, open_error};
use self::figures::{AppendFigures, PruneFigures};
use self::schema::SCHEMA;
use self::writer::Writer;
use crate::chain::Verified;
use crate::error::{AppendError, OpenError, ReadError, VerifyError};
use crate::event::{Append, Recorded};
use crate::figure::{self, FigureRow};
use crate::log::{BoxFuture, EventLog, FigureLog};
use crate::stream::StreamName;

/// A log in a SQLite file. To be used within a tokio runtime, on whose blocking threads it reads.
///
/// Dropping it waits until everything accepted so far is written.
#[derive(Debug)]
pub struct SqliteLog {
    // Before the writer, and so closed before it: only the last one to close the file merges the
    // journal into it, and only if it may write.
    readers: Arc<Readers>,
    writer: Writer,
}

impl SqliteLog {
    /// Opens the log in the file at `path`. Creates the file, but not its folder. Blocks.
    ///
    /// # Errors
    ///
    /// Each says what is wrong with which file; no file that holds something else is changed.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, OpenError> {
        Self::open_with(path.into(), Settings::default())
    }

    fn open_with(path: PathBuf, settings: Settings) -> Result<Self, OpenError> {
        connection::create_file(&path)?;
        let connection = open_connection(&path, settings)?;
        let writer = Writer::start(path.clone(), connection).map_err(|error| OpenError::Io {
            path: path.clone(),
            source: Arc::new(error),
        })?;
        Ok(Self {
            readers: Arc::new(Readers::new(path, settings)),
            writer,
        })
    }

    async fn read<T, E>(
        &self,
        read: impl FnOnce(&mut Connection, &Path) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<ReadError> + Send + 'static,
    {
        let readers = Arc::clone(&self.readers);
        let task = tokio::task::spawn_blocking(move || {
            readers.with(|connection| read(connection, readers.path()))
        });
        task.await.unwrap_or_else(|error| {
            let path = self.readers.path().to_owned();
            Err(ReadError::Io {
                path,
                source: Arc::new(error),
            }
            .into())
        })
    }
}

fn open_connection(path: &Path, settings: Settings) -> Result<Connection, OpenError> {
    let failed = |error| open_error(path, error);
    let mut connection = connection::open_writer(path, settings).map_err(failed)?;
    SCHEMA.check(&connection, path)?;
    connection::write_ahead(&connection, settings).map_err(failed)?;
    SCHEMA.migrate(&mut connection, path)?;
    if events::ends_at_head(&connection).map_err(failed)? {
        Ok(connection)
    } else {
        Err(OpenError::Damaged {
            path: path.to_owned(),
        })
    }
}

/// Verifies the log in the file at `path` without writing to it, whether or not a process has it
/// open. Blocks.
///
/// # Errors
///
/// As [`EventLog::verify`], and [`VerifyError::Open`] if there is no log that could be read.
pub fn verify_file(path: &Path) -> Result<Verified, VerifyError> {
    let mut connection = open_to_read(path)?;
    events::verify(&mut connection, path)
}

/// Opens the log that somebody else may be writing to.
fn open_to_read(path: &Path) -> Result<Connection, OpenError> {
    if !path.exists() {
        return Err(OpenError::Missing {
            path: path.to_owned(),
        });
    }
    let connection = connection::open_reader(path, Settings::default())
        .map_err(|error| open_error(path, error))?;
    SCHEMA.check_readable(&connection, path)?;
    Ok(connection)
}

impl EventLog for SqliteLog {
    fn append(&self, append: Append) -> BoxFuture<'_, Result<Vec<Recorded>, AppendError>> {
        Box::pin(async move {
            append.check()?;
            self.writer.write(append).await
        })
    }

    fn read_stream<'a>(
        &'a self,
        stream: &'a StreamName,
        after_version: u64,
    ) -> BoxFuture<'a, Result<Vec<Recorded>, ReadError>> {
        let stream = stream.clone();
        Box::pin(self.read(move |connection, path| {
            events::read_stream(connection, path, &stream, after_version)
        }))
    }

    fn read_all(
        &self,
        after_position: u64,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Recorded>, ReadError>> {
        Box::pin(self.read(move |connection, path| {
            events::read_all(connection, path, after_position, limit)
        }))
    }

    fn streams(&self) -> BoxFuture<'_, Result<Vec<StreamName>, ReadError>> {
        Box::pin(self.read(|connection, path| events::streams(connection, path)))
    }

    fn verify(&self) -> BoxFuture<'_, Result<Verified, VerifyError>> {
        Box::pin(self.read(events::verify))
    }
}

impl FigureLog for SqliteLog {
    fn append_figures(&self, rows: Vec<FigureRow>) -> BoxFuture<'_, Result<(), AppendError>> {
        Box::pin(async move {
            figure::check(&rows)?;
            self.writer.write(AppendFigures(rows)).await
        })
    }

    fn read_figures<'a>(
        &'a self,
        series: &'a str,
        since: Timestamp,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<FigureRow>, ReadError>> {
        let series = series.to_owned();
        Box::pin(
            self.read(move |connection, path| {
                figures::read(connection, path, &series, since, limit)
            }),
        )
    }

    fn figure_series(&self) -> BoxFuture<'_, Result<Vec<(String, Timestamp)>, ReadError>> {
        Box::pin(self.read(|connection, path| figures::series(connection, path)))
    }

    fn prune_figures<'a>(
        &'a self,
        series: &'a str,
        before: Timestamp,
    ) -> BoxFuture<'a, Result<u64, AppendError>> {
        let series = series.to_owned();
        Box::pin(async move { self.writer.write(PruneFigures { series, before }).await })
    }
}
