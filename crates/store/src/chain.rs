//! The chain of hashes over the log.

use std::collections::BTreeMap;
use std::fmt;

use leadsman_core::time::Timestamp;
use sha2::{Digest as _, Sha256};

use crate::error::{Fault, VerifyError};
use crate::event::{NewEvent, Recorded};
use crate::stream::StreamName;

/// What the hash of every event begins with, so that it is the hash of nothing else.
const DOMAIN: &[u8] = b"leadsman event 1\n";

/// The hash of an event: SHA-256 over a fixed text, the hash of the event before it, the event's
/// position, stream, version, moment, actor, kind and body.
///
/// Numbers are 8 bytes, big-endian; texts are their length in bytes as such a number and then
/// their UTF-8 bytes. So no two different events have the same encoding. The first event follows
/// on [`Hash::GENESIS`].
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hash([u8; 32]);

impl Hash {
    /// What the first event follows on: zeros.
    pub const GENESIS: Self = Self([0; 32]);

    /// Returns the hash whose bytes are `bytes`.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes of the hash.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// 64 hexadecimal digits.
impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A whole log was verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// How many events it has.
    pub events: u64,
    /// How many streams they are in.
    pub streams: u64,
    /// The hash of the last event. Kept elsewhere, it proves later that everything up to it is
    /// unchanged, even against someone who can rewrite the whole log.
    pub head: Hash,
}

/// Where a log ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// The position of the last event; 0 if there is none.
    pub(crate) position: u64,
    /// The hash of the last event.
    pub(crate) hash: Hash,
}

impl Head {
    /// The head of an empty log.
    pub(crate) const GENESIS: Self = Self {
        position: 0,
        hash: Hash::GENESIS,
    };

    /// Records `event` as the next one of the log and moves the head to it.
    pub(crate) fn record(
        &mut self,
        stream: &StreamName,
        version: u64,
        at: Timestamp,
        actor: &str,
        event: &NewEvent,
    ) -> Recorded {
        let mut recorded = Recorded {
            position: self.position + 1,
            stream: stream.clone(),
            version,
            at,
            actor: actor.to_owned(),
            kind: event.kind.clone(),
            body: event.body.clone(),
            hash: Hash::GENESIS,
        };
        recorded.hash = link(&self.hash, recorded.position, &recorded);
        *self = Self {
            position: recorded.position,
            hash: recorded.hash,
        };
        recorded
    }
}

/// Returns the hash that `event` has if it stands at `position` and follows on `previous`,
/// whatever position and hash are stored with it.
fn link(previous: &Hash, position: u64, event: &Recorded) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update(DOMAIN);
    hasher.update(previous.0);
    hasher.update(position.to_be_bytes());
    update_text(&mut hasher, event.stream.as_str());
    hasher.update(event.version.to_be_bytes());
    hasher.update(event.at.as_millis().to_be_bytes());
    update_text(&mut hasher, &event.actor);
    update_text(&mut hasher, &event.kind);
    update_text(&mut hasher, &event.body);
    Hash(hasher.finalize().into())
}

fn update_text(hasher: &mut Sha256, text: &str) {
    hasher.update((text.len() as u64).to_be_bytes());
    hasher.update(text);
}

/// A row of a log that is being verified.
pub(crate) struct Row {
    /// The position under which it is stored: any number, after tampering.
    pub(crate) position: i64,
    /// The event, unless the row holds something that is none.
    pub(crate) event: Option<Recorded>,
}

/// Recomputes the chain of a log which says that it ends at `head`.
///
/// `rows_after` returns some of the rows whose position is above its argument, in order, and none
/// only if there are none.
pub(crate) fn verify(
    head: Option<Head>,
    mut rows_after: impl FnMut(i64) -> Result<Vec<Row>, VerifyError>,
) -> Result<Verified, VerifyError> {
    let mut last = Head::GENESIS;
    let mut versions = BTreeMap::<StreamName, u64>::new();
    let mut after = i64::MIN;
    loop {
        let rows = rows_after(after)?;
        let Some(end) = rows.last() else { break };
        after = end.position;
        for row in rows {
            last = match follow(last, row, &mut versions) {
                Ok(next) => next,
                Err(broken) => return Err(explain(broken, last, head, rows_after)?),
            };
        }
    }
    let position = last.position;
    match head {
        None => Err(VerifyError::Broken {
            position,
            fault: Fault::HeadRemoved,
        }),
        Some(head) if head.position > position => Err(VerifyError::Broken {
            position: position + 1,
            fault: Fault::Removed,
        }),
        Some(head) if head != last => Err(VerifyError::Broken {
            position,
            fault: Fault::Head,
        }),
        Some(_) => Ok(Verified {
            events: position,
            streams: versions.len() as u64,
            head: last.hash,
        }),
    }
}

/// Recomputes a chain event by event, wherever the events are read from.
#[derive(Clone, Debug)]
pub struct Chain {
    last: Head,
    versions: BTreeMap<StreamName, u64>,
}

impl Default for Chain {
    fn default() -> Self {
        Self {
            last: Head::GENESIS,
            versions: BTreeMap::new(),
        }
    }
}

