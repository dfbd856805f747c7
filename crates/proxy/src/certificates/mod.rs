//! The certificates of the listeners: read from their files, looked at again when these change, and
//! picked by the host name that a client asks for.
//!
//! The keeper reads them. Workers get what comes of it with the snapshot, as a whole.

mod pair;
mod shelf;
mod validity;

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::crypto::CryptoProvider;
use rustls::server::{NoServerSessionStorage, ProducesTickets};
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, SupportedProtocolVersion};

use crate::control;
use crate::table::{CertificateFiles, Table, Tls, TlsVersion};
use pair::Pair;
use shelf::Shelf;

/// What clients of a listener are told of the protocols inside, the preferred one first.
const PROTOCOLS: [&[u8]; 2] = [HTTP_2, b"http/1.1"];

/// What a client is told that HTTP/2 is called.
pub(crate) const HTTP_2: &[u8] = b"h2";

/// How long a file must have been left alone before its time says whether it has changed: clocks of
/// file systems are coarse.
const SETTLED: Duration = Duration::from_secs(2);

/// How listeners encrypt, by address in the table.
pub(crate) type Encryption = BTreeMap<SocketAddr, Arc<ServerConfig>>;

/// What all encryption of this process has in common.
#[derive(Clone)]
pub(crate) struct Secrets {
    provider: Arc<CryptoProvider>,
    /// Makes the tickets with which clients go on with an earlier session. One for all, so that it
    /// does not matter which worker accepts the connection, nor that the certificate was renewed.
    ticketer: Arc<dyn ProducesTickets>,
}

/// What is known of the files with certificates in a table. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Certificates(BTreeMap<CertificateFiles, Known>);

#[derive(Clone, Debug)]
struct Known {
    /// How the files were when they were read; `None` if they have to be read again anyway.
    seen: Option<[Stamp; 2]>,
    /// The last that could be read.
    pair: Option<Arc<Pair>>,
    /// Why it is not what the files hold now.
    problem: Option<String>,
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

impl Secrets {
    /// # Errors
    /// The system gives no random numbers.
    pub(crate) fn new() -> Result<Self, rustls::Error> {
        Ok(Self {
            provider: Arc::new(rustls::crypto::ring::default_provider()),
            ticketer: rustls::crypto::ring::Ticketer::new()?,
        })
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").finish_non_exhaustive()
    }
}

impl Certificates {
    /// Looks at the files that `table` names, and reads those that have changed. One that cannot be
    /// read costs no other, and leaves in use what was read before. What is known of others stays.
    /// Waits for the disk.
    pub(crate) fn look(&self, table: &Table, secrets: &Secrets) -> Self {
        let all = encrypted(table).flat_map(|(_, tls)| &tls.certificates);
        let seen = all.map(|files| (files.clone(), look_at(files, self.0.get(files), secrets)));
        let mut known = self.0.clone();
        known.extend(seen);
        Self(known)
    }

    /// Forgets what `table` does not name.
    pub(crate) fn keep_only(&mut self, table: &Table) {
        let is_named = |files: &CertificateFiles| {
            encrypted(table).any(|(_, tls)| tls.certificates.contains(files))
        };
        self.0.retain(|files, _| is_named(files));
    }

    /// Says whether clients are shown the same certificates as with `other`.
    pub(crate) fn show_the_same(&self, other: &Self) -> bool {
        let pairs = |of: &Self| {
            let pairs = of.0.iter().filter_map(|(files, known)| {
                Some((files.clone(), Arc::as_ptr(known.pair.as_ref()?)))
            });
            pairs.collect::<Vec<_>>()
        };
        pairs(self) == pairs(other)
    }

