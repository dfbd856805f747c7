//! The protocol of a connection: which one it is, and speaking it to the end.

use std::future::{Ready, ready};
use std::pin::Pin;
use std::rc::Rc;
use std::time::{Duration, Instant};

use futures_util::future::Either;
use http::StatusCode;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::announced::announced;
use super::entrance::Terms;
use super::greet::{Protocol, first_words, shake_hands};
use super::http1::{self, Client, Line, Upgrade, Waits};
use super::{Closing, Guest, http2};
use crate::certificates::{HTTP_2, acme};
use crate::message::{Request, Response};
use crate::worker::answer::Answer;
use crate::worker::forward::Forwarding;
use crate::worker::incoming::Incoming;
use crate::worker::note::Seen;
use crate::worker::peer::Peer;
use crate::worker::redirect::lead_to_https;

/// An answer that is there already, or is waited for.
pub(super) type Answering<F> = Either<Said, Pin<Box<F>>>;
type Said = Pin<Box<Ready<Response<Answer>>>>;

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
) -> Answering<impl Future<Output = Response<Answer>> + use<>> {
    let terms = guest.entrance.terms();
    // Whatever can be done at once is done here: what is waited for has no room for it then.
    match begin(guest, &terms, peer, request, upgrade) {
        Err(said) => Either::Left(said),
        // In a room of its own, and not in that of the connection: little is moved about then, and a
        // connection between two requests does without.
        Ok(mut forwarding) => Either::Right(Box::pin(async move {
            let answered = forwarding.run().await;
            dressed(forwarding.end(answered), &terms)
        })),
    }
}

/// Begins with a request.
///
/// # Errors
/// What is said at once.
fn begin(
    guest: &Guest,
    terms: &Terms,
    peer: &Rc<Peer>,
    request: Request<Incoming>,
    upgrade: Option<Upgrade>,
) -> Result<Forwarding, Said> {
    if let Some(words) = terms.challenge(request.head.uri.path()) {
        let words = Answer::Own(Some(words.to_owned().into()));
        return Err(Box::pin(ready(Response::new(StatusCode::OK, words))));
    }
    let (worker, peer) = (&guest.worker, peer.where_trusted(&terms.trusted));
    let seen = worker.observer.meet(&request.head, &peer);
    let begun = match terms.to_https {
        Some(port) if !peer.asked_by_https(&request.head.headers) => {
            let led = lead_to_https(port, &request.head, &worker.refused);
            Err(Box::new((led, seen)))
        }
        _ => Forwarding::begin(worker, &guest.entrance, peer, request, upgrade, seen),
    };
    begun.map_err(|said| Box::pin(ready(dressed(*said, terms))))
}

/// Returns an answer with all that each one says.
fn dressed((mut answer, seen): (Response<Answer>, Seen), terms: &Terms) -> Response<Answer> {
    terms.dress(&mut answer.head.headers);
    seen.dress(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size_of_what_is_waited_for<F>(
        _: impl Fn(&'static Guest, &'static Rc<Peer>, Request<Incoming>) -> Answering<F>,
    ) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_request_under_way_takes_little_room() {
        // It is moved when it begins, there may be thousands, and the system's library has no more
        // than this at hand: what is kept across a wait twice, or in one that is rare, shows here
        // first.
        let size =
            size_of_what_is_waited_for(|guest, peer, request| answer(guest, peer, request, None));
        assert!(size <= 1032, "{size} bytes");
    }
}
