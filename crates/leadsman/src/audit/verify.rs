//! Verifying an export: without the state folder, and without trusting a byte of it.

use std::io::{self, BufRead, Read as _};

use leadsman_store::{Chain, Hash};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::key::PublicKey;
use super::line::{CheckpointLine, EventLine};

/// The longest line: an event's body has at most 4 MiB, and each byte of it takes six at the most.
const LINE_BYTES_MAX: u64 = 26 << 20;

/// An export is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Verified {
    /// How many events it has.
    pub(crate) events: u64,
    /// How many streams they are in.
    pub(crate) streams: u64,
    /// The hash of the last one.
    pub(crate) head: Hash,
    /// The moment of the checkpoint, in milliseconds since the epoch.
    pub(crate) at: u64,
    /// The key that signed it.
    pub(crate) key: PublicKey,
}

/// An export is not what was recorded, or cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Wrong {
    /// A line is wrong.
    #[error("line {line} is wrong: {why}")]
    Line {
        /// The line, counted from 1.
        line: u64,
        /// What is wrong with it.
        why: String,
    },
    /// The file could not be read.
    #[error("failed to read line {line}")]
    Read {
        /// The line, counted from 1.
        line: u64,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Verifies an export, which `key` has to have signed, or whichever it names.
///
/// Each line has to be, byte for byte, what Leadsman writes for what it says: so there is nothing
/// in the file that could be changed without being noticed.
pub(crate) fn verify(mut file: impl BufRead, key: Option<PublicKey>) -> Result<Verified, Wrong> {
    let mut chain = Chain::default();
    let mut line = Vec::new();
    for number in 1.. {
        let wrong = |why: String| Wrong::Line { line: number, why };
        let unreadable = |source| Wrong::Read {
            line: number,
            source,
        };
        line.clear();
        let mut limited = file.by_ref().take(LINE_BYTES_MAX);
        limited.read_until(b'\n', &mut line).map_err(unreadable)?;
        if line.is_empty() {
            return Err(wrong(
                "the file ends here, without a checkpoint: what follows was cut off".to_owned(),
            ));
        }
        if line.pop() != Some(b'\n') {
            return Err(wrong("it has no end: what follows was cut off".to_owned()));
        }
        if !line.starts_with(b"{\"checkpoint\"") {
            let event: EventLine = parse(&line).map_err(wrong)?;
            let event = event.event().map_err(|why| wrong(why.to_owned()))?;
            chain
                .follow(&event)
                .map_err(|fault| wrong(fault.to_string()))?;
            continue;
        }
        let checkpoint: CheckpointLine = parse(&line).map_err(wrong)?;
        let checkpoint = checkpoint.into_inner();
        let key = checkpoint.check(chain.position(), &chain.head(), key);
        let key = key.map_err(|why| wrong(format!("the checkpoint does not hold: {why}")))?;
        let mut more = [0];
        if file.read(&mut more).map_err(unreadable)? > 0 {
            return Err(Wrong::Line {
                line: number + 1,
                why: "nothing may follow on the checkpoint".to_owned(),
            });
        }
        return Ok(Verified {
            events: chain.position(),
            streams: chain.streams(),
            head: chain.head(),
            at: checkpoint.at,
            key,
        });
    }
    unreachable!("no file has 2^64 lines")
}

fn parse<T: DeserializeOwned + Serialize>(line: &[u8]) -> Result<T, String> {
    let read: T =
        serde_json::from_slice(line).map_err(|error| format!("it is no event: {error}"))?;
    let written = serde_json::to_vec(&read).expect("a line has only text as keys");
    if written == line {
        Ok(read)
    } else {
        Err("it is not written as Leadsman writes it".to_owned())
    }
}
