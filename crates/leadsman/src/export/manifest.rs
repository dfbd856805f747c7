//! What an export says of itself.

use leadsman_core::id::Digest;
use serde::{Deserialize, Serialize};

use super::error::Error;
use crate::format;

/// The newest format that this program knows. It is raised whenever an older program would take
/// something in an export for something else.
pub(super) const FORMAT: u64 = 1;

/// What the manifest is called in the archive.
pub(super) const MANIFEST: &str = "manifest.json";

/// The most bytes that a manifest has: enough for a hundred thousand files.
pub(super) const MANIFEST_BYTES_MAX: u64 = 32 << 20;

/// What the log is called in the archive, and in a state folder.
pub(super) const LOG: &str = "events.db";

/// The folder of artifacts, in the archive as in a state folder.
pub(super) const ARTIFACTS: &str = "artifacts";

/// The folder of what the data plane obtained of certificates, in the archive as in a state folder.
pub(super) const CERTIFICATES: &str = "proxy/certificates";

/// What an export says of itself.
///
/// Later programs read it too: fields are only ever added, with a default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// The format of the export.
    pub(crate) format: u64,
    /// The version of the program that made it.
    pub(crate) program: String,
    /// The format of the state folder that it is of.
    #[serde(default = "first_format")]
    pub(crate) state: u64,
    /// When it was made, in milliseconds since 1970.
    pub(crate) at_ms: u64,
    /// How many events the log has.
    pub(crate) events: u64,
    /// The hash of the last event, in hexadecimal digits.
    pub(crate) head: String,
    /// Whether the figures are with the log.
    pub(crate) figures: bool,
    /// Whether private keys are in it, as far as there were any.
    pub(crate) keys: bool,
    /// What follows, in order.
    pub(crate) files: Vec<Listed>,
}

/// A file of an export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Listed {
    /// Where it lies in a state folder.
    pub(crate) path: String,
    /// Its size.
    pub(crate) bytes: u64,
    /// Its digest.
    pub(crate) digest: Digest,
}

/// What every format says of itself.
#[derive(Deserialize)]
struct Head {
    format: u64,
    #[serde(default = "first_format")]
    state: u64,
    #[serde(default)]
    program: String,
}

fn first_format() -> u64 {
    1
}

impl Manifest {
    /// Reads a manifest that somebody else has made.
    pub(super) fn parse(text: &[u8]) -> Result<Self, Error> {
        let head: Head = serde_json::from_slice(text).map_err(Error::Manifest)?;
        if head.format > FORMAT {
            return Err(Error::Newer {
                program: head.program,
                found: head.format,
            });
        }
        if head.state > format::FORMAT {
            return Err(Error::NewerState {
                program: head.program,
                found: head.state,
            });
        }
        let manifest: Self = serde_json::from_slice(text).map_err(Error::Manifest)?;
        for (index, listed) in manifest.files.iter().enumerate() {
            let refused = |problem| Error::Refused {
                entry: listed.path.clone(),
                problem,
            };
            listed.check().map_err(refused)?;
            if (index == 0) != (listed.path == LOG) {
                return Err(refused("stands in the place of another"));
            }
            // All others are sorted, and so none is there twice.
            let before = manifest.files.get(1..index).unwrap_or_default().last();
            if before.is_some_and(|before| before.path >= listed.path) {
                return Err(refused("is there twice, or out of order"));
            }
        }
        if manifest.files.is_empty() {
            return Err(Error::Refused {
                entry: LOG.to_owned(),
                problem: "is missing",
            });
        }
        Ok(manifest)
    }

    /// Returns how many bytes the files have together.
    pub(crate) fn bytes(&self) -> u64 {
        let sizes = self.files.iter().map(|listed| listed.bytes);
        sizes.fold(0, u64::saturating_add)
    }

    /// Returns how many artifacts it has.
    pub(crate) fn artifacts(&self) -> u64 {
        let is_artifact = |listed: &&Listed| artifact(&listed.path).is_some();
        self.files.iter().filter(is_artifact).count() as u64
    }

    /// Returns how many files with private keys it has.
    pub(crate) fn secrets(&self) -> u64 {
        let is_secret = |listed: &&Listed| certificate(&listed.path).is_some();
        self.files.iter().filter(is_secret).count() as u64
    }
}

impl Listed {
    /// Says what is wrong with it, if it is none that an export has.
    fn check(&self) -> Result<(), &'static str> {
        if self.path == LOG || certificate(&self.path).is_some_and(is_certificate) {
            return Ok(());
        }
        match artifact(&self.path) {
            Some(digits) if digits == self.digest.hex() => Ok(()),
            Some(_) => Err("is called by another digest than it has"),
            None => Err(why_not(&self.path)),
        }
    }
}

/// Returns what the name of an artifact's file says of its digest.
pub(super) fn artifact(path: &str) -> Option<&str> {
    let name = path.strip_prefix(ARTIFACTS)?.strip_prefix('/')?;
    let digits = name.strip_suffix(".tar")?;
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    (digits.len() == 64 && digits.bytes().all(is_digit)).then_some(digits)
}

/// Returns the name of a file with certificates or accounts.
fn certificate(path: &str) -> Option<&str> {
    path.strip_prefix(CERTIFICATES)?.strip_prefix('/')
}

/// Whether a file is called like one that the data plane keeps of certificates and accounts.
pub(super) fn is_certificate(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    (1..=255).contains(&name.len())
        && !name.starts_with('.')
        && name.bytes().all(is_plain)
        && (name.ends_with(".pem") || (name.starts_with("account-") && name.ends_with(".json")))
}

/// Says what is wrong with the path of an entry that is none of an export.
pub(super) fn why_not(path: &str) -> &'static str {
    if path.starts_with('/') {
        "is an absolute path"
    } else if path.split('/').any(|part| part == "..") {
        "goes up with `..`"
    } else {
        "is nothing that an export has"
    }
}
