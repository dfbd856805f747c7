//! An export: one file that holds what another machine needs to go on.
//!
//! It is a tar archive. Its first entry, `manifest.json`, says what follows: the event log as it was
//! at one moment, every artifact that was there, and what the data plane obtained of certificates.
//! Each is a file of the manifest with its size and its digest, in the manifest's order, and nothing
//! else is there.
//!
//! What can be made again from the log is left out: instances, unpacked artifacts, route tables. So
//! is what was only written down on the way, such as output. The last route table names addresses
//! of instances that the other machine does not have; what a tripwire has cut off and control has
//! not followed yet is cut off there again.

mod error;
mod manifest;
mod read;
mod write;

pub(crate) use error::Error;
pub(crate) use manifest::Manifest;
pub(crate) use read::read;
pub(crate) use write::{Wanted, Written, write};

/// What is told of work that takes long.
pub(crate) trait Progress {
    /// `done` of `total` bytes are dealt with, and now it is the turn of `what`.
    fn at(&mut self, what: &str, done: u64, total: u64);
}

/// How many bytes are passed on at a time.
const PIECE: usize = 128 << 10;
