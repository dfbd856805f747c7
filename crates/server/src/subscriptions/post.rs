//! Sends one notice: one connection, one answer of bounded size and time, no redirections.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use super::address::{Address, Allowed};
use crate::outward;

/// How many of the addresses that a name has are tried.
const ADDRESSES_MAX: usize = 4;

/// How much of an answer is read. What it says is for people who test; its status is what counts.
const ANSWER_BYTES_MAX: usize = 1_000;

/// How long is waited for what an answer says, once its status is there.
const ANSWER_PATIENCE: Duration = Duration::from_secs(1);

/// The largest head of an answer, in bytes; the least that the library takes.
const HEAD_BYTES_MAX: usize = 8_192;

/// What sends notices. It remembers whom the machine trusts until somebody is not trusted.
#[derive(Default)]
pub(crate) struct Post {
    connector: Mutex<Option<TlsConnector>>,
}

/// One request.
pub(crate) struct Letter<'a> {
    pub(crate) to: &'a Address,
    pub(crate) allowed: Allowed,
    pub(crate) id: &'a str,
    /// The second at which it is sent.
    pub(crate) at: u64,
    pub(crate) signatures: &'a str,
    pub(crate) body: Bytes,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// How long the receiver asks to be left alone.
    pub(crate) retry_after: Option<Duration>,
    /// The beginning of what it says, where that is text.
    pub(crate) text: Option<String>,
}

/// What came of a request, and how long it took.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) took: Duration,
    /// The answer, or why there is none.
    pub(crate) answer: Result<Answer, String>,
}

impl Answer {
    /// Says why it does not count as told.
    pub(crate) fn problem(&self) -> Option<String> {
        match self.status {
            status if status.is_success() => None,
            status if status.is_redirection() => Some(format!(
                "it answered with {}, and redirections are not followed",
                status.as_u16()
            )),
            status => Some(format!("it answered with {}", status.as_u16())),
        }
    }
}

impl Sent {
    /// Says why it does not count as told.
    pub(crate) fn problem(&self) -> Option<String> {
        match &self.answer {
            Ok(answer) => answer.problem(),
            Err(why) => Some(why.clone()),
        }
    }

    pub(crate) fn status(&self) -> Option<StatusCode> {
        self.answer.as_ref().ok().map(|answer| answer.status)
    }
}

impl Post {
    /// Makes one that trusts only whom a test has made.
    #[cfg(test)]
    pub(super) fn trusting(connector: TlsConnector) -> Self {
        Self {
            connector: Mutex::new(Some(connector)),
        }
    }

    /// Sends a request, and waits `patience` for what comes of it.
    pub(crate) async fn send(&self, letter: Letter<'_>, patience: Duration) -> Sent {
        let begun = Instant::now();
        let sent = tokio::time::timeout(patience, self.send_in_time(letter)).await;
        let late = |_| format!("there was no answer within {} s", patience.as_secs_f64());
        Sent {
            took: begun.elapsed(),
            answer: sent.map_err(late).and_then(|sent| sent),
        }
    }

    async fn send_in_time(&self, letter: Letter<'_>) -> Result<Answer, String> {
        let stream = connect(letter.to, letter.allowed).await?;
        if !letter.to.is_tls() {
            return exchange(stream, letter).await;
        }
        let connector = self.connector().map_err(|error| error.to_string())?;
        let name = ServerName::try_from(letter.to.host().to_owned());
        let name = name.map_err(|_| "its host is no name that a certificate has".to_owned())?;
        match connector.connect(name, stream).await {
            Ok(stream) => exchange(stream, letter).await,
            Err(error) => {
                // The machine may come to trust it.
                self.forget();
                Err(format!("no connection with TLS: {error}"))
            }
        }
    }

    fn connector(&self) -> Result<TlsConnector, rustls::Error> {
        let known = self.connector.lock();
        let mut known = known.unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = &*known {
            return Ok(known.clone());
        }
        let made = outward::connector()?;
        *known = Some(made.clone());
        Ok(made)
    }

    fn forget(&self) {
        let known = self.connector.lock();
        *known.unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Connects to where the host leads now, which is looked up once: what is checked is what is
/// connected to.
async fn connect(to: &Address, allowed: Allowed) -> Result<TcpStream, String> {
    let found = tokio::net::lookup_host((to.host(), to.port())).await;
    let found: Vec<SocketAddr> = found
        .map_err(|error| format!("its host is not found: {error}"))?
        .collect();
    let mut why = "its host has no address".to_owned();
    let mut tried = 0;
    for address in found {
        if let Some(refused) = to.refused_at(address.ip(), allowed) {
            if tried == 0 {
                refused.clone_into(&mut why);
            }
            continue;
        }
        tried += 1;
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => why = format!("no connection: {error}"),
        }
        if tried == ADDRESSES_MAX {
            break;
        }
    }
    Err(why)
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    letter: Letter<'_>,
) -> Result<Answer, String> {
    let failed = |error: hyper::Error| {
        let source = std::error::Error::source(&error);
        let cause = source.map_or_else(String::new, |source| format!(": {source}"));
        format!("no answer: {error}{cause}")
    };
    let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
        .max_buf_size(HEAD_BYTES_MAX)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(failed)?;
    // Ends with this function.
    let mut driver = JoinSet::new();
    driver.spawn(async move { drop(connection.await) });
    let request = Request::builder()
        .method(Method::POST)
        .uri(letter.to.path().as_str())
        .header(header::HOST, letter.to.authority().as_str())
        .header(
            header::CONTENT_TYPE,
            "application/cloudevents+json; charset=utf-8",
        )
        .header(header::USER_AGENT, "leadsman")
        .header(header::CONNECTION, "close")
        .header("webhook-id", letter.id)
        .header("webhook-timestamp", letter.at)
        .header("webhook-signature", letter.signatures)
        .body(Full::new(letter.body))
        .map_err(|error| format!("it cannot be asked: {error}"))?;
    let answer = sender.send_request(request).await.map_err(failed)?;
    let status = answer.status();
    let retry_after = answer.headers().get(header::RETRY_AFTER);
    let retry_after = retry_after.and_then(|value| value.to_str().ok()?.parse().ok());
    let text = tokio::time::timeout(ANSWER_PATIENCE, text(answer)).await;
    Ok(Answer {
        status,
        retry_after: retry_after.map(Duration::from_secs),
        text: text.ok().flatten(),
    })
}

/// Returns the beginning of what an answer says, where that is text.
async fn text(mut answer: Response<Incoming>) -> Option<String> {
    let mut bytes = Vec::new();
    while bytes.len() < ANSWER_BYTES_MAX
        && let Some(frame) = answer.frame().await
    {
        // What broke off is told as far as it came.
        let Ok(frame) = frame else { break };
        if let Ok(data) = frame.into_data() {
            let left = ANSWER_BYTES_MAX - bytes.len();
            bytes.extend_from_slice(data.get(..left).unwrap_or(&data));
        }
    }
    let text = match std::str::from_utf8(&bytes) {
        Ok(text) => text,
        // It was cut within a letter.
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(bytes.get(..error.valid_up_to())?).ok()?
        }
        Err(_) => return None,
    };
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}
