//! Connections, from the first to the last.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use leadsman_core::bundle::Bundle;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::answer::answer;
use crate::site::{Site, SiteError};

/// How many connections there are at once. Whoever comes then waits in the queue of the socket.
const CONNECTIONS_MAX: usize = 4096;

/// How long the head of a request may take. It is longer than the data plane keeps a connection that
/// nobody uses, so that this end never closes one that is about to be used.
const HEAD_WAIT: Duration = Duration::from_secs(60);

/// How many threads read and compress at once.
const READERS: usize = 8;

/// How long after a connection could not be taken the next one is tried: mostly there are too many
/// files open, which takes some requests to be over.
const TAKE_AGAIN: Duration = Duration::from_millis(50);

/// The program cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// There is nothing to serve.
    #[error("failed to serve the folder `{folder}`")]
    Site {
        /// The folder.
        folder: String,
        /// What is wrong with it.
        source: SiteError,
    },
    /// The address cannot be used.
    #[error("failed to listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// The machine does not let it.
    #[error("failed to start serving")]
    Start(#[source] io::Error),
}

/// Serves `folder` on `address` until a signal says to end (`TERM`, `INT`, `HUP` or `QUIT`), and all
/// requests are answered. It takes one thread, and some that read.
///
/// # Errors
/// When it cannot begin.
pub fn serve(folder: &Path, bundle: Bundle, address: SocketAddr) -> Result<(), ServeError> {
    let site = Site::open(folder, bundle).map_err(|source| ServeError::Site {
        folder: folder.display().to_string(),
        source,
    })?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(READERS)
        .build()
        .map_err(ServeError::Start)?;
    runtime.block_on(async {
        let listen = |source| ServeError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        let ended = ended().map_err(ServeError::Start)?;
        tracing::info!(files = site.len(), %address, "serves");
        site.serve(listener, ended).await;
        Ok(())
    })
}

/// Returns what is over when somebody wants this to end.
fn ended() -> io::Result<impl Future<Output = ()>> {
    let [mut term, mut int, mut hup, mut quit] = [
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
        signal(SignalKind::hangup())?,
        signal(SignalKind::quit())?,
    ];
    Ok(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
            _ = hup.recv() => {}
            _ = quit.recv() => {}
        }
    })
}

impl Site {
    /// Serves those who connect until `ended` is over, and then those who are being answered.
    pub async fn serve(self, listener: TcpListener, ended: impl Future<Output = ()>) {
        let site = Arc::new(self);
        let preparing = tokio::spawn({
            let site = Arc::clone(&site);
            async move { site.prepare().await }
        });
        let (ending, end) = watch::channel(());
        let mut connections = JoinSet::new();
        let mut ended = pin!(ended);
        loop {
            while connections.try_join_next().is_some() {}
            let is_full = connections.len() >= CONNECTIONS_MAX;
            tokio::select! {
                () = &mut ended => break,
                taken = listener.accept(), if !is_full => match taken {
                    Ok((stream, _)) => {
                        connections.spawn(attend(stream, Arc::clone(&site), end.clone()));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "a connection could not be taken");
                        tokio::time::sleep(TAKE_AGAIN).await;
                    }
                },
                Some(_) = connections.join_next(), if is_full => {}
            }
        }
        drop(listener);
        drop(ending);
        preparing.abort();
        drop(preparing.await);
        while connections.join_next().await.is_some() {}
    }
}

/// Answers the requests of one connection; once `end` closes, the one that it is at.
async fn attend(stream: TcpStream, site: Arc<Site>, mut end: watch::Receiver<()>) {
    // Answers are written in one go: nothing is gained by waiting for more.
    drop(stream.set_nodelay(true));
    let service = service_fn(move |request| {
        let site = Arc::clone(&site);
        async move { Ok::<_, Infallible>(answer(&site, &request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WAIT)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let over = tokio::select! {
        over = &mut connection => over,
        _ = end.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = over {
        // The other end went away or sent what is no request; it knows that.
        tracing::debug!(%error, "a connection ended");
    }
}
