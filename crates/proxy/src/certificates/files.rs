//! The files of a certificate, read again when they change.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::crypto::CryptoProvider;

use super::Source;
use super::pair::Pair;

/// How long a file must have been left alone before its time says whether it has changed: clocks of
/// file systems are coarse.
const SETTLED: Duration = Duration::from_secs(2);

/// What is known of the files of a certificate. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Known {
    /// How the files were when they were read; `None` if they have to be read again anyway.
    seen: Option<[Stamp; 2]>,
    /// The last that could be read.
    pub(super) pair: Option<Arc<Pair>>,
    /// Why it is not what the files hold now.
    pub(super) problem: Option<String>,
}

/// What tells a file from one that was changed or exchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Known {
    /// Looks at the files of `source`, of which `before` is known, and reads them if they have
    /// changed. What cannot be read leaves in use what was read before.
    pub(super) fn look(source: &Source, before: Option<&Self>, provider: &CryptoProvider) -> Self {
        let files = &source.files;
        // Before they are read: what changes meanwhile is seen the next time.
        let seen = stamp(&files.chain)
            .zip(stamp(&files.key))
            .map(|(chain, key)| [chain, key]);
        if let Some(before) = before
            && before.seen.is_some()
            && before.seen == seen
        {
            return before.clone();
        }
        let before = before.and_then(|before| before.pair.clone());
        if seen.is_none() && source.host.is_some() {
            // It is yet to be obtained.
            return Self {
                seen,
                pair: before,
                problem: None,
            };
        }
        let seen = seen.filter(|stamps| stamps.iter().all(Stamp::is_settled));
        match Pair::read(files, provider) {
            Ok(pair) => {
                let same = before.filter(|same| same.certified.cert == pair.certified.cert);
                Self {
                    seen,
                    pair: Some(same.unwrap_or_else(|| Arc::new(pair))),
                    problem: None,
                }
            }
            Err(why) => {
                let problem = match &before {
                    Some(_) => format!("{why}; what was read before stays in use"),
                    None => why,
                };
                Self {
                    seen,
                    pair: before,
                    problem: Some(problem),
                }
            }
        }
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = fs::metadata(path).ok()?;
    Some(Stamp {
        device: metadata.dev(),
        inode: metadata.ino(),
        size: metadata.size(),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
    })
}

impl Stamp {
    fn is_settled(&self) -> bool {
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let changed = u64::try_from(self.changed.0.max(self.modified.0)).unwrap_or_default();
        Duration::from_secs(changed) + SETTLED <= now
    }
}
