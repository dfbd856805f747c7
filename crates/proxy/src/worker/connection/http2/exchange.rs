//! One request and the head of its answer.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use h2::client::ResponseFuture;
use h2::{Reason, RecvStream};
use http::StatusCode;
use hyper::body::Body as _;

use super::answer::Rest;
use super::heads::head;
use super::upload::{Sent, Upload};
use super::wire::Mark;
use super::{AnswerBody, Connection};
use crate::message::{Request, Response};
use crate::worker::attempt::{Outgoing, Progress};
use crate::worker::connection::{self, Ended, INTERIM_MAX};

/// What comes of a request that was sent.
enum Came {
    Answer(http::Response<RecvStream>),
    /// The client broke off in the middle of its body, or it exceeds a limit.
    ClientBroke,
    Error(h2::Error),
}

/// A request that was sent, and waits for its answer.
struct Exchange {
    answer: ResponseFuture,
    upload: Option<Upload>,
    /// How sending the body ended.
    sent: Option<Sent>,
    /// How many interim answers came.
    interim: u32,
}

impl Connection {
    /// Sends `request` and waits for the head of the answer. The time limit counts from the last
    /// movement of the request's body.
    pub(in crate::worker::connection) async fn send(
        self,
        request: &mut Request<Outgoing>,
        limit: Duration,
    ) -> Ended {
        let mut sender = self.link.sender.clone();
        // It never waits: only who has sent a request by it would.
        if poll_fn(|context| sender.poll_ready(context)).await.is_err() {
            self.link.is_retired.set(true);
            return Ended::Unsent;
        }
        let body = std::mem::replace(&mut request.body, Outgoing::Empty);
        let progress = body.progress();
        let head = head(&request.head, &self.upstream.instance().address);
        let before = self.link.traffic.mark();
        let is_end = body.is_end_stream();
        let (answer, stream) = match sender.send_request(head, is_end) {
            Ok(sent) => sent,
            Err(error) => {
                self.link.is_retired.set(true);
                return Ended::BrokeOff(error.into());
            }
        };
        let mut exchange = Exchange {
            answer,
            upload: (!is_end).then(|| Upload::new(body, stream)),
            sent: is_end.then_some(Sent::Whole),
            interim: 0,
        };
        let came = in_time(poll_fn(|context| exchange.poll(context)), progress, limit).await;
        match came {
            Ok(Came::Answer(response)) => self.answered(response, exchange),
            Ok(Came::ClientBroke) => Ended::ClientBroke,
            Ok(Came::Error(error)) => {
                let blame = self.blame(&error, before);
                let body = match exchange.upload {
                    Some(upload) => upload.into_unsent(),
                    None => Some(Outgoing::Empty),
                };
                let is_whole = body.is_some();
                request.body = body.unwrap_or(Outgoing::Empty);
                match blame {
                    Blame::Closed if is_whole => Ended::Unsent,
                    Blame::Refused if is_whole => Ended::Refused,
                    Blame::Garbled => Ended::Garbled(error.into()),
                    Blame::Closed | Blame::Refused | Blame::Broken => Ended::BrokeOff(error.into()),
                }
            }
            Err(ended) => {
                // An instance that says nothing at all may never do so on this connection.
                if !self.link.traffic.has_read(before) {
                    self.link.is_retired.set(true);
                }
                ended
            }
        }
    }

    fn answered(self, response: http::Response<RecvStream>, exchange: Exchange) -> Ended {
        let rest = match (exchange.upload, exchange.sent) {
            (None, _) | (_, Some(Sent::Whole)) => None,
            (Some(_), Some(Sent::Unwanted | Sent::Broken)) => Some(Rest::unwanted()),
            (Some(upload), None) => Some(Rest::going_on(upload, &self.upstream)),
        };
        let response = Response::from(response).map(|stream| {
            let body = AnswerBody::new(stream, rest);
            connection::AnswerBody::Http2(body)
        });
        Ended::Answered(response, connection::Connection::Http2(self))
    }

    /// Says what `error` means for a request that was sent when so much had been `before`.
    fn blame(&self, error: &h2::Error, before: Mark) -> Blame {
        let (link, reason) = (&self.link, error.reason());
        if error.is_reset() && error.is_remote() {
            return match reason {
                Some(Reason::REFUSED_STREAM) => Blame::Refused,
                _ => Blame::Broken,
            };
        }
        if error.is_reset() {
            return Blame::Garbled;
        }
        link.is_retired.set(true);
        // Requests that an instance may have acted on are told of its goodbye only by the end of the
        // connection.
        let is_goodbye = error.is_go_away() && error.is_remote();
        if is_goodbye || !link.traffic.has_written(before) {
            Blame::Closed
        } else if error.is_library() {
            Blame::Garbled
        } else {
            Blame::Broken
        }
    }
}

/// What an error means for a request.
enum Blame {
    /// The connection was closed before the instance got it, or will be before it looks at it.
    Closed,
    /// The instance says that it did nothing about it.
    Refused,
    /// What came was not HTTP/2.
    Garbled,
    /// The instance may have acted on it.
    Broken,
}

impl Exchange {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Came> {
        if let Some(upload) = self.upload.as_mut().filter(|_| self.sent.is_none())
            && let Poll::Ready(sent) = upload.poll(context)
        {
            if sent == Sent::Broken {
                return Poll::Ready(Came::ClientBroke);
            }
            // It stays: it may have to be sent again.
            self.sent = Some(sent);
        }
        while let Poll::Ready(Some(interim)) = self.answer.poll_informational(context) {
            let interim = match interim {
                Ok(interim) => interim,
                Err(error) => return Poll::Ready(Came::Error(error)),
            };
            self.interim += 1;
            // No protocol can be changed here, and who never comes to the point is no better.
            if interim.status() == StatusCode::SWITCHING_PROTOCOLS || self.interim > INTERIM_MAX {
                return Poll::Ready(Came::Error(Reason::PROTOCOL_ERROR.into()));
            }
        }
        let answer = ready!(std::pin::Pin::new(&mut self.answer).poll(context));
        Poll::Ready(answer.map_or_else(Came::Error, Came::Answer))
    }
}

/// Waits for what comes of a request, up to `limit` from the last movement of its body.
async fn in_time<T>(
    coming: impl Future<Output = T>,
    progress: Option<Rc<Progress>>,
    limit: Duration,
) -> Result<T, Ended> {
    let mut coming = std::pin::pin!(coming);
    let mut deadline = Instant::now() + limit;
    loop {
        if let Ok(came) = tokio::time::timeout_at(deadline.into(), coming.as_mut()).await {
            return Ok(came);
        }
        let Some(progress) = &progress else {
            return Err(Ended::TimedOut);
        };
        let moved_until = progress.moved_at() + limit;
        if moved_until <= Instant::now() {
            return Err(match progress.waits_for_client() {
                true => Ended::ClientStalled,
                false => Ended::TimedOut,
            });
        }
        deadline = moved_until;
    }
}
