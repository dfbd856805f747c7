//! A door: where one worker accepts connections for one listener.

mod announced;
mod entrance;
mod greet;
pub(super) mod http1;
pub(super) mod http2;
mod speak;

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::task::JoinHandle;

use crate::worker::Worker;
use crate::worker::peer::Peer;
pub(super) use entrance::Entrance;
use speak::{serve, serve_announced, serve_encrypted};

/// How long to wait before accepting again after the system ran out of something.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(20);

/// Where one worker accepts connections for one listener.
pub(super) struct Door {
    worker: Rc<Worker>,
    entrance: Rc<Entrance>,
    closing: watch::Sender<Closing>,
    /// One for each socket.
    accepting: Vec<JoinHandle<()>>,
}

/// How far a door is closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Closing {
    #[default]
    Open,
    /// Nobody new is let in: another process does that, from the same queues.
    Retired,
    /// Connections end after the request that they are at.
    Closed,
}

impl Door {
    /// Begins to accept connections on `listeners`, which lead through `entrance`.
    pub(super) fn open(
        worker: &Rc<Worker>,
        entrance: Rc<Entrance>,
        listeners: Vec<std::net::TcpListener>,
    ) -> io::Result<Self> {
        let (closing, closed) = watch::channel(Closing::Open);
        let listeners = listeners.into_iter().map(TcpListener::from_std);
        let listeners: Vec<TcpListener> = listeners.collect::<io::Result<_>>()?;
        let accepting = listeners.into_iter().map(|listener| {
            let (worker, entrance) = (Rc::clone(worker), Rc::clone(&entrance));
            tokio::task::spawn_local(accept(worker, entrance, listener, closed.clone()))
        });
        let accepting = accepting.collect();
        Ok(Self {
            worker: Rc::clone(worker),
            entrance,
            closing,
            accepting,
        })
    }

    /// Stops accepting, and leaves who is in the queue to another process. Connections go on.
    pub(super) async fn retire(&mut self) {
        self.end(Closing::Retired).await;
    }

    /// Stops accepting, and lets connections end after the request that they are at. Returns as
    /// soon as the port is free.
    pub(super) async fn close(mut self) {
        self.end(Closing::Closed).await;
        self.worker.lines.close(&self.entrance, false);
        self.worker.waiting_room.close(&self.entrance);
        tokio::task::spawn_local(async move {
            tokio::time::sleep(speak::LAST_CALL).await;
            self.worker.lines.close(&self.entrance, true);
        });
    }

    async fn end(&mut self, closing: Closing) {
        self.closing.send_replace(closing);
        for accepting in self.accepting.drain(..) {
            if let Err(error) = accepting.await {
                tracing::error!(%error, "a listener ended badly");
            }
        }
    }
}

async fn accept(
    worker: Rc<Worker>,
    entrance: Rc<Entrance>,
    listener: TcpListener,
    closed: watch::Receiver<Closing>,
) {
    let serve = |(stream, peer): (TcpStream, SocketAddr)| {
        // At once and not in the task, which begins only after the next one was accepted.
        let guest = Guest::new(&worker, &entrance, peer);
        let closed = closed.clone();
        let terms = entrance.terms();
        // Several kinds of tasks, so that a connection in the clear takes no room for more.
        if terms.is_announced(peer.ip()) {
            tokio::task::spawn_local(serve_announced(guest, stream, closed));
        } else if let Some(acceptor) = terms.tls.clone() {
            tokio::task::spawn_local(serve_encrypted(guest, acceptor, stream, closed));
        } else {
            tokio::task::spawn_local(serve(guest, stream, closed));
        }
    };
    let mut until_closed = closed.clone();
    loop {
        let next = async {
            // Whoever comes while all slots are taken waits in the listen queue.
            drop(worker.slots.acquire().await);
            listener.accept().await
        };
        tokio::select! {
            accepted = next => match accepted {
                Ok(accepted) => serve(accepted),
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(address = %entrance.address, %error, "cannot accept connections for a moment");
                    tokio::time::sleep(EXHAUSTED_PAUSE).await;
                }
            },
            _ = until_closed.wait_for(|closing| *closing != Closing::Open) => break,
        }
    }
    if *until_closed.borrow() == Closing::Retired {
        return;
    }
    // Who is already in the queue would get a reset.
    while let Some(Ok(accepted)) = listener.accept().now_or_never() {
        serve(accepted);
    }
}

/// Tells errors of a connection that went away while it was accepted from those of the listener.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    [
        ConnectionAborted,
        ConnectionRefused,
        ConnectionReset,
        Interrupted,
    ]
    .contains(&error.kind())
}

/// A client that was let in. It is counted, and takes a slot, for as long as it stays.
struct Guest {
    worker: Rc<Worker>,
    entrance: Rc<Entrance>,
    peer: SocketAddr,
    is_encrypted: bool,
    /// `None` for the few that get in while several doors wait for the last slot.
    _slot: Option<OwnedSemaphorePermit>,
}

impl Guest {
    fn new(worker: &Rc<Worker>, entrance: &Rc<Entrance>, peer: SocketAddr) -> Self {
        entrance.count(|arrivals| &mut arrivals.connections);
        worker.connections.set(worker.connections.get() + 1);
        let slot = Arc::clone(&worker.slots).try_acquire_owned().ok();
        Self {
            worker: Rc::clone(worker),
            entrance: Rc::clone(entrance),
            peer,
            is_encrypted: false,
            _slot: slot,
        }
    }

    /// Returns who it is, as instances are told.
    fn as_told(&self) -> Peer {
        let terms = self.entrance.terms();
        Peer::new(self.peer, self.is_encrypted, &terms.trusted)
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.worker
            .connections
            .set(self.worker.connections.get() - 1);
    }
}
