//! How the data plane is set up.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::observe::{AccessLog, Traces};

/// How the data plane is set up. Nothing of it changes while it runs: another set-up takes another
/// process, which can succeed the one that runs.
#[derive(Clone, Debug)]
pub struct Config {
    /// What the status says of the program.
    pub program: String,
    /// The line to the shim with which sockets are deposited; `None` where there is no shim.
    pub line: Option<Arc<OwnedFd>>,
    /// The folder that keeps the last table; made if it is missing. One proxy at a time.
    pub state: PathBuf,
    /// The Unix socket that control connects to; at most about 100 bytes long.
    pub socket: PathBuf,
    /// How many workers (threads with a runtime of their own); `None` is one per core.
    pub cores: Option<usize>,
    /// How long a connection to an instance may take to be made.
    pub connect_timeout: Duration,
    /// How long an instance may take from the end of the request to the head of its answer, and
    /// how long a request's body may stand still before that.
    pub answer_timeout: Duration,
    /// How long a client may take to send the head of a request, and how long its connection may
    /// idle between two requests.
    pub head_timeout: Duration,
    /// How long a client may take nothing of an answer that is ready for it, or of what an upgraded
    /// connection has for it, before it is cut off; a quarter longer at most.
    pub take_timeout: Duration,
    /// How long a client may take to make itself known: by the PROXY protocol, and then by the TLS
    /// handshake.
    pub handshake_timeout: Duration,
    /// How many TLS handshakes one worker has under way at a time; more clients wait.
    pub handshakes_max: usize,
    /// How often the files of certificates are looked at.
    pub certificates_interval: Duration,
    /// How long a client's connection is silent before it is kept in a way that takes less memory; a
    /// second longer at most.
    pub rest_after: Duration,
    /// How long to wait after a certificate could not be obtained; each further failure triples
    /// that, up to 12 h.
    pub acme_retry: Duration,
    /// The largest head of a request, in bytes; larger ones are answered with status 431.
    pub head_bytes_max: usize,
    /// How many requests a client may have under way on one connection of HTTP/2.
    pub streams_max: u32,
    /// A client that leaves before it got an answer counts as an error of the side if it waited
    /// at least this long; one that leaves earlier is not counted at all.
    pub patience: Duration,
    /// How many client connections one worker holds; more wait in the listen queue.
    pub connections_max: usize,
    /// How many idle connections one worker keeps to one instance.
    pub idle_connections_max: usize,
    /// How long an unused connection to an instance is kept. Shorter than what common servers
    /// keep on their side (5 s), so that it is the proxy that closes.
    pub idle_timeout: Duration,
    /// How often the health of an instance is probed.
    pub probe_interval: Duration,
    /// How long a probe may take.
    pub probe_timeout: Duration,
    /// How long an instance that left the table stays listed after its last request ended.
    pub drained_listed: Duration,
    /// How long requests in flight may take to end after the proxy was told to stop, or succeeded.
    pub drain_timeout: Duration,
    /// Whether each request has a name, `x-request-id`, which its instance and its client are told.
    pub request_ids: bool,
    /// Where requests are written down; `None` is nowhere.
    pub access_log: Option<AccessLog>,
    /// Where requests are told of as spans; `None` is nowhere.
    pub traces: Option<Traces>,
    /// Where the sums are shown to Prometheus, at `/metrics`, over HTTP without encryption; `None` is
    /// nowhere but on the control socket.
    pub metrics: Option<SocketAddr>,
    /// How long after it was succeeded a client may keep a connection for one more request, whose
    /// answer asks it to close. One that is closed while it is idle may cross with a request.
    pub linger: Duration,
}

impl Config {
    /// Returns the usual set-up over the folder `state`, controlled over `socket`.
    pub fn new(state: impl Into<PathBuf>, socket: impl Into<PathBuf>) -> Self {
        Self {
            program: env!("CARGO_PKG_VERSION").to_owned(),
            line: None,
            state: state.into(),
            socket: socket.into(),
            cores: None,
            connect_timeout: Duration::from_secs(1),
            answer_timeout: Duration::from_secs(60),
            head_timeout: Duration::from_secs(30),
            take_timeout: Duration::from_secs(60),
            handshake_timeout: Duration::from_secs(10),
            handshakes_max: 256,
            certificates_interval: Duration::from_secs(5),
            rest_after: Duration::from_secs(1),
            acme_retry: Duration::from_secs(60),
            head_bytes_max: 64 * 1024,
            streams_max: 128,
            patience: Duration::from_secs(5),
            connections_max: 16_384,
            idle_connections_max: 1024,
            idle_timeout: Duration::from_secs(4),
            probe_interval: Duration::from_secs(1),
            probe_timeout: Duration::from_secs(1),
            drained_listed: Duration::from_secs(10),
            drain_timeout: Duration::from_secs(30),
            request_ids: true,
            access_log: None,
            traces: None,
            metrics: None,
            linger: Duration::from_secs(10),
        }
    }

    /// Returns how many workers there will be; at least one.
    pub(crate) fn workers(&self) -> usize {
        self.cores
            .or_else(|| std::thread::available_parallelism().ok().map(usize::from))
            .unwrap_or(1)
            .max(1)
    }
}
