//! What passes between a proxy and the one that succeeds it: first all that it knows, then, until
//! it has ended, tables in one direction and figures in the other.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::net::UnixStream;
use tokio::sync::Mutex;

use super::{Arrivals, CutShort, Draining};
use crate::figures::Counted;
use crate::saved::Cuts;
use crate::table::Table;

/// How long an answer may take. It waits for no disk.
const TIME_LIMIT: Duration = Duration::from_secs(5);

/// All that a proxy knows.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Handover {
    /// The process.
    pub(crate) pid: u32,
    /// The table that was sent.
    pub(crate) table: Table,
    /// The sides that were cut off since.
    #[serde(default)]
    pub(crate) tripped: Cuts,
    /// The instances that are believed not to answer.
    #[serde(default)]
    pub(crate) unhealthy: BTreeSet<String>,
    /// See [`super::Status::series`].
    #[serde(default)]
    pub(crate) series: u64,
    /// The number of the window that is open.
    #[serde(default)]
    pub(crate) next: u64,
    /// For how long it has been.
    #[serde(default)]
    pub(crate) open: Duration,
    /// The closed ones that are kept.
    #[serde(default)]
    pub(crate) windows: Vec<Box<RawValue>>,
}

/// How a predecessor is doing.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Followed {
    /// The instances that are in no table any more.
    pub(crate) draining: BTreeMap<String, Draining>,
    pub(crate) arrivals: BTreeMap<SocketAddr, Arrivals>,
}

/// What a predecessor has counted since it was asked last.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Relayed {
    pub(crate) counted: Counted,
    /// What it has cut off by itself.
    pub(crate) tripped: Cuts,
    /// What it had to cut short, once it has ended; then that was all.
    pub(crate) ended: Option<CutShort>,
}

/// The proxy that this one has succeeded, as long as it has not ended. One connection for as long:
/// whoever connects anew meets this process.
pub(crate) struct Predecessor(Mutex<SendRequest<Full<Bytes>>>);

type Error = Box<dyn std::error::Error + Send + Sync>;

impl Predecessor {
    /// Meets the proxy that serves, and asks for all that it knows.
    ///
    /// # Errors
    /// It does not answer, or speaks another language.
    pub(crate) async fn meet(socket: &Path) -> Result<(Self, Handover), Error> {
        let meeting = async {
            let stream = UnixStream::connect(socket).await?;
            let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream));
            let (sender, connection) = handshake.await?;
            tokio::task::spawn_local(async move {
                if let Err(error) = connection.await {
                    tracing::debug!(%error, "the connection to the proxy before broke");
                }
            });
            Ok::<_, Error>(Self(Mutex::new(sender)))
        };
        let predecessor = tokio::time::timeout(TIME_LIMIT, meeting).await??;
        let handover = predecessor.call(Method::POST, "/handover", Bytes::new());
        let handover = handover.await?;
        Ok((predecessor, handover))
    }

    /// Brings `table` into force there. When this returns, no request goes by an older one.
    pub(crate) async fn follow(&self, table: &Table) -> Result<(), Error> {
        let text = serde_json::to_vec(table)?.into();
        self.call(Method::PUT, "/follow", text).await
    }

    /// Asks how it is doing.
    pub(crate) async fn followed(&self) -> Result<Followed, Error> {
        self.call(Method::GET, "/followed", Bytes::new()).await
    }

    /// Asks for what it has counted.
    pub(crate) async fn relayed(&self) -> Result<Relayed, Error> {
        self.call(Method::POST, "/relay", Bytes::new()).await
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<T, Error> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, "proxy")
            .body(Full::new(body))?;
        let exchange = async {
            let mut sender = self.0.lock().await;
            sender.ready().await?;
            let response = sender.send_request(request).await?;
            let status = response.status();
            let text = response.into_body().collect().await?.to_bytes();
            Ok::<_, Error>((status, text))
        };
        let (status, text) = tokio::time::timeout(TIME_LIMIT, exchange).await??;
        if status != StatusCode::OK {
            return Err(format!("it answered {status}: {}", String::from_utf8_lossy(&text)).into());
        }
        Ok(serde_json::from_slice(&text)?)
    }
}
