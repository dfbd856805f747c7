//! Sends spans to a collector, by OTLP over HTTP.
//!
//! In JSON, which the protocol allows as well as Protocol Buffers: it needs no further library, and
//! what it costs more is paid by this thread, for sampled requests only. A collector that is slow or
//! gone makes the queue full, and then spans are lost and counted; nothing grows, and no request
//! waits.

use std::error::Error as StdError;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, HeaderValue, RETRY_AFTER, USER_AGENT};
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};

use super::{Telling, span};
use crate::observe::Traces;

/// How many spans are sent at once, at most.
const BATCH: usize = 512;

/// After how long spans are sent, be they ever so few.
const BATCH_AFTER: Duration = Duration::from_millis(500);

/// How long the collector may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest answer that is read, in bytes.
const ANSWER_MAX: usize = 64 * 1024;

/// How long to wait after the first attempt that failed; after each further one twice as long.
const AGAIN_AFTER: Duration = Duration::from_millis(500);

/// The longest that a collector may ask to be left alone.
const AGAIN_AFTER_MAX: Duration = Duration::from_secs(30);

/// How often a batch is sent, at most.
const ATTEMPTS: u32 = 5;

/// How long there is for what is left at the end.
const LAST_WORDS: Duration = Duration::from_secs(2);

type Failed = Box<dyn StdError + Send + Sync>;

/// The way to the thread that exports.
pub(super) struct Exporter {
    spans: mpsc::Sender<String>,
    /// Tells the thread that no more will come.
    _ending: oneshot::Sender<()>,
    telling: Arc<Telling>,
}

impl Exporter {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system refuses a thread or what a runtime needs.
    pub(super) fn start(
        traces: Traces,
        telling: Arc<Telling>,
    ) -> io::Result<(Self, JoinHandle<()>)> {
        let (spans, inbox) = mpsc::channel(traces.queue_max.max(1));
        let (ending, ended) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let exporting = Exporting {
            traces,
            telling: Arc::clone(&telling),
            connection: None,
            is_failing: false,
        };
        let thread = std::thread::Builder::new()
            .name("exporter".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        () = exporting.run(inbox) => {}
                        () = last_words(ended) => {}
                    }
                });
            })?;
        let exporter = Self {
            spans,
            _ending: ending,
            telling,
        };
        Ok((exporter, thread))
    }

    /// Hands over a span, or loses it.
    pub(super) fn put(&self, span: String) {
        if self.spans.try_send(span).is_err() {
            self.telling.drop_spans(1);
        }
    }
}

async fn last_words(ended: oneshot::Receiver<()>) {
    // That nobody is left to say it says it.
    ended.await.ok();
    tokio::time::sleep(LAST_WORDS).await;
}

/// What the thread has.
struct Exporting {
    traces: Traces,
    telling: Arc<Telling>,
    connection: Option<SendRequest<Full<Bytes>>>,
    /// Whether it was said that the collector does not take anything.
    is_failing: bool,
}

/// What came of an attempt.
enum Came {
    /// All but so many spans were taken.
    Taken { but: u64 },
    /// It may go better later.
    Later(Option<Duration>, Failed),
    /// It will never go better.
    Never(Failed),
}

impl Exporting {
    async fn run(mut self, mut inbox: mpsc::Receiver<String>) {
        let mut batch = Vec::new();
        while let Some(span) = inbox.recv().await {
            batch.push(span);
            let gathering = async {
                while batch.len() < BATCH {
                    match inbox.recv().await {
                        Some(span) => batch.push(span),
                        None => return,
                    }
                }
            };
            // Too few in time are sent all the same.
            tokio::time::timeout(BATCH_AFTER, gathering).await.ok();
            self.export(&batch).await;
            batch.clear();
        }
    }

