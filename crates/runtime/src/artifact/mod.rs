//! Artifacts: built output, packed so that equal content has an equal digest.
//!
//! The packed form is a tar archive with one spelling: entries sorted by name, times 0, owner 0,
//! permissions 0755 or 0644, names beyond 100 bytes in the GNU way. It holds files, folders, and
//! symbolic links that stay inside. What [`pack`] would not write is refused when it is unpacked:
//! an archive comes from another machine and is not trusted.

mod hashing;
mod link;
mod pack;
mod store;
mod unpack;

use std::path::PathBuf;

use leadsman_core::id::Digest;

pub use hashing::Hashing;
pub use pack::{PackError, pack};
pub use store::{Incoming, Store};

use crate::files::FileError;

/// How large an artifact may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Its packed size, in bytes.
    pub bytes_max: u64,
    /// How many files, folders and links it may have.
    pub entries_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes_max: 4 << 30,
            entries_max: 500_000,
        }
    }
}

/// An artifact could not be stored or unpacked.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// A file or folder could not be used.
    #[error("failed to use the artifact store")]
    File(#[from] FileError),
    /// What came in is something else than was announced.
    #[error("the artifact is `{found}`, but `{expected}` was announced")]
    WrongDigest {
        /// What was announced.
        expected: Digest,
        /// What came in.
        found: Digest,
    },
    /// It is not in the store.
    #[error("the artifact `{0}` is not in the store")]
    Missing(Digest),
    /// It is larger than the limits allow.
    #[error("the artifact is too large: at most {max} {unit} are allowed")]
    TooLarge {
        /// The limit.
        max: u64,
        /// Of what.
        unit: &'static str,
    },
    /// It holds something that no artifact may hold.
    #[error("the artifact is refused: `{}` {problem}", entry.display())]
    Refused {
        /// The entry, as the archive calls it.
        entry: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// It is not a readable archive.
    #[error("failed to read the artifact")]
    Unreadable(#[source] std::io::Error),
}
