//! What comes before the first request: the TLS handshake.

use std::io;

use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::HandshakeKind;
use tokio_rustls::server::TlsStream;

use super::Guest;

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
