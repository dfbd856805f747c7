//! Making an export.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write};
use std::path::Path;
use std::time::SystemTime;

use leadsman_core::ApplicationEvent;
use leadsman_core::id::Digest;
use leadsman_runtime::artifact::Hashing;
use leadsman_store::sqlite::{SqliteLog, snapshot_file};
use leadsman_store::{EventLog as _, StreamKind};
use tar::{Builder, EntryType, Header};

use super::manifest::{
    ARTIFACTS, CERTIFICATES, FORMAT, LOG, Listed, MANIFEST, Manifest, artifact, is_certificate,
};
use super::{Error, PIECE, Progress};
use crate::folder::StateFolder;
use crate::format;

/// What an export should have beside the events and the artifacts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    pub(crate) figures: bool,
    pub(crate) keys: bool,
}

/// What was exported.
pub(crate) struct Written {
    pub(crate) manifest: Manifest,
    /// Artifacts that releases are made of and that are not there.
    pub(crate) missing: BTreeSet<Digest>,
}

/// Writes an export of `state` to `out`. The log is copied to the folder `scratch` first.
///
/// Control may run meanwhile. An artifact is there before the log names it and is never changed, so
/// that what is listed after the log was copied is all that the copy names.
pub(crate) fn write(
    state: &StateFolder,
    wanted: Wanted,
    scratch: &Path,
    out: impl Write,
    progress: &mut dyn Progress,
) -> Result<Written, Error> {
    let log = scratch.join(LOG);
    let verified = snapshot_file(&state.log(), &log, wanted.figures)?;
    let needed = artifacts_of_releases(&log)?;
    let mut log = Source::file(LOG, log)?;
    let hashed = digest(log.open()?);
    log.listed.digest = hashed.map_err(Error::at("read", Path::new(LOG)))?;
    let mut sources = vec![log];
    sources.extend(artifacts(state)?);
    if wanted.keys {
        sources.extend(certificates(state)?);
    }
    let files: Vec<Listed> = sources.iter().map(|source| source.listed.clone()).collect();
    let there: BTreeSet<&Digest> = files.iter().map(|listed| &listed.digest).collect();
    let missing = needed.into_iter().filter(|digest| !there.contains(digest));
    let missing = missing.collect();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let manifest = Manifest {
        format: FORMAT,
        program: env!("CARGO_PKG_VERSION").to_owned(),
        state: format::FORMAT,
        at_ms: u64::try_from(now.unwrap_or_default().as_millis()).unwrap_or(u64::MAX),
        events: verified.events,
        head: verified.head.to_string(),
        figures: wanted.figures,
        keys: wanted.keys,
        files,
    };
    let mut archive = Builder::new(out);
    let text = serde_json::to_vec_pretty(&manifest).expect("a manifest has only text as keys");
    append(&mut archive, MANIFEST, text.len() as u64, &text[..])?;
    let (mut done, total) = (0, manifest.bytes());
    for source in sources {
        progress.at(&source.listed.path, done, total);
        let reader = source.open()?;
        source.write(&mut archive, reader, |bytes| {
            progress.at(&source.listed.path, done + bytes, total);
        })?;
        done += source.listed.bytes;
    }
    let mut out = archive.into_inner().map_err(Error::Write)?;
    out.flush().map_err(Error::Write)?;
    Ok(Written { manifest, missing })
}

/// Where the content of an entry comes from.
enum Content {
    File(std::path::PathBuf),
    Bytes(Vec<u8>),
}

/// A file that is to be exported.
struct Source {
    listed: Listed,
    content: Content,
}

impl Source {
    /// Returns a file whose digest is to be found out.
    fn file(name: &str, path: std::path::PathBuf) -> Result<Self, Error> {
        let metadata = fs::symlink_metadata(&path).map_err(Error::at("read", &path))?;
        Ok(Self {
            listed: Listed {
                path: name.to_owned(),
                bytes: metadata.len(),
                digest: Digest::from_bytes([0; 32]),
            },
            content: Content::File(path),
        })
    }

    fn open(&self) -> Result<Box<dyn Read + '_>, Error> {
        Ok(match &self.content {
            Content::File(path) => Box::new(File::open(path).map_err(Error::at("open", path))?),
            Content::Bytes(bytes) => Box::new(&bytes[..]),
        })
    }

    /// Writes the entry, and checks that it is what is listed.
    fn write(
        &self,
        archive: &mut Builder<impl Write>,
        reader: impl Read,
        told: impl FnMut(u64),
    ) -> Result<(), Error> {
        let mut watched = Watched {
            inner: Hashing::new(reader.take(self.listed.bytes)),
            failed: false,
            told,
        };
        let written = append(archive, &self.listed.path, self.listed.bytes, &mut watched);
        match written {
            Err(Error::Write(source)) if watched.failed => {
                return Err(Error::at("read", Path::new(&self.listed.path))(source));
            }
            other => other?,
        }
        let (inner, found) = watched.inner.finish();
        let more = inner.into_inner().read(&mut [0]);
        let ends = more.map_err(Error::at("read", Path::new(&self.listed.path)))? == 0;
        if found == self.listed.digest && ends {
            return Ok(());
        }
        Err(match artifact(&self.listed.path) {
            Some(_) => Error::Artifact {
                digest: self.listed.digest.clone(),
                found,
            },
            None => Error::Changed(self.listed.path.clone()),
        })
    }
}

