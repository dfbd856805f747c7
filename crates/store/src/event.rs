//! What is written to the log, and what is read from it.

use std::sync::Arc;

use leadsman_core::time::Timestamp;
use serde::de::IgnoredAny;

use crate::chain::Hash;
use crate::error::AppendError;
use crate::stream::StreamName;

/// The most events that one append has.
pub const APPEND_EVENTS_MAX: usize = 1_000;

/// The most bytes that the bodies of one append have together.
pub const APPEND_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The most bytes of the name of a kind, an actor or a series.
const LABEL_BYTES_MAX: usize = 200;

/// An event that is to be recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent {
    /// What kind of event it is: 1 to 200 bytes without control characters.
    pub kind: String,
    /// All that it says, as JSON text.
    pub body: String,
}

/// Events that are to be recorded in one stream, all of them or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Append {
    /// The stream.
    pub stream: StreamName,
    /// How many events the stream has so far, as the writer believes. The append is refused if
    /// it has another number of them.
    pub expected_version: u64,
    /// When it happened.
    pub at: Timestamp,
    /// Who or what caused it: 1 to 200 bytes without control characters.
    pub actor: String,
    /// The events, in order: at most [`APPEND_EVENTS_MAX`], with [`APPEND_BYTES_MAX`] bytes of
    /// bodies together. None at all is allowed and records nothing.
    pub events: Vec<NewEvent>,
}

/// An event as it was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Its place in the log, counted from 1 without holes.
    pub position: u64,
    /// The stream it belongs to.
    pub stream: StreamName,
    /// Its place in the stream, counted from 1 without holes.
    pub version: u64,
    /// When it happened.
    pub at: Timestamp,
    /// Who or what caused it.
    pub actor: String,
    /// What kind of event it is.
    pub kind: String,
    /// All that it says, as JSON text: byte for byte what was appended.
    pub body: String,
    /// Its link in the chain: over all of the above and over the event before it.
    pub hash: Hash,
}

impl Append {
    /// Refuses what no log stores, whatever it has recorded so far.
    pub(crate) fn check(&self) -> Result<(), AppendError> {
        let bytes = self.events.iter().map(|event| event.body.len()).sum();
        check_size("events", self.events.len(), APPEND_EVENTS_MAX)?;
        check_size("bytes", bytes, APPEND_BYTES_MAX)?;
        check_moment(self.at)?;
        check_label("actor", &self.actor)?;
        for event in &self.events {
            check_label("kind", &event.kind)?;
            check_body(&event.body)?;
        }
        Ok(())
    }
}

pub(crate) fn check_size(unit: &'static str, size: usize, max: usize) -> Result<(), AppendError> {
    if size <= max {
        Ok(())
    } else {
        Err(AppendError::TooLarge { unit, size, max })
    }
}

pub(crate) fn check_label(what: &'static str, text: &str) -> Result<(), AppendError> {
    let usable = (1..=LABEL_BYTES_MAX).contains(&text.len()) && !text.contains(char::is_control);
    if usable {
        Ok(())
    } else {
        Err(AppendError::Invalid { what, cause: None })
    }
}

/// SQLite has no integers above `i64::MAX`.
pub(crate) fn check_moment(at: Timestamp) -> Result<(), AppendError> {
    i64::try_from(at.as_millis())
        .map(drop)
        .map_err(|error| AppendError::Invalid {
            what: "moment",
            cause: Some(Arc::new(error)),
        })
}

pub(crate) fn check_body(body: &str) -> Result<(), AppendError> {
    serde_json::from_str::<IgnoredAny>(body)
        .map(drop)
        .map_err(|error| AppendError::Invalid {
            what: "body",
            cause: Some(Arc::new(error)),
        })
}
