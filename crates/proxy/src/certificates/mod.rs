//! The certificates of the listeners: read from their files, looked at again when these change,
//! obtained where nobody provides them, and picked by the host name that a client asks for.
//!
//! The keeper does all that. Workers get what comes of it with the snapshot, as a whole.

pub(crate) mod acme;
mod files;
mod pair;
mod shelf;
pub(crate) mod validity;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::server::{NoServerSessionStorage, ProducesTickets};
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, SupportedProtocolVersion};

use crate::control;
use crate::table::{Acme, CertificateFiles, Table, Tls, TlsVersion};
use acme::Challenges;
use files::Known;
pub(crate) use pair::Pair;
use shelf::Shelf;

/// What a client is told that HTTP/2 is called.
pub(crate) const HTTP_2: &[u8] = b"h2";

/// What clients of a listener are told of the protocols inside, the preferred one first.
const PROTOCOLS: [&[u8]; 2] = [HTTP_2, b"http/1.1"];

/// What workers show to clients of an encrypted listener, or answer for it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shown {
    /// How listeners encrypt: those and only those that the table asks it of, by address.
    pub(crate) encryption: BTreeMap<SocketAddr, Arc<ServerConfig>>,
    /// What is asked of all listeners by who wants to know whether a host is here.
    pub(crate) challenges: Arc<Challenges>,
}

/// What all encryption of this process has in common.
#[derive(Clone)]
pub(crate) struct Secrets {
    provider: Arc<CryptoProvider>,
    /// Makes the tickets with which clients go on with an earlier session. One for all, so that it
    /// does not matter which worker accepts the connection, nor that the certificate was renewed.
    ticketer: Arc<dyn ProducesTickets>,
    /// The folder of the certificates that were obtained.
    folder: PathBuf,
}

/// Where a certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    listener: SocketAddr,
    files: CertificateFiles,
    /// The host that it has to be obtained for, if somebody has to do that.
    host: Option<String>,
}

/// What is known of the files with certificates in a table. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Certificates(BTreeMap<CertificateFiles, Known>);

impl Secrets {
    /// Keeps what is obtained below the folder `state`.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub(crate) fn new(state: &Path) -> Result<Self, rustls::Error> {
        Ok(Self {
            provider: Arc::new(rustls::crypto::ring::default_provider()),
            ticketer: rustls::crypto::ring::Ticketer::new()?,
            folder: state.join("certificates"),
        })
    }

    /// Returns the folder of the certificates that were obtained.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns where the certificate that was obtained for `host` is: both halves in one file, so
    /// that they change in one moment.
    pub(crate) fn obtained(&self, host: &str) -> CertificateFiles {
        let file = self.folder.join(format!("{host}.pem"));
        CertificateFiles {
            chain: file.clone(),
            key: file,
        }
    }

    /// Returns where the certificates of `table` come from, in its order.
    fn sources(&self, table: &Table) -> Vec<Source> {
        let mut sources = Vec::new();
        for (listener, tls) in encrypted(table) {
            sources.extend(tls.certificates.iter().map(|files| Source {
                listener,
                files: files.clone(),
                host: None,
            }));
            let hosts = tls.acme.iter().flat_map(|acme| &acme.hosts);
            sources.extend(hosts.map(|host| Source {
                listener,
                files: self.obtained(host),
                host: Some(host.clone()),
            }));
        }
        sources
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").finish_non_exhaustive()
    }
}

impl Certificates {
    /// Looks at the files of `table`, and reads those that have changed. One that cannot be read
    /// costs no other. What is known of files that are not in the table stays. Waits for the disk.
    pub(crate) fn look(&self, table: &Table, secrets: &Secrets) -> Self {
        let mut known = self.0.clone();
        for source in secrets.sources(table) {
            let seen = Known::look(&source, self.0.get(&source.files), &secrets.provider);
            known.insert(source.files, seen);
        }
        Self(known)
    }

