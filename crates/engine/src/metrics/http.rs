//! One question over HTTP: one connection, one request, one answer of bounded size and time.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// The longest answer, in bytes. The pages of large services have a tenth of that.
const ANSWER_BYTES_MAX: usize = 8 << 20;

/// How long one answer may take, from the connection to its last byte.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("connect to `{0}`")]
    Connect(String, #[source] io::Error),
    #[error("no answer within {} s", PATIENCE.as_secs())]
    Late,
    #[error("the answer broke off")]
    Lost(#[source] hyper::Error),
    #[error("the answer is longer than {} MiB", ANSWER_BYTES_MAX >> 20)]
    TooLong,
    #[error("the answer broke off")]
    Cut(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("this cannot be asked")]
    Unaskable(#[source] hyper::http::Error),
}

/// What is asked.
#[derive(Debug)]
pub(super) struct Question<'q> {
    /// Host and port, as in `127.0.0.1:9090`.
    pub(super) host: &'q str,
    /// The path, with its query.
    pub(super) path: &'q str,
    /// What kind of answer is wanted.
    pub(super) accept: &'static str,
    /// A token that shows who asks.
    pub(super) token: Option<HeaderValue>,
    /// A form that is sent along.
    pub(super) form: Option<String>,
}

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
}

/// Asks, and waits for the whole answer. Redirections are not followed.
pub(super) async fn ask(question: Question<'_>) -> Result<Answer, Error> {
    match tokio::time::timeout(PATIENCE, answered(question)).await {
        Ok(answer) => answer,
        Err(_) => Err(Error::Late),
    }
}

async fn answered(question: Question<'_>) -> Result<Answer, Error> {
    let request = request(&question).map_err(Error::Unaskable)?;
    let host = with_port(question.host);
    let stream = TcpStream::connect(&host)
        .await
        .map_err(|error| Error::Connect(host, error))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(Error::Lost)?;
    // It ends together with this question, whatever comes of it.
    let mut driver = JoinSet::new();
    driver.spawn(async { drop(connection.await) });
    let response = sender.send_request(request).await.map_err(Error::Lost)?;
    let status = response.status();
    let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX)
        .collect()
        .await
        .map_err(|error| {
            if error.is::<LengthLimitError>() {
                Error::TooLong
            } else {
                Error::Cut(error)
            }
        })?;
    Ok(Answer {
        status,
        body: body.to_bytes(),
    })
}

fn request(question: &Question<'_>) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
    let mut request = Request::builder()
        .method(if question.form.is_some() {
            Method::POST
        } else {
            Method::GET
        })
        .uri(question.path)
        .header(header::HOST, question.host)
        .header(header::ACCEPT, question.accept)
        .header(header::CONNECTION, "close");
    if question.form.is_some() {
        request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    }
    if let Some(token) = &question.token {
        request = request.header(header::AUTHORIZATION, token);
    }
    let body = question.form.clone().unwrap_or_default();
    request.body(Full::from(body))
}

fn with_port(host: &str) -> String {
    let has_port = host
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
    if has_port {
        host.to_owned()
    } else {
        format!("{host}:80")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_without_port_has_that_of_http() {
        for (host, reached) in [
            ("127.0.0.1:9090", "127.0.0.1:9090"),
            ("prometheus", "prometheus:80"),
            ("[::1]", "[::1]:80"),
            ("[::1]:9090", "[::1]:9090"),
        ] {
            assert_eq!(with_port(host), reached);
        }
    }
}
