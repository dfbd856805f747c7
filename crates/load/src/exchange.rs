//! One request and its answer on a connection.

use std::error::Error as _;
use std::future::Future;

use bytes::Bytes;
use http::Response;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinHandle;

use crate::check::Search;
use crate::connect::{Connector, Stream};
use crate::prepared::Sendable;
use crate::report::Failure;
use crate::scenario::{Request, Version};

/// A whole answer.
pub(crate) struct Answer {
    /// What is wrong with it.
    pub(crate) failure: Option<Failure>,
    /// How long its body was.
    pub(crate) bytes: u64,
}

/// Why there is no whole answer.
pub(crate) enum NoAnswer {
    /// The connection had been closed before: nothing of the request was sent.
    Gone(Box<Sendable>),
    /// It failed.
    Failed(Failure),
}

/// Ends what drives a connection, and with it the connection.
struct Driver(JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A connection on which requests can be made.
pub(crate) struct Link {
    send: Send,
    _driver: Driver,
}

enum Send {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

/// The way to make requests beside others on the same connection.
pub(crate) type Beside = http2::SendRequest<Full<Bytes>>;

/// Runs what belongs to a connection on the thread that has it.
#[derive(Clone, Copy)]
struct Local;

impl<F> hyper::rt::Executor<F> for Local
where
    F: Future<Output = ()> + 'static,
{
    fn execute(&self, future: F) {
        drop(tokio::task::spawn_local(future));
    }
}

impl Link {
    /// Makes a connection.
    pub(crate) async fn new(connector: &Connector, version: Version) -> Result<Self, Failure> {
        match connector.connect().await? {
            Stream::Plain(stream) => Self::over(stream, version).await,
            Stream::Secure(stream) => Self::over(*stream, version).await,
        }
    }

    async fn over<S>(stream: S, version: Version) -> Result<Self, Failure>
    where
        S: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let io = TokioIo::new(stream);
        // How a connection ends is seen by the request that is on it.
        let (send, driver) = match version {
            Version::Http1 => {
                let (send, driver) = http1::handshake(io).await.map_err(|error| kind(&error))?;
                let driver = tokio::task::spawn_local(async move { drop(driver.await) });
                (Send::Http1(send), driver)
            }
            Version::Http2 => {
                let mut builder = http2::Builder::new(Local);
                builder.initial_stream_window_size(1 << 20);
                builder.initial_connection_window_size(16 << 20);
                let (send, driver) = builder.handshake(io).await.map_err(|error| kind(&error))?;
                let driver = tokio::task::spawn_local(async move { drop(driver.await) });
                (Send::Http2(send), driver)
            }
        };
        Ok(Self {
            send,
            _driver: Driver(driver),
        })
    }

    pub(crate) fn is_closed(&self) -> bool {
        match &self.send {
            Send::Http1(send) => send.is_closed(),
            Send::Http2(send) => send.is_closed(),
        }
    }

    /// Returns the way to make requests beside others; `None` where only one at a time is made.
    pub(crate) fn beside(&self) -> Option<Beside> {
        match &self.send {
            Send::Http1(_) => None,
            Send::Http2(send) => Some(send.clone()),
        }
    }

    /// Makes a request, the only one on this connection, and reads the answer.
    pub(crate) async fn ask(
        &mut self,
        request: Sendable,
        what: &Request,
        answer_max: u64,
    ) -> Result<Answer, NoAnswer> {
        let response = match &mut self.send {
            Send::Http1(send) => {
                if send.ready().await.is_err() {
                    return Err(NoAnswer::Gone(Box::new(request)));
                }
                send.try_send_request(request).await
            }
            Send::Http2(send) => return ask_beside(send, request, what, answer_max).await,
        };
        match response {
            Ok(response) => read(response, what, answer_max)
                .await
                .map_err(NoAnswer::Failed),
            Err(mut error) => Err(match error.take_message() {
                Some(request) => NoAnswer::Gone(Box::new(request)),
                None => NoAnswer::Failed(kind(error.error())),
            }),
        }
    }
}

/// Makes a request beside others on the same connection, and reads the answer.
pub(crate) async fn ask_beside(
    send: &mut Beside,
    request: Sendable,
    what: &Request,
    answer_max: u64,
) -> Result<Answer, NoAnswer> {
    if send.ready().await.is_err() {
        return Err(NoAnswer::Gone(Box::new(request)));
    }
    match send.try_send_request(request).await {
        Ok(response) => read(response, what, answer_max)
            .await
            .map_err(NoAnswer::Failed),
        Err(mut error) => Err(match error.take_message() {
            Some(request) => NoAnswer::Gone(Box::new(request)),
            None => NoAnswer::Failed(kind(error.error())),
        }),
    }
}

/// Reads an answer to its end.
async fn read(
    response: Response<Incoming>,
    what: &Request,
    answer_max: u64,
) -> Result<Answer, Failure> {
    let status = response.status().as_u16();
    let mut body = response.into_body();
    let mut search = what.contains.as_deref().map(Search::new);
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| kind(&error))?;
        if let Some(piece) = frame.data_ref() {
            bytes += piece.len() as u64;
            if bytes > answer_max {
                return Err(Failure::TooLong);
            }
            if let Some(search) = &mut search {
                search.add(piece);
            }
        }
    }
    let failure = if !what.expects(status) {
        Some(Failure::Status(status))
    } else if search.is_some_and(|search| !search.found()) {
        Some(Failure::Check)
    } else {
        None
    };
    Ok(Answer { failure, bytes })
}

/// Tells what closed a connection from what was no HTTP.
fn kind(error: &hyper::Error) -> Failure {
    if error.is_parse() {
        return Failure::Protocol;
    }
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<std::io::Error>() {
            return match error.kind() {
                std::io::ErrorKind::InvalidData | std::io::ErrorKind::InvalidInput => {
                    Failure::Protocol
                }
                _ => Failure::Closed,
            };
        }
        cause = error.source();
    }
    Failure::Closed
}
