//! Taking in an export, which is not trusted.
//!
//! Nothing is created but what the manifest lists, under a name that the manifest may list, in a
//! folder that nobody uses yet. What the archive calls an entry is only compared.

use std::cell::Cell;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use leadsman_runtime::artifact::Hashing;
use leadsman_store::EventLog as _;
use leadsman_store::sqlite::SqliteLog;
use tar::{Archive, Entry, EntryType};

use super::manifest::{LOG, Listed, MANIFEST, MANIFEST_BYTES_MAX, Manifest, why_not};
use super::{Error, PIECE, Progress};

/// The most bytes behind the last entry: writers of archives fill them up to a multiple of 10 KiB,
/// or of what a tape has.
const PADDING_MAX: u64 = 1 << 20;

/// Unpacks the export that `from` brings into the empty folder `into`, and checks all of it. What
/// was unpacked is on the disk when it returns, and nobody may rely on it if it fails.
pub(crate) fn read(
    from: impl Read,
    into: &Path,
    progress: &mut dyn Progress,
) -> Result<Manifest, Error> {
    let ended = Cell::new(false);
    let mut archive = Archive::new(Ending {
        inner: from,
        ended: &ended,
    });
    // Raw: the extensions of the format can ask a reader for any amount of memory.
    let mut entries = archive.entries().map_err(Error::Read)?.raw(true);
    let mut next = |name: &str| match entries.next() {
        Some(Ok(entry)) => check(entry, name).map(Some),
        Some(Err(_)) if ended.get() => Err(Error::Truncated(name.to_owned())),
        Some(Err(error)) => Err(unread(name, error)),
        None => Ok(None),
    };
    let missing = |name: &str| Error::Truncated(name.to_owned());
    let manifest = next(MANIFEST)?.ok_or_else(|| missing(MANIFEST))?;
    let manifest = read_manifest(manifest)?;
    check_room(&manifest, into)?;
    let (mut done, total) = (0, manifest.bytes());
    for listed in &manifest.files {
        let path = &listed.path;
        progress.at(path, done, total);
        let entry = next(path)?.ok_or_else(|| missing(path))?;
        unpack(entry, listed, into, |bytes| {
            progress.at(path, done + bytes, total);
        })?;
        done += listed.bytes;
    }
    // An entry too many is refused by its name.
    next("")?;
    check_end(archive.into_inner())?;
    check_log(&manifest, &into.join(LOG))?;
    sync_folders(into)?;
    Ok(manifest)
}

/// Passes on what is read, and takes note of the end: the library has no name for an archive that
/// ends too early.
struct Ending<'e, R> {
    inner: R,
    ended: &'e Cell<bool>,
}

impl<R: Read> Read for Ending<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.ended.set(count == 0 && !buffer.is_empty());
        Ok(count)
    }
}

/// Refuses an entry that is not the file `name`.
fn check<'a, R: Read>(entry: Entry<'a, R>, name: &str) -> Result<Entry<'a, R>, Error> {
    let found = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
    let problem = match entry.header().entry_type() {
        EntryType::Regular if found == name => return Ok(entry),
        EntryType::Regular if name == MANIFEST => "stands where `manifest.json` should be",
        EntryType::Regular if name.is_empty() => match why_not(&found) {
            // It may well be called like something that an export has.
            "is nothing that an export has" => "is not in the manifest",
            other => other,
        },
        EntryType::Regular => match why_not(&found) {
            "is nothing that an export has" => "is not what the manifest has here",
            other => other,
        },
        EntryType::Symlink | EntryType::Link => "is a link",
        EntryType::Directory => "is a folder",
        EntryType::Char | EntryType::Block => "is a device",
        EntryType::Fifo => "is a named pipe",
        _ => "is of a kind that no export has",
    };
    Err(Error::Refused {
        entry: found,
        problem,
    })
}

/// What an error while reading an entry means.
fn unread(name: &str, error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Error::Truncated(name.to_owned()),
        // What the library says would repeat what is in the file.
        io::ErrorKind::Other | io::ErrorKind::InvalidData => Error::NoArchive(name.to_owned()),
        _ => Error::Read(error),
    }
}

