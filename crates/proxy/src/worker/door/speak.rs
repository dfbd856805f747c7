//! The protocol of a connection: which one it is, and speaking it to the end.

use std::pin::Pin;
use std::rc::Rc;
use std::time::{Duration, Instant};

use http::StatusCode;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::announced::announced;
use super::greet::{Protocol, first_words, shake_hands};
use super::http1::{self, Client, Line, Upgrade, Waits};
use super::{Closing, Guest, http2};
use crate::certificates::{HTTP_2, acme};
use crate::message::{Request, Response};
use crate::worker::answer::Answer;
use crate::worker::forward::forward;
use crate::worker::incoming::Incoming;
use crate::worker::peer::Peer;
use crate::worker::redirect::lead_to_https;

/// How long a client that has come, but asked for nothing yet, may take to do so once the door is
/// closed: it may have come before that.
pub(super) const LAST_CALL: Duration = Duration::from_millis(50);

/// Serves one connection after it was said who the client is.
pub(super) async fn serve_announced(
    mut guest: Guest,
    mut stream: TcpStream,
    closed: watch::Receiver<Closing>,
) {
    let limit = guest.worker.config.handshake_timeout;
    let said = tokio::time::timeout(limit, announced(&mut stream)).await;
    let Ok(Ok(said)) = said else {
        guest.entrance.count(|arrivals| &mut arrivals.unannounced);
        return;
    };
    guest.peer = said.unwrap_or(guest.peer);
    let acceptor = guest.entrance.terms().tls.clone();
    match acceptor {
        Some(acceptor) => Box::pin(serve_encrypted(guest, acceptor, stream, closed)).await,
        None => Box::pin(serve(guest, stream, closed)).await,
    }
}

/// Serves one connection in the clear.
pub(super) async fn serve(guest: Guest, stream: TcpStream, closed: watch::Receiver<Closing>) {
    let limit = guest.worker.config.head_timeout;
    // In a room of its own, of which nothing is left once the protocol is known.
    let protocol = Box::pin(async {
        tokio::select! {
            words = first_words(&stream, limit) => words,
            () = last_call(closed.clone()) => None,
        }
    });
    match protocol.await {
        Some(Protocol::Http1) => {
            // In a task of its own, which is no larger than it has to be.
            let line = line(&guest, Client::Plain(stream), &closed);
            tokio::task::spawn_local(http1::speak(guest, line));
        }
        // In a room of its own, so that the more common protocol does not pay for it.
        Some(Protocol::Http2) => Box::pin(http2::speak(guest, stream, closed)).await,
        None => {}
    }
}

/// Serves one connection after it was encrypted.
pub(super) async fn serve_encrypted(
    mut guest: Guest,
    acceptor: TlsAcceptor,
    stream: TcpStream,
    closed: watch::Receiver<Closing>,
) {
    let stream = shake_hands(&guest, &acceptor, stream).await;
    drop(acceptor);
    let Some(stream) = stream else { return };
    guest.is_encrypted = true;
    match stream.get_ref().1.alpn_protocol() {
        Some(HTTP_2) => Box::pin(http2::speak(guest, stream, closed)).await,
        // The handshake was all there is to it.
        Some(acme::PROTOCOL) => {}
        _ => {
            let line = line(&guest, Client::Encrypted(Box::new(stream)), &closed);
            tokio::task::spawn_local(http1::speak(guest, line));
        }
    }
}

/// Returns the connection to a client that speaks HTTP/1.1.
fn line(guest: &Guest, client: Client, closed: &watch::Receiver<Closing>) -> Rc<Line> {
    let waits = Waits::First(Instant::now());
    let line = guest.worker.lines.add(client, &guest.entrance, waits);
    if *closed.borrow() == Closing::Closed {
        line.close(false);
    }
    line
}

/// Waits until the door has been closed for so long that who is silent has nothing to say.
async fn last_call(mut closed: watch::Receiver<Closing>) {
    drop(closed.wait_for(|closing| *closing == Closing::Closed).await);
    tokio::time::sleep(LAST_CALL).await;
}

/// Answers a request of `guest`, which instances are told is `peer`, on the terms of this moment.
pub(super) fn answer(
    guest: &Guest,
    peer: &Rc<Peer>,
    request: Request<Incoming>,
    upgrade: Option<Upgrade>,
) -> Pin<Box<impl Future<Output = Response<Answer>> + 'static>> {
    let terms = guest.entrance.terms();
    let (worker, peer) = (Rc::clone(&guest.worker), peer.where_trusted(&terms.trusted));
    let address = guest.entrance.address;
    // In a room of its own, and not in that of the connection: little is moved about then, and a
    // connection between two requests does without.
    Box::pin(async move {
        if let Some(words) = terms.challenge(request.head.uri.path()) {
            let words = Answer::Own(Some(words.to_owned().into()));
            return Response::new(StatusCode::OK, words);
        }
        let seen = worker.observer.meet(&request.head, &peer);
        let mut response = match terms.to_https {
            Some(port) if !peer.asked_by_https(&request.head.headers) => {
                lead_to_https(port, &request.head, &worker.refused)
            }
            _ => forward(&worker, address, &peer, request, upgrade, &seen).await,
        };
        terms.dress(&mut response.head.headers);
        seen.dress(response)
    })
}
