//! Connections to the file, and what their errors mean.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::error::{AppendError, OpenError, ReadError};

/// The most idle reading connections that are kept for the next read.
const IDLE_READERS_MAX: usize = 4;

/// What differs between a log in use and one under test.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    /// How long another process may hold a lock before it is an error.
    pub(super) lock_timeout: Duration,
    /// The most pages of 4 KiB that the file may have; none if only the disk is the limit.
    pub(super) page_count_max: Option<u32>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            lock_timeout: Duration::from_secs(5),
            page_count_max: None,
        }
    }
}

/// Makes sure that there is a file, readable by its owner only, and that it can be written.
pub(super) fn create_file(path: &Path) -> Result<(), OpenError> {
    let io_error = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => OpenError::FolderMissing {
            path: path.to_owned(),
        },
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            OpenError::NotWritable {
                path: path.to_owned(),
                source: Arc::new(error),
            }
        }
        _ => OpenError::Io {
            path: path.to_owned(),
            source: Arc::new(error),
        },
    };
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    match options.clone().create_new(true).open(path) {
        Ok(_) => {
            let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
            File::open(folder.unwrap_or(Path::new("."))).and_then(|it| it.sync_all())
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => options.open(path).map(drop),
        Err(error) => Err(error),
    }
    .map_err(io_error)
}

/// Opens the file for the writer.
pub(super) fn open_writer(path: &Path, settings: Settings) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    prepare(&connection, settings)?;
    // FULL: a commit has reached the disk when it returns.
    connection.pragma_update(None, "synchronous", "FULL")?;
    if let Some(count) = settings.page_count_max {
        connection.pragma_update(None, "max_page_count", count)?;
    }
    Ok(connection)
}

/// Opens the file for reading, while it may be written.
pub(super) fn open_reader(path: &Path, settings: Settings) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    prepare(&connection, settings)?;
    Ok(connection)
}

fn prepare(connection: &Connection, settings: Settings) -> rusqlite::Result<()> {
    connection.busy_timeout(settings.lock_timeout)?;
    // The file may have been tampered with: nothing in its schema runs functions for us, and
    // pages are checked as they are read.
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cell_size_check", true)
}

/// Reading connections, opened when needed.
#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    settings: Settings,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(super) fn new(path: PathBuf, settings: Settings) -> Self {
        Self {
            path,
            settings,
            idle: Mutex::default(),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Calls `read` with a connection. Blocks.
    pub(super) fn with<T, E: From<ReadError>>(
        &self,
        read: impl FnOnce(&mut Connection) -> Result<T, E>,
    ) -> Result<T, E> {
        let idle = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => open_reader(&self.path, self.settings)
                .map_err(|error| read_error(&self.path, error))?,
        };
        let answer = read(&mut connection)?;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_READERS_MAX {
            idle.push(connection);
        }
        Ok(answer)
    }
}

/// What a failure while opening means.
pub(super) fn open_error(path: &Path, error: rusqlite::Error) -> OpenError {
    let path = path.to_owned();
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => OpenError::NotADatabase { path },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => OpenError::Locked { path },
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            OpenError::NotWritable {
                path,
                source: Arc::new(error),
            }
        }
        _ => OpenError::Io {
            path,
            source: Arc::new(error),
        },
    }
}

/// What a failure while reading means.
pub(super) fn read_error(path: &Path, error: rusqlite::Error) -> ReadError {
    ReadError::Io {
        path: path.to_owned(),
        source: Arc::new(error),
    }
}

/// What a failure while writing means.
pub(super) fn append_error(path: &Path, error: rusqlite::Error) -> AppendError {
    let path = path.to_owned();
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => AppendError::Full {
            path,
            source: Arc::new(error),
        },
        _ => AppendError::Io {
            path,
            source: Arc::new(error),
        },
    }
}
