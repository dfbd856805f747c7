//! The page with the sums, for a Prometheus that asks over TCP.
//!
//! Whoever can connect may read it, and nothing else: there is nothing to be commanded here.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::keeper::Keeper;
use crate::listen::{listen, listen_too};
use crate::metrics::TEXT;

/// How many may be connected at a time; more wait.
const READERS_MAX: usize = 16;

/// How long one may take for its request, and be silent between two.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);

/// How long one may stay at all: who scrapes comes again.
const VISIT_MAX: Duration = Duration::from_secs(300);

/// How long to wait before trying again to listen.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Answers whoever asks at `address`, for ever. The process before may still be there, if there `was`
/// one: then it shares the address with it.
pub(crate) async fn show(keeper: Rc<Keeper>, address: SocketAddr, was: bool) {
    let listener = until_open(address, was).await;
    keeper.shows_at(listener.local_addr().ok());
    let readers = Arc::new(Semaphore::new(READERS_MAX));
    loop {
        let reader = Arc::clone(&readers).acquire_owned().await;
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "cannot accept who reads metrics for a moment");
                tokio::time::sleep(AGAIN_AFTER).await;
                continue;
            }
        };
        let keeper = Rc::clone(&keeper);
        tokio::task::spawn_local(async move {
            let _reader = reader;
            let service = service_fn(|request| {
                let keeper = Rc::clone(&keeper);
                async move { Ok::<_, Infallible>(answer(&keeper, &request).await) }
            });
            let served = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIMEOUT)
                .serve_connection(TokioIo::new(stream), service);
            // Who does not read, or stays for too long, is left.
            drop(tokio::time::timeout(VISIT_MAX, served).await);
        });
    }
}

/// Listens as soon as that is possible.
async fn until_open(address: SocketAddr, was: bool) -> TcpListener {
    let mut said = None;
    loop {
        let opened = match was {
            true => listen_too(address, 1),
            false => listen(address, 1).map(|(listeners, _)| listeners),
        };
        let opened = opened.and_then(|mut listeners| {
            let listener = listeners.pop().ok_or("there is none")?;
            TcpListener::from_std(listener).map_err(|error| error.to_string())
        });
        match opened {
            Ok(listener) => return listener,
            Err(why) => {
                if said.as_ref() != Some(&why) {
                    tracing::error!("metrics are not shown: {why}");
                }
                said = Some(why);
            }
        }
        tokio::time::sleep(AGAIN_AFTER).await;
    }
}

async fn answer(keeper: &Keeper, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let refused = |status, why: &'static str| {
        let mut response = Response::new(Full::from(why));
        *response.status_mut() = status;
        response
    };
    if request.uri().path() != "/metrics" {
        return refused(StatusCode::NOT_FOUND, "there is only /metrics here\n");
    }
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        let mut response = refused(StatusCode::METHOD_NOT_ALLOWED, "it can only be read\n");
        let allowed = HeaderValue::from_static("GET, HEAD");
        response.headers_mut().insert(ALLOW, allowed);
        return response;
    }
    page(keeper).await
}

/// Returns the page.
pub(super) async fn page(keeper: &Keeper) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(keeper.metrics().await));
    let kind = HeaderValue::from_static(TEXT);
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}
