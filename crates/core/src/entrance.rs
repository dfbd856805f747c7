//! What an environment asks of those who connect to it, and adds to what they are answered.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// Who is believed when nothing is said: this machine.
pub const TRUSTED: [&str; 2] = ["127.0.0.0/8", "::1/128"];

/// The directory of Let's Encrypt, where certificates come from when nothing is said.
pub const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";

/// What an environment asks of those who connect to it, and adds to what they are answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Entrance {
    /// How connections are encrypted; `None` is not at all.
    pub tls: Option<Tls>,
    /// Headers of every answer that does not have them, by name in lower case.
    pub headers: BTreeMap<String, String>,
    /// The networks of those who are believed when they say for whom they ask.
    pub trusted: Vec<String>,
    /// The networks of those whose connections begin with the PROXY protocol.
    pub proxy_protocol: Vec<String>,
}

impl Default for Entrance {
    fn default() -> Self {
        Self {
            tls: None,
            headers: BTreeMap::new(),
            trusted: TRUSTED.map(str::to_owned).to_vec(),
            proxy_protocol: Vec::new(),
        }
    }
}

impl Entrance {
    /// Returns whether nothing is asked and nothing added.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// How connections are encrypted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tls {
    /// The certificates that somebody provides. The first one is also shown to clients that ask
    /// for a host that none of them is for.
    pub certificates: Vec<CertificateFiles>,
    /// Those that are obtained.
    pub acme: Option<Acme>,
    /// The oldest version of TLS that is spoken.
    pub min: TlsVersion,
    /// Where clients are accepted only to be led here.
    pub from_http: Option<SocketAddr>,
}

/// A certificate and its key, as files in PEM form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateFiles {
    /// The full path of the certificate with those that lead to a root.
    pub chain: String,
    /// The full path of the private key.
    pub key: String,
}

/// Where certificates are obtained.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acme {
    /// The URL of the server's directory.
    pub directory: String,
    /// The hosts, in lower case.
    pub hosts: Vec<String>,
    /// The mail addresses of who is told of trouble.
    pub contact: Vec<String>,
    /// How it is shown that the hosts are here.
    pub challenge: Challenge,
    /// The full path of a file with the certificates that vouch for the server; `None` are those
    /// that the machine believes in.
    pub roots: Option<String>,
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

/// How it is shown to a server that a host is here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Challenge {
    /// In a TLS handshake.
    #[default]
    #[serde(rename = "tls-alpn-01")]
    TlsAlpn01,
    /// By an answer to a request in the clear.
    #[serde(rename = "http-01")]
    Http01,
}
