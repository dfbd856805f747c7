//! Packing a file or a folder.

use std::fs::{self, File, Metadata};
use std::io::{self, Read as _, Write};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use leadsman_core::id::Digest;
use tar::{Builder, EntryType, Header};

use super::hashing::Hashing;
use super::link::stays_inside;

/// What is never part of an artifact: the history of a checkout, and Leadsman's own state,
/// of which the artifact would become a part.
const LEFT_OUT: [&str; 2] = [".git", ".leadsman"];

/// A file or folder could not be packed.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// It does not exist.
    #[error("`{}` does not exist", .0.display())]
    Missing(PathBuf),
    /// It cannot be read.
    #[error("failed to read `{}`", path.display())]
    Unreadable {
        /// What cannot be read.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is something that cannot be part of an artifact.
    #[error("`{}` is {kind}, which cannot be part of an artifact", path.display())]
    Unsuitable {
        /// What is unsuitable.
        path: PathBuf,
        /// What it is.
        kind: &'static str,
    },
    /// It is a link that leads out of the artifact, or might.
    #[error(
        "`{}` is a link to `{}`, which may lead out of the artifact", path.display(),
        target.display()
    )]
    LeadsOut {
        /// The link.
        path: PathBuf,
        /// Where it leads.
        target: PathBuf,
    },
    /// It changed while it was packed.
    #[error("`{}` changed while it was packed", .0.display())]
    Changed(PathBuf),
    /// The packed form could not be written.
    #[error("failed to write the packed artifact")]
    Write(#[source] io::Error),
}

/// Packs the file or folder `path` into `writer`, and returns the digest of what was written.
///
/// Equal content gives equal bytes, on any machine. What is called `.git` or `.leadsman` is left
/// out. A file is packed under its own name.
///
/// # Errors
/// When something cannot be read, cannot be part of an artifact, or changes meanwhile; each error
/// names the path.
pub fn pack(path: &Path, writer: impl Write) -> Result<Digest, PackError> {
    let metadata = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(PackError::Missing(path.to_owned()));
        }
        other => other.map_err(unreadable(path))?,
    };
    let mut builder = Builder::new(Hashing::new(writer));
    if metadata.is_dir() {
        pack_folder(&mut builder, path, Path::new(""))?;
    } else {
        let name = path
            .file_name()
            .ok_or_else(|| PackError::Missing(path.to_owned()))?;
        pack_file(&mut builder, path, Path::new(name), &metadata)?;
    }
    let (mut writer, digest) = builder.into_inner().map_err(PackError::Write)?.finish();
    writer.flush().map_err(PackError::Write)?;
    Ok(digest)
}

type Packer<W> = Builder<Hashing<W>>;

/// Packs what is in the folder `path`, which is called `name` in the artifact.
fn pack_folder<W: Write>(
    builder: &mut Packer<W>,
    path: &Path,
    name: &Path,
) -> Result<(), PackError> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path).map_err(unreadable(path))? {
        names.push(entry.map_err(unreadable(path))?.file_name());
    }
    names.sort();
    for entry in names {
        if LEFT_OUT.iter().any(|left_out| entry == *left_out) {
            continue;
        }
        let path = path.join(&entry);
        let name = name.join(&entry);
        let metadata = fs::symlink_metadata(&path).map_err(unreadable(&path))?;
        if metadata.is_dir() {
            let mut header = header(EntryType::Directory, 0o755, 0);
            builder
                .append_data(&mut header, &name, io::empty())
                .map_err(PackError::Write)?;
            pack_folder(builder, &path, &name)?;
        } else if metadata.is_symlink() {
            let target = fs::read_link(&path).map_err(unreadable(&path))?;
            if !stays_inside(&name, &target) {
                return Err(PackError::LeadsOut { path, target });
            }
            let mut header = header(EntryType::Symlink, 0o777, 0);
            builder
                .append_link(&mut header, &name, &target)
                .map_err(PackError::Write)?;
        } else {
            pack_file(builder, &path, &name, &metadata)?;
        }
    }
    Ok(())
}

fn pack_file<W: Write>(
    builder: &mut Packer<W>,
    path: &Path,
    name: &Path,
    seen: &Metadata,
) -> Result<(), PackError> {
    let kind = seen.file_type();
    let unsuitable = match () {
        () if kind.is_socket() => Some("a socket"),
        () if kind.is_fifo() => Some("a named pipe"),
        () if kind.is_block_device() || kind.is_char_device() => Some("a device"),
        () => None,
    };
    if let Some(kind) = unsuitable {
        return Err(PackError::Unsuitable {
            path: path.to_owned(),
            kind,
        });
    }
    let mut file = File::open(path).map_err(unreadable(path))?;
    let metadata = file.metadata().map_err(unreadable(path))?;
    let mode = if metadata.permissions().mode() & 0o111 == 0 {
        0o644
    } else {
        0o755
    };
    let mut header = header(EntryType::Regular, mode, metadata.len());
    let mut content = Content {
        file: &mut file,
        left: metadata.len(),
        failure: None,
    };
    let written = builder.append_data(&mut header, name, &mut content);
    let Content { left, failure, .. } = content;
    if let Some(error) = failure {
        return Err(unreadable(path)(error));
    }
    if left > 0 && written.is_ok() {
        return Err(PackError::Changed(path.to_owned()));
    }
    written.map_err(PackError::Write)?;
    // One byte more than announced would be enough.
    match file.read(&mut [0]) {
        Ok(0) => Ok(()),
        Ok(_) => Err(PackError::Changed(path.to_owned())),
        Err(error) => Err(unreadable(path)(error)),
    }
}

/// A file of known length. What goes wrong while reading it is kept apart from what goes wrong
/// while writing, which the archive's own error would mix.
struct Content<'a> {
    file: &'a mut File,
    left: u64,
    failure: Option<io::Error>,
}

impl io::Read for Content<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match (&mut *self.file).take(self.left).read(buffer) {
            Ok(count) => {
                self.left -= count as u64;
                Ok(count)
            }
            Err(error) => {
                let kind = error.kind();
                if kind != io::ErrorKind::Interrupted {
                    self.failure = Some(error);
                }
                Err(kind.into())
            }
        }
    }
}

fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

fn unreadable(path: &Path) -> impl Fn(io::Error) -> PackError + '_ {
    |source| PackError::Unreadable {
        path: path.to_owned(),
        source,
    }
}
