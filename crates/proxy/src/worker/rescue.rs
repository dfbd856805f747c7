//! What the proxy says when no instance can: the one place where a failure becomes an answer.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeMap;

use bytes::Bytes;
use http::StatusCode;
use http::header::{CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};

use crate::message::Response;
use crate::worker::answer::Answer;

/// Says that the proxy speaks, and why, in one word.
pub(super) const REASON: HeaderName = HeaderName::from_static("x-leadsman-reason");

/// Why there is no answer of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The request cannot be understood without doubt.
    BadRequest,
    /// The request asks for a tunnel to anywhere.
    Connect,
    /// No rule is for this host and path.
    NoRoute,
    /// The service has no instance, or no side with weight.
    NoInstance,
    /// The service is paused, and the request could not wait, or not for longer.
    Paused,
    /// All instances have as much to do as they may, and too many requests wait, or too long.
    Overloaded,
    /// This machine is out of open files, ports or memory, so that nothing can be asked.
    Exhausted,
    /// No connection could be made.
    Unreachable,
    /// The connection broke before there was an answer.
    BrokeOff,
    /// What came was no HTTP.
    Garbled,
    /// The answer took too long.
    TimedOut,
    /// The instance left the table, and the time to drain was up before it answered.
    CutShort,
    /// The client did not go on with its request.
    ClientStalled,
    /// The client goes on with its request more slowly than it may.
    ClientSlow,
    /// The head of the request is longer than it may be, or has more lines.
    HeadTooLarge,
    /// The path and query of the request are longer than they may be.
    UriTooLong,
    /// The body of the request is longer than it may be.
    BodyTooLarge,
    /// The client makes more requests than it may; it can make one after so many seconds.
    ClientRate(u32),
    /// All clients together make more requests of this route than they may.
    RouteRate(u32),
}

impl Failure {
    /// Returns what is answered: the status, the reason in one word, and the same in a sentence.
    fn said(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::BadRequest => (
                StatusCode::BAD_REQUEST,
                "bad-request",
                "the request is not valid HTTP\n",
            ),
            Self::Connect => (
                StatusCode::METHOD_NOT_ALLOWED,
                "connect",
                "this is not a forward proxy\n",
            ),
            Self::NoRoute => (
                StatusCode::NOT_FOUND,
                "no-route",
                "nothing is served under this host and path\n",
            ),
            Self::NoInstance => (
                StatusCode::SERVICE_UNAVAILABLE,
                "no-instance",
                "the service has no instance to answer\n",
            ),
            Self::Paused => (
                StatusCode::SERVICE_UNAVAILABLE,
                "paused",
                "the service is paused for a moment\n",
            ),
            Self::Overloaded => (
                StatusCode::SERVICE_UNAVAILABLE,
                "overloaded",
                "the service has more to do than it can\n",
            ),
            Self::Exhausted => (
                StatusCode::SERVICE_UNAVAILABLE,
                "exhausted",
                "the machine is out of open files, ports or memory\n",
            ),
            Self::Unreachable => (
                StatusCode::BAD_GATEWAY,
                "unreachable",
                "no instance of the service can be reached\n",
            ),
            Self::BrokeOff => (
                StatusCode::BAD_GATEWAY,
                "broke-off",
                "the service closed the connection unanswered\n",
            ),
            Self::Garbled => (
                StatusCode::BAD_GATEWAY,
                "garbled",
                "the service answered something that is not HTTP\n",
            ),
            Self::TimedOut => (
                StatusCode::GATEWAY_TIMEOUT,
                "timed-out",
                "the service did not answer in time\n",
            ),
            Self::CutShort => (
                StatusCode::SERVICE_UNAVAILABLE,
                "cut-short",
                "the instance was taken away before it answered\n",
            ),
            Self::ClientStalled => (
                StatusCode::REQUEST_TIMEOUT,
                "client-stalled",
                "the request did not arrive in time\n",
            ),
            Self::ClientSlow => (
                StatusCode::REQUEST_TIMEOUT,
                "client-slow",
                "the request arrives too slowly\n",
            ),
            Self::HeadTooLarge => (
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "head-too-large",
                "the head of the request is longer than it may be\n",
            ),
            Self::UriTooLong => (
                StatusCode::URI_TOO_LONG,
                "uri-too-long",
                "the path and query are longer than they may be\n",
            ),
            Self::BodyTooLarge => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "body-too-large",
                "the body is longer than it may be\n",
            ),
            Self::ClientRate(_) => (
                StatusCode::TOO_MANY_REQUESTS,
                "client-rate",
                "these are more requests than one client may make\n",
            ),
            Self::RouteRate(_) => (
                StatusCode::TOO_MANY_REQUESTS,
                "route-rate",
                "these are more requests than may be made here\n",
            ),
        }
    }
}

impl Failure {
    /// Returns after how many seconds it is worth to ask again, where that can be said.
    fn retry_after(self) -> Option<u32> {
        match self {
            Self::ClientRate(seconds) | Self::RouteRate(seconds) => Some(seconds),
            Self::Paused | Self::Overloaded => Some(1),
            _ => None,
        }
    }
}

/// Why a client was cut off that is told nothing, as it cannot be, or as somebody else has.
pub(super) const UNREADABLE: &str = "bad-request";
pub(super) const HEAD_STALLED: &str = "head-stalled";

/// How often the proxy answered itself since it was asked last, by reason.
#[derive(Default)]
pub(super) struct Refused(RefCell<BTreeMap<&'static str, u64>>);

impl Refused {
    /// Returns what was counted and starts over.
    pub(super) fn take(&self) -> BTreeMap<Cow<'static, str>, u64> {
        let counted = self.0.take().into_iter();
        counted
            .map(|(reason, count)| (Cow::Borrowed(reason), count))
            .collect()
    }

    pub(super) fn count(&self, reason: &'static str) {
        *self.0.borrow_mut().entry(reason).or_default() += 1;
    }
}

/// Returns the proxy's own answer, and counts it.
pub(super) fn rescue(failure: Failure, refused: &Refused) -> Response<Answer> {
    let (status, reason, words) = failure.said();
    refused.count(reason);
    let words = Bytes::from_static(words.as_bytes());
    let mut response = Response::new(status, Answer::Own(Some(words)));
    let headers = &mut response.head.headers;
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    headers.insert(REASON, HeaderValue::from_static(reason));
    if [Failure::BadRequest, Failure::Connect].contains(&failure) {
        // What comes after it on the same connection was not meant as it would be read: in the second
        // case it is for whom the client believes to be connected with.
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    let retry_after = failure.retry_after();
    headers.extend(retry_after.map(|seconds| (RETRY_AFTER, seconds.into())));
    response
}
