//! Clients that encrypt, and certificates to do it with.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use leadsman_proxy::table::{CertificateFiles, Table, Tls};
use rcgen::{CertificateParams, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, ProtocolVersion, RootCertStore, StreamOwned,
    SupportedProtocolVersion,
};

use crate::world::DEADLINE;

/// Somebody who makes certificates that clients believe in, and the folder that they are put in.
pub(crate) struct Authority {
    folder: tempfile::TempDir,
    pem: String,
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        Self {
            folder: tempfile::tempdir().unwrap(),
            pem: certificate.pem(),
            certificate: certificate.der().clone(),
            issuer: Issuer::new(params, key),
        }
    }

    /// Returns the path of a file in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Makes a pair for `hosts` in files called after `name`, over those that are there.
    pub(crate) fn pair(&self, name: &str, hosts: &[&str]) -> CertificateFiles {
        self.pair_with(name, hosts, |_| ())
    }

    pub(crate) fn pair_with(
        &self,
        name: &str,
        hosts: &[&str],
        adjust: impl FnOnce(&mut CertificateParams),
    ) -> CertificateFiles {
        let files = self.files(name);
        let (chain, key) = self.signed(hosts, adjust);
        put(&files.key, &key);
        put(&files.chain, &chain);
        files
    }

    /// Returns the names of files, without anything in them.
    pub(crate) fn files(&self, name: &str) -> CertificateFiles {
        CertificateFiles {
            chain: self.path(&format!("{name}.pem")),
            key: self.path(&format!("{name}.key")),
        }
    }

    /// Makes a pair for `hosts` and returns both in PEM form.
    pub(crate) fn signed(
        &self,
        hosts: &[&str],
        adjust: impl FnOnce(&mut CertificateParams),
    ) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let mut params = CertificateParams::new(hosts).unwrap();
        adjust(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    /// Returns how a client is set up that believes in this authority alone.
    pub(crate) fn client(&self, versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
        believing_in(self.certificate.clone(), versions)
    }

    /// Returns a file with the authority's own certificate.
    pub(crate) fn own_file(&self) -> PathBuf {
        let path = self.path("authority.pem");
        fs::write(&path, &self.pem).unwrap();
        path
    }
}

/// Returns how a client is set up that believes in `root` alone.
pub(crate) fn believing_in(
    root: CertificateDer<'static>,
    versions: &[&'static SupportedProtocolVersion],
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(root).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

/// Puts `text` at `path` at once, as tools that renew certificates do.
pub(crate) fn put(path: &Path, text: &str) {
    let scratch = path.with_extension("new");
    fs::write(&scratch, text).unwrap();
    fs::rename(&scratch, path).unwrap();
}

/// Makes the first listener of `table` encrypt.
pub(crate) fn encrypted(
    mut table: Table,
    certificates: impl IntoIterator<Item = CertificateFiles>,
) -> Table {
    table.listeners[0].tls = Some(Tls {
        certificates: certificates.into_iter().collect(),
        ..Tls::default()
    });
    table
}

/// A connection to the proxy that is encrypted.
pub(crate) struct Secure(BufReader<StreamOwned<ClientConnection, TcpStream>>);

impl Secure {
    /// Connects and shakes hands; an IP address as `name` is not told to the proxy.
    pub(crate) fn try_new(
        address: SocketAddr,
        name: &str,
        client: &Arc<ClientConfig>,
    ) -> std::io::Result<Self> {
        Self::after(&[], address, name, client)
    }

    /// The same, after bytes in the clear.
    pub(crate) fn after(
        words: &[u8],
        address: SocketAddr,
        name: &str,
        client: &Arc<ClientConfig>,
    ) -> std::io::Result<Self> {
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let connection = ClientConnection::new(Arc::clone(client), name).unwrap();
        let mut stream = TcpStream::connect(address)?;
        stream.write_all(words)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        let mut stream = StreamOwned::new(connection, stream);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Self(BufReader::new(stream)))
    }

    pub(crate) fn new(address: SocketAddr, name: &str, client: &Arc<ClientConfig>) -> Self {
        Self::try_new(address, name, client).unwrap()
    }

    /// Returns the names in the certificate that the proxy has shown.
    pub(crate) fn shown(&self) -> Vec<String> {
        let certificates = self.0.get_ref().conn.peer_certificates().unwrap();
        let certificate = webpki::EndEntityCert::try_from(&certificates[0]).unwrap();
        certificate.valid_dns_names().map(str::to_owned).collect()
    }

    /// Returns the certificate that the proxy has shown, in PEM form.
    pub(crate) fn certificate(&self) -> CertificateDer<'static> {
        self.0.get_ref().conn.peer_certificates().unwrap()[0].clone()
    }

    pub(crate) fn version(&self) -> ProtocolVersion {
        self.0.get_ref().conn.protocol_version().unwrap()
    }

    pub(crate) fn protocol(&self) -> Option<&[u8]> {
        self.0.get_ref().conn.alpn_protocol()
    }

    pub(crate) fn is_resumed(&self) -> bool {
        self.0.get_ref().conn.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    pub(crate) fn send(&mut self, text: &[u8]) {
        self.0.get_mut().write_all(text).unwrap();
        self.0.get_mut().flush().unwrap();
    }

    /// Reads the head of an answer and the body that its length announces.
    pub(crate) fn answer(&mut self) -> (String, Vec<u8>) {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(self.0.read_line(&mut head).unwrap(), 0, "cut short: {head}");
        }
        let length = head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .map(|(_, length)| length)
            .map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).unwrap();
        (head, body)
    }

    /// Gets `/` and returns the body.
    pub(crate) fn get(&mut self) -> String {
        self.send(b"GET / HTTP/1.1\r\nhost: site.example\r\n\r\n");
        String::from_utf8(self.answer().1).unwrap()
    }

    /// Reads raw bytes.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) {
        self.0.read_exact(buffer).unwrap();
    }
}
