//! Asking a provider: one connection, one answer of bounded size and time, no redirections.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::outward;

/// The longest answer, in bytes.
const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whether a URL may be asked: with TLS, or on this machine where the provider itself is.
pub(super) fn is_safe(url: &str, provider: &str) -> bool {
    match (kind(url), kind(provider)) {
        (Some(Kind::Tls), Some(_)) => true,
        // A provider elsewhere must not lead to what listens on this machine alone.
        (Some(Kind::Here), Some(provider)) => provider == Kind::Here,
        (None, _) | (_, None) => false,
    }
}

#[derive(PartialEq, Eq)]
enum Kind {
    Tls,
    Here,
}

fn kind(url: &str) -> Option<Kind> {
    let uri = url.parse::<Uri>().ok()?;
    let has_user = uri.authority().is_some_and(|it| it.as_str().contains('@'));
    match (uri.scheme_str(), uri.host()) {
        (Some("https"), Some(_)) if !has_user => Some(Kind::Tls),
        (Some("http"), Some(host)) if !has_user => {
            let bare = host.trim_start_matches('[').trim_end_matches(']');
            let address = bare.parse::<std::net::IpAddr>();
            let here = host == "localhost" || address.is_ok_and(|it| it.is_loopback());
            here.then_some(Kind::Here)
        }
        _ => None,
    }
}

/// What a provider is asked, beside where.
#[derive(Default)]
pub(super) struct Asked {
    /// The form that is sent; it is only looked at what is there where there is none.
    pub(super) form: Option<String>,
    /// Who asks, as the header says it.
    pub(super) authorization: Option<String>,
}

/// Asks for JSON. The error says what did not work.
pub(super) async fn ask<T: DeserializeOwned>(
    url: &str,
    provider: &str,
    asked: Asked,
) -> Result<T, String> {
    if !is_safe(url, provider) {
        return Err(format!(
            "`{url}` has no TLS, and is not where the provider is"
        ));
    }
    let asked = tokio::time::timeout(PATIENCE, ask_in_time(url, asked)).await;
    let body = asked.map_err(|_| format!("no answer from `{url}` in time"))??;
    serde_json::from_slice(&body)
        .map_err(|error| format!("the answer of `{url}` is not understood: {error}"))
}

async fn ask_in_time(url: &str, asked: Asked) -> Result<Bytes, String> {
    let failed = |error: &dyn std::error::Error| format!("failed to ask `{url}`: {error}");
    let uri: Uri = url
        .parse()
        .map_err(|error: http::uri::InvalidUri| failed(&error))?;
    let host = uri.host().unwrap_or_default();
    let bare = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .to_owned();
    let is_tls = uri.scheme_str() == Some("https");
    let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
    let stream = TcpStream::connect((bare.as_str(), port)).await;
    let stream = stream.map_err(|error| failed(&error))?;
    if !is_tls {
        return ask_over(stream, &uri, asked).await;
    }
    let name = ServerName::try_from(bare).map_err(|error| failed(&error))?;
    let connector = outward::connector().map_err(|error| failed(&error))?;
    let stream = connector.connect(name, stream).await;
    ask_over(stream.map_err(|error| failed(&error))?, &uri, asked).await
}

async fn ask_over(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    uri: &Uri,
    asked: Asked,
) -> Result<Bytes, String> {
    let failed = |error: &dyn std::error::Error| format!("failed to ask `{uri}`: {error}");
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| failed(&error))?;
    // Ends with this function.
    let mut driver = JoinSet::new();
    driver.spawn(async move { drop(connection.await) });
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let method = if asked.form.is_some() {
        Method::POST
    } else {
        Method::GET
    };
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, uri.authority().map_or("", |it| it.as_str()))
        .header(header::ACCEPT, "application/json")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    if let Some(authorization) = asked.authorization {
        request = request.header(header::AUTHORIZATION, authorization);
    }
    let request = request
        .body(Full::new(Bytes::from(asked.form.unwrap_or_default())))
        .map_err(|error| failed(&error))?;
    let answer = sender
        .send_request(request)
        .await
        .map_err(|error| failed(&error))?;
    let status = answer.status();
    if !status.is_success() {
        return Err(format!("`{uri}` answered with {status}"));
    }
    let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX)
        .collect()
        .await;
    Ok(body.map_err(|error| failed(&*error))?.to_bytes())
}
