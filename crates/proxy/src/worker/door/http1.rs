//! Speaking HTTP/1.1 with a client, and waiting between its requests.
//!
//! A connection that idles needs no buffers, and there may be ten thousand of them: so one that has
//! been silent for a while is taken out of the hands of hyper, which keeps buffers for as long as a
//! connection lives, and waits as a bare socket until its client says something again.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{CONNECTION, HeaderValue};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::speak::{LAST_CALL, answer};
use super::{Closing, Guest};
use crate::message::{Request, Response};
use crate::worker::answer::Answer;
use crate::worker::rescue::{HEAD_STALLED, HEAD_TOO_LARGE, UNREADABLE};
use crate::worker::stream::Stream;

/// Speaks until the connection ends; once the door is closed, until its current request ends. Where
/// nothing is said for a while it takes next to no memory.
pub(super) async fn speak_and_rest(
    guest: Guest,
    mut stream: TcpStream,
    mut closed: watch::Receiver<Closing>,
) {
    let has_asked = Cell::new(false);
    let mut begun = Bytes::new();
    loop {
        // In a room of its own, which is given back while it rests.
        let take_timeout = guest.worker.config.take_timeout;
        let connection = Stream::resume(stream, begun, take_timeout);
        let spoken = Box::pin(speak(&guest, connection, &mut closed, &has_asked, true)).await;
        let Some((silent, read)) = spoken else {
            return;
        };
        stream = silent;
        begun = read;
        if !begun.is_empty() {
            continue;
        }
        // Of nothing, too, there would be kept what it was read into.
        begun = Bytes::new();
        guest.worker.resting.add();
        let limit = guest.worker.config.head_timeout;
        let says_something = tokio::select! {
            says_something = says_something(&stream, limit) => says_something,
            _ = closed.wait_for(|closing| *closing == Closing::Closed) => false,
        };
        if !says_something {
            return;
        }
    }
}

/// Speaks until the connection ends; once the door is closed, until its current request ends.
pub(super) async fn speak_to_the_end<S>(
    guest: Guest,
    stream: S,
    mut closed: watch::Receiver<Closing>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let connection = Stream::new(stream, guest.worker.config.take_timeout);
    drop(speak(&guest, connection, &mut closed, &Cell::new(false), false).await);
}

/// Waits up to `limit` until there is something to read; says whether there is.
async fn says_something(stream: &TcpStream, limit: Duration) -> bool {
    let looked = tokio::time::timeout(limit, stream.peek(&mut [0])).await;
    matches!(looked, Ok(Ok(length)) if length > 0)
}

/// Speaks until the connection ends, or `may_rest` and was silent for a while: then it is returned,
/// with what was read of a request that has only begun.
async fn speak<S>(
    guest: &Guest,
    stream: Stream<S>,
    closed: &mut watch::Receiver<Closing>,
    has_asked: &Cell<bool>,
    may_rest: bool,
) -> Option<(S, Bytes)>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (config, peer) = (&guest.worker.config, guest.as_told());
    let mut builder = http1::Builder::new();
    builder
        .max_header_size(config.head_bytes_max)
        .max_buf_size(config.head_bytes_max.max(64 * 1024));
    let traffic = stream.traffic();
    let requests = Requests::default();
    let service = service_fn(|mut request: http::Request<Incoming>| {
        has_asked.set(true);
        traffic.asked();
        let upgrade = hyper::upgrade::on(&mut request);
        let request = Request::from(request);
        let under_way = requests.begin(&request);
        let (worker, answering) = (
            Rc::clone(&guest.worker),
            answer(guest, &peer, request, Some(upgrade)),
        );
        async move {
            let mut response = answering.await;
            if worker.retires.get()
                && let Ok(response) = &mut response
            {
                say_goodbye(response);
            }
            response.map(|response| {
                http::Response::from(response.map(|body| Watched { body, under_way }))
            })
        }
    });
    let mut connection = builder.serve_connection(stream, service).with_upgrades();
    let mut until_closed = std::pin::pin!(async {
        drop(closed.wait_for(|closing| *closing == Closing::Closed).await);
        if !has_asked.get() {
            tokio::time::sleep(LAST_CALL).await;
        }
    });
    // One look every now and then costs less than a timer for each request.
    let look_again = config.rest_after.min(config.head_timeout);
    let mut silent_since = Instant::now();
    let mut is_closing = false;
    let ended = loop {
        tokio::select! {
            ended = Pin::new(&mut connection) => break ended,
            () = until_closed.as_mut(), if !is_closing => {
                is_closing = true;
                Pin::new(&mut connection).graceful_shutdown();
            }
            () = tokio::time::sleep(look_again) => {
                // Who still takes an answer has no reason to ask for another one.
                if requests.any_since_the_last_look() || traffic.is_stuck() {
                    silent_since = Instant::now();
                } else if may_rest && !is_closing && requests.are_complete() && traffic.is_at_rest() {
                    let parts = connection.into_parts()?;
                    return Some((parts.io.into_inner(), parts.read_buf));
                } else if silent_since.elapsed() >= config.head_timeout {
                    if requests.are_complete() && traffic.has_heard() {
                        guest.worker.refused.count(HEAD_STALLED);
                    }
                    return None;
                }
            }
        }
    };
    if traffic.is_given_up() {
        guest.entrance.count(|arrivals| &mut arrivals.untaken);
    }
    if let Err(error) = ended {
        if let Some(reason) = refusal(&error) {
            guest.worker.refused.count(reason);
        }
        // Mostly clients that went away, so nothing that somebody should be told.
        tracing::trace!(peer = %guest.peer, %error, "a connection of a client broke");
    }
    None
}

/// Returns why hyper refused what a client sent, if it did. It answers that itself.
fn refusal(error: &hyper::Error) -> Option<&'static str> {
    if error.is_parse_too_large() {
        Some(HEAD_TOO_LARGE)
    } else if error.is_parse() {
        Some(UNREADABLE)
    } else {
        None
    }
}

/// Asks a client to close its connection after this answer. An upgraded connection says something
/// else of itself.
fn say_goodbye(response: &mut Response<Answer>) {
    if !response.head.status.is_informational() {
        let close = HeaderValue::from_static("close");
        response.head.headers.insert(CONNECTION, close);
    }
}

/// The requests of a connection.
#[derive(Default)]
struct Requests {
    under_way: Rc<Cell<usize>>,
    /// Whether one began since it was asked last. One that ended since then was under way before.
    any_since: Cell<bool>,
    /// Whether the last one had a body, of which nobody knows whether all of it was read.
    had_body: Cell<bool>,
}

/// A request that is under way until this is dropped.
struct UnderWay(Rc<Cell<usize>>);

impl Requests {
    fn begin(&self, request: &Request<Incoming>) -> UnderWay {
        self.any_since.set(true);
        self.had_body.set(!request.body.is_end_stream());
        self.under_way.set(self.under_way.get() + 1);
        UnderWay(Rc::clone(&self.under_way))
    }

    /// Says whether one is under way, or was since it was asked last.
    fn any_since_the_last_look(&self) -> bool {
        self.any_since.replace(false) || self.under_way.get() > 0
    }

    /// Says whether all are known to have been read to their ends.
    fn are_complete(&self) -> bool {
        !self.had_body.get()
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// The body of an answer, which is dropped once all of it has been taken.
struct Watched {
    body: Answer,
    #[expect(dead_code, reason = "it is dropped with the body")]
    under_way: UnderWay,
}

impl Body for Watched {
    type Data = Bytes;
    type Error = <Answer as Body>::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
