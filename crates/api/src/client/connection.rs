//! One connection, one request, one answer.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

use super::place::{Place, Remote};
use super::{Body, Content, Error, Request};
use crate::path::encode;
use crate::{
    API_VERSION, API_VERSION_HEADER, IDEMPOTENCY_KEY_HEADER, Problem, REASON_HEADER,
    REQUEST_ID_HEADER,
};

/// The longest answer that is read as a whole. The history of many releases stays far below it;
/// it only keeps something that is not control from filling the memory.
const ANSWER_SIZE_MAX: usize = 64 << 20;

/// How long connecting may take, and then the TLS handshake.
const CONNECT: Duration = Duration::from_secs(10);

/// Ends the task that moves a connection's bytes together with whoever waits for them.
struct Driver(JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The head of an answer, with its body still to come.
pub(super) struct Answer {
    request: &'static str,
    changes: bool,
    response: http::Response<Incoming>,
    driver: Driver,
}

/// Sends `request` to the control at `place`, and returns the head of its answer.
pub(super) async fn send(place: &Place, request: Request) -> Result<Answer, Error> {
    match place {
        Place::Socket(socket) => {
            let stream = UnixStream::connect(socket).await;
            let stream = stream.map_err(|error| connect_error(place, error))?;
            send_over(place, stream, request).await
        }
        Place::Remote(remote) => {
            let connect = TcpStream::connect((remote.host.as_str(), remote.port));
            let stream = tokio::time::timeout(CONNECT, connect)
                .await
                .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
                .map_err(|error| connect_error(place, error))?;
            let Some((config, name)) = &remote.tls else {
                return send_over(place, stream, request).await;
            };
            let connector = TlsConnector::from(Arc::clone(config));
            let shake = connector.connect(name.clone(), stream);
            let stream = tokio::time::timeout(CONNECT, shake)
                .await
                .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
                .map_err(|error| connect_error(place, error))?;
            send_over(place, stream, request).await
        }
    }
}

async fn send_over(
    place: &Place,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request,
) -> Result<Answer, Error> {
    let Request {
        name,
        method,
        path,
        content,
        patience,
        changes,
        reason,
        seen,
        key,
    } = request;
    let (body, length) = match content {
        Content::Whole(bytes) => {
            let length = bytes.len() as u64;
            let body = Full::from(bytes).map_err(|never| match never {});
            (body.boxed_unsync(), length)
        }
        Content::Stream(body, length) => (body, length),
    };
    let lost = |source: hyper::Error| Error::Lost {
        request: name,
        maybe_done: changes,
        source: Box::new(source),
    };
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake::<_, Body>(TokioIo::new(stream))
            .await
            .map_err(lost)?;
    // What goes wrong with the connection is seen by the request as well.
    let driver = Driver(tokio::spawn(async { drop(connection.await) }));

    let host = match place {
        Place::Socket(_) => "leadsman",
        Place::Remote(remote) => &remote.authority,
    };
    let mut request = http::Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, host)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::CONTENT_LENGTH, length)
        .header(API_VERSION_HEADER, API_VERSION)
        .body(body)
        .expect("method, encoded path and fixed headers make a valid request");
    if let Some(reason) = reason {
        let mut encoded = String::new();
        encode(&reason, &mut encoded);
        if let Ok(value) = HeaderValue::try_from(encoded) {
            request.headers_mut().insert(REASON_HEADER, value);
        }
    }
    if let Some(seen) = seen
        && let Ok(tag) = HeaderValue::try_from(format!("W/\"{seen}\""))
    {
        request.headers_mut().insert(header::IF_MATCH, tag);
    }
    if let Some(key) = key
        && let Ok(key) = HeaderValue::try_from(key)
    {
        request.headers_mut().insert(IDEMPOTENCY_KEY_HEADER, key);
    }
    if let Place::Remote(Remote {
        token: Some(token), ..
    }) = place
    {
        // What is no header value is no token either: control says so.
        if let Ok(mut value) = HeaderValue::try_from(format!("Bearer {}", token.0)) {
            value.set_sensitive(true);
            request.headers_mut().insert(header::AUTHORIZATION, value);
        }
    }
    let head = sender.send_request(request);
    let response = match patience {
        None => head.await,
        Some(patience) => {
            tokio::time::timeout(patience, head)
                .await
                .map_err(|_| Error::NoAnswer {
                    request: name,
                    maybe_done: changes,
                    after: patience,
                })?
        }
    }
    .map_err(lost)?;

    let theirs = response
        .headers()
        .get(API_VERSION_HEADER)
        .and_then(|value| value.to_str().ok());
    if theirs != Some(API_VERSION.to_string().as_str()) {
        let theirs = theirs.map(str::to_owned);
        return Err(Error::OtherVersion {
            at: place.to_string(),
            theirs,
        });
    }
    Ok(Answer {
        request: name,
        changes,
        response,
        driver,
    })
}

