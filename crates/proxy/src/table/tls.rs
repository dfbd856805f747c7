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
        if self.certificates.is_empty() {
            faults.push("there is no certificate".to_owned());
        }
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

/// The data plane runs in a folder of its own, to which no path can be relative.
fn path_fault(path: &Path) -> Option<String> {
    (!path.is_absolute()).then(|| format!("the path `{}` has to begin with `/`", path.display()))
}
