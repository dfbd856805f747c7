//! Connections to the server that is asked.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::report::Failure;
use crate::scenario::{Scenario, Version};
use crate::target::Target;

/// How long a server may take to accept a connection before anything is begun.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why a server cannot be asked at all.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its name leads nowhere.
    #[error("failed to look up `{host}`")]
    Resolve {
        /// The name.
        host: String,
        /// Why.
        source: io::Error,
    },
    /// It accepts no connection.
    #[error("failed to connect to {address}")]
    Connect {
        /// The last address that was tried.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// It accepts a connection, but no encryption that can be trusted.
    #[error("failed to encrypt the connection to `{host}`")]
    Tls {
        /// Its name.
        host: String,
        /// Why.
        source: io::Error,
    },
    /// It does not speak the version of HTTP that is asked for.
    #[error("`{host}` does not speak HTTP/2")]
    NoHttp2 {
        /// Its name.
        host: String,
    },
    /// The certificates that are to be trusted are none.
    #[error("failed to read the certificates to trust")]
    Trusted {
        /// Why.
        source: io::Error,
    },
}

/// A connection, encrypted or not.
pub(crate) enum Stream {
    Plain(TcpStream),
    Secure(Box<TlsStream<TcpStream>>),
}

/// How connections are made.
#[derive(Clone)]
pub(crate) struct Connector {
    address: SocketAddr,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl Connector {
    /// Looks the server up and makes one connection for trial.
    pub(crate) async fn new(scenario: &Scenario) -> Result<Self, Error> {
        let target = &scenario.target;
        let tls = if target.secure {
            Some(tls(target, scenario.version, scenario.trusted.as_ref())?)
        } else {
            None
        };
        let resolve = |source| Error::Resolve {
            host: target.host.clone(),
            source,
        };
        let lookup = tokio::net::lookup_host((target.host.as_str(), target.port));
        let addresses = tokio::time::timeout(PATIENCE, lookup).await;
        let addresses = addresses.unwrap_or_else(|_| Err(late())).map_err(resolve)?;
        let mut failed = resolve(io::Error::other("it has no address"));
        for address in addresses {
            let connector = Self {
                address,
                tls: tls.clone(),
            };
            match tokio::time::timeout(PATIENCE, connector.tcp())
                .await
                .unwrap_or_else(|_| Err(late()))
            {
                Ok(stream) => {
                    connector.try_out(stream, target, scenario.version).await?;
                    return Ok(connector);
                }
                Err(source) => failed = Error::Connect { address, source },
            }
        }
        Err(failed)
    }

    async fn try_out(
        &self,
        stream: TcpStream,
        target: &Target,
        version: Version,
    ) -> Result<(), Error> {
        let tried = tokio::time::timeout(PATIENCE, self.encrypt(stream)).await;
        let stream = tried
            .unwrap_or_else(|_| Err(late()))
            .map_err(|source| Error::Tls {
                host: target.host.clone(),
                source,
            })?;
        match stream {
            Stream::Secure(stream)
                if version == Version::Http2
                    && stream.get_ref().1.alpn_protocol() != Some(b"h2") =>
            {
                Err(Error::NoHttp2 {
                    host: target.host.clone(),
                })
            }
            _ => Ok(()),
        }
    }

    async fn tcp(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    async fn encrypt(&self, stream: TcpStream) -> io::Result<Stream> {
        match &self.tls {
            None => Ok(Stream::Plain(stream)),
            Some((connector, name)) => {
                let stream = connector.connect(name.clone(), stream).await?;
                Ok(Stream::Secure(Box::new(stream)))
            }
        }
    }

    /// Makes a connection.
    pub(crate) async fn connect(&self) -> Result<Stream, Failure> {
        let stream = self.tcp().await.map_err(|_| Failure::Connect)?;
        self.encrypt(stream).await.map_err(|_| Failure::Tls)
    }
}

fn late() -> io::Error {
    io::Error::new(
        io::ErrorKind::TimedOut,
        format!("no answer in {} s", PATIENCE.as_secs()),
    )
}

fn tls(
    target: &Target,
    version: Version,
    trusted: Option<&Bytes>,
) -> Result<(TlsConnector, ServerName<'static>), Error> {
    let failed = |source| Error::Tls {
        host: target.host.clone(),
        source,
    };
    let name = ServerName::try_from(target.host.clone())
        .map_err(|error| failed(io::Error::new(io::ErrorKind::InvalidInput, error)))?;
    let mut roots = RootCertStore::empty();
    // A machine may believe in some that make no sense.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(pem) = trusted {
        let wrong = |error: String| Error::Trusted {
            source: io::Error::other(error),
        };
        let mut count = 0;
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
            roots
                .add(certificate)
                .map_err(|error| wrong(error.to_string()))?;
            count += 1;
        }
        if count == 0 {
            return Err(wrong(
                "there is no certificate in PEM form in it".to_owned(),
            ));
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(io::Error::other(error)))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![match version {
        Version::Http1 => b"http/1.1".to_vec(),
        Version::Http2 => b"h2".to_vec(),
    }];
    Ok((TlsConnector::from(Arc::new(config)), name))
}
