//! Obtaining certificates from a server that speaks ACME (RFC 8555).

mod account;
mod https;
pub(crate) mod schedule;

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;
use std::{error, fs};

use instant_acme::{
    AuthorizationStatus, ChallengeType, Identifier, KeyAuthorization, NewOrder, Order, OrderStatus,
    RetryPolicy,
};
use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::sign::CertifiedKey;

use super::{Pair, Secrets};
use crate::table::{Acme, CertificateFiles, Challenge};

/// What a handshake is about in which nothing but a challenge is answered (RFC 8737).
pub(crate) const PROTOCOL: &[u8] = b"acme-tls/1";

/// The folder under which challenges are asked for by HTTP (RFC 8555, 8.3).
const FOLDER: &str = "/.well-known/acme-challenge/";

/// What is answered to who wants to know whether hosts are here.
#[derive(Clone, Default)]
pub(crate) struct Challenges {
    /// By the token in the path.
    in_http: BTreeMap<String, String>,
    /// By host.
    in_tls: BTreeMap<String, Arc<CertifiedKey>>,
}

/// The answer to one challenge.
pub(crate) enum Answer {
    /// Words, under a path that ends with a token.
    Http { token: String, words: String },
    /// A certificate that is shown for a host.
    Tls {
        host: String,
        key: Arc<CertifiedKey>,
    },
}

impl Challenges {
    pub(crate) fn is_empty(&self) -> bool {
        self.in_http.is_empty() && self.in_tls.is_empty()
    }

    pub(crate) fn is_asked_in_tls(&self) -> bool {
        !self.in_tls.is_empty()
    }

    /// Returns what is answered at `path`.
    pub(crate) fn at(&self, path: &str) -> Option<&str> {
        if self.in_http.is_empty() {
            return None;
        }
        self.in_http
            .get(path.strip_prefix(FOLDER)?)
            .map(String::as_str)
    }

    /// Returns what is shown for `host`.
    pub(super) fn of(&self, host: &str) -> Option<Arc<CertifiedKey>> {
        self.in_tls.get(host).cloned()
    }

    pub(crate) fn add(&mut self, answer: Answer) {
        match answer {
            Answer::Http { token, words } => drop(self.in_http.insert(token, words)),
            Answer::Tls { host, key } => drop(self.in_tls.insert(host, key)),
        }
    }
}

impl std::fmt::Debug for Challenges {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Challenges").finish_non_exhaustive()
    }
}