    /// Forgets what `table` does not name.
    pub(crate) fn keep_only(&mut self, table: &Table, secrets: &Secrets) {
        if self.0.is_empty() {
            return;
        }
        let sources = secrets.sources(table);
        self.0
            .retain(|files, _| sources.iter().any(|source| source.files == *files));
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

    /// Returns the certificate that was obtained for `host`, if there is one.
    pub(crate) fn obtained(&self, host: &str, secrets: &Secrets) -> Option<&Arc<Pair>> {
        self.0.get(&secrets.obtained(host))?.pair.as_ref()
    }

    /// Returns what workers show for the listeners of `table`.
    pub(crate) fn shown(
        &self,
        table: &Table,
        secrets: &Secrets,
        challenges: &Arc<Challenges>,
    ) -> Shown {
        let sources = secrets.sources(table);
        let of = |listener: SocketAddr| {
            let sources = sources
                .iter()
                .filter(move |source| source.listener == listener);
            sources.filter_map(|source| self.0.get(&source.files)?.pair.clone())
        };
        let config = |(listener, tls): (SocketAddr, &Tls)| {
            let pairs: Vec<Arc<Pair>> = of(listener).collect();
            (listener, config(tls, &pairs, secrets, challenges))
        };
        Shown {
            encryption: encrypted(table).map(config).collect(),
            challenges: Arc::clone(challenges),
        }
    }

    /// Says of each certificate of `table` how it is at the moment `now_ms` (since 1970), given
    /// what came of `obtaining` some of them, by host.
    pub(crate) fn status(
        &self,
        table: &Table,
        secrets: &Secrets,
        now_ms: u64,
        obtaining: impl Fn(&str) -> Option<String>,
    ) -> Vec<control::Certificate> {
        let of = |source: Source| {
            let known = self.0.get(&source.files);
            let pair = known.and_then(|known| known.pair.as_ref());
            let chain = source.files.chain.display();
            let of_time = || {
                let valid = &pair?.valid;
                if now_ms / 1000 >= valid.end {
                    Some(format!(
                        "the certificate in `{chain}` has expired; renew it"
                    ))
                } else if now_ms / 1000 < valid.start {
                    Some(format!(
                        "the certificate in `{chain}` is not valid yet; see whether the clock is right"
                    ))
                } else {
                    None
                }
            };
            let of_host = || {
                let host = source.host.as_ref()?;
                let early = || format!("the certificate for `{host}` is being obtained");
                obtaining(host).or_else(|| pair.is_none().then(early))
            };
            let of_file = || match known {
                Some(known) => known.problem.clone(),
                None => Some(format!(
                    "`{chain}` has not been read yet; see whether its disk answers"
                )),
            };
            control::Certificate {
                listener: source.listener,
                problem: of_file().or_else(of_host).or_else(of_time),
                names: pair.map(|pair| pair.names.clone()).unwrap_or_default(),
                expires_at_ms: pair.map(|pair| pair.valid.end.saturating_mul(1000)),
                chain: source.files.chain,
            }
        };
        secrets.sources(table).into_iter().map(of).collect()
    }
}

/// Returns why listeners can greet nobody, those of which no certificate can be used.
pub(crate) fn mute(certificates: &[control::Certificate]) -> BTreeMap<SocketAddr, String> {
    let mut listeners: BTreeMap<SocketAddr, Vec<&control::Certificate>> = BTreeMap::new();
    for certificate in certificates {
        listeners
            .entry(certificate.listener)
            .or_default()
            .push(certificate);
    }
    listeners.retain(|_, all| {
        all.iter()
            .all(|certificate| certificate.expires_at_ms.is_none())
    });
    let why = |all: Vec<&control::Certificate>| {
        let problems = all
            .iter()
            .filter_map(|certificate| certificate.problem.as_deref());
        let problems = problems.collect::<Vec<_>>().join("; ");
        format!("no certificate can be used: {problems}")
    };
    listeners
        .into_iter()
        .map(|(listener, all)| (listener, why(all)))
        .collect()
}

/// Returns the listeners of `table` that encrypt.
fn encrypted(table: &Table) -> impl Iterator<Item = (SocketAddr, &Tls)> {
    let listeners = table.listeners.iter();
    listeners.filter_map(|listener| Some((listener.address, listener.tls.as_ref()?)))
}

/// Returns the hosts of `table` for which certificates have to be obtained, each once, and how.
pub(crate) fn to_obtain(table: &Table) -> BTreeMap<&str, &Acme> {
    let mut hosts = BTreeMap::new();
    for acme in encrypted(table).filter_map(|(_, tls)| tls.acme.as_ref()) {
        for host in &acme.hosts {
            hosts.entry(host.as_str()).or_insert(acme);
        }
    }
    hosts
}

fn config(
    tls: &Tls,
    pairs: &[Arc<Pair>],
    secrets: &Secrets,
    challenges: &Arc<Challenges>,
) -> Arc<ServerConfig> {
    let versions: &[&SupportedProtocolVersion] = match tls.min {
        TlsVersion::V1_2 => &[&TLS13, &TLS12],
        TlsVersion::V1_3 => &[&TLS13],
    };
    let mut config = ServerConfig::builder_with_provider(Arc::clone(&secrets.provider))
        .with_protocol_versions(versions)
        .expect("ring has ciphers for both versions")
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Shelf::new(pairs, challenges)));
    let of_challenges = challenges.is_asked_in_tls().then_some(acme::PROTOCOL);
    let protocols = PROTOCOLS.into_iter().chain(of_challenges);
    config.alpn_protocols = protocols.map(<[u8]>::to_vec).collect();
    // Tickets are kept by clients; sessions kept here would need a lock, and a client without
    // tickets is rare enough to greet anew.
    config.ticketer = Arc::clone(&secrets.ticketer);
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Arc::new(config)
}