fn connect_error(place: &Place, source: io::Error) -> Error {
    let at = place.to_string();
    match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Error::NotRunning { at },
        io::ErrorKind::PermissionDenied => Error::NotPermitted { at },
        _ => Error::Connect { at, source },
    }
}

impl Answer {
    pub(super) fn status(&self) -> StatusCode {
        self.response.status()
    }

    /// Returns the answer if it is a success, and otherwise the problem that it tells of.
    pub(super) async fn success(self) -> Result<Self, Error> {
        if self.status().is_success() {
            Ok(self)
        } else {
            Err(self.into_problem().await)
        }
    }

    /// Reads the problem that the answer tells of.
    pub(super) async fn into_problem(self) -> Error {
        let (request, status) = (self.request, self.status());
        let request_id = self
            .response
            .headers()
            .get(REQUEST_ID_HEADER)
            .and_then(|value| value.to_str().ok())
            .unwrap_or("unknown")
            .to_owned();
        let body = match self.whole().await {
            Ok(body) => body,
            Err(error) => return error,
        };
        // A framework below control may answer by itself, without a problem in the body.
        let problem = serde_json::from_slice(&body).unwrap_or_else(|_| Problem {
            kind: Problem::kind_of("L090"),
            status: status.as_u16(),
            code: "L090".to_owned(),
            message: format!("control answered `{request}` with {status}"),
            hint: None,
            request_id,
        });
        Error::Refused(Box::new(problem))
    }

    /// Reads the whole answer as JSON.
    pub(super) async fn json<T: DeserializeOwned>(self) -> Result<T, Error> {
        let request = self.request;
        let body = self.whole().await?;
        serde_json::from_slice(&body).map_err(|source| Error::NotUnderstood {
            request,
            source: Box::new(source),
        })
    }

    /// Returns the next bytes of the answer; `None` at its proper end.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            match self.response.body_mut().frame().await {
                None => return Ok(None),
                Some(Err(source)) => {
                    return Err(Error::Lost {
                        request: self.request,
                        maybe_done: self.changes,
                        source: Box::new(source),
                    });
                }
                Some(Ok(frame)) => {
                    if let Ok(bytes) = frame.into_data() {
                        return Ok(Some(bytes));
                    }
                }
            }
        }
    }

    pub(super) fn request(&self) -> &'static str {
        self.request
    }

    async fn whole(self) -> Result<Bytes, Error> {
        let Self {
            request,
            changes,
            response,
            driver,
        } = self;
        let body = Limited::new(response.into_body(), ANSWER_SIZE_MAX).collect();
        let patience = Duration::from_secs(60);
        let collected =
            tokio::time::timeout(patience, body)
                .await
                .map_err(|_| Error::NoAnswer {
                    request,
                    maybe_done: changes,
                    after: patience,
                })?;
        drop(driver);
        match collected {
            Ok(body) => Ok(body.to_bytes()),
            Err(source) if source.is::<LengthLimitError>() => {
                Err(Error::NotUnderstood { request, source })
            }
            Err(source) => Err(Error::Lost {
                request,
                maybe_done: changes,
                source,
            }),
        }
    }
}
