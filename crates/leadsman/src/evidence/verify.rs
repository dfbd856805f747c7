//! Verifying evidence: without the state folder, and without trusting a byte of it.

use std::collections::HashSet;
use std::io::{self, BufRead, Read};

use leadsman_core::id::Digest;
use tar::Archive;

use super::manifest::{MANIFEST, Manifest, SIGNATURE, check};
use super::write::digest;
use super::{EVENTS, Error};
use crate::audit::PublicKey;

/// The most bytes of one entry: far more than any report or list of events has.
const ENTRY_BYTES_MAX: u64 = 1 << 30;

/// Evidence is whole.
pub(crate) struct Verified {
    pub(crate) manifest: Manifest,
    /// The key that signed it.
    pub(crate) key: PublicKey,
    /// How many events it has.
    pub(crate) events: u64,
}

/// Verifies evidence that `key` has to have signed, or whichever it names. With the lines of an
/// export of the log, every event has to be one of them.
pub(crate) fn verify(
    file: impl Read,
    key: Option<PublicKey>,
    log: Option<&HashSet<Digest>>,
) -> Result<Verified, Error> {
    let mut archive = Archive::new(file);
    // Raw: the extensions of the format can ask a reader for any amount of memory.
    let entries = archive.entries().map_err(Error::Unreadable)?.raw(true);
    let mut entries = Entries(entries);
    let text = entries.next(MANIFEST)?;
    let manifest = Manifest::parse(&text)?;
    let signature = entries.next(SIGNATURE)?;
    let key = check(&text, &signature, key)?;
    let mut events = 0;
    for listed in &manifest.files {
        let content = entries.next(&listed.path)?;
        if content.len() as u64 != listed.bytes || digest(&content) != listed.digest {
            return Err(Error::changed(
                &listed.path,
                "is not what the manifest says",
            ));
        }
        if listed.path == EVENTS {
            for line in content.split_inclusive(|byte| *byte == b'\n') {
                events += 1;
                if log.is_some_and(|log| !log.contains(&digest(line))) {
                    let problem =
                        format!("has an event in line {events} that the log does not have");
                    return Err(Error::changed(EVENTS, problem));
                }
            }
        }
    }
    entries.end()?;
    Ok(Verified {
        manifest,
        key,
        events,
    })
}

/// Returns the digests of the lines of an export of the log.
pub(crate) fn lines(mut log: impl BufRead) -> io::Result<HashSet<Digest>> {
    let (mut lines, mut line) = (HashSet::new(), Vec::new());
    while log.read_until(b'\n', &mut line)? > 0 {
        lines.insert(digest(&line));
        line.clear();
    }
    Ok(lines)
}

/// What an archive holds, in its order.
struct Entries<'a, R: 'a + Read>(tar::Entries<'a, R>);

impl<R: Read> Entries<'_, R> {
    /// Returns the content of the next entry, which has to be called `name`.
    fn next(&mut self, name: &str) -> Result<Vec<u8>, Error> {
        let missing = || Error::changed(name, "is missing");
        let entry = self.0.next().ok_or_else(missing)?;
        let mut entry = entry.map_err(|error| Error::changed(name, error.to_string()))?;
        if *entry.path_bytes() != *name.as_bytes() {
            let found = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let found: String = found.chars().take(100).collect();
            return Err(Error::changed(
                name,
                format!("is missing: `{found}` is in its place"),
            ));
        }
        if entry.size() > ENTRY_BYTES_MAX {
            return Err(Error::changed(name, "is larger than any evidence"));
        }
        let mut content = Vec::new();
        let size = entry.size();
        entry
            .read_to_end(&mut content)
            .map_err(|error| Error::changed(name, error.to_string()))?;
        if content.len() as u64 == size {
            Ok(content)
        } else {
            Err(Error::changed(name, "is cut off"))
        }
    }

    /// Makes sure that nothing follows.
    fn end(&mut self) -> Result<(), Error> {
        match self.0.next() {
            None => Ok(()),
            Some(_) => Err(Error::changed(
                "the end",
                "has something that nobody signed",
            )),
        }
    }
}