    /// Returns the problems that `before` did not have yet.
    pub(crate) fn new_problems<'a>(&'a self, before: &'a Self) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter_map(|(files, known)| {
            let before = before
                .0
                .get(files)
                .and_then(|before| before.problem.as_ref());
            let new = |problem: &&String| Some(*problem) != before;
            known.problem.as_ref().filter(new).map(String::as_str)
        })
    }

    /// Returns how the listeners of `table` encrypt with these certificates.
    pub(crate) fn encryption(&self, table: &Table, secrets: &Secrets) -> Encryption {
        encrypted(table)
            .map(|(address, tls)| {
                let pairs = tls
                    .certificates
                    .iter()
                    .filter_map(|files| self.0.get(files)?.pair.clone());
                (address, config(tls, &pairs.collect::<Vec<_>>(), secrets))
            })
            .collect()
    }

    /// Says of each certificate of `table` how it is at the moment `now_ms` (since 1970).
    pub(crate) fn status(&self, table: &Table, now_ms: u64) -> Vec<control::Certificate> {
        let of = |(address, files): (SocketAddr, &CertificateFiles)| {
            let known = self.0.get(files);
            let pair = known.and_then(|known| known.pair.as_ref());
            let chain = files.chain.display();
            let of_time = pair.and_then(|pair| {
                if now_ms / 1000 >= pair.valid.end {
                    Some(format!("the certificate in `{chain}` has expired; renew it"))
                } else if now_ms / 1000 < pair.valid.start {
                    Some(format!("the certificate in `{chain}` is not valid yet; see whether the clock is right"))
                } else {
                    None
                }
            });
            let of_file = match known {
                Some(known) => known.problem.clone(),
                None => Some(format!(
                    "`{chain}` has not been read yet; see whether its disk answers"
                )),
            };
            control::Certificate {
                listener: address,
                chain: files.chain.clone(),
                names: pair.map(|pair| pair.names.clone()).unwrap_or_default(),
                expires_at_ms: pair.map(|pair| pair.valid.end.saturating_mul(1000)),
                problem: of_file.or(of_time),
            }
        };
        let all = encrypted(table)
            .flat_map(|(address, tls)| tls.certificates.iter().map(move |files| (address, files)));
        all.map(of).collect()
    }

    /// Returns why a listener can greet nobody, where none of its certificates can be used.
    pub(crate) fn mute(&self, table: &Table) -> BTreeMap<SocketAddr, String> {
        let is_mute = |tls: &Tls| {
            let pairs = tls
                .certificates
                .iter()
                .map(|files| self.0.get(files)?.pair.as_ref());
            pairs.flatten().next().is_none()
        };
        let why = |tls: &Tls| {
            let problems = tls
                .certificates
                .iter()
                .filter_map(|files| self.0.get(files)?.problem.clone());
            let problems = problems.collect::<Vec<_>>().join("; ");
            format!("no certificate can be used: {problems}")
        };
        let mute = encrypted(table).filter(|(_, tls)| is_mute(tls));
        mute.map(|(address, tls)| (address, why(tls))).collect()
    }
}

/// Returns the listeners of `table` that encrypt.
fn encrypted(table: &Table) -> impl Iterator<Item = (SocketAddr, &Tls)> {
    let listeners = table.listeners.iter();
    listeners.filter_map(|listener| Some((listener.address, listener.tls.as_ref()?)))
}

fn look_at(files: &CertificateFiles, before: Option<&Known>, secrets: &Secrets) -> Known {
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
    let seen = seen.filter(|stamps| stamps.iter().all(Stamp::is_settled));
    match Pair::read(files, &secrets.provider) {
        Ok(pair) => {
            let same = before
                .and_then(|before| before.pair.as_ref())
                .filter(|same| same.certified.cert == pair.certified.cert);
            Known {
                seen,
                pair: Some(same.cloned().unwrap_or_else(|| Arc::new(pair))),
                problem: None,
            }
        }
        Err(why) => {
            let pair = before.and_then(|before| before.pair.clone());
            let problem = match &pair {
                Some(_) => format!("{why}; what was read before stays in use"),
                None => why,
            };
            Known {
                seen,
                pair,
                problem: Some(problem),
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

fn config(tls: &Tls, pairs: &[Arc<Pair>], secrets: &Secrets) -> Arc<ServerConfig> {
    let versions: &[&SupportedProtocolVersion] = match tls.min {
        TlsVersion::V1_2 => &[&TLS13, &TLS12],
        TlsVersion::V1_3 => &[&TLS13],
    };
    let mut config = ServerConfig::builder_with_provider(Arc::clone(&secrets.provider))
        .with_protocol_versions(versions)
        .expect("ring has ciphers for both versions")
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Shelf::new(pairs)));
    config.alpn_protocols = PROTOCOLS.iter().map(|name| name.to_vec()).collect();
    // Tickets are kept by clients; sessions kept here would need a lock, and a client without
    // tickets is rare enough to greet anew.
    config.ticketer = Arc::clone(&secrets.ticketer);
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Arc::new(config)
}
