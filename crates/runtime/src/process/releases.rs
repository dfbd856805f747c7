//! Unpacked artifacts.
//!
//! Each is unpacked once and shared, read-only, by all instances that run it: a rollout does not
//! wait for copies, and the way back to the previous release finds its files in place. A service
//! that wants to write does so elsewhere.
//!
//! What was unpacked in an earlier run of the machine is not trusted, since a power failure may
//! have left files without content; so nothing has to be forced to disk while unpacking, and the
//! folder's name holds the machine's run.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use leadsman_core::id::{Digest, InstanceId};

use crate::artifact::{ArtifactError, Store};
use crate::files::{At as _, FileError, remove_folder};
use crate::machine::boot_id;

/// The unpacked artifacts of this machine.
#[derive(Debug)]
pub(super) struct Releases {
    store: Store,
    folder: PathBuf,
    /// Which instance uses which. Locked while one is unpacked or removed: they are few, and most
    /// instances that start together wait for the same one anyway.
    uses: Mutex<BTreeMap<InstanceId, Digest>>,
}

impl Releases {
    /// Opens the folder below the state folder `state`, and removes what no instance in `uses`
    /// needs.
    pub(super) fn open(
        state: &Path,
        store: Store,
        uses: BTreeMap<InstanceId, Digest>,
    ) -> Result<Self, ArtifactError> {
        let all = state.join("releases");
        let folder = all.join(boot_id());
        fs::create_dir_all(&folder).at("create the folder", &folder)?;
        let used = |name: &str| uses.values().any(|digest| digest.hex() == name);
        let earlier = entries(&all)?
            .into_iter()
            .filter(|(path, _)| *path != folder);
        let unused = entries(&folder)?
            .into_iter()
            .filter(|(_, name)| !used(name));
        for (path, _) in earlier.chain(unused) {
            remove_folder(&path)?;
        }
        Ok(Self {
            store,
            folder,
            uses: Mutex::new(uses),
        })
    }

    /// Lets other users of the machine enter, for services that run as one. They still cannot list
    /// the state folder; what else is in it must be private itself, as all of the runtime's is.
    pub(super) fn let_others_enter(&self) -> Result<(), FileError> {
        for path in self.folder.ancestors().take(3) {
            fs::set_permissions(path, fs::Permissions::from_mode(0o711)).at("share", path)?;
        }
        Ok(())
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    /// Returns the folder of an unpacked artifact, unpacking it where that has not happened yet. It
    /// stays until `instance` releases it. Blocks.
    pub(super) fn unpacked(
        &self,
        instance: &InstanceId,
        digest: &Digest,
    ) -> Result<PathBuf, ArtifactError> {
        let mut uses = self.uses.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = self.folder.join(digest.hex());
        if !folder.is_dir() {
            self.store.unpack(digest, &folder)?;
        }
        uses.insert(instance.clone(), digest.clone());
        Ok(folder)
    }

    /// Ends the use by `instance`, and removes the unpacked artifact after the last one. Blocks.
    pub(super) fn release(&self, instance: &InstanceId) -> Result<(), FileError> {
        let mut uses = self.uses.lock().unwrap_or_else(PoisonError::into_inner);
        match uses.remove(instance) {
            Some(digest) if !uses.values().any(|used| *used == digest) => {
                remove_folder(&self.folder.join(digest.hex()))
            }
            _ => Ok(()),
        }
    }
}

fn entries(folder: &Path) -> Result<Vec<(PathBuf, String)>, FileError> {
    let entries = fs::read_dir(folder).at("read", folder)?.flatten();
    Ok(entries
        .map(|entry| {
            (
                entry.path(),
                entry.file_name().to_string_lossy().into_owned(),
            )
        })
        .collect())
}
