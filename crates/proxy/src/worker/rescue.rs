//! What the proxy says when no instance can: the one place where a failure becomes an answer.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Response, StatusCode};

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
    /// The client did not go on with its request.
    ClientStalled,
}

/// Returns the proxy's own answer.
pub(super) fn rescue(failure: Failure) -> Response<Answer> {
    let (status, reason, words) = match failure {
        Failure::BadRequest => (
            StatusCode::BAD_REQUEST,
            "bad-request",
            "the request is not valid HTTP\n",
        ),
        Failure::Connect => (
            StatusCode::METHOD_NOT_ALLOWED,
            "connect",
            "this is not a forward proxy\n",
        ),
        Failure::NoRoute => (
            StatusCode::NOT_FOUND,
            "no-route",
            "nothing is served under this host and path\n",
        ),
        Failure::NoInstance => (
            StatusCode::SERVICE_UNAVAILABLE,
            "no-instance",
            "the service has no instance to answer\n",
        ),
        Failure::Exhausted => (
            StatusCode::SERVICE_UNAVAILABLE,
            "exhausted",
            "the machine is out of open files, ports or memory\n",
        ),
        Failure::Unreachable => (
            StatusCode::BAD_GATEWAY,
            "unreachable",
            "no instance of the service can be reached\n",
        ),
        Failure::BrokeOff => (
            StatusCode::BAD_GATEWAY,
            "broke-off",
            "the service closed the connection unanswered\n",
        ),
        Failure::Garbled => (
            StatusCode::BAD_GATEWAY,
            "garbled",
            "the service answered something that is not HTTP\n",
        ),
        Failure::TimedOut => (
            StatusCode::GATEWAY_TIMEOUT,
            "timed-out",
            "the service did not answer in time\n",
        ),
        Failure::ClientStalled => (
            StatusCode::REQUEST_TIMEOUT,
            "client-stalled",
            "the request did not arrive in time\n",
        ),
    };
    let mut response = Response::new(Answer::Own(Some(Bytes::from_static(words.as_bytes()))));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    headers.insert(REASON, HeaderValue::from_static(reason));
    response
}
