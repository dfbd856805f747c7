//! The scratch folder: everything that the demo puts anywhere.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tempfile::TempDir;

/// The longest path, in bytes, that leaves room for the sockets below it: their paths have at most
/// 107 bytes.
const PATH_SIZE_MAX: usize = 48;

/// The scratch folder. It goes with the value, unless it is kept.
pub(super) struct Scratch {
    folder: TempDir,
}

impl Scratch {
    /// Makes a new one where temporary files are.
    pub(super) fn new() -> anyhow::Result<Self> {
        let temporary = std::env::temp_dir();
        let parent = if temporary.as_os_str().len() <= PATH_SIZE_MAX {
            temporary
        } else {
            PathBuf::from("/tmp")
        };
        // Processes will tell their paths without symbolic links, and are known by them.
        let parent = fs::canonicalize(&parent)
            .with_context(|| format!("failed to look at `{}`", parent.display()))?;
        let folder = tempfile::Builder::new()
            .prefix("leadsman-demo-")
            .tempdir_in(&parent)
            .with_context(|| format!("failed to make a folder in `{}`", parent.display()))?;
        let scratch = Self { folder };
        for folder in [scratch.project(), scratch.service()] {
            fs::create_dir(&folder)
                .with_context(|| format!("failed to make folder `{}`", folder.display()))?;
        }
        Ok(scratch)
    }

    /// Returns the folder itself.
    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the folder of the project file.
    pub(super) fn project(&self) -> PathBuf {
        self.path().join("project")
    }

    /// Returns the project file.
    pub(super) fn project_file(&self) -> PathBuf {
        self.project().join("leadsman.yaml")
    }

    /// Returns the folder that is shipped.
    pub(super) fn service(&self) -> PathBuf {
        self.project().join("service")
    }

    /// Returns the state folder of the Leadsman that is started.
    pub(super) fn state(&self) -> PathBuf {
        self.path().join("state")
    }

    /// Returns the file that takes what control says.
    pub(super) fn control_log(&self) -> PathBuf {
        self.path().join("control.log")
    }

    /// Leaves it where it is for somebody to look at.
    pub(super) fn keep(&mut self) {
        self.folder.disable_cleanup(true);
    }
}
