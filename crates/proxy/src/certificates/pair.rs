//! A certificate and its key, read from their files.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};
use webpki::EndEntityCert;

use super::validity::validity;
use crate::table::CertificateFiles;

/// The largest file that is read, in bytes: far beyond any chain.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// What a line of a key that is encrypted begins with.
const ENCRYPTED: &[u8] = b"-----BEGIN ENCRYPTED PRIVATE KEY-----";

/// A certificate that can be shown.
pub(crate) struct Pair {
    /// The host names that it is for, in lower case; `*.` stands for any one label.
    pub(crate) names: Vec<String>,
    /// From when until when it is valid, in seconds since 1970.
    pub(crate) valid: Range<u64>,
    /// The chain, and a key that can sign with it.
    pub(super) certified: Arc<CertifiedKey>,
}

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pair")
            .field("names", &self.names)
            .field("valid", &self.valid)
            .finish_non_exhaustive()
    }
}

impl Pair {
    /// Reads the pair in `files`.
    ///
    /// # Errors
    /// In words for people: what was tried, why it failed, what can be done. Nothing of what stands
    /// in the files is in them.
    pub(super) fn read(
        files: &CertificateFiles,
        provider: &CryptoProvider,
    ) -> Result<Self, String> {
        let (chain, key) = (files.chain.display(), files.key.display());
        let text = read(&files.chain)?;
        let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&text)
            .collect::<Result<_, _>>()
            // What exactly is wrong is not said: that would show a part of what may be the key.
            .map_err(|_| format!("cannot read `{chain}` as PEM; write the file anew"))?;
        let Some(first) = certificates.first() else {
            return Err(format!(
                "there is no certificate in `{chain}`; put in the PEM file that begins with \
                 `-----BEGIN CERTIFICATE-----`"
            ));
        };
        let damaged =
            || format!("the first certificate in `{chain}` is damaged; write the file anew");
        let names = names(first).ok_or_else(damaged)?;
        let valid = validity(first).ok_or_else(damaged)?;
        let certified = CertifiedKey::from_der(certificates, key_in(&files.key)?, provider);
        let certified = certified.map_err(|error| match error {
            Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => format!(
                "the key in `{key}` does not belong to the first certificate in `{chain}`; give the \
                 two that were made together, the site's own certificate first in its file"
            ),
            _ => format!(
                "cannot use the key in `{key}`; make one that is ECDSA (P-256, P-384), Ed25519, or \
                 RSA of 2048 to 8192 bits"
            ),
        })?;
        Ok(Self {
            names,
            valid,
            certified: Arc::new(certified),
        })
    }
}

fn key_in(path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    let text = read(path)?;
    let key = path.display();
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
        _ if text.windows(ENCRYPTED.len()).any(|window| window == ENCRYPTED) => format!(
            "the key in `{key}` is encrypted; write it without a passphrase, readable by the data \
             plane's user alone"
        ),
        pem::Error::NoItemsFound => format!(
            "there is no private key in `{key}`; put in the PEM file that begins with \
             `-----BEGIN PRIVATE KEY-----`"
        ),
        _ => format!("cannot read `{key}` as PEM; write the file anew"),
    })
}

/// Reads a whole file.
fn read(path: &Path) -> Result<Vec<u8>, String> {
    try_read(path).map_err(|error| {
        let what_to_do = match error.kind() {
            io::ErrorKind::NotFound => "put it there, or name the path where it is",
            io::ErrorKind::PermissionDenied => "let the data plane's user read it",
            _ => "see whether it is the right file",
        };
        format!("cannot read `{}`: {error}; {what_to_do}", path.display())
    })
}

fn try_read(path: &Path) -> io::Result<Vec<u8>> {
    // Asked before it is opened: that would wait for somebody at the other end of a pipe.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    let mut text = Vec::new();
    let read = File::open(path)?
        .take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut text)?;
    if read as u64 > FILE_BYTES_MAX {
        return Err(io::Error::other("it is larger than 1 MiB"));
    }
    Ok(text)
}

fn names(certificate: &CertificateDer<'_>) -> Option<Vec<String>> {
    let certificate = EndEntityCert::try_from(certificate).ok()?;
    let mut names: Vec<String> = certificate
        .valid_dns_names()
        .map(str::to_ascii_lowercase)
        .collect();
    names.sort_unstable();
    names.dedup();
    Some(names)
}
