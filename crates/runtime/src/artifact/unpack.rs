//! Unpacking an archive that is not trusted.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, symlink};
use std::path::{Component, Path, PathBuf};

use tar::{Archive, Entry, EntryType};

use super::link::stays_inside;
use super::{ArtifactError, Limits};
use crate::files::At as _;

/// The longest name of an entry, in bytes: what the kernel takes as a path.
const NAME_BYTES_MAX: u64 = 4096;

/// Unpacks `archive` into `folder`, which is empty and which nobody else writes to.
pub(super) fn unpack(
    archive: impl Read,
    folder: &Path,
    limits: Limits,
) -> Result<(), ArtifactError> {
    let mut archive = Archive::new(archive);
    let mut unpacking = Unpacking {
        folder,
        kinds: BTreeMap::new(),
    };
    let mut long_name: Option<PathBuf> = None;
    let mut long_target: Option<PathBuf> = None;
    let mut count = 0;
    // Raw: the extensions of the format can ask a reader for any amount of memory.
    for entry in archive
        .entries()
        .map_err(ArtifactError::Unreadable)?
        .raw(true)
    {
        let mut entry = entry.map_err(ArtifactError::Unreadable)?;
        count += 1;
        if count > limits.entries_max {
            return Err(ArtifactError::TooLarge {
                max: limits.entries_max,
                unit: "entries",
            });
        }
        let named = |name: Option<PathBuf>, entry: &Entry<'_, _>| match name {
            Some(name) => Ok(name),
            None => entry.path().map(std::borrow::Cow::into_owned),
        };
        match entry.header().entry_type() {
            EntryType::GNULongName => long_name = Some(read_name(&mut entry)?),
            EntryType::GNULongLink => long_target = Some(read_name(&mut entry)?),
            kind => {
                let name = named(long_name.take(), &entry).map_err(ArtifactError::Unreadable)?;
                unpacking.take(kind, name, long_target.take(), &mut entry)?;
            }
        }
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Folder,
    Other,
}

struct Unpacking<'a> {
    folder: &'a Path,
    /// What was unpacked so far, by name.
    kinds: BTreeMap<PathBuf, Kind>,
}

impl Unpacking<'_> {
    fn take<R: Read>(
        &mut self,
        kind: EntryType,
        name: PathBuf,
        long_target: Option<PathBuf>,
        entry: &mut Entry<'_, R>,
    ) -> Result<(), ArtifactError> {
        let refused = |problem| ArtifactError::Refused {
            entry: name.clone(),
            problem,
        };
        let clean = clean(&name).map_err(refused)?;
        if self.kinds.contains_key(&clean) {
            return Err(refused("is there twice"));
        }
        // No entry below a link or a file: so nothing is ever written through a link.
        let parent = clean.parent().unwrap_or(Path::new(""));
        if !parent.as_os_str().is_empty() && self.kinds.get(parent) != Some(&Kind::Folder) {
            return Err(refused("lies in a folder that is not part of the artifact"));
        }
        let path = self.folder.join(&clean);
        match kind {
            EntryType::Directory => {
                fs::create_dir(&path).at("create the folder", &path)?;
                share(&path, 0o755)?;
                self.kinds.insert(clean, Kind::Folder);
            }
            EntryType::Regular => {
                let mode = entry.header().mode().map_err(ArtifactError::Unreadable)?;
                // Nobody is meant to write to what all instances of a release share.
                let mode = if mode & 0o111 == 0 { 0o444 } else { 0o555 };
                let size = entry.size();
                let mut file = OpenOptions::new()
                    .write(true)
                    .create_new(true)
                    .mode(0o600)
                    .open(&path)
                    .at("create", &path)?;
                let copied = io::copy(entry, &mut file).at("unpack", &path)?;
                if copied != size {
                    return Err(refused("ends too early"));
                }
                share(&path, mode)?;
                self.kinds.insert(clean, Kind::Other);
            }
            EntryType::Symlink => {
                let target = match long_target {
                    Some(target) => target,
                    None => entry
                        .link_name()
                        .map_err(ArtifactError::Unreadable)?
                        .ok_or_else(|| refused("is a link to nowhere"))?
                        .into_owned(),
                };
                if !stays_inside(&clean, &target) {
                    return Err(refused("is a link that may lead out of the artifact"));
                }
                symlink(&target, &path).at("create the link", &path)?;
                self.kinds.insert(clean, Kind::Other);
            }
            EntryType::Link => return Err(refused("is a hard link")),
            EntryType::Char | EntryType::Block => return Err(refused("is a device")),
            EntryType::Fifo => return Err(refused("is a named pipe")),
            _ => return Err(refused("is of a kind that no artifact has")),
        }
        Ok(())
    }
}

/// Sets what others may do, whatever mask this process was started with.
fn share(path: &Path, mode: u32) -> Result<(), ArtifactError> {
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(mode)).at("share", path)?)
}

/// Returns the name without `.` parts, or what is wrong with it.
fn clean(name: &Path) -> Result<PathBuf, &'static str> {
    let mut clean = PathBuf::new();
    for component in name.components() {
        match component {
            Component::Normal(part) => clean.push(part),
            Component::CurDir => {}
            Component::ParentDir => return Err("goes up with `..`"),
            Component::RootDir | Component::Prefix(_) => return Err("is an absolute path"),
        }
    }
    if clean.as_os_str().is_empty() {
        Err("has no name")
    } else {
        Ok(clean)
    }
}

fn read_name<R: Read>(entry: &mut Entry<'_, R>) -> Result<PathBuf, ArtifactError> {
    if entry.size() > NAME_BYTES_MAX {
        return Err(ArtifactError::TooLarge {
            max: NAME_BYTES_MAX,
            unit: "bytes of a name",
        });
    }
    let mut name = Vec::new();
    entry
        .read_to_end(&mut name)
        .map_err(ArtifactError::Unreadable)?;
    while name.last() == Some(&0) {
        name.pop();
    }
    Ok(OsStr::from_bytes(&name).into())
}