    /// Sends a batch until it is taken, or there is no point in it any more.
    async fn export(&mut self, spans: &[String]) {
        let version = env!("CARGO_PKG_VERSION");
        let body = Bytes::from(span::envelope(spans, &self.traces.service, version));
        let count = spans.len() as u64;
        let mut pause = AGAIN_AFTER;
        for attempt in 1..=ATTEMPTS {
            match self.attempt(body.clone()).await {
                Came::Taken { but } => {
                    let but = but.min(count);
                    self.telling.spans.fetch_add(count - but, Ordering::Relaxed);
                    self.telling.drop_spans(but);
                    if std::mem::take(&mut self.is_failing) {
                        tracing::info!("the collector takes spans again");
                    }
                    return;
                }
                Came::Later(asked, error) => {
                    self.connection = None;
                    self.fails(&error);
                    if attempt < ATTEMPTS {
                        let pause = asked.unwrap_or(pause).min(AGAIN_AFTER_MAX);
                        tokio::time::sleep(pause).await;
                    }
                    pause *= 2;
                }
                Came::Never(error) => {
                    self.fails(&error);
                    break;
                }
            }
        }
        self.telling.drop_spans(count);
    }

    fn fails(&mut self, error: &Failed) {
        if !std::mem::replace(&mut self.is_failing, true) {
            let collector = &self.traces.collector;
            tracing::warn!(%error, "the collector `{collector}` takes no spans: they are dropped and counted");
        }
    }

    async fn attempt(&mut self, body: Bytes) -> Came {
        match tokio::time::timeout(ANSWER_TIMEOUT, self.exchange(body)).await {
            Ok(Ok(came)) => came,
            Ok(Err(error)) => Came::Later(None, error),
            Err(_) => Came::Later(None, format!("no answer in {ANSWER_TIMEOUT:?}").into()),
        }
    }

    async fn exchange(&mut self, body: Bytes) -> Result<Came, Failed> {
        let uri: Uri = self.traces.collector.parse()?;
        let authority = uri.authority().ok_or("its URL has no host")?;
        let mut sender = match self.connection.take().filter(|known| !known.is_closed()) {
            Some(mut known) => {
                known.ready().await?;
                known
            }
            None => {
                let host = authority.host();
                // An IPv6 address stands in brackets.
                let host = host.trim_start_matches('[').trim_end_matches(']');
                let port = authority.port_u16().unwrap_or(80);
                connect(host, port).await?
            }
        };
        let path = uri.path().trim_end_matches('/');
        let request = Request::post(format!("{path}/v1/traces"))
            .header(HOST, authority.as_str())
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, concat!("leadsman/", env!("CARGO_PKG_VERSION")))
            .body(Full::new(body))?;
        let (parts, body) = sender.send_request(request).await?.into_parts();
        let body = Limited::new(body, ANSWER_MAX).collect().await?.to_bytes();
        self.connection = Some(sender);
        let status = parts.status;
        let said = || format!("it answered {status}").into();
        Ok(match status {
            _ if status.is_success() => Came::Taken {
                but: rejected(&body),
            },
            // These say that it is worth to try again; others do not (OTLP, "failures").
            StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => {
                let asked = parts.headers.get(RETRY_AFTER).and_then(seconds);
                Came::Later(asked, said())
            }
            _ => Came::Never(said()),
        })
    }
}

fn seconds(value: &HeaderValue) -> Option<Duration> {
    value.to_str().ok()?.parse().ok().map(Duration::from_secs)
}

async fn connect(host: &str, port: u16) -> Result<SendRequest<Full<Bytes>>, Failed> {
    let stream = TcpStream::connect((host, port)).await?;
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "the connection to the collector broke");
        }
    });
    Ok(sender)
}

/// Returns how many spans of a batch the collector did not want, as it says in its answer. Numbers
/// of 64 bits are texts there, but not everybody knows.
fn rejected(answer: &[u8]) -> u64 {
    let answer: serde_json::Value = serde_json::from_slice(answer).unwrap_or_default();
    let rejected = &answer["partialSuccess"]["rejectedSpans"];
    let text = || rejected.as_str()?.parse().ok();
    rejected.as_u64().or_else(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_collector_did_not_want_is_read() {
        for (answer, count) in [
            ("", 0),
            ("{}", 0),
            ("{\"partialSuccess\":{}}", 0),
            ("{\"partialSuccess\":{\"rejectedSpans\":\"3\"}}", 3),
            ("{\"partialSuccess\":{\"rejectedSpans\":4}}", 4),
            ("{\"partialSuccess\":{\"rejectedSpans\":-1}}", 0),
        ] {
            assert_eq!(rejected(answer.as_bytes()), count, "{answer}");
        }
    }
}
