//! Files of the state folder that this crate keeps: their owner's alone, and there as a whole or
//! not at all, whenever the process is killed.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use leadsman_core::id::is_name;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The largest file that is read.
const FILE_BYTES_MAX: u64 = 64 << 10;

/// Writes a file that is not there yet. When this returns, it is on the disk.
///
/// # Errors
///
/// One is there ([`io::ErrorKind::AlreadyExists`]), or it could not be written.
pub(crate) fn create(path: &Path, value: &impl Serialize) -> io::Result<()> {
    let beside = write_beside(path, value)?;
    // Unlike renaming, a link replaces nothing.
    let linked = fs::hard_link(&beside, path);
    fs::remove_file(&beside)?;
    linked?;
    sync_folder(path)
}

/// Writes a file, in the place of one that may be there. When this returns, it is on the disk.
pub(crate) fn replace(path: &Path, value: &impl Serialize) -> io::Result<()> {
    let beside = write_beside(path, value)?;
    fs::rename(&beside, path)?;
    sync_folder(path)
}

/// Removes a file. When this returns, it does not come back.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    fs::remove_file(path)?;
    sync_folder(path)
}

/// Returns what a file holds; `None` where there is none.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let mut text = Vec::new();
    file.take(FILE_BYTES_MAX).read_to_end(&mut text)?;
    Ok(Some(serde_json::from_slice(&text)?))
}

/// Returns the names of the files in `folder` that end in `.json`, in order.
pub(crate) fn names(folder: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        let name = name.to_str().and_then(|name| name.strip_suffix(".json"));
        names.extend(name.filter(|name| is_name(name)).map(str::to_owned));
    }
    names.sort();
    Ok(names)
}

fn write_beside(path: &Path, value: &impl Serialize) -> io::Result<PathBuf> {
    let odd = || io::Error::other("the path has no folder and no name");
    let (folder, name) = path.parent().zip(path.file_name()).ok_or_else(odd)?;
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    let beside = folder.join(format!(".{}.new", name.to_string_lossy()));
    // One that a crash has left is nobody's.
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&beside)?;
    file.write_all(&serde_json::to_vec_pretty(value)?)?;
    file.sync_all()?;
    Ok(beside)
}

fn sync_folder(path: &Path) -> io::Result<()> {
    path.parent()
        .map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}
