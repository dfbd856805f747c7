//! The store: packed artifacts by digest.

use std::fs::{self, File};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use leadsman_core::id::Digest;
use tempfile::NamedTempFile;

use super::hashing::Hashing;
use super::unpack::unpack;
use super::{ArtifactError, Limits};
use crate::files::{At as _, create_private_folder, remove_folder};

/// Packed artifacts, each in a file called by its digest. What is in it is complete.
#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
    limits: Limits,
}

impl Store {
    /// Opens the store below the state folder `state`, and removes what interrupted uploads left.
    ///
    /// # Errors
    /// When the folder cannot be created or read.
    pub fn open(state: &Path, limits: Limits) -> Result<Self, ArtifactError> {
        let folder = state.join("artifacts");
        create_private_folder(&folder)?;
        for entry in fs::read_dir(&folder).at("read", &folder)? {
            let path = entry.at("read", &folder)?.path();
            if path
                .file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with(INCOMING))
            {
                fs::remove_file(&path).at("remove", &path)?;
            }
        }
        Ok(Self { folder, limits })
    }

    /// Returns the store below the state folder `state` as another process keeps it: nothing is
    /// removed.
    pub(crate) fn share(state: &Path, limits: Limits) -> Self {
        let folder = state.join("artifacts");
        Self { folder, limits }
    }

    /// Whether the artifact is there.
    pub fn contains(&self, digest: &Digest) -> bool {
        self.path(digest).is_file()
    }

    /// Returns the packed size of an artifact in bytes; `None` where it is not there.
    pub fn size(&self, digest: &Digest) -> Option<u64> {
        let metadata = fs::metadata(self.path(digest)).ok()?;
        metadata.is_file().then_some(metadata.len())
    }

    /// Begins to take in an artifact, piece by piece.
    ///
    /// # Errors
    /// When no file can be created.
    pub fn receive(&self) -> Result<Incoming, ArtifactError> {
        let file = tempfile::Builder::new()
            .prefix(INCOMING)
            .tempfile_in(&self.folder)
            .at("create a file in", &self.folder)?;
        Ok(Incoming {
            store: self.clone(),
            file: Hashing::new(file),
        })
    }

    /// Takes in the artifact that `reader` brings.
    ///
    /// # Errors
    /// When it is not the `expected` one, is too large, or cannot be read or written. Nothing of it
    /// stays then.
    pub fn put(&self, reader: &mut impl Read, expected: &Digest) -> Result<(), ArtifactError> {
        let mut incoming = self.receive()?;
        let mut buffer = vec![0; 128 << 10];
        loop {
            match reader.read(&mut buffer) {
                Ok(0) => return incoming.finish(expected),
                Ok(count) => incoming.take(&buffer[..count])?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(ArtifactError::Unreadable(error)),
            }
        }
    }

    /// Unpacks an artifact into the folder `target`, which appears complete or not at all. It must
    /// not exist yet.
    ///
    /// Files become read-only: instances share them.
    ///
    /// # Errors
    /// When the artifact is missing, damaged, hostile or too large, or when there is no room.
    pub fn unpack(&self, digest: &Digest, target: &Path) -> Result<(), ArtifactError> {
        let path = self.path(digest);
        let file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(ArtifactError::Missing(digest.clone()));
            }
            other => other.at("open", &path)?,
        };
        let parent = target.parent().unwrap_or(Path::new("/"));
        let temporary = tempfile::Builder::new()
            .prefix(UNPACKING)
            .tempdir_in(parent)
            .at("create a folder in", parent)?;
        let inner = temporary.path().join("content");
        fs::create_dir(&inner).at("create the folder", &inner)?;
        let mut reader = Hashing::new(io::BufReader::with_capacity(128 << 10, file));
        unpack(&mut reader, &inner, self.limits)?;
        io::copy(&mut reader, &mut io::sink()).map_err(ArtifactError::Unreadable)?;
        let (_, found) = reader.finish();
        if found != *digest {
            return Err(ArtifactError::WrongDigest {
                expected: digest.clone(),
                found,
            });
        }
        // A service may run as another user, who has to enter it.
        fs::set_permissions(&inner, fs::Permissions::from_mode(0o755)).at("share", &inner)?;
        fs::rename(&inner, target).at("create the folder", target)?;
        Ok(remove_folder(temporary.path())?)
    }

    pub(crate) fn path(&self, digest: &Digest) -> PathBuf {
        self.folder.join(format!("{}.tar", digest.hex()))
    }
}

const INCOMING: &str = ".incoming-";
const UNPACKING: &str = ".unpacking-";

/// An artifact that is coming in. Nothing of it stays unless it is finished.
#[derive(Debug)]
pub struct Incoming {
    store: Store,
    file: Hashing<NamedTempFile>,
}

impl Incoming {
    /// Takes the next piece.
    ///
    /// # Errors
    /// When the artifact gets too large, or cannot be written.
    pub fn take(&mut self, piece: &[u8]) -> Result<(), ArtifactError> {
        let max = self.store.limits.bytes_max;
        if self.file.count().saturating_add(piece.len() as u64) > max {
            return Err(ArtifactError::TooLarge { max, unit: "bytes" });
        }
        let path = self.file.get_ref().path().to_owned();
        Ok(self.file.write_all(piece).at("write", &path)?)
    }

    /// Puts the artifact into the store. When this returns, it outlives a power failure.
    ///
    /// # Errors
    /// When it is not the `expected` one, or cannot be written.
    pub fn finish(self, expected: &Digest) -> Result<(), ArtifactError> {
        let (file, found) = self.file.finish();
        if found != *expected {
            return Err(ArtifactError::WrongDigest {
                expected: expected.clone(),
                found,
            });
        }
        let path = self.store.path(&found);
        file.as_file().sync_all().at("write", &path)?;
        file.persist(&path)
            .map_err(|error| error.error)
            .at("write", &path)?;
        let folder = &self.store.folder;
        Ok(File::open(folder)
            .and_then(|folder| folder.sync_all())
            .at("write", folder)?)
    }
}
