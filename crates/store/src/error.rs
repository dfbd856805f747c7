//! What can go wrong.

use std::path::PathBuf;
use std::sync::Arc;

use crate::stream::StreamName;

/// The error below an error of this crate. Shared, because one failed commit answers many
/// appends.
pub type Cause = Arc<dyn std::error::Error + Send + Sync>;

/// Something was not recorded, or it is not certain that it was.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// The stream has another number of events than the writer believed.
    #[error("stream `{stream}` has {actual} events where {expected} were expected")]
    Conflict {
        /// The stream.
        stream: StreamName,
        /// How many events were expected.
        expected: u64,
        /// How many it has.
        actual: u64,
    },
    /// The append is larger than a log accepts.
    #[error("an append has {size} {unit} where {max} are the most")]
    TooLarge {
        /// What was counted.
        unit: &'static str,
        /// How many there are.
        size: usize,
        /// How many there may be.
        max: usize,
    },
    /// A field of the append is not usable.
    #[error("the `{what}` of an append is not usable")]
    Invalid {
        /// The field.
        what: &'static str,
        /// What is wrong with it, if it needs saying.
        #[source]
        cause: Option<Cause>,
    },
    /// No space is left for the append. A smaller one may still succeed.
    #[error("no space is left to append to event log `{path}`")]
    Full {
        /// The file.
        path: PathBuf,
        /// What the database said.
        #[source]
        source: Cause,
    },
    /// The log could not be written. Whether the append was recorded is not certain: read the
    /// stream before trying again.
    #[error("failed to append to event log `{path}`")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the database said.
        #[source]
        source: Cause,
    },
    /// The writer of the log has ended.
    #[error("event log `{path}` is closed")]
    Closed {
        /// The file.
        path: PathBuf,
    },
}

/// Something could not be read.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The log could not be read.
    #[error("failed to read event log `{path}`")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the database said.
        #[source]
        source: Cause,
    },
    /// A row is none that this crate has written.
    #[error("{what} in event log `{path}` is damaged")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Which row.
        what: String,
    },
}

/// A file could not be opened as an event log.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// There is no such file.
    #[error("there is no event log `{path}`")]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The folder that the file should be in does not exist.
    #[error("there is no folder for event log `{path}`")]
    FolderMissing {
        /// The file.
        path: PathBuf,
    },
    /// The file, or the folder that it is in, may not be written.
    #[error("event log `{path}` or its folder is not writable")]
    NotWritable {
        /// The file.
        path: PathBuf,
        /// What was answered.
        #[source]
        source: Cause,
    },
    /// The file is no SQLite database.
    #[error("`{path}` is not a database")]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// The file is a SQLite database with other contents.
    #[error("database `{path}` is not an event log")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The file was written by a newer version of this program.
    #[error(
        "event log `{path}` has schema version {found}, this program knows versions up to {known}"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The schema version of the file.
        found: i64,
        /// The newest schema version that this program knows.
        known: i64,
    },
    /// The file was written by an older version of this program, and has to be opened for writing
    /// once before it can be read: that brings its schema up to date.
    #[error(
        "event log `{path}` has schema version {found}, which this program first brings to {known}"
    )]
    Older {
        /// The file.
        path: PathBuf,
        /// The schema version of the file.
        found: i64,
        /// The schema version that this program works with.
        known: i64,
    },
    /// Another process is writing the file and does not stop.
    #[error("event log `{path}` is locked by another process")]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// The log does not end with the event that was recorded last. Nothing is appended to such
    /// a log, so that the evidence stays as it is.
    #[error("event log `{path}` does not end with the event that was recorded last")]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// Anything else.
    #[error("failed to open event log `{path}`")]
    Io {
        /// The file.
        path: PathBuf,
        /// What was answered.
        #[source]
        source: Cause,
    },
}

/// A log is not what was recorded, or it could not be found out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The log is not what was recorded.
    #[error("the event log is broken at position {position}: {fault}")]
    Broken {
        /// The first position at which it is not; for a fault of the head, the last event's.
        position: u64,
        /// What is wrong there.
        fault: Fault,
    },
    /// The events are what was recorded, but the file around them is corrupt.
    #[error("event log `{path}` is corrupt: {detail}")]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What the database found.
        detail: String,
    },
    /// The file could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The log could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// No snapshot of a log could be taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// There is no log that could be read.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The log could not be read, or the snapshot not be written.
    #[error("failed to copy event log `{path}` to `{to}`")]
    Copy {
        /// The log.
        path: PathBuf,
        /// The snapshot.
        to: PathBuf,
        /// What went wrong.
        #[source]
        source: Cause,
    },
    /// What was copied is not what was recorded.
    #[error(transparent)]
    Verify(#[from] VerifyError),
}

/// What is wrong at a position of a log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The event, or its hash, is another than was recorded.
    #[error("the event was changed")]
    Changed,
    /// There is no event.
    #[error("the event was removed")]
    Removed,
    /// The event that was recorded here is at another position.
    #[error("the event that belongs here is at position {found_at}")]
    Reordered {
        /// The position that it is at.
        found_at: u64,
    },
    /// There is an event that was never recorded.
    #[error("the event was inserted, it was never recorded")]
    Inserted,
    /// The chain is whole, but the event is not the next one of its stream.
    #[error("the event has version {found} of its stream where {expected} follows")]
    Version {
        /// The version that follows in the stream.
        expected: u64,
        /// The version that the event has.
        found: u64,
    },
    /// The chain is whole, but it does not end as the head says.
    #[error("the log does not end as its head says")]
    Head,
    /// The row that says how the log ends is missing or unreadable.
    #[error("the head was removed")]
    HeadRemoved,
}
