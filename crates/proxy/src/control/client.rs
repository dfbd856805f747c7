//! The side of control that asks.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use super::{Applied, Problem, Status};
use crate::figures::Window;
use crate::table::Table;

/// How long an answer may take. A table waits for the disk, which has been seen to take
/// 4 s beside other programs that write a lot; requests follow the table long before that.
const TIME_LIMIT: Duration = Duration::from_secs(30);

/// How long to wait before a process that takes over is asked.
const SUCCESSION_PAUSE: Duration = Duration::from_millis(5);

/// Controls a proxy. Every call makes a connection of its own, so that a proxy that was restarted
/// meanwhile makes no difference. Has to be used inside a tokio runtime.
#[derive(Clone, Debug)]
pub struct Client {
    socket: PathBuf,
}

/// Why the proxy could not be told or asked something.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// Nobody listens on the socket.
    #[error("failed to connect to the proxy at `{}`", socket.display())]
    Connect {
        /// The socket.
        socket: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The connection broke.
    #[error("failed to ask the proxy for `{what}`")]
    Exchange {
        /// The method and path.
        what: String,
        /// What broke.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// There was no answer in time.
    #[error("failed to get an answer to `{what}` from the proxy within {TIME_LIMIT:?}")]
    TimedOut {
        /// The method and path.
        what: String,
    },
    /// The proxy refused, and says why.
    #[error("the proxy refused `{what}`: {message}")]
    Refused {
        /// The method and path.
        what: String,
        /// The proxy's words.
        message: String,
    },
    /// A table is in force, but could not be written to disk, so it is not acknowledged. The proxy
    /// goes on trying; so should the caller.
    #[error("the proxy could not save the table: {message}")]
    Unsaved {
        /// The proxy's words.
        message: String,
    },
}

impl Client {
    /// Returns a client for the proxy with the control socket `socket`.
    pub fn new(socket: impl AsRef<Path>) -> Self {
        Self {
            socket: socket.as_ref().to_owned(),
        }
    }

    /// Brings a table into force. When this returns, no new request goes by an older table, and
    /// the table is on disk. An older table than the one in force is ignored: the answer says
    /// which generation is in force. The same table again is fine.
    ///
    /// # Errors
    /// [`ClientError::Refused`] if the table is faulty, or another one of its generation is in
    /// force; [`ClientError::Unsaved`] if it is in force, but not on disk; else the proxy cannot
    /// be reached.
    pub async fn apply(&self, table: &Table) -> Result<Applied, ClientError> {
        let text = serde_json::to_vec(table).map_err(|error| ClientError::Exchange {
            what: "PUT /table".to_owned(),
            source: error.into(),
        })?;
        self.call(Method::PUT, "/table", text.into()).await
    }

    /// Asks what the proxy does at this moment.
    ///
    /// # Errors
    /// The proxy cannot be reached.
    pub async fn status(&self) -> Result<Status, ClientError> {
        self.call(Method::GET, "/status", Bytes::new()).await
    }

    /// Asks for the sums since the proxy was started, as Prometheus reads them.
    ///
    /// # Errors
    /// The proxy cannot be reached.
    pub async fn metrics(&self) -> Result<String, ClientError> {
        let read = |text: &[u8]| Ok(String::from_utf8_lossy(text).into_owned());
        self.call_for(Method::GET, "/metrics", Bytes::new(), read)
            .await
    }

    /// Asks for the windows after the one numbered `after` (0: all that are kept), the oldest
    /// first. Waits up to 2 s until there is one; none is an empty answer.
    ///
    /// # Errors
    /// The proxy cannot be reached.
    pub async fn windows(&self, after: u64) -> Result<Vec<Window>, ClientError> {
        self.call(
            Method::GET,
            &format!("/windows?after={after}"),
            Bytes::new(),
        )
        .await
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<T, ClientError> {
        let read = |text: &[u8]| serde_json::from_slice(text);
        self.call_for(method, path, body, read).await
    }

    async fn call_for<T>(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        read: impl Fn(&[u8]) -> serde_json::Result<T>,
    ) -> Result<T, ClientError> {
        let what = format!("{method} {path}");
        let exchanging = async {
            loop {
                let asked = self.exchange(method.clone(), path, body.clone(), &what, &read);
                match asked.await? {
                    Some(answer) => return Ok(answer),
                    // By another process, which takes over in this moment.
                    None => tokio::time::sleep(SUCCESSION_PAUSE).await,
                }
            }
        };
        match tokio::time::timeout(TIME_LIMIT, exchanging).await {
            Ok(answer) => answer,
            Err(_) => Err(ClientError::TimedOut { what }),
        }
    }

    /// Returns the answer; `None` from a process that does not serve any more.
    async fn exchange<T>(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        what: &str,
        read: impl Fn(&[u8]) -> serde_json::Result<T>,
    ) -> Result<Option<T>, ClientError> {
        let stream =
            UnixStream::connect(&self.socket)
                .await
                .map_err(|source| ClientError::Connect {
                    socket: self.socket.clone(),
                    source,
                })?;
        let (status, text) =
            send(stream, method, path, body)
                .await
                .map_err(|source| ClientError::Exchange {
                    what: what.to_owned(),
                    source,
                })?;
        let unreadable = |source: serde_json::Error| ClientError::Exchange {
            what: what.to_owned(),
            source: source.into(),
        };
        if status.is_success() {
            return read(&text).map(Some).map_err(unreadable);
        }
        if status == StatusCode::MISDIRECTED_REQUEST {
            return Ok(None);
        }
        let Problem { message } = serde_json::from_slice(&text).map_err(unreadable)?;
        Err(match status {
            StatusCode::INSUFFICIENT_STORAGE => ClientError::Unsaved { message },
            _ => ClientError::Refused {
                what: what.to_owned(),
                message,
            },
        })
    }
}

async fn send(
    stream: UnixStream,
    method: Method,
    path: &str,
    body: Bytes,
) -> Result<(StatusCode, Bytes), Box<dyn std::error::Error + Send + Sync>> {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, "proxy")
        .body(Full::new(body))?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let answer = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let text = response.into_body().collect().await?.to_bytes();
        Ok((status, text))
    };
    tokio::pin!(connection, answer);
    tokio::select! {
        answer = &mut answer => answer,
        // The connection may end together with the answer, before all of it is looked at.
        _ = &mut connection => answer.await,
    }
}
