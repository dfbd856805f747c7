//! The certificate that all proxies show: P-256, signed by itself, made anew for each run.

use std::fs;
use std::path::{Path, PathBuf};

use crate::Error;

/// Where the files are.
pub(crate) struct Certificate {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    /// Both in one file, as HAProxy wants it.
    pub(crate) both: PathBuf,
}

impl Certificate {
    /// Makes one for the loopback address in `folder`.
    pub(crate) fn new(folder: &Path) -> Result<Self, Error> {
        // Its default is ECDSA with P-256 and SHA-256.
        let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()])?;
        let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        let files = Self {
            certificate: folder.join("certificate.pem"),
            key: folder.join("key.pem"),
            both: folder.join("both.pem"),
        };
        fs::write(&files.certificate, &certificate)?;
        fs::write(&files.key, &key)?;
        fs::write(&files.both, certificate + &key)?;
        Ok(files)
    }
}
