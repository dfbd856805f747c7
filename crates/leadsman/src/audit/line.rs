//! The lines of an export.

use leadsman_core::time::Timestamp;
use leadsman_store::{Hash, Recorded};
use serde::{Deserialize, Serialize};

use super::key::{Key, PublicKey, hex, unhex};

/// The form of an export.
const FORMAT: u64 = 1;

/// What the text that a checkpoint signs begins with, so that it is the signature of nothing else.
const DOMAIN: &[u8] = b"leadsman checkpoint 1\n";

/// An event of the log.
///
/// Its body is a text, not a part of the line: the hash is over each byte of it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EventLine {
    position: u64,
    stream: String,
    version: u64,
    at: u64,
    actor: String,
    kind: String,
    body: String,
    hash: String,
}

/// The last line: what the log was at a moment, and who says so.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CheckpointLine {
    checkpoint: Checkpoint,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Checkpoint {
    format: u64,
    pub(super) position: u64,
    hash: String,
    pub(super) at: u64,
    key: String,
    signature: String,
}

impl EventLine {
    pub(super) fn of(event: &Recorded) -> Self {
        Self {
            position: event.position,
            stream: event.stream.to_string(),
            version: event.version,
            at: event.at.as_millis(),
            actor: event.actor.clone(),
            kind: event.kind.clone(),
            body: event.body.clone(),
            hash: event.hash.to_string(),
        }
    }

    /// Returns the event that the line says was recorded.
    pub(super) fn event(self) -> Result<Recorded, &'static str> {
        Ok(Recorded {
            position: self.position,
            stream: self
                .stream
                .parse()
                .map_err(|_| "its stream has no usable name")?,
            version: self.version,
            at: Timestamp::from_millis(self.at),
            actor: self.actor,
            kind: self.kind,
            body: self.body,
            hash: unhex(&self.hash)
                .map(Hash::from_bytes)
                .ok_or("its hash is none")?,
        })
    }
}

impl CheckpointLine {
    /// Signs that the log ended at `position` with `hash` at the moment `at`.
    pub(super) fn sign(key: &Key, position: u64, hash: Hash, at: u64) -> Self {
        Self {
            checkpoint: Checkpoint {
                format: FORMAT,
                position,
                hash: hash.to_string(),
                at,
                key: key.public().to_string(),
                signature: key.sign(&message(position, &hash, at)),
            },
        }
    }

    pub(super) fn into_inner(self) -> Checkpoint {
        self.checkpoint
    }
}

impl Checkpoint {
    /// Checks that it is about a log that ended so, and was signed by `key`, or by the one it names.
    pub(super) fn check(
        &self,
        position: u64,
        hash: &Hash,
        key: Option<PublicKey>,
    ) -> Result<PublicKey, String> {
        if self.format != FORMAT {
            let format = self.format;
            return Err(format!(
                "its format is {format}, and this program knows {FORMAT} only"
            ));
        }
        if self.position != position {
            return Err(format!(
                "it was made of {} events, and {position} are there",
                self.position
            ));
        }
        if self.hash != hex(hash.as_bytes()) {
            return Err("it was made of other events".to_owned());
        }
        let named: PublicKey = self.key.parse().map_err(|_| "it names no key".to_owned())?;
        if let Some(key) = key.filter(|key| *key != named) {
            return Err(format!("it was signed by the key {named}, not by {key}"));
        }
        let message = message(position, hash, self.at);
        if !named.verifies(&message, &self.signature) {
            return Err("its signature is not that of its key".to_owned());
        }
        Ok(named)
    }
}

fn message(position: u64, hash: &Hash, at: u64) -> Vec<u8> {
    let mut message = DOMAIN.to_vec();
    message.extend(position.to_be_bytes());
    message.extend(hash.as_bytes());
    message.extend(at.to_be_bytes());
    message
}
