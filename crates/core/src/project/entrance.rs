//! Who may connect to an environment, and how.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::codes::{BAD_HEADER, BAD_HOST, MISSING_KEY};
use super::entrance_values::{Contact, Directory, NetworkText};
use super::keys::keys;
use super::model::Environment;
use super::problem::{Span, quoted};
use super::read::{Located, Reader, Setting};
use super::shape::List;
use super::texts::{Host, MachineFile};
use super::values::{Listen, Word};
use crate::entrance;
use crate::entrance::{CertificateFiles, Challenge, Entrance, LETS_ENCRYPT, TlsVersion};
use crate::spec::RouteRule;

/// The one header that means nothing where connections are not encrypted.
const HSTS: &str = "strict-transport-security";

keys! {
    /// How connections are encrypted. The files are looked at every few seconds, and what has
    /// changed is shown to new connections; one that cannot be used costs only its own hosts.
    struct Tls("`tls`") {
        /// The certificates that somebody provides. Each is shown to clients that ask for one of
        /// the hosts in it, the first also to those that ask for another one, or for none.
        certificates: List<Certificate, 1000>,
        /// Certificates that are obtained and renewed by themselves. Who asks for them agrees to
        /// the terms of service of whoever gives them.
        acme: Acme,
        /// The oldest version of TLS that is spoken, `1.2` or `1.3`.
        #[schemars(extend("default" = "1.2"))]
        min: Word<TlsVersion>,
        /// Another address, such as `0.0.0.0:80`, where clients are accepted in the clear only to
        /// be led here, to the same host and path.
        from_http: Listen,
    }
    check: check_tls;
}

keys! {
    /// A certificate and its key, in PEM form, on the machine where the application runs.
    #[schemars(extend("required" = ["chain"]))]
    struct Certificate("a certificate") {
        /// The file with the certificate, and after it those that lead to a root.
        chain: MachineFile<true>,
        /// The file with the private key, not encrypted; left out, it is in the same file.
        key: MachineFile<true>,
    }
    check: check_certificate;
}

keys! {
    /// Where certificates are obtained, by ACME (RFC 8555). They are renewed after two thirds of
    /// their life.
    struct Acme("`acme`") {
        /// The URL of the server's directory.
        #[schemars(extend("default" = LETS_ENCRYPT))]
        directory: Directory,
        /// The hosts, each of which gets a certificate of its own; left out, all that routes name.
        hosts: List<Host, 100>,
        /// Mail addresses of who is told of trouble with certificates.
        #[schemars(extend("default" = []))]
        contact: List<Contact, 10>,
        /// How it is shown that the hosts are here: in a handshake on their port 443
        /// (`tls-alpn-01`), or by an answer on their port 80 (`http-01`, with `from_http`).
        #[schemars(extend("default" = "tls-alpn-01"))]
        challenge: Word<Challenge>,
        /// A file in PEM form with the certificates that vouch for the server; left out, those
        /// that the machine believes in.
        roots: MachineFile<true>,
    }
}

fn check_tls(tls: &Tls, at: Span, reader: &mut Reader) {
    let without = tls
        .certificates
        .get()
        .is_some_and(|list| list.items.is_empty());
    if (tls.certificates.is_missing() || without) && tls.acme.is_missing() {
        let message = "`tls` has neither `certificates` nor `acme`";
        let hint = "add `certificates: [{ chain: /etc/shop/certificate.pem, key: \
            /etc/shop/key.pem }]`, or `acme: {}` to have them obtained";
        reader.note(&MISSING_KEY, at, message, hint);
    }
}

fn check_certificate(certificate: &Certificate, at: Span, reader: &mut Reader) {
    if certificate.chain.is_missing() {
        let hint = "add it, such as `chain: /etc/shop/certificate.pem`";
        reader.note(&MISSING_KEY, at, "the certificate has no `chain`", hint);
    }
}

/// Returns where clients are accepted only to be led elsewhere.
pub(super) fn from_http(keys: &Environment) -> Option<SocketAddr> {
    Some(keys.tls.get()?.from_http.get()?.0)
}