impl Chain {
    /// Goes on with `event`.
    ///
    /// # Errors
    ///
    /// It is not what was recorded behind the events before.
    pub fn follow(&mut self, event: &Recorded) -> Result<(), Fault> {
        let row = Row {
            position: event.position.cast_signed(),
            event: Some(event.clone()),
        };
        let next = follow(self.last, row, &mut self.versions);
        self.last = next.map_err(|broken| broken.fault)?;
        Ok(())
    }

    /// Returns the position of the last event; 0 if there was none.
    pub const fn position(&self) -> u64 {
        self.last.position
    }

    /// Returns the hash of the last event.
    pub const fn head(&self) -> Hash {
        self.last.hash
    }

    /// Returns how many streams the events were in.
    pub fn streams(&self) -> u64 {
        self.versions.len() as u64
    }
}

/// A row does not follow on the events before it.
struct Broken {
    position: u64,
    fault: Fault,
    /// The hash that is stored at the position that comes next.
    stored: Option<Hash>,
}

/// Returns the head after `row`.
fn follow(last: Head, row: Row, versions: &mut BTreeMap<StreamName, u64>) -> Result<Head, Broken> {
    let position = last.position + 1;
    let broken = |position, fault, stored| {
        Err(Broken {
            position,
            fault,
            stored,
        })
    };
    let Some(stored_at) = u64::try_from(row.position)
        .ok()
        .filter(|&it| it >= position)
    else {
        return broken(0, Fault::Inserted, None);
    };
    if stored_at > position {
        return broken(position, Fault::Removed, None);
    }
    let Some(event) = row.event else {
        return broken(position, Fault::Changed, None);
    };
    if link(&last.hash, position, &event) != event.hash {
        return broken(position, Fault::Changed, Some(event.hash));
    }
    let version = versions.entry(event.stream).or_default();
    if event.version != *version + 1 {
        let fault = Fault::Version {
            expected: *version + 1,
            found: event.version,
        };
        return broken(position, fault, None);
    }
    *version += 1;
    Ok(Head {
        position,
        hash: event.hash,
    })
}

/// Says more about a break: an event that is missing or changed where it belongs may stand
/// elsewhere, and one behind the head was never recorded.
fn explain(
    broken: Broken,
    last: Head,
    head: Option<Head>,
    mut rows_after: impl FnMut(i64) -> Result<Vec<Row>, VerifyError>,
) -> Result<VerifyError, VerifyError> {
    let Broken {
        position,
        mut fault,
        stored,
    } = broken;
    if matches!(fault, Fault::Changed | Fault::Removed) {
        let mut after = i64::MIN;
        'rows: loop {
            let rows = rows_after(after)?;
            let Some(end) = rows.last() else { break };
            after = end.position;
            for row in rows {
                let Some(event) = row.event else { continue };
                let hash = link(&last.hash, position, &event);
                let belongs_here = hash == event.hash || Some(hash) == stored;
                if belongs_here && event.position != position {
                    fault = Fault::Reordered {
                        found_at: event.position,
                    };
                    break 'rows;
                }
            }
        }
    }
    if fault == Fault::Changed && head.is_some_and(|head| position > head.position) {
        fault = Fault::Inserted;
    }
    Ok(VerifyError::Broken { position, fault })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Verifies a chain of events with these versions of one stream.
    fn verify_versions(versions: &[u64]) -> Result<Verified, VerifyError> {
        let stream = "a".parse().unwrap();
        let event = NewEvent {
            kind: "Noted".to_owned(),
            body: "{}".to_owned(),
        };
        let mut head = Head::GENESIS;
        let mut record =
            |version| head.record(&stream, version, Timestamp::default(), "ada", &event);
        let events: Vec<_> = versions.iter().map(|version| record(*version)).collect();
        verify(Some(head), |after| {
            let rows = events
                .iter()
                .filter(|event| event.position.cast_signed() > after);
            let row = |event: &Recorded| Row {
                position: event.position.cast_signed(),
                event: Some(event.clone()),
            };
            // Two rows at a time: a page ends between any two of them.
            Ok(rows.map(row).take(2).collect())
        })
    }

    #[test]
    fn a_whole_chain_with_broken_versions_is_found() {
        assert_eq!(verify_versions(&[1, 2, 3, 4, 5]).unwrap().events, 5);
        for (versions, at, expected) in [
            (&[2][..], 1, 1),
            (&[1, 1], 2, 2),
            (&[1, 2, 4], 3, 3),
            (&[1, 2, 3, 0], 4, 4),
        ] {
            let found = versions.last().copied().unwrap();
            match verify_versions(versions).unwrap_err() {
                VerifyError::Broken { position, fault } => {
                    let wrong = Fault::Version { expected, found };
                    assert_eq!((position, fault), (at, wrong), "{versions:?}");
                }
                error => panic!("{error:?}"),
            }
        }
    }

    #[test]
    fn hashes_are_written_as_digits() {
        let mut bytes = [0; 32];
        bytes[0] = 0xa1;
        assert_eq!(
            Hash::from_bytes(bytes).to_string(),
            format!("a1{}", "0".repeat(62))
        );
    }
}
