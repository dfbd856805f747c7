//! Evidence: everything that let one release pass, in one file that others can keep and verify.
//!
//! It is a tar archive. Its first entry, `manifest.json`, lists what follows by size and digest, the
//! second one signs it with the key of the audit. What follows is about this release alone: a
//! summary for people, the project file, each event of the log word for word with its place and its
//! hash, what reports say and the reports themselves, and the figures that the judge was told.
//!
//! The log itself is not in it: that has what others do, and values of environment variables. Who
//! has an export of it can look up every event of the evidence in there.

mod error;
mod gather;
mod manifest;
mod summary;
mod verify;
mod write;

pub(crate) use error::Error;
pub(crate) use gather::gather;
pub(crate) use verify::{Verified, lines, verify};
pub(crate) use write::{Written, write};

/// What a person reads first.
const SUMMARY: &str = "summary.md";
/// The project file of the release.
const PROJECT: &str = "project.yaml";
/// The events that are about the release, as `leadsman audit export` writes them.
const EVENTS: &str = "events.jsonl";
/// What reports say of it.
const FACTS: &str = "facts.json";
