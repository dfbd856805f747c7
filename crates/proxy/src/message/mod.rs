//! Requests and answers on their way through: plain structs, and headers that are a list.
//!
//! They are what `http` has under the same names, but for what that pays for and nobody needs here:
//! a map of headers, and room for anything else. They become `http`'s, or come of them, where a
//! library wants it so.

mod headers;

pub(crate) use headers::{Headers, Said, Value};

use http::{Method, StatusCode, Uri, Version};
use hyper::ext::ReasonPhrase;

/// A request.
#[derive(Debug)]
pub(crate) struct Request<B> {
    pub(crate) head: RequestHead,
    pub(crate) body: B,
}

/// The head of a request.
#[derive(Clone, Debug)]
pub(crate) struct RequestHead {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) version: Version,
    pub(crate) headers: Headers,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Response<B> {
    pub(crate) head: ResponseHead,
    pub(crate) body: B,
}

/// The head of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ResponseHead {
    pub(crate) status: StatusCode,
    /// What is said with the status, if that is not what everybody says.
    pub(crate) reason: Option<ReasonPhrase>,
    pub(crate) headers: Headers,
}

impl<B> Response<B> {
    /// Returns an answer that says nothing but this.
    pub(crate) fn new(status: StatusCode, body: B) -> Self {
        Self {
            head: ResponseHead {
                status,
                reason: None,
                headers: Headers::default(),
            },
            body,
        }
    }

    /// Returns the same with another body.
    pub(crate) fn map<C>(self, body: impl FnOnce(B) -> C) -> Response<C> {
        Response {
            head: self.head,
            body: body(self.body),
        }
    }
}

impl<B> From<http::Request<B>> for Request<B> {
    fn from(request: http::Request<B>) -> Self {
        let (parts, body) = request.into_parts();
        Self {
            head: parts.into(),
            body,
        }
    }
}

impl From<http::request::Parts> for RequestHead {
    /// Whatever a library noted for itself is left behind.
    fn from(parts: http::request::Parts) -> Self {
        Self {
            method: parts.method,
            uri: parts.uri,
            version: parts.version,
            headers: parts.headers.into(),
        }
    }
}

impl<B> From<http::Response<B>> for Response<B> {
    fn from(response: http::Response<B>) -> Self {
        let (parts, body) = response.into_parts();
        Self {
            head: parts.into(),
            body,
        }
    }
}

impl From<http::response::Parts> for ResponseHead {
    /// Whatever a library noted for itself is left behind.
    fn from(mut parts: http::response::Parts) -> Self {
        Self {
            status: parts.status,
            reason: parts.extensions.remove(),
            headers: parts.headers.into(),
        }
    }
}
