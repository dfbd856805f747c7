//! The folder of one shim: its files, its lock, its socket.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::{Spec, Status};
use crate::files::{At as _, Durable, FileError, read_json, replace_json};

/// The folder of one shim.
#[derive(Clone, Debug)]
pub(crate) struct Folder(PathBuf);

/// Proof that no other shim lives in a folder. Given back when dropped, or when its process ends in
/// whatever way.
#[derive(Debug)]
pub(crate) struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing the file is not enough: a child that another thread is just starting has a copy
        // of it until it becomes its program, and would hold the lock that long.
        let _closing_does_it_later = self.0.unlock();
    }
}

impl Folder {
    pub(crate) fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Returns the value of [`super::MARK`] for all that is started by a shim of this folder.
    pub(crate) fn mark(&self) -> String {
        let path = self.0.canonicalize().unwrap_or_else(|_| self.0.clone());
        path.display().to_string()
    }

    pub(crate) fn spec(&self) -> Result<Spec, FileError> {
        read_json(&self.file("instance.json"))
    }

    pub(crate) fn write_spec(&self, spec: &Spec) -> Result<(), FileError> {
        replace_json(&self.file("instance.json"), spec, Durable::Yes)
    }

    pub(crate) fn successor(&self) -> Result<Spec, FileError> {
        read_json(&self.file("successor.json"))
    }

    pub(crate) fn write_successor(&self, spec: &Spec) -> Result<(), FileError> {
        replace_json(&self.file("successor.json"), spec, Durable::No)
    }

    pub(crate) fn status(&self) -> Result<Status, FileError> {
        read_json(&self.file("status.json"))
    }

    pub(crate) fn write_status(&self, status: &Status) -> Result<(), FileError> {
        replace_json(&self.file("status.json"), status, Durable::No)
    }

    pub(crate) fn forget_status(&self) -> Result<(), FileError> {
        let path = self.file("status.json");
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error).at("remove", &path),
            _ => Ok(()),
        }
    }

    /// Takes the lock; `None` while another process has it.
    ///
    /// Whoever has it knows that no shim lives here, and none will: a shim that was started but
    /// did not get this far finds the lock taken, or the folder gone, and gives up.
    pub(crate) fn try_lock(&self) -> Result<Option<Lock>, FileError> {
        let path = self.file("lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .at("open", &path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error).at("lock", &path),
        }
        // The folder may have been removed, and even made anew, before the lock was ours: then it
        // is the lock of a file that nobody else will ever see.
        let held = file.metadata().at("look at", &path)?;
        let there = std::fs::metadata(&path).at("look at", &path)?;
        if (held.dev(), held.ino()) == (there.dev(), there.ino()) {
            Ok(Some(Lock(file)))
        } else {
            Ok(None)
        }
    }

    /// Calls `with` with a path to the socket. Paths of sockets are limited to 107 bytes, which
    /// folders of people and of tests exceed: it goes through a descriptor of the folder instead.
    pub(crate) fn with_socket_path<T>(
        &self,
        with: impl FnOnce(PathBuf) -> io::Result<T>,
    ) -> Result<T, FileError> {
        let folder = File::open(&self.0).at("open", &self.0)?;
        let path = PathBuf::from(format!("/proc/self/fd/{}/shim.sock", folder.as_raw_fd()));
        with(path).at("use the socket", &self.file("shim.sock"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_has_the_lock() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Folder::new(temporary.path());
        let lock = folder.try_lock().unwrap();
        assert!(lock.is_some());
        assert!(folder.try_lock().unwrap().is_none());
        drop(lock);
        assert!(folder.try_lock().unwrap().is_some());
    }

    #[test]
    fn sockets_work_in_deep_folders() {
        let temporary = tempfile::tempdir().unwrap();
        let deep = temporary.path().join("d".repeat(100)).join("e".repeat(100));
        std::fs::create_dir_all(&deep).unwrap();
        let folder = Folder::new(&deep);
        let _listener = folder
            .with_socket_path(std::os::unix::net::UnixListener::bind)
            .unwrap();
        folder
            .with_socket_path(std::os::unix::net::UnixStream::connect)
            .unwrap();
    }
}
