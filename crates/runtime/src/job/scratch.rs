//! The scratch folder of a job: how large it is, and how it goes.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

/// Returns how much disk `folder` and all in it takes, in bytes, or a number above `most` as soon as
/// it is known to be more. Links are not followed.
pub(super) fn size(folder: &Path, most: u64) -> u64 {
    let mut sum = 0_u64;
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        // What vanishes meanwhile takes no room.
        let Ok(entries) = fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries.flatten() {
            let Ok(metadata) = entry.metadata() else {
                continue;
            };
            sum = sum.saturating_add(metadata.blocks().saturating_mul(512));
            if sum > most {
                return sum;
            }
            if metadata.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    sum
}

/// Removes `folder` and all in it, also what a job made read-only.
pub(crate) fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Ok(()) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(_) => {}
    }
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        // What cannot be opened is told by the removal.
        let _told_later = fs::set_permissions(&folder, fs::Permissions::from_mode(0o700));
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(entry.path());
            }
        }
    }
    fs::remove_dir_all(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_as_large_as_all_in_it() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("a/b")).unwrap();
        fs::write(folder.path().join("a/b/c"), vec![1; 300_000]).unwrap();
        std::os::unix::fs::symlink("/", folder.path().join("all")).unwrap();
        let found = size(folder.path(), u64::MAX);
        assert!((300_000..400_000).contains(&found), "{found}");
        assert!(size(folder.path(), 1000) > 1000);
    }

    #[test]
    fn what_was_made_read_only_goes_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scratch");
        fs::create_dir_all(path.join("a/b")).unwrap();
        fs::write(path.join("a/b/c"), "x").unwrap();
        fs::set_permissions(path.join("a/b"), fs::Permissions::from_mode(0o500)).unwrap();
        remove(&path).unwrap();
        assert!(!path.exists());
        remove(&path).unwrap();
    }
}
