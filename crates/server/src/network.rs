//! The API for those who are not on this machine, or not its owner: over TCP, and over a socket
//! that others may open.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::os::unix::net::UnixListener as StdUnixListener;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tower_service::Service as _;

use crate::access::Peer;

/// How many connections there may be at once: whoever comes after that waits.
const CONNECTIONS_MAX: usize = 512;

/// How long a client may take for the TLS handshake, and for the head of a request.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long requests that are under way may take at the end.
const GRACE: Duration = Duration::from_secs(5);

/// How long to wait after a connection could not be accepted, such as for want of files.
const AGAIN: Duration = Duration::from_millis(100);

/// It cannot be served over the network.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Tokens would travel in the open.
    #[error(
        "the API is not served on `{0}` without TLS: whoever is on the way could read every token"
    )]
    Open(SocketAddr),
    /// The address could not be bound.
    #[error("failed to listen on `{address}`")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Where the API is served beside the socket.
pub struct Network {
    listener: StdListener,
    address: SocketAddr,
    tls: Option<Arc<ServerConfig>>,
}

impl Network {
    /// Binds `address`. Without TLS it has to be one of this machine alone.
    ///
    /// # Errors
    ///
    /// It is not, or cannot be bound.
    pub fn bind(address: SocketAddr, tls: Option<Arc<ServerConfig>>) -> Result<Self, BindError> {
        if tls.is_none() && !address.ip().to_canonical().is_loopback() {
            return Err(BindError::Open(address));
        }
        let bound = |source| BindError::Bind { address, source };
        let listener = StdListener::bind(address).map_err(bound)?;
        listener.set_nonblocking(true).map_err(bound)?;
        let address = listener.local_addr().map_err(bound)?;
        Ok(Self {
            listener,
            address,
            tls,
        })
    }

    /// Returns what clients call it.
    pub fn url(&self) -> String {
        let scheme = if self.has_tls() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    pub(crate) const fn has_tls(&self) -> bool {
        self.tls.is_some()
    }
}

/// A socket of this machine that the API is served on beside the owner's. Who may open it is said
/// by its mode, and what they may by what is granted to them.
pub struct Beside(StdUnixListener);

impl Beside {
    /// Takes over a socket that listens.
    ///
    /// # Errors
    ///
    /// It cannot be waited for.
    pub fn new(listener: StdUnixListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Self(listener))
    }
}

/// Where those come who are not the owner.
pub(crate) enum Door {
    Network(Network),
    Beside(Beside),
}

/// A door that is open.
enum Listener {
    Tcp(TcpListener, Option<TlsAcceptor>),
    Unix(UnixListener),
}

/// Somebody who came.
enum Came {
    Tcp(TcpStream, Option<TlsAcceptor>),
    Unix(UnixStream),
}

impl Listener {
    async fn accept(&self) -> io::Result<(Came, Peer)> {
        Ok(match self {
            Self::Tcp(listener, tls) => {
                let (stream, address) = listener.accept().await?;
                (Came::Tcp(stream, tls.clone()), Peer::Address(address))
            }
            Self::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                let peer = Peer::of(&stream);
                (Came::Unix(stream), peer)
            }
        })
    }
}

impl Door {
    fn open(self) -> io::Result<Listener> {
        Ok(match self {
            Self::Network(network) => {
                let tls = network.tls.map(TlsAcceptor::from);
                Listener::Tcp(TcpListener::from_std(network.listener)?, tls)
            }
            Self::Beside(Beside(listener)) => Listener::Unix(UnixListener::from_std(listener)?),
        })
    }
}

/// Serves `app` until `ended` becomes true.
pub(crate) async fn serve(door: Door, app: Router, mut ended: watch::Receiver<bool>) {
    let listener = match door.open() {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "the API is served to its owner only");
            return;
        }
    };
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        let accepted = tokio::select! {
            () = async { drop(ended.wait_for(|ended| *ended).await) } => break,
            // What has ended is not kept.
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((came, peer)) => {
                let (app, ended) = (app.clone(), ended.clone());
                connections.spawn(async move {
                    connection(came, peer, app, ended).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection to the API was not accepted");
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
    drop(listener);
    // Whoever is slower than that is cut short: the set ends what is left in it.
    let all = async { while connections.join_next().await.is_some() {} };
    drop(tokio::time::timeout(GRACE, all).await);
}

async fn connection(came: Came, peer: Peer, app: Router, ended: watch::Receiver<bool>) {
    match came {
        Came::Unix(stream) => requests(stream, peer, app, ended).await,
        Came::Tcp(stream, None) => requests(stream, peer, app, ended).await,
        Came::Tcp(stream, Some(tls)) => {
            // Whoever does not speak TLS, or too slowly, gets no answer.
            let shake = tokio::time::timeout(PATIENCE, tls.accept(stream)).await;
            if let Ok(Ok(stream)) = shake {
                requests(stream, peer, app, ended).await;
            }
        }
    }
}

async fn requests(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    peer: Peer,
    app: Router,
    mut ended: watch::Receiver<bool>,
) {
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer.clone()));
        // A router is always ready.
        app.clone().call(request)
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(PATIENCE);
    let connection = http.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    // What goes wrong with a connection is the client's to see.
    tokio::select! {
        done = connection.as_mut() => drop(done),
        () = async { drop(ended.wait_for(|ended| *ended).await) } => {
            connection.as_mut().graceful_shutdown();
            drop(connection.await);
        }
    }
}
