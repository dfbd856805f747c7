//! File operations whose errors name the path, and files that change at once or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A file operation failed.
#[derive(Debug, thiserror::Error)]
#[error("failed to {action} `{}`", path.display())]
pub struct FileError {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl FileError {
    /// The kind of the failure.
    pub fn kind(&self) -> io::ErrorKind {
        self.source.kind()
    }
}

/// Adds to an IO error what was attempted, and where.
pub(crate) trait At<T> {
    fn at(self, action: &'static str, path: &Path) -> Result<T, FileError>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, action: &'static str, path: &Path) -> Result<T, FileError> {
        self.map_err(|source| FileError {
            action,
            path: path.to_owned(),
            source,
        })
    }
}

/// Creates a folder that only its owner may enter, with all above it.
pub(crate) fn create_private_folder(path: &Path) -> Result<(), FileError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .at("create the folder", path)
}

/// Whether the content must have reached the disk before the call returns.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durable {
    /// It outlives a power failure.
    Yes,
    /// It outlives the process only: enough for what is about running processes, which a power
    /// failure ends too.
    No,
}

/// Replaces the file `path` by one with `content`, readable by its owner only: a reader finds the
/// old content or the new one, never a part.
pub(crate) fn replace(path: &Path, content: &[u8], durable: Durable) -> Result<(), FileError> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    // One writer per file at a time, so a fixed name is safe, and a crash leaves at most one behind.
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".new");
    let new = folder.join(name);
    let written = (|| {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&new)?;
        file.write_all(content)?;
        if durable == Durable::Yes {
            file.sync_all()?;
        }
        fs::rename(&new, path)?;
        if durable == Durable::Yes {
            File::open(folder)?.sync_all()?;
        }
        Ok(())
    })();
    written.at("write", path)
}

/// Replaces the file `path` by `value` as JSON.
pub(crate) fn replace_json(
    path: &Path,
    value: &impl Serialize,
    durable: Durable,
) -> Result<(), FileError> {
    let content = serde_json::to_vec_pretty(value)
        .map_err(io::Error::from)
        .at("write", path)?;
    replace(path, &content, durable)
}

/// Reads the JSON file `path`.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, FileError> {
    let content = fs::read(path).at("read", path)?;
    serde_json::from_slice(&content)
        .map_err(io::Error::from)
        .at("understand", path)
}

/// Removes a folder and all in it; one that is not there is fine.
pub(crate) fn remove_folder(path: &Path) -> Result<(), FileError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error).at("remove", path),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_content_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("value.json");
        replace_json(&path, &vec![1, 2, 3], Durable::Yes).unwrap();
        replace_json(&path, &vec![4], Durable::No).unwrap();
        assert_eq!(read_json::<Vec<u8>>(&path).unwrap(), [4]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn errors_name_the_path() {
        let error = read_json::<u8>(Path::new("/nowhere/at/all")).unwrap_err();
        assert_eq!(error.to_string(), "failed to read `/nowhere/at/all`");
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
