//! HTTP/2 with clients, on the `h2` crate: many requests at once on a connection, each of them a task.

mod answer;
mod body;
mod meter;
mod streams;
mod wire;

use std::time::Instant;

use h2::Reason;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;

use self::meter::Metered;
use self::streams::Streams;
use self::wire::Wire;
use super::{Closing, Guest};
use crate::worker::rescue::UNREADABLE;

pub(in crate::worker) use self::body::Body;

/// How much of the bodies of all requests of one connection may wait here for instances to take it,
/// in bytes; and how much of one of them.
const WINDOW: u32 = 512 * 1024;
const STREAM_WINDOW: u32 = 256 * 1024;

/// How much of an answer may wait here for a client to take it, in bytes.
const SEND_BUFFER: usize = 64 * 1024;

/// How many requests of one connection may be refused for their form before the connection is.
const MALFORMED_MAX: usize = 128;

/// Speaks until the connection ends; once the door is closed, until the requests under way end.
pub(super) async fn speak<S>(guest: Guest, stream: S, closed: watch::Receiver<Closing>)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let streams = Streams::new(guest);
    let guest = streams.guest();
    let (stream, flood) = Metered::new(stream);
    let wire = Wire::new(stream, guest.worker.config.take_timeout);
    let traffic = wire.traffic();
    let ended = serve(&streams, wire, &traffic, closed).await;
    if traffic.is_given_up() {
        guest.entrance.count(|arrivals| &mut arrivals.untaken);
    }
    let Err(error) = ended else { return };
    if flood.was_seen() || is_enough(&error) {
        guest.entrance.count(|arrivals| &mut arrivals.floods);
    } else if error.is_library() && !error.is_io() {
        guest.worker.refused.count(UNREADABLE);
    }
    tracing::trace!(peer = %guest.peer, %error, "a connection of a client broke");
}

async fn serve<S>(
    streams: &std::rc::Rc<Streams>,
    wire: Wire<Metered<S>>,
    traffic: &wire::Traffic,
    mut closed: watch::Receiver<Closing>,
) -> Result<(), h2::Error>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let config = &streams.guest().worker.config;
    let mut builder = h2::server::Builder::new();
    builder
        .max_concurrent_streams(config.streams_max)
        .max_header_list_size(u32::try_from(config.head_bytes_max).unwrap_or(u32::MAX))
        .initial_connection_window_size(WINDOW)
        .initial_window_size(STREAM_WINDOW)
        .max_send_buffer_size(SEND_BUFFER)
        .max_local_error_reset_streams(Some(MALFORMED_MAX));
    let greeting = tokio::time::timeout(config.head_timeout, builder.handshake(wire));
    // Who says only half of a greeting is left standing.
    let Ok(connection) = greeting.await else {
        return Ok(());
    };
    let mut connection = connection?;
    let mut is_closing = false;
    let mut idle_until = Instant::now() + config.head_timeout;
    loop {
        tokio::select! {
            accepted = connection.accept() => match accepted {
                Some(accepted) => {
                    let (request, reply) = accepted?;
                    streams.open(request, reply);
                }
                None => return Ok(()),
            },
            // Both sides know which requests are still answered, so nobody has to linger.
            _ = closed.wait_for(|closing| *closing != Closing::Open), if !is_closing => {
                is_closing = true;
                connection.graceful_shutdown();
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
                    return Ok(());
                }
                is_closing = true;
                connection.graceful_shutdown();
                idle_until = now + config.handshake_timeout;
            }
        }
    }
}

/// Says whether the library had enough of a client.
fn is_enough(error: &h2::Error) -> bool {
    error.is_library() && error.reason() == Some(Reason::ENHANCE_YOUR_CALM)
}
