//! Requests to an ACME server: few and small, each on a connection of its own.

use std::error::Error as StdError;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::uri::{Authority, PathAndQuery};
use http::{HeaderValue, Request, Response, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use instant_acme::{BodyWrapper, BytesResponse, HttpClient};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// How long one request may take.
const LIMIT: Duration = Duration::from_secs(30);

/// The largest answer that is read, in bytes: chains are a few thousand long.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

type Failed = Box<dyn StdError + Send + Sync>;

/// Asks by https alone, and believes only those who are vouched for.
#[derive(Clone)]
pub(super) struct Https(Arc<ClientConfig>);

impl Https {
    /// Believes who is vouched for by a certificate in the file `roots`, or else by one that the
    /// machine believes in.
    ///
    /// # Errors
    /// In words: there are none.
    pub(super) async fn new(roots: Option<&Path>) -> Result<Self, String> {
        let roots = roots.map(Path::to_owned);
        let reading = tokio::task::spawn_blocking(move || read(roots));
        let certificates = reading.await.map_err(|gone| gone.to_string())??;
        let mut store = RootCertStore::empty();
        // A machine may believe in some that make no sense.
        let (usable, _) = store.add_parsable_certificates(certificates);
        if usable == 0 {
            return Err("there is no certificate among them".to_owned());
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(store)
            .with_no_client_auth();
        Ok(Self(Arc::new(config)))
    }
}

fn read(roots: Option<PathBuf>) -> Result<Vec<CertificateDer<'static>>, String> {
    let Some(path) = roots else {
        let found = rustls_native_certs::load_native_certs();
        return match found.errors.first() {
            Some(error) if found.certs.is_empty() => Err(error.to_string()),
            _ => Ok(found.certs),
        };
    };
    let certificates = CertificateDer::pem_file_iter(&path).and_then(Iterator::collect);
    certificates.map_err(|error| format!("`{}`: {error}", path.display()))
}

impl HttpClient for Https {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, instant_acme::Error>> + Send>> {
        let config = Arc::clone(&self.0);
        Box::pin(async move {
            let asked = request.uri().to_string();
            let answered = tokio::time::timeout(LIMIT, exchange(config, request)).await;
            let late = |_| Err(format!("no answer in {LIMIT:?}").into());
            answered
                .unwrap_or_else(late)
                .map(BytesResponse::from)
                .map_err(|error: Failed| {
                    instant_acme::Error::Other(format!("`{asked}`: {}", chain(&*error)).into())
                })
        })
    }
}

/// Returns an error with what caused it.
fn chain(error: &dyn StdError) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {}", chain(cause)),
        None => error.to_string(),
    }
}

async fn exchange(
    config: Arc<ClientConfig>,
    mut request: Request<BodyWrapper<Bytes>>,
) -> Result<Response<Full<Bytes>>, Failed> {
    let uri = std::mem::take(request.uri_mut());
    let authority = uri
        .authority()
        .filter(|_| uri.scheme_str() == Some("https"));
    let authority = authority.ok_or("it is not a URL with https")?;
    let path = uri.path_and_query().cloned();
    *request.uri_mut() = Uri::from(path.unwrap_or_else(|| PathAndQuery::from_static("/")));
    request
        .headers_mut()
        .insert(HOST, HeaderValue::from_str(authority.as_str())?);
    let stream = connect(config, authority).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let answer = async {
        let (parts, body) = sender.send_request(request).await?.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await?;
        Ok(Response::from_parts(parts, Full::new(body.to_bytes())))
    };
    let (mut connection, mut answer) = (std::pin::pin!(connection), std::pin::pin!(answer));
    tokio::select! {
        answer = &mut answer => answer,
        // The connection may end together with the answer, before all of it is looked at.
        _ = &mut connection => answer.await,
    }
}

async fn connect(
    config: Arc<ClientConfig>,
    authority: &Authority,
) -> Result<tokio_rustls::client::TlsStream<TcpStream>, Failed> {
    // An IPv6 address stands in brackets.
    let host = authority
        .host()
        .trim_start_matches('[')
        .trim_end_matches(']');
    let stream = TcpStream::connect((host, authority.port_u16().unwrap_or(443))).await?;
    let name = ServerName::try_from(host.to_owned())?;
    Ok(TlsConnector::from(config).connect(name, stream).await?)
}
