//! The certificates of a listener, picked by the host name that a client asks for.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::acme::{self, Challenges};
use super::pair::Pair;

/// The certificates of a listener: the one for exactly the host that is asked for, else the one for
/// any host of its domain, else the first of the listener. Of several for one host it is the one
/// that is valid longest of those that the client understands.
pub(crate) struct Shelf {
    exact: HashMap<String, Vec<Arc<CertifiedKey>>>,
    /// By domain, without `*.`.
    wildcard: HashMap<String, Vec<Arc<CertifiedKey>>>,
    first: Vec<Arc<CertifiedKey>>,
    challenges: Arc<Challenges>,
}

impl Shelf {
    /// Orders `pairs`, of which the first is for those who ask for nothing that is here.
    pub(super) fn new(pairs: &[Arc<Pair>], challenges: &Arc<Challenges>) -> Self {
        let mut lasting: Vec<&Arc<Pair>> = pairs.iter().collect();
        lasting.sort_by_key(|pair| std::cmp::Reverse(pair.valid.end));
        let mut shelf = Self {
            exact: HashMap::new(),
            wildcard: HashMap::new(),
            first: pairs
                .first()
                .map(|pair| Arc::clone(&pair.certified))
                .into_iter()
                .collect(),
            challenges: Arc::clone(challenges),
        };
        for pair in lasting {
            for name in &pair.names {
                let (place, name) = match name.strip_prefix("*.") {
                    Some(domain) => (&mut shelf.wildcard, domain),
                    None => (&mut shelf.exact, name.as_str()),
                };
                place
                    .entry(name.to_owned())
                    .or_default()
                    .push(Arc::clone(&pair.certified));
            }
        }
        shelf
    }

    /// Returns the certificate for `host`, which is in lower case, that can sign with one of
    /// `schemes`.
    fn pick(&self, host: Option<&str>, schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let exact = host.and_then(|host| self.exact.get(host));
        let domain = || host.and_then(|host| self.wildcard.get(host.split_once('.')?.1));
        let of_host = exact.or_else(domain).unwrap_or(&self.first);
        let suits = |key: &&Arc<CertifiedKey>| key.key.choose_scheme(schemes).is_some();
        of_host.iter().find(suits).cloned()
    }
}

impl ResolvesServerCert for Shelf {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // The library has it in lower case already.
        let host = hello.server_name();
        // Who wants to know whether the host is here wants nothing else.
        let mut protocols = hello.alpn().into_iter().flatten();
        if protocols.any(|protocol| protocol == acme::PROTOCOL) {
            return self.challenges.of(host?);
        }
        self.pick(host, hello.signature_schemes())
    }
}

impl fmt::Debug for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shelf").finish_non_exhaustive()
    }
}
