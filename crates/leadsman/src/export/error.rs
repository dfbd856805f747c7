//! What can go wrong with an export.

use std::io;
use std::path::{Path, PathBuf};

use leadsman_core::id::Digest;
use leadsman_store::{OpenError, SnapshotError, VerifyError};

use super::manifest::FORMAT;
use crate::codes::Code;
use crate::failure::Failure;
use crate::format;

/// An export could not be made, or not be taken in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A file or a folder could not be used.
    #[error("failed to {attempt} `{}`", path.display())]
    File {
        attempt: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    /// The export could not be written.
    #[error("failed to write the export")]
    Write(#[source] io::Error),
    /// The export could not be read.
    #[error("failed to read the export")]
    Read(#[source] io::Error),
    /// It is no archive, or a damaged one.
    #[error("this is no export, or a damaged one: no entry can be read where `{0}` should be")]
    NoArchive(String),
    /// There is no consistent copy of the log.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// The log that is to be exported could not be read.
    #[error("failed to read the copy of the event log")]
    Copied(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// An artifact is not what it was when it was shipped.
    #[error("the artifact `{digest}` is damaged: its content has another digest, `{found}`")]
    Artifact { digest: Digest, found: Digest },
    /// A file changed while it was exported.
    #[error("`{0}` changed while it was exported")]
    Changed(String),
    /// A newer program has written it.
    #[error(
        "the export was written by Leadsman {program} in format {found}; this is Leadsman {}, which \
         knows formats up to {FORMAT}", env!("CARGO_PKG_VERSION")
    )]
    Newer { program: String, found: u64 },
    /// A newer program has written the state that it is of.
    #[error(
        "the export is of a state that was written by Leadsman {program} in format {found}; this is \
         Leadsman {}, which knows formats up to {}", env!("CARGO_PKG_VERSION"), format::FORMAT
    )]
    NewerState { program: String, found: u64 },
    /// It is no export, or one that something was done to.
    #[error("the export is refused: `{entry}` {problem}")]
    Refused {
        entry: String,
        problem: &'static str,
    },
    /// Its end is missing.
    #[error("the export ends too early, in `{0}`")]
    Truncated(String),
    /// What it says of itself cannot be understood.
    #[error("the export is refused: what it says of itself cannot be understood")]
    Manifest(#[source] serde_json::Error),
    /// A file is not what the manifest says.
    #[error("the export is refused: `{entry}` has the digest `{found}`, not `{expected}`")]
    Digest {
        entry: String,
        expected: Digest,
        found: Digest,
    },
    /// The log in it cannot be used.
    #[error("the event log in the export cannot be used")]
    Log(#[source] OpenError),
    /// The log in it is not what was recorded.
    #[error("the event log in the export is not what was recorded")]
    Broken(#[source] VerifyError),
    /// The log in it is another than its manifest says.
    #[error("the export is refused: its event log ends elsewhere than it says of itself")]
    OtherLog,
    /// It would not fit.
    #[error("the export needs {needed} bytes, and there is room for {free}")]
    NoRoom { needed: u64, free: u64 },
}

impl Error {
    /// Returns what an IO error at `path` becomes.
    pub(crate) fn at(attempt: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File {
            attempt,
            path: path.to_owned(),
            source,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let failure = |code| Self::of(code, &error);
        match &error {
            Error::File { .. } | Error::NoRoom { .. } => failure(Code::NotWritten),
            Error::Write(source) if source.kind() == io::ErrorKind::BrokenPipe => {
                failure(Code::NotWritten)
                    .hint("whoever read it has ended: what it kept is not the whole export")
            }
            Error::Write(_) => failure(Code::NotWritten),
            Error::Snapshot(SnapshotError::Open(OpenError::Newer { .. })) => {
                failure(Code::NewerState)
                    .hint("export it with the version of Leadsman that has written it")
            }
            Error::Snapshot(SnapshotError::Open(OpenError::Older { .. })) => {
                failure(Code::LogUnreadable).hint(
                    "export it with the version of Leadsman that has written it, or start this one \
                     with `leadsman up` first",
                )
            }
            Error::Snapshot(SnapshotError::Open(_)) => {
                failure(Code::LogUnreadable).hint("name the folder that holds it with `--state`")
            }
            Error::Snapshot(SnapshotError::Verify(
                VerifyError::Broken { .. } | VerifyError::Corrupt { .. },
            )) => failure(Code::LogBroken).hint(
                "a copy would hide that: restore the log from an export that was made before",
            ),
            Error::Snapshot(SnapshotError::Copy { .. }) => failure(Code::NotWritten),
            Error::Snapshot(_) | Error::Copied(_) => failure(Code::LogUnreadable),
            Error::Artifact { digest, .. } => failure(Code::NotExported).hint(format!(
                "take `artifacts/{}.tar` from an earlier export, or remove it from the state \
                 folder if no release that counts is made of it",
                digest.hex()
            )),
            Error::Changed(_) => failure(Code::NotExported).hint("try again"),
            Error::Newer { program, .. } | Error::NewerState { program, .. } => {
                failure(Code::NewerState)
                    .hint(format!("import it with Leadsman {program} or a newer one"))
            }
            Error::Log(OpenError::Newer { .. }) => failure(Code::NewerState)
                .hint("import it with the version of Leadsman that exported it, or a newer one"),
            Error::Read(_)
            | Error::NoArchive(_)
            | Error::Refused { .. }
            | Error::Truncated(_)
            | Error::Manifest(_)
            | Error::Digest { .. }
            | Error::Log(_)
            | Error::Broken(_)
            | Error::OtherLog => failure(Code::NotImported)
                .hint("nothing was changed: use another export, or fetch this one anew"),
        }
    }
}
