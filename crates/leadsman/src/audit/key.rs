//! The key that signs checkpoints: made where there is none yet, and never shown.

use std::fmt;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use ring::rand::SystemRandom;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};

/// The name of the key's file in the state folder.
const FILE: &str = "audit.key";

/// The key cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// It cannot be read.
    #[error("failed to read the key in `{}`", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// It could not be kept.
    #[error("failed to keep a new key in `{}`", path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// Others may have it.
    #[error("the key in `{}` may be read by others", path.display())]
    Open { path: PathBuf },
    /// It is none.
    #[error("what is in `{}` is no key", path.display())]
    NoKey { path: PathBuf },
    /// The machine has no random bits.
    #[error("no key could be made: the machine gave no random bits")]
    NoRandom,
}

/// The key that signs.
pub(crate) struct Key(Ed25519KeyPair);

/// The key that verifies: 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PublicKey([u8; 32]);

impl Key {
    /// Returns the key of a state folder; makes it if there is none.
    pub(crate) fn of(state: &Path) -> Result<Self, Error> {
        let path = state.join(FILE);
        if let Some(key) = Self::read(&path)? {
            return Ok(key);
        }
        let made = Self::make()?;
        let kept = || -> io::Result<()> {
            // Readable by its owner alone from the first moment on, and there as a whole or not at all.
            let mut file = tempfile::Builder::new()
                .prefix(".audit-key")
                .tempfile_in(state)?;
            file.write_all(made.as_ref())?;
            file.as_file().sync_all()?;
            match file.persist_noclobber(&path) {
                Ok(_) => fs::File::open(state)?.sync_all(),
                // Somebody was faster: theirs is the one.
                Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
                Err(error) => Err(error.error),
            }
        };
        kept().map_err(|source| Error::Write {
            path: path.clone(),
            source,
        })?;
        Self::read(&path)?.ok_or(Error::NoKey { path })
    }

    fn read(path: &Path) -> Result<Option<Self>, Error> {
        let unreadable = |source| Error::Read {
            path: path.to_owned(),
            source,
        };
        let bytes = match fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(unreadable)?,
        };
        let mode = fs::metadata(path).map_err(unreadable)?.permissions().mode();
        let path = || path.to_owned();
        if mode & 0o077 != 0 {
            return Err(Error::Open { path: path() });
        }
        let key = Ed25519KeyPair::from_pkcs8(&bytes);
        key.map(Self)
            .map(Some)
            .map_err(|_| Error::NoKey { path: path() })
    }

    /// Makes a key, as it is kept.
    pub(super) fn make() -> Result<impl AsRef<[u8]>, Error> {
        Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| Error::NoRandom)
    }

    /// Returns the key that was made a moment ago.
    #[cfg(test)]
    pub(super) fn fresh() -> Self {
        Self(Ed25519KeyPair::from_pkcs8(Self::make().unwrap().as_ref()).unwrap())
    }

    /// Returns the key that verifies what this one signs.
    pub(crate) fn public(&self) -> PublicKey {
        let bytes = self.0.public_key().as_ref().try_into();
        PublicKey(bytes.expect("a key of ed25519 has 32 bytes"))
    }

    /// Signs `message`; returns the signature as digits.
    pub(crate) fn sign(&self, message: &[u8]) -> String {
        hex(self.0.sign(message).as_ref())
    }
}

impl PublicKey {
    /// Whether `signature` was made of `message` by the key that belongs to this one.
    pub(crate) fn verifies(self, message: &[u8], signature: &str) -> bool {
        let Some(signature) = unhex::<64>(signature) else {
            return false;
        };
        UnparsedPublicKey::new(&ED25519, &self.0)
            .verify(message, &signature)
            .is_ok()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl FromStr for PublicKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        unhex(text).map(Self).ok_or_else(|| {
            "64 of 0-9 and a-f are expected, as `leadsman audit key` prints".to_owned()
        })
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads digits in lower case: there is one way to write bytes.
pub(super) fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N
        || !digits
            .iter()
            .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
        let pair = std::str::from_utf8(pair).ok()?;
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    Some(bytes)
}
