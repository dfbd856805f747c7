//! What evidence says of itself, and who says so.

use leadsman_core::id::Digest;
use serde::{Deserialize, Serialize};

use super::Error;
use crate::audit::{Key, PublicKey};

/// The newest format that this program knows. It is raised whenever an older program would take
/// something in it for something else.
pub(super) const FORMAT: u64 = 1;

/// What the manifest is called in the archive.
pub(super) const MANIFEST: &str = "manifest.json";
/// What the signature is called in the archive.
pub(super) const SIGNATURE: &str = "signature.json";

/// What the text that is signed begins with, so that it is the signature of nothing else.
const DOMAIN: &[u8] = b"leadsman evidence 1\n";

/// What evidence says of itself.
///
/// Later programs read it too: fields are only ever added, with a default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// The format.
    pub(crate) format: u64,
    /// The version of the program that wrote it.
    pub(crate) program: String,
    /// The application.
    pub(crate) application: String,
    /// The number of the release.
    pub(crate) release: u64,
    /// When it was made, in milliseconds since 1970.
    pub(crate) at_ms: u64,
    /// How many events the log had then.
    pub(crate) events: u64,
    /// The hash of the last one, in hexadecimal digits.
    pub(crate) head: String,
    /// What follows, in order.
    pub(crate) files: Vec<Listed>,
    /// What should be there, and was not kept long enough.
    #[serde(default)]
    pub(crate) missing: Vec<String>,
}

/// A file of the evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Listed {
    /// What it is called.
    pub(crate) path: String,
    /// Its size.
    pub(crate) bytes: u64,
    /// Its digest.
    pub(crate) digest: Digest,
}

/// Who says that the manifest is right.
#[derive(Debug, Serialize, Deserialize)]
struct Signature {
    key: String,
    signature: String,
}

#[derive(Deserialize)]
struct Head {
    format: u64,
    #[serde(default)]
    program: String,
}

impl Manifest {
    /// Reads a manifest that is not trusted.
    pub(super) fn parse(text: &[u8]) -> Result<Self, Error> {
        let wrong = |error: serde_json::Error| Error::changed(MANIFEST, error.to_string());
        let head: Head = serde_json::from_slice(text).map_err(wrong)?;
        if head.format > FORMAT {
            return Err(Error::Newer {
                program: head.program,
                found: head.format,
            });
        }
        serde_json::from_slice(text).map_err(wrong)
    }
}

/// Signs a manifest, as it is written.
pub(super) fn sign(key: &Key, manifest: &[u8]) -> Vec<u8> {
    let signature = Signature {
        key: key.public().to_string(),
        signature: key.sign(&message(manifest)),
    };
    serde_json::to_vec(&signature).expect("a signature has only text")
}

/// Checks that a manifest was signed by `key`, or by the one that the signature names. Returns it.
pub(super) fn check(
    manifest: &[u8],
    signature: &[u8],
    key: Option<PublicKey>,
) -> Result<PublicKey, Error> {
    let wrong = |problem: String| Error::changed(SIGNATURE, problem);
    let signature: Signature =
        serde_json::from_slice(signature).map_err(|error| wrong(error.to_string()))?;
    let named: PublicKey = signature
        .key
        .parse()
        .map_err(|_| wrong("names no key".to_owned()))?;
    if let Some(key) = key.filter(|key| *key != named) {
        return Err(wrong(format!("is of the key {named}, not of {key}")));
    }
    if named.verifies(&message(manifest), &signature.signature) {
        Ok(named)
    } else {
        Err(wrong(format!("is none of `{MANIFEST}`")))
    }
}

fn message(manifest: &[u8]) -> Vec<u8> {
    [DOMAIN, manifest].concat()
}
