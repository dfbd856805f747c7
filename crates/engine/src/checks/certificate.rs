//! Reading until when a certificate is valid, from a handshake.

use std::ops::Range;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Returns from when until when the certificate is valid that `host` shows on this connection, in
/// seconds since 1970.
///
/// # Errors
///
/// Why it could not be had.
pub(super) async fn shown(stream: TcpStream, host: &str) -> Result<Range<u64>, String> {
    let name = ServerName::try_from(host.to_owned());
    let name = name.map_err(|_| format!("`{host}` is no name that a server can be asked for"))?;
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Reader(provider)))
        .with_no_client_auth();
    let connected = TlsConnector::from(Arc::new(config)).connect(name, stream);
    let connected = connected
        .await
        .map_err(|error| format!("`{host}` shows no certificate: {error}"))?;
    let (_, session) = connected.get_ref();
    let first = session.peer_certificates().and_then(<[_]>::first);
    let valid = first.and_then(|der| leadsman_proxy::validity(der));
    valid.ok_or_else(|| format!("what `{host}` shows is no certificate"))
}

/// Takes whatever is shown. Nothing is sent over the connection and nothing that comes over it is
/// believed: only when the certificate ends is looked at, which for one that nobody trusts is worth
/// knowing as well. That whoever shows it has its key is verified all the same.
#[derive(Debug)]
struct Reader(Arc<CryptoProvider>);

impl ServerCertVerifier for Reader {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
