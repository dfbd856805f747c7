//! Files that are there as a whole or not at all.

use std::fs::File;
use std::io;
use std::path::Path;

use tempfile::{NamedTempFile, TempDir};

use crate::codes::Code;
use crate::failure::Failure;

/// What temporary files and folders are called in the beginning.
const PREFIX: &str = ".leadsman-";

/// Has `write` fill a file, and puts it in the place of `to` once it is complete and on the disk.
/// `what` names it in errors, such as "the export". Until then only its owner can read it.
pub(crate) fn file<T>(
    to: &Path,
    what: &str,
    write: impl FnOnce(&mut NamedTempFile) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let unwritten = |error: io::Error| unwritten(what, to, &error);
    if to.is_dir() {
        return Err(unwritten(io::ErrorKind::IsADirectory.into())
            .hint("name a file: it is made if it is not there"));
    }
    let folder = folder_of(to);
    let mut file = NamedTempFile::with_prefix_in(PREFIX, folder).map_err(unwritten)?;
    let written = write(&mut file)?;
    file.as_file().sync_all().map_err(unwritten)?;
    file.persist(to).map_err(|error| unwritten(error.error))?;
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(unwritten)?;
    Ok(written)
}

/// Returns a folder beside `to` that nobody else may enter, and that goes when it is dropped.
pub(crate) fn scratch_beside(to: &Path, what: &str) -> Result<TempDir, Failure> {
    scratch_in(folder_of(to)).map_err(|error| unwritten(what, to, &error))
}

/// Returns a folder in `folder` that nobody else may enter, and that goes when it is dropped.
pub(crate) fn scratch_in(folder: &Path) -> io::Result<TempDir> {
    tempfile::Builder::new()
        .prefix(PREFIX)
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700))
        .tempdir_in(folder)
}

fn folder_of(file: &Path) -> &Path {
    file.parent().unwrap_or(Path::new("/"))
}

fn unwritten(what: &str, to: &Path, error: &io::Error) -> Failure {
    let what = format!("failed to write {what} to `{}`", to.display());
    Failure::new(Code::NotWritten, what).because(error)
}
