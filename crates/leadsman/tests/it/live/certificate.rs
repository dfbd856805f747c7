//! Certificates of `quay.example` that vouch for themselves, and clients that believe in some.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;

use super::machine::Machine;

/// The host that they are for.
pub(super) const HOST: &str = "quay.example";

/// The file that they are put into, in the folder of a machine.
pub(super) const FILE: &str = "quay.pem";

/// A certificate.
pub(super) struct Certificate {
    /// With its key in one file, so that there is no moment in which they do not belong together.
    pem: String,
    /// What vouches for it.
    pub(super) root: CertificateDer<'static>,
}

impl Certificate {
    /// Makes one that expires in `days`.
    pub(super) fn new(days: i32) -> Self {
        let mut params = rcgen::CertificateParams::new(vec![HOST.to_owned()]).unwrap();
        let expires = jiff::Zoned::now().date() + jiff::Span::new().days(days);
        let (month, day) = (expires.month(), expires.day());
        let (month, day) = (month.try_into().unwrap(), day.try_into().unwrap());
        params.not_after = rcgen::date_time_ymd(expires.year().into(), month, day);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self {
            pem: certificate.pem() + &key.serialize_pem(),
            root: certificate.der().clone(),
        }
    }

    /// Puts it in its place on a machine.
    pub(super) fn put(&self, machine: &Machine) {
        machine.place.write("new.pem", &self.pem);
        let folder = machine.place.path();
        std::fs::rename(folder.join("new.pem"), folder.join(FILE)).unwrap();
    }
}

/// Returns how a client encrypts that believes in `roots` alone.
pub(super) fn believing_in<'a>(
    roots: impl IntoIterator<Item = &'a CertificateDer<'static>>,
) -> Arc<rustls::ClientConfig> {
    let mut store = rustls::RootCertStore::empty();
    for root in roots {
        store.add(root.clone()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(store)
        .with_no_client_auth();
    Arc::new(config)
}