/// Why a certificate could not be obtained.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the server's roots cannot be used: {0}")]
    Roots(String),
    #[error("the account cannot be kept")]
    Account(#[source] io::Error),
    #[error("{0}")]
    Server(instant_acme::Error),
    #[error("the server does not offer the challenge `{0}`")]
    NotOffered(&'static str),
    #[error("the server was not convinced: {0}")]
    NotConvinced(String),
    #[error("no key could be made")]
    Key(#[source] rcgen::Error),
    #[error("what came is of no use: {0}")]
    Useless(String),
    #[error("the certificate cannot be kept")]
    Kept(#[source] io::Error),
}

impl From<instant_acme::Error> for Error {
    fn from(error: instant_acme::Error) -> Self {
        Self::Server(error)
    }
}

impl Error {
    /// Returns what can be done about it.
    pub(crate) fn what_to_do(&self, challenge: Challenge) -> &'static str {
        match (self, challenge) {
            (Self::Roots(_), _) => "name the right file, or none for those of the machine",
            (Self::Account(_) | Self::Kept(_), _) => "see to the data plane's state folder",
            (Self::Server(instant_acme::Error::Api(_)), _) => "see what the server says",
            (Self::Server(_), _) => "see whether this machine reaches the server, and trusts it",
            (Self::NotOffered(_), _) => "choose the other challenge",
            (Self::NotConvinced(_), Challenge::TlsAlpn01) => {
                "see whether the host's name leads here, and its port 443 to a listener that encrypts"
            }
            (Self::NotConvinced(_), Challenge::Http01) => {
                "see whether the host's name leads here, and its port 80 to a listener"
            }
            (Self::Key(_) | Self::Useless(_), _) => "see whether another server does better",
        }
    }

    /// Returns the whole story.
    pub(crate) fn sentence(&self) -> String {
        let mut sentence = self.to_string();
        let mut source = error::Error::source(self);
        while let Some(cause) = source {
            sentence = format!("{sentence}: {cause}");
            source = cause.source();
        }
        sentence
    }
}

/// Obtains a certificate for `host` and keeps it. `publish` brings the answer to a challenge into
/// use, and returns when no worker answers otherwise any more.
pub(crate) async fn obtain(
    acme: &Acme,
    host: &str,
    secrets: &Secrets,
    publish: impl AsyncFn(Answer),
) -> Result<(), Error> {
    let obtained = try_to_obtain(acme, host, secrets, publish).await;
    if let Err(error) = &obtained {
        account::forget_if_unknown(error, acme, secrets).await;
    }
    obtained
}

async fn try_to_obtain(
    acme: &Acme,
    host: &str,
    secrets: &Secrets,
    publish: impl AsyncFn(Answer),
) -> Result<(), Error> {
    let folder = secrets.folder().to_owned();
    on_disk(move || {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
    })
    .await
    .map_err(Error::Kept)?;
    let account = account::account(acme, secrets).await?;
    let names = [Identifier::Dns(host.to_owned())];
    let mut order = account.new_order(&NewOrder::new(&names)).await?;
    convince(&mut order, acme.challenge, &secrets.provider, publish).await?;
    let key = KeyPair::generate().map_err(Error::Key)?;
    let request = CertificateParams::new(vec![host.to_owned()])
        .map(|mut params| {
            // Names stand in the extension for them, and nowhere else.
            params.distinguished_name = rcgen::DistinguishedName::new();
            params
        })
        .and_then(|params| params.serialize_request(&key))
        .map_err(Error::Key)?;
    order.finalize_csr(request.der()).await?;
    let chain = order.poll_certificate(&RetryPolicy::default()).await?;
    keep(host, &chain, &key.serialize_pem(), secrets).await
}

/// Answers the challenges of `order`, and waits until the server has seen that.
async fn convince(
    order: &mut Order,
    challenge: Challenge,
    provider: &CryptoProvider,
    publish: impl AsyncFn(Answer),
) -> Result<(), Error> {
    let (kind, name) = match challenge {
        Challenge::TlsAlpn01 => (ChallengeType::TlsAlpn01, "tls-alpn-01"),
        Challenge::Http01 => (ChallengeType::Http01, "http-01"),
    };
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        // The server may still remember an earlier answer.
        if authorization.status == AuthorizationStatus::Valid {
            continue;
        }
        let mut asked = authorization
            .challenge(kind.clone())
            .ok_or(Error::NotOffered(name))?;
        let proof = asked.key_authorization();
        let answer = match challenge {
            Challenge::Http01 => Answer::Http {
                token: asked.token.clone(),
                words: proof.as_str().to_owned(),
            },
            Challenge::TlsAlpn01 => {
                let host = asked.identifier().to_string();
                let key = certificate_of_proof(&host, &proof, provider)?;
                Answer::Tls { host, key }
            }
        };
        publish(answer).await;
        asked.set_ready().await?;
    }
    match order.poll_ready(&RetryPolicy::default()).await {
        Ok(OrderStatus::Ready) => Ok(()),
        Ok(_) => Err(Error::NotConvinced(objection(order).await)),
        // What is wrong with an order is said better of its challenges.
        Err(instant_acme::Error::Api(problem)) => match objection(order).await {
            objection if objection.is_empty() => Err(Error::NotConvinced(problem.to_string())),
            objection => Err(Error::NotConvinced(objection)),
        },
        Err(error) => Err(error.into()),
    }
}

/// Returns what the server has against the answers to its challenges, as far as it says.
async fn objection(order: &mut Order) -> String {
    let mut said = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        if let Ok(state) = authorization.refresh().await {
            let errors = state
                .challenges
                .iter()
                .filter_map(|asked| asked.error.as_ref());
            said.extend(
                errors.map(|error| error.detail.clone().unwrap_or_else(|| error.to_string())),
            );
        }
    }
    said.join("; ")
}

/// Makes the certificate that proves in a handshake that `host` is here.
fn certificate_of_proof(
    host: &str,
    proof: &KeyAuthorization,
    provider: &CryptoProvider,
) -> Result<Arc<CertifiedKey>, Error> {
    let key = KeyPair::generate().map_err(Error::Key)?;
    let mut params = CertificateParams::new(vec![host.to_owned()]).map_err(Error::Key)?;
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(
        proof.digest().as_ref(),
    )];
    let certificate = params.self_signed(&key).map_err(Error::Key)?;
    let der = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
    let key = provider.key_provider.load_private_key(der);
    let key = key.map_err(|error| Error::Useless(error.to_string()))?;
    // Whether they belong together is not asked: the extension is one that the library refuses.
    Ok(Arc::new(CertifiedKey::new(
        vec![certificate.der().clone()],
        key,
    )))
}

/// Keeps a certificate that was obtained, if it is what was asked for.
async fn keep(host: &str, chain: &str, key: &str, secrets: &Secrets) -> Result<(), Error> {
    let files = secrets.obtained(host);
    let (host, text) = (host.to_owned(), format!("{key}{chain}"));
    let provider = Arc::clone(&secrets.provider);
    on_disk(move || {
        let scratch = files.chain.with_extension("new");
        write(&scratch, text.as_bytes())?;
        let both = CertificateFiles {
            chain: scratch.clone(),
            key: scratch.clone(),
        };
        let pair = match Pair::read(&both, &provider) {
            Ok(pair) if pair.names.contains(&host) => Ok(()),
            Ok(_) => Err(format!("it is not for `{host}`")),
            Err(why) => Err(why),
        };
        if pair.is_ok() {
            fs::rename(&scratch, &files.chain)?;
            sync_folder_of(&files.chain)?;
        }
        Ok(pair)
    })
    .await
    .map_err(Error::Kept)?
    .map_err(Error::Useless)
}

/// Does `work` where waiting for the disk holds up nobody.
async fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let working = tokio::task::spawn_blocking(work);
    working
        .await
        .unwrap_or_else(|gone| Err(io::Error::other(gone)))
}

/// Writes a file that nobody else may read, to the disk.
fn write(path: &Path, text: &[u8]) -> io::Result<()> {
    // One that was left behind may be readable to others.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text)?;
    file.sync_all()
}

fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    fs::File::open(folder)?.sync_all()
}
