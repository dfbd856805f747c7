//! What an environment asks of those who connect, in the words of the data plane.

use leadsman_core::entrance::{Acme, CertificateFiles, Challenge, Entrance, Tls, TlsVersion};
use leadsman_proxy::table::{self, Listener, Network, Service};

/// Has `listener` ask what `entrance` says.
pub(super) fn ask(listener: &mut Listener, entrance: &Entrance) {
    listener.to_https = None;
    listener.tls = entrance.tls.as_ref().map(wire_tls);
    listener.answer_headers.clone_from(&entrance.headers);
    listener.trusted = networks(&entrance.trusted);
    listener.proxy_protocol_from = networks(&entrance.proxy_protocol);
}

/// Returns the listener from which clients are led to `listener`, if there is one. It is the
/// environment's whose services begin with `prefix`, which a service without a name says.
pub(super) fn leading_to(
    listener: &Listener,
    prefix: &str,
    entrance: &Entrance,
) -> Option<Listener> {
    let from = entrance.tls.as_ref()?.from_http?;
    let mut leading = Listener::at(from);
    leading.to_https = Some(listener.address.port());
    leading.trusted.clone_from(&listener.trusted);
    leading
        .proxy_protocol_from
        .clone_from(&listener.proxy_protocol_from);
    let services = [(prefix.to_owned(), Service::default())];
    leading.services.extend(services);
    Some(leading)
}

fn wire_tls(tls: &Tls) -> table::Tls {
    let files = |files: &CertificateFiles| table::CertificateFiles {
        chain: files.chain.clone().into(),
        key: files.key.clone().into(),
    };
    table::Tls {
        certificates: tls.certificates.iter().map(files).collect(),
        acme: tls.acme.as_ref().map(wire_acme),
        min: match tls.min {
            TlsVersion::V1_2 => table::TlsVersion::V1_2,
            TlsVersion::V1_3 => table::TlsVersion::V1_3,
        },
    }
}

fn wire_acme(acme: &Acme) -> table::Acme {
    table::Acme {
        directory: acme.directory.clone(),
        hosts: acme.hosts.clone(),
        contact: acme.contact.clone(),
        challenge: match acme.challenge {
            Challenge::TlsAlpn01 => table::Challenge::TlsAlpn01,
            Challenge::Http01 => table::Challenge::Http01,
        },
        roots: acme.roots.clone().map(Into::into),
    }
}

/// A project file is read only if all of them are ranges, so nobody is left out here.
fn networks(texts: &[String]) -> Vec<Network> {
    texts.iter().filter_map(|text| text.parse().ok()).collect()
}
