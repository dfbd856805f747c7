//! What can go wrong with evidence.

use std::io;

use leadsman_core::id::{ApplicationName, ReleaseNumber};
use leadsman_store::{OpenError, ReadError};

use super::manifest::FORMAT;
use crate::codes::Code;
use crate::failure::Failure;

/// Evidence could not be gathered, or is none.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The copy of the log cannot be opened.
    #[error("failed to open the copy of the event log")]
    Open(#[from] OpenError),
    /// The copy of the log cannot be read.
    #[error("failed to read the copy of the event log")]
    Read(#[from] ReadError),
    /// An event is not what this program knows.
    #[error("event {position} of the log is not understood")]
    NotUnderstood {
        position: u64,
        #[source]
        source: serde_json::Error,
    },
    /// There is nothing to be shown.
    #[error("`{application}` has no {release}")]
    NoRelease {
        application: ApplicationName,
        release: ReleaseNumber,
    },
    /// The file could not be written.
    #[error("failed to write the evidence")]
    Write(#[source] io::Error),
    /// The file could not be read.
    #[error("failed to read the evidence")]
    Unreadable(#[source] io::Error),
    /// A newer program has written it.
    #[error(
        "the evidence was written in format {found} by Leadsman {program}; this is Leadsman {}, \
         which knows formats up to {FORMAT}", env!("CARGO_PKG_VERSION")
    )]
    Newer { program: String, found: u64 },
    /// Something was done to it.
    #[error("`{entry}` {problem}")]
    Changed { entry: String, problem: String },
}

impl Error {
    pub(super) fn changed(entry: &str, problem: impl Into<String>) -> Self {
        Self::Changed {
            entry: entry.to_owned(),
            problem: problem.into(),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let failure = |code| Self::of(code, &error);
        match &error {
            Error::Open(_) | Error::Read(_) | Error::NotUnderstood { .. } => {
                failure(Code::LogUnreadable)
            }
            Error::NoRelease { .. } => failure(Code::NoEvidence)
                .hint("see which releases there are with `leadsman history`"),
            Error::Write(_) => failure(Code::NotWritten),
            Error::Unreadable(_) => failure(Code::EvidenceBroken)
                .hint("name a file that `leadsman evidence` has written"),
            Error::Newer { program, .. } => failure(Code::NewerState)
                .hint(format!("verify it with Leadsman {program} or a newer one")),
            Error::Changed { .. } => failure(Code::EvidenceBroken)
                .hint("trust nothing in the file, and keep it as it is: it is evidence, too"),
        }
    }
}
