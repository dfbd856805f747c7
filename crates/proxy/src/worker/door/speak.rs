//! The protocol of a connection: which one it is, and speaking it to the end.

use std::error::Error as _;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::time::{Duration, Instant};

use http::StatusCode;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::TokioTimer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::announced::announced;
use super::greet::{Protocol, first_words, shake_hands};
use super::http1::{self, Client, Line, Upgrade, Waits};
use super::meter::Metered;
use super::streams::Streams;
use super::{Closing, Guest};
use crate::certificates::{HTTP_2, acme};
use crate::message::{Request, Response};
use crate::worker::answer::Answer;
use crate::worker::forward::forward;
use crate::worker::incoming::Incoming;
use crate::worker::peer::Peer;
use crate::worker::redirect::lead_to_https;
use crate::worker::rescue::UNREADABLE;
use crate::worker::stream::Stream;

/// How long a client that has come, but asked for nothing yet, may take to do so once the door is
/// closed: it may have come before that.
pub(super) const LAST_CALL: Duration = Duration::from_millis(50);

/// How much of the bodies of all requests of one connection of HTTP/2 may wait here for instances
/// to take it, in bytes; and how much of one of them.
const WINDOW: u32 = 512 * 1024;
const STREAM_WINDOW: u32 = 256 * 1024;

/// How much of an answer may wait here for a client of HTTP/2 to take it, in bytes.
const SEND_BUFFER: usize = 64 * 1024;

/// How many requests of one connection may be refused for their form before the connection is.
const MALFORMED_MAX: usize = 128;

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
        Some(Protocol::Http2) => Box::pin(speak_http2(guest, stream, closed)).await,
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
        Some(HTTP_2) => Box::pin(speak_http2(guest, stream, closed)).await,
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

/// Speaks until the connection ends; once the door is closed, until the requests under way end.
async fn speak_http2<S>(guest: Guest, stream: S, mut closed: watch::Receiver<Closing>)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let (config, peer) = (&guest.worker.config, Rc::new(guest.as_told()));
    let streams = Streams::new(&guest);
    let (stream, flood) = Metered::new(stream);
    let stream = Stream::new(stream, config.take_timeout);
    let traffic = stream.traffic();
    let mut builder = http2::Builder::new(streams.clone());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(config.streams_max)
        .max_header_list_size(u32::try_from(config.head_bytes_max).unwrap_or(u32::MAX))
        .initial_connection_window_size(WINDOW)
        .initial_stream_window_size(STREAM_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .max_local_error_reset_streams(MALFORMED_MAX);
    let service = service_fn(|request: http::Request<hyper::body::Incoming>| {
        let answering = answer(&guest, &peer, request.map(Incoming::Http2).into(), None);
        streams.clone().watch(answering)
    });
    let connection = builder.serve_connection(stream, service);
    let mut connection = pin!(connection);
    let mut is_closing = false;
    let mut idle_until = Instant::now() + config.head_timeout;
    let ended = loop {
        tokio::select! {
            ended = connection.as_mut() => break ended,
            // Both sides know which requests are still answered, so nobody has to linger.
            _ = closed.wait_for(|closing| *closing != Closing::Open), if !is_closing => {
                is_closing = true;
                connection.as_mut().graceful_shutdown();
            }
            () = tokio::time::sleep_until(idle_until.into()) => {
                let now = Instant::now();
                idle_until = match traffic.is_stuck() {
                    true => now,
                    false => streams.idle_since(now),
                } + config.head_timeout;
                if idle_until > now {
                    continue;
                }
                // Who does not even answer to a goodbye is left standing.
                if is_closing {
                    return;
                }
                is_closing = true;
                connection.as_mut().graceful_shutdown();
                idle_until = now + config.handshake_timeout;
            }
        }
    };
    if traffic.is_given_up() {
        guest.entrance.count(|arrivals| &mut arrivals.untaken);
    }
    let Err(error) = ended else { return };
    if flood.was_seen() || is_enough(&error) {
        guest.entrance.count(|arrivals| &mut arrivals.floods);
    } else if is_no_http2(&error) {
        guest.worker.refused.count(UNREADABLE);
    }
    tracing::trace!(peer = %guest.peer, %error, "a connection of a client broke");
}

/// Waits until the door has been closed for so long that who is silent has nothing to say.
async fn last_call(mut closed: watch::Receiver<Closing>) {
    drop(closed.wait_for(|closing| *closing == Closing::Closed).await);
    tokio::time::sleep(LAST_CALL).await;
}

/// Says whether the library had enough of a client.
fn is_enough(error: &hyper::Error) -> bool {
    let source = error.source();
    let error = source.and_then(|source| source.downcast_ref::<h2::Error>());
    error.is_some_and(|error| {
        error.is_library() && error.reason() == Some(h2::Reason::ENHANCE_YOUR_CALM)
    })
}

/// Says whether the library ended a connection because of what the client sent.
fn is_no_http2(error: &hyper::Error) -> bool {
    let source = error.source();
    let error = source.and_then(|source| source.downcast_ref::<h2::Error>());
    error.is_some_and(|error| error.is_library() && !error.is_io())
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
