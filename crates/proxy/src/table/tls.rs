//! How connections to a listener are encrypted, as the table says it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// How connections to a listener are encrypted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tls {
    /// The certificates. Each is shown to clients that ask for one of the host names in it; the
    /// first also to those that ask for another one, or for none.
    pub certificates: Vec<CertificateFiles>,
    /// Certificates that are obtained and renewed without anybody's doing, after those above.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acme: Option<Acme>,
    /// The oldest version of TLS that is spoken.
    pub min: TlsVersion,
}

/// A certificate and its key, as files in PEM form on the machine of the data plane. What is in
/// them is never a part of the table. The files are looked at again every few seconds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CertificateFiles {
    /// The certificate, and after it those that lead to a root.
    pub chain: PathBuf,
    /// The private key, not encrypted.
    pub key: PathBuf,
}

/// Certificates from a server that speaks ACME (RFC 8555), one for each host. Who names a server
/// agrees to its terms of service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acme {
    /// The URL of the server's directory; begins with `https://`.
    pub directory: String,
    /// The hosts, in lower case; no wildcards.
    pub hosts: Vec<String>,
    /// The mail addresses of who is told of trouble with certificates.
    #[serde(default)]
    pub contact: Vec<String>,
    /// How it is shown to the server that the hosts are here.
    #[serde(default)]
    pub challenge: Challenge,
    /// A file in PEM form with the certificates that vouch for the server; `None` are those that
    /// the machine believes in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roots: Option<PathBuf>,
}

/// How it is shown to an ACME server that a host is here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Challenge {
    /// In a TLS handshake (RFC 8737): port 443 of the host has to lead to an encrypted listener.
    #[default]
    #[serde(rename = "tls-alpn-01")]
    TlsAlpn01,
    /// By an answer below `/.well-known/acme-challenge/`: port 80 of the host has to lead to any
    /// listener of the data plane.
    #[serde(rename = "http-01")]
    Http01,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum TlsVersion {
    /// TLS 1.2.
    #[default]
    #[serde(rename = "1.2")]
    V1_2,
    /// TLS 1.3.
    #[serde(rename = "1.3")]
    V1_3,
}

impl Tls {
    /// Returns everything that is wrong with it; what the files hold is not looked at.
    pub(super) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.certificates.is_empty() && self.acme.is_none() {
            faults.push("there is no certificate".to_owned());
        }
        let of_acme = self.acme.iter().flat_map(Acme::faults);
        faults.extend(of_acme.map(|fault| format!("acme: {fault}")));
        let mut seen = BTreeSet::new();
        for files in &self.certificates {
            for path in [&files.chain, &files.key] {
                faults.extend(path_fault(path));
            }
            if !seen.insert(files) {
                let chain = files.chain.display();
                faults.push(format!("the certificate `{chain}` is there twice"));
            }
        }
        faults
    }
}

impl Acme {
    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let directory = &self.directory;
        if !directory.starts_with("https://") || directory.parse::<http::Uri>().is_err() {
            faults.push(format!(
                "the directory `{directory}` is not a URL with https"
            ));
        }
        if self.hosts.is_empty() {
            faults.push("there is no host".to_owned());
        }
        let mut seen = BTreeSet::new();
        for host in &self.hosts {
            if !is_public_name(host) {
                faults.push(format!(
                    "the host `{host}` has to be a name in lower case, without wildcard or port"
                ));
            } else if !seen.insert(host) {
                faults.push(format!("the host `{host}` is there twice"));
            }
        }
        for contact in &self.contact {
            let is_address = contact.bytes().all(|byte| byte.is_ascii_graphic())
                && contact
                    .split_once('@')
                    .is_some_and(|(who, at)| !who.is_empty() && !at.is_empty());
            if !is_address {
                faults.push(format!("the contact `{contact}` is not a mail address"));
            }
        }
        faults.extend(self.roots.iter().filter_map(|path| path_fault(path)));
        faults
    }
}

/// Says whether `host` is a name that a certificate could be for. It also names a file.
fn is_public_name(host: &str) -> bool {
    let is_label = |label: &str| {
        let is_inner =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        (1..=63).contains(&label.len())
            && label.bytes().all(is_inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let is_address = host.parse::<std::net::IpAddr>().is_ok();
    host.len() <= 253 && host.contains('.') && !is_address && host.split('.').all(is_label)
}

/// The data plane runs in a folder of its own, to which no path can be relative.
fn path_fault(path: &Path) -> Option<String> {
    (!path.is_absolute()).then(|| format!("the path `{}` has to begin with `/`", path.display()))
}
