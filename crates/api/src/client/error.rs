//! What can go wrong between client and control.

use std::io;
use std::time::Duration;

use crate::{API_VERSION, Problem};

/// A request was not answered, or was answered with no.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nobody listens on the socket.
    #[error("no Leadsman answers on `{at}`")]
    NotRunning {
        /// The socket, or the address.
        at: String,
    },
    /// The socket belongs to somebody else.
    #[error("this user may not talk to the Leadsman on `{at}`")]
    NotPermitted {
        /// The socket, or the address.
        at: String,
    },
    /// The socket could not be connected to for another reason.
    #[error("failed to connect to `{at}`")]
    Connect {
        /// The socket, or the address.
        at: String,
        /// The reason.
        #[source]
        source: io::Error,
    },
    /// Control speaks another version of the API, or something else listens on the socket.
    #[error(
        "the program that listens on `{at}` does not speak version {API_VERSION} of Leadsman's API"
    )]
    OtherVersion {
        /// The socket, or the address.
        at: String,
        /// What it says it speaks; `None` where it says nothing.
        theirs: Option<String>,
    },
    /// The connection ended before the whole answer was there.
    #[error("the connection was lost during `{request}`")]
    Lost {
        /// How a person calls the request.
        request: &'static str,
        /// Whether control may have carried it out all the same.
        maybe_done: bool,
        /// What was seen.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Control accepted the connection, but did not answer in time.
    #[error("no answer to `{request}` within {} seconds", after.as_secs())]
    NoAnswer {
        /// How a person calls the request.
        request: &'static str,
        /// Whether control may carry it out all the same.
        maybe_done: bool,
        /// How long it was waited for.
        after: Duration,
    },
    /// The answer is not what this version of the API says.
    #[error("the answer to `{request}` was not understood")]
    NotUnderstood {
        /// How a person calls the request.
        request: &'static str,
        /// What was wrong with it.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Control says no.
    #[error("{0}")]
    Refused(Box<Problem>),
}

impl Error {
    /// Whether a command may have been carried out although its answer never came. Looking at the
    /// status tells.
    pub const fn maybe_done(&self) -> bool {
        match self {
            Self::Lost { maybe_done, .. } | Self::NoAnswer { maybe_done, .. } => *maybe_done,
            Self::NotRunning { .. }
            | Self::NotPermitted { .. }
            | Self::Connect { .. }
            | Self::OtherVersion { .. }
            | Self::NotUnderstood { .. }
            | Self::Refused(_) => false,
        }
    }
}
