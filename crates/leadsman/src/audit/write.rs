//! Writing an export.

use std::io::{self, Write};
use std::time::SystemTime;

use leadsman_store::{EventLog, Hash, ReadError, Recorded};
use serde::Serialize;

use super::key::{Key, PublicKey};
use super::line::{CheckpointLine, EventLine};

/// How many events are read at once.
const PAGE: usize = 500;

/// An export could not be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The log could not be read.
    #[error("failed to read the log")]
    Read(#[source] ReadError),
    /// The file could not be written.
    #[error("failed to write the export")]
    Write(#[source] io::Error),
}

/// What was written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Written {
    /// How many events.
    pub(crate) events: u64,
    /// The hash of the last one.
    pub(crate) head: Hash,
    /// The key that signed it.
    pub(crate) key: PublicKey,
}

/// Writes every event of `log` and a checkpoint of now.
pub(crate) async fn write(
    log: &dyn EventLog,
    key: &Key,
    mut out: impl Write,
) -> Result<Written, Error> {
    let (mut events, mut head) = (0, Hash::GENESIS);
    loop {
        let page = log.read_all(events, PAGE).await.map_err(Error::Read)?;
        let Some(last) = page.last() else { break };
        (events, head) = (last.position, last.hash);
        for event in &page {
            line(&mut out, &EventLine::of(event)).map_err(Error::Write)?;
        }
    }
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = u64::try_from(now.unwrap_or_default().as_millis()).unwrap_or(u64::MAX);
    let checkpoint = CheckpointLine::sign(key, events, head, now);
    line(&mut out, &checkpoint)
        .and_then(|()| out.flush())
        .map_err(Error::Write)?;
    Ok(Written {
        events,
        head,
        key: key.public(),
    })
}

/// Writes the line of one event, as an export has it.
pub(crate) fn event_line(event: &Recorded, out: &mut Vec<u8>) {
    line(out, &EventLine::of(event)).expect("a line has only text as keys, and memory takes it");
}

fn line(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    out.write_all(b"\n")
}
