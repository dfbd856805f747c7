//! What comes before the first request: the TLS handshake, and which protocol it is.

use std::io;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::HandshakeKind;
use tokio_rustls::server::TlsStream;

use super::Guest;

/// What a connection of HTTP/2 begins with; no method of HTTP/1.1 begins like this.
const PREFACE: &[u8] = b"PRI ";

/// How often, and how long each time, more is waited for where the first bytes could begin both.
const LOOKS: usize = 5;
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// The protocol of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

/// Waits for the first bytes of a connection, up to `limit`, and says by them which protocol it
/// is, without taking them. `None` is a client that went away, or said nothing.
pub(super) async fn first_words(stream: &TcpStream, limit: Duration) -> Option<Protocol> {
    let mut words = [0; PREFACE.len()];
    for _ in 0..LOOKS {
        let looking = stream.peek(&mut words);
        let seen = match tokio::time::timeout(limit, looking).await {
            Ok(Ok(0) | Err(_)) | Err(_) => return None,
            Ok(Ok(length)) => &words[..length],
        };
        if seen == PREFACE {
            return Some(Protocol::Http2);
        } else if !PREFACE.starts_with(seen) {
            return Some(Protocol::Http1);
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    Some(Protocol::Http1)
}

/// Shakes hands with a client. `None` is a client that is turned away; it was counted.
pub(super) async fn shake_hands(
    guest: &Guest,
    acceptor: &TlsAcceptor,
    stream: TcpStream,
) -> Option<TlsStream<TcpStream>> {
    let limit = guest.worker.config.handshake_timeout;
    let Ok(greeted) = tokio::time::timeout(limit, greet(guest, acceptor, stream)).await else {
        let entrance = &guest.entrance;
        entrance.count(|arrivals| &mut arrivals.handshakes_late);
        return None;
    };
    match greeted {
        Ok(stream) => {
            guest.entrance.count(|arrivals| &mut arrivals.handshakes);
            if stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed) {
                guest.entrance.count(|arrivals| &mut arrivals.resumed);
            }
            Some(stream)
        }
        Err(error) => {
            guest
                .entrance
                .count(|arrivals| &mut arrivals.handshakes_failed);
            tracing::debug!(peer = %guest.peer, %error, "no TLS with a client");
            None
        }
    }
}

async fn greet(
    guest: &Guest,
    acceptor: &TlsAcceptor,
    stream: TcpStream,
) -> io::Result<TlsStream<TcpStream>> {
    // Browsers connect ahead of time and say nothing yet: that costs nothing, and takes no place.
    stream.readable().await?;
    let _place = guest.worker.handshakes.acquire().await;
    acceptor.accept(stream).await
}
