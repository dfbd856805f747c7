//! One connection, one request, one answer.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http::{StatusCode, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use tokio::task::JoinHandle;

use super::{Body, Error, Request};
use crate::{API_VERSION, API_VERSION_HEADER, Problem, REQUEST_ID_HEADER};

/// The longest answer that is read as a whole. The history of many releases stays far below it;
/// it only keeps something that is not control from filling the memory.
const ANSWER_SIZE_MAX: usize = 64 << 20;

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

/// Sends `request` to the control on `socket`, and returns the head of its answer.
pub(super) async fn send(socket: &Path, request: Request) -> Result<Answer, Error> {
    let Request {
        name,
        method,
        path,
        body,
        length,
        patience,
        changes,
    } = request;
    let stream = UnixStream::connect(socket)
        .await
        .map_err(|error| connect_error(socket, error))?;
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

    let request = http::Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "leadsman")
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::CONTENT_LENGTH, length)
        .header(API_VERSION_HEADER, API_VERSION)
        .body(body)
        .expect("method, encoded path and fixed headers make a valid request");
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
            socket: PathBuf::from(socket),
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

fn connect_error(socket: &Path, source: io::Error) -> Error {
    let socket = PathBuf::from(socket);
    match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Error::NotRunning { socket },
        io::ErrorKind::PermissionDenied => Error::NotPermitted { socket },
        _ => Error::Connect { socket, source },
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
        Error::Refused(serde_json::from_slice(&body).unwrap_or_else(|_| Problem {
            status: status.as_u16(),
            code: "L090".to_owned(),
            message: format!("control answered `{request}` with {status}"),
            hint: None,
            request_id,
        }))
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
