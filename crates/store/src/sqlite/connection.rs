//! Connections to the file, and what their errors mean.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::error::{AppendError, OpenError, ReadError};

/// The most idle reading connections that are kept for the next read.
const IDLE_READERS_MAX: usize = 4;

/// How soon a lock is tried again where SQLite itself does not wait.
const LOCK_PAUSE: Duration = Duration::from_millis(1);

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

/// Makes sure that there is a file. A new one is readable by its owner only.
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
    options.write(true).create_new(true).mode(0o600);
    match options.open(path) {
        Ok(_) => {
            let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
            File::open(folder.unwrap_or(Path::new("."))).and_then(|it| it.sync_all())
        }
        // Not opened to see whether it can be written, SQLite will say: closing it would let go of
        // the locks that this process holds on it.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if path.is_dir() {
                Err(io::ErrorKind::IsADirectory.into())
            } else {
                Ok(())
            }
        }
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

/// Keeps the journal beside the file, where those who read do not wait for the one who writes. Blocks.
///
/// When two make the file at once, SQLite tells one of them that it is locked without the wait that
/// it grants elsewhere: that wait is here.
pub(super) fn write_ahead(connection: &Connection, settings: Settings) -> rusqlite::Result<()> {
    let started = Instant::now();
    loop {
        match connection.pragma_update(None, "journal_mode", "WAL") {
            Err(error) if is_locked(&error) && started.elapsed() < settings.lock_timeout => {
                thread::sleep(LOCK_PAUSE);
            }
            done => return done,
        }
    }
}

fn is_locked(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
    )
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
        _ if is_locked(&error) => OpenError::Locked { path },
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