fn read_manifest(entry: Entry<'_, impl Read>) -> Result<Manifest, Error> {
    let bytes = entry.size();
    if bytes > MANIFEST_BYTES_MAX {
        return Err(Error::Refused {
            entry: MANIFEST.to_owned(),
            problem: "is larger than 32 MiB",
        });
    }
    let mut text = Vec::new();
    let read = entry.take(bytes).read_to_end(&mut text);
    let read = read.map_err(|error| unread(MANIFEST, error))?;
    if (read as u64) < bytes {
        return Err(Error::Truncated(MANIFEST.to_owned()));
    }
    Manifest::parse(&text)
}

/// Refuses at once what would only fill the disk. More may be needed later.
fn check_room(manifest: &Manifest, into: &Path) -> Result<(), Error> {
    let disk = rustix::fs::statvfs(into);
    let disk = disk.map_err(|error| Error::at("look at the disk of", into)(error.into()))?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let needed = manifest.bytes();
    if needed > free {
        return Err(Error::NoRoom { needed, free });
    }
    Ok(())
}

/// Writes an entry to where it is listed.
fn unpack(
    mut entry: Entry<'_, impl Read>,
    listed: &Listed,
    into: &Path,
    mut told: impl FnMut(u64),
) -> Result<(), Error> {
    if entry.size() != listed.bytes {
        return Err(Error::Refused {
            entry: listed.path.clone(),
            problem: "has another size than the manifest says",
        });
    }
    let path = into.join(&listed.path);
    let folder = path.parent().unwrap_or(into);
    let mut folders = DirBuilder::new();
    let made = folders.recursive(true).mode(0o700).create(folder);
    made.map_err(Error::at("make the folder", folder))?;
    let mut options = OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(&path);
    let mut file = Hashing::new(file.map_err(Error::at("create", &path))?);
    let mut buffer = vec![0; PIECE];
    loop {
        let count = match entry.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(unread(&listed.path, error)),
        };
        file.write_all(&buffer[..count])
            .map_err(Error::at("write", &path))?;
        told(file.count());
    }
    if file.count() < listed.bytes {
        return Err(Error::Truncated(listed.path.clone()));
    }
    let (file, found) = file.finish();
    file.sync_all().map_err(Error::at("write", &path))?;
    if found != listed.digest {
        return Err(Error::Digest {
            entry: listed.path.clone(),
            expected: listed.digest.clone(),
            found,
        });
    }
    Ok(())
}

/// Refuses what stands behind the end of the archive. It is read in any case: who sends it through
/// a pipe should not be told that nobody listens.
fn check_end(rest: impl Read) -> Result<(), Error> {
    let mut rest = rest.take(PADDING_MAX + 1);
    let mut buffer = vec![0; PIECE];
    let mut padding = 0;
    loop {
        let count = match rest.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Error::Read(error)),
        };
        padding += count as u64;
        if padding > PADDING_MAX || buffer[..count].iter().any(|byte| *byte != 0) {
            return Err(Error::Refused {
                entry: "its end".to_owned(),
                problem: "is followed by something",
            });
        }
    }
}

/// Brings the log to the schema of this program, verifies it, and compares it with what is said of
/// it.
fn check_log(manifest: &Manifest, path: &Path) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.map_err(Error::at("read", path))?;
    let log = SqliteLog::open(path).map_err(Error::Log)?;
    let verified = runtime.block_on(log.verify()).map_err(Error::Broken)?;
    // Closed by who may write to it, so that it is a single file again.
    drop(log);
    let said = (manifest.events, manifest.head.as_str());
    if (verified.events, verified.head.to_string().as_str()) != said {
        return Err(Error::OtherLog);
    }
    // Opening it may have written to it.
    File::open(path)
        .and_then(|file| file.sync_all())
        .map_err(Error::at("write", path))
}

/// Brings the names of everything in `folder` to the disk.
fn sync_folders(folder: &Path) -> Result<(), Error> {
    for entry in fs::read_dir(folder).map_err(Error::at("read", folder))? {
        let entry = entry.map_err(Error::at("read", folder))?;
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            sync_folders(&path)?;
        }
    }
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(Error::at("write", folder))
}
