//! Speaking HTTP/1.1 with an instance: one request after the other on a connection.

use std::io;
use std::time::Duration;

use http::{Request, Response};
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::{Ended, in_time};
use crate::worker::attempt::Outgoing;
use crate::worker::stream::Stream;
use crate::worker::upstream::Upstream;

/// The body of an answer.
pub(in crate::worker) type AnswerBody = hyper::body::Incoming;

/// Why there is no answer, or no more of it.
pub(in crate::worker) type Error = hyper::Error;

/// The instance's side of an upgraded connection.
pub(in crate::worker) type Upgraded = TokioIo<hyper::upgrade::Upgraded>;

/// A connection that one request at a time can be sent on.
pub(in crate::worker) struct Connection(SendRequest<Outgoing>);

/// Where the instance's side of an upgraded connection will be.
pub(in crate::worker) struct Upgrading {
    on: OnUpgrade,
    _connection: Connection,
}

impl Connection {
    /// Makes a connection to the instance of `upstream`, which runs what moves its bytes.
    pub(super) async fn connect(upstream: &Upstream) -> io::Result<Self> {
        let stream = TcpStream::connect(upstream.instance().address).await?;
        stream.set_nodelay(true)?;
        let mut builder = Builder::new();
        builder.max_header_size(upstream.head_bytes_max());
        // What a slow client has not taken yet stays with the instance, not in memory here.
        builder.max_buf_size(upstream.head_bytes_max().max(64 * 1024));
        let (sender, connection) = builder
            .handshake(Stream::new(stream))
            .await
            .map_err(io::Error::other)?;
        upstream.run(async move {
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!(%error, "a connection to an instance broke");
            }
        });
        Ok(Self(sender))
    }

    /// Returns whether a request would be sent at once.
    pub(super) fn is_ready(&self) -> bool {
        self.0.is_ready()
    }

    /// Returns whether no request can be sent any more.
    pub(super) fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    /// Sends `request` and waits for the head of the answer. The time limit counts from the last
    /// movement of the request's body.
    pub(super) async fn send(mut self, request: Request<Outgoing>, limit: Duration) -> Ended {
        let progress = request.body().progress();
        match in_time(self.0.try_send_request(request), progress, limit).await {
            Ok(Ok(response)) => {
                let response = response.map(super::AnswerBody::Http1);
                Ended::Answered(response, super::Connection::Http1(self))
            }
            Ok(Err(mut refused)) => match refused.take_message() {
                Some(request) => Ended::Unsent(request),
                None => broken(refused.into_error()),
            },
            Err(ended) => ended,
        }
    }

    /// Returns where the instance's side of the connection will be after `response`.
    pub(super) fn upgrade<B>(self, response: &mut Response<B>) -> Upgrading {
        Upgrading {
            on: hyper::upgrade::on(response),
            _connection: self,
        }
    }
}

impl Upgrading {
    /// Waits for the instance's side of the connection.
    pub(super) async fn stream(self) -> io::Result<Upgraded> {
        self.on.await.map(TokioIo::new).map_err(io::Error::other)
    }
}

fn broken(error: Error) -> Ended {
    if error.is_user() {
        // The only thing of ours that can fail in there is the body, and it is the client's.
        Ended::ClientBroke
    } else if error.is_parse() {
        Ended::Garbled(error.into())
    } else {
        Ended::BrokeOff(error.into())
    }
}