/// Passes on what is read, and takes note of it.
struct Watched<R, T> {
    inner: Hashing<R>,
    failed: bool,
    told: T,
}

impl<R: Read, T: FnMut(u64)> Read for Watched<R, T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = match self.inner.read(buffer) {
            Ok(count) => count,
            Err(error) => {
                self.failed |= error.kind() != io::ErrorKind::Interrupted;
                return Err(error);
            }
        };
        (self.told)(self.inner.count());
        Ok(count)
    }
}

/// Appends an entry. One that has fewer bytes than it says is filled with zeros, which its digest
/// shows: what follows stays readable.
fn append(
    archive: &mut Builder<impl Write>,
    name: &str,
    bytes: u64,
    content: impl Read,
) -> Result<(), Error> {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o600);
    header.set_size(bytes);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    let content = content.chain(io::repeat(0)).take(bytes);
    archive
        .append_data(&mut header, name, content)
        .map_err(Error::Write)
}

/// Returns the artifacts that the releases in the log are made of.
fn artifacts_of_releases(log: &Path) -> Result<BTreeSet<Digest>, Error> {
    let unreadable = |error: Box<dyn std::error::Error + Send + Sync>| Error::Copied(error);
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.map_err(|error| unreadable(error.into()))?;
    let log = SqliteLog::open(log).map_err(|error| unreadable(error.into()))?;
    let mut needed = BTreeSet::new();
    runtime
        .block_on(async {
            for stream in log.streams().await? {
                // Releases are told in the streams of applications.
                if !matches!(stream.kind(), Some(StreamKind::Application(_))) {
                    continue;
                }
                for recorded in log.read_stream(&stream, 0).await? {
                    // What this program does not understand it need not: it only would not know what
                    // is missing.
                    if let Ok(ApplicationEvent::ReleaseCreated { artifacts, .. }) =
                        serde_json::from_str(&recorded.body)
                    {
                        needed.extend(artifacts.into_values());
                    }
                }
            }
            Ok::<_, leadsman_store::ReadError>(())
        })
        .map_err(|error| unreadable(error.into()))?;
    Ok(needed)
}

/// Returns every artifact that is there, in order.
fn artifacts(state: &StateFolder) -> Result<Vec<Source>, Error> {
    let mut found = Vec::new();
    for name in names(&state.path().join(ARTIFACTS))? {
        let path = format!("{ARTIFACTS}/{name}");
        let Some(digest) = artifact(&path) else {
            // One that is just coming in.
            continue;
        };
        let digest = format!("sha256:{digest}").parse();
        let mut source = Source::file(&path, state.path().join(&path))?;
        source.listed.digest = digest.expect("64 hexadecimal digits are a digest");
        found.push(source);
    }
    Ok(found)
}

/// Returns what the data plane keeps of certificates and accounts, in order. It is read at once:
/// it is small, and may be replaced at any moment.
fn certificates(state: &StateFolder) -> Result<Vec<Source>, Error> {
    let mut found = Vec::new();
    for name in names(&state.path().join(CERTIFICATES))? {
        if !is_certificate(&name) {
            continue;
        }
        let path = format!("{CERTIFICATES}/{name}");
        let file = state.path().join(&path);
        let content = match fs::read(&file) {
            // It was replaced by nothing meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            other => other.map_err(Error::at("read", &file))?,
        };
        let digest = digest(&content[..]).map_err(Error::at("read", &file))?;
        found.push(Source {
            listed: Listed {
                path,
                bytes: content.len() as u64,
                digest,
            },
            content: Content::Bytes(content),
        });
    }
    Ok(found)
}

/// Returns the names of what is in a folder, sorted; none where there is no folder.
fn names(folder: &Path) -> Result<Vec<String>, Error> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(Error::at("read", folder))?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(Error::at("read", folder))?;
        names.extend(entry.file_name().into_string());
    }
    names.sort();
    Ok(names)
}

fn digest(reader: impl Read) -> io::Result<Digest> {
    let mut reader = BufReader::with_capacity(PIECE, reader);
    let mut hashing = Hashing::new(io::sink());
    io::copy(&mut reader, &mut hashing)?;
    Ok(hashing.finish().1)
}