/// Returns what environment `name` asks of those who connect, or notes what stands in the way.
pub(super) fn resolve(
    name: &Located<String>,
    keys: &Environment,
    routes: &[RouteRule],
    reader: &mut Reader,
) -> Option<Entrance> {
    let tls = match &keys.tls {
        Setting::Given(tls) => Some(resolve_tls(name, tls, routes, reader)?),
        Setting::Absent | Setting::Removed => None,
        Setting::Broken => return None,
    };
    let mut headers = BTreeMap::new();
    for (header, text) in keys.headers.get().into_iter().flat_map(|map| &map.entries) {
        let header_name = header.value.to_ascii_lowercase();
        if header_name == HSTS && tls.is_none() {
            let message = format!("`{HSTS}` means nothing where connections are not encrypted");
            reader.note(&BAD_HEADER, header.at, message, "add `tls`, or take it out");
            return None;
        }
        if let Some(text) = text.get() {
            headers.insert(header_name, text.0.clone());
        }
    }
    let networks = |list: &List<NetworkText, 100>| {
        let networks = list.items.iter().map(|network| network.0.clone());
        networks.collect::<Vec<_>>()
    };
    Some(Entrance {
        tls,
        headers,
        trusted: keys
            .trusted
            .get()
            .map_or_else(|| Entrance::default().trusted, networks),
        proxy_protocol: keys.proxy_protocol.get().map(networks).unwrap_or_default(),
    })
}

fn resolve_tls(
    name: &Located<String>,
    keys: &Tls,
    routes: &[RouteRule],
    reader: &mut Reader,
) -> Option<entrance::Tls> {
    let certificates = keys
        .certificates
        .get()
        .into_iter()
        .flat_map(|list| &list.items);
    let certificate = |certificate: &Certificate| {
        let chain = certificate.chain.get()?.0.clone();
        let key = certificate.key.get().map_or(&chain, |key| &key.0).clone();
        Some(CertificateFiles { chain, key })
    };
    let acme = match &keys.acme {
        Setting::Given(acme) => Some(resolve_acme(name, acme, routes, reader)?),
        Setting::Absent | Setting::Removed => None,
        Setting::Broken => return None,
    };
    Some(entrance::Tls {
        certificates: certificates.map(certificate).collect::<Option<_>>()?,
        acme,
        min: keys.min.get().map(|word| word.0).unwrap_or_default(),
        from_http: keys.from_http.get().map(|listen| listen.0),
    })
}

fn resolve_acme(
    name: &Located<String>,
    keys: &Acme,
    routes: &[RouteRule],
    reader: &mut Reader,
) -> Option<entrance::Acme> {
    let mut hosts: Vec<String> = match keys.hosts.get() {
        Some(list) => list.items.iter().map(|host| host.0.clone()).collect(),
        None => routes
            .iter()
            .filter_map(|route| route.host.clone())
            .collect(),
    };
    hosts.sort_unstable();
    hosts.dedup();
    let at = keys.hosts.get().map_or(name.at, |list| list.at);
    if hosts.is_empty() {
        let message = format!(
            "certificates are to be obtained for `{}`, but for no host",
            name.value
        );
        let hint = "add `hosts: [shop.example]` to `acme`, or a `host` to a route";
        reader.note(&MISSING_KEY, at, message, hint);
        return None;
    }
    for host in &hosts {
        let is_public =
            host.contains('.') && !host.contains('_') && host.parse::<std::net::IpAddr>().is_err();
        if !is_public {
            let message = format!("no certificate can be obtained for {}", quoted(host));
            let hint = "name hosts that the world knows, such as `shop.example`, with `hosts`";
            reader.note(&BAD_HOST, at, message, hint);
            return None;
        }
    }
    let contact = keys.contact.get().into_iter().flat_map(|list| &list.items);
    Some(entrance::Acme {
        directory: keys
            .directory
            .get()
            .map_or_else(|| LETS_ENCRYPT.to_owned(), |url| url.0.clone()),
        hosts,
        contact: contact.map(|contact| contact.0.clone()).collect(),
        challenge: keys.challenge.get().map(|word| word.0).unwrap_or_default(),
        roots: keys.roots.get().map(|path| path.0.clone()),
    })
}
