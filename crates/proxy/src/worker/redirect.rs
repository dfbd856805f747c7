//! Leading clients to https.

use http::StatusCode;
use http::header::{HeaderValue, LOCATION};

use crate::message::{RequestHead, Response};
use crate::worker::answer::Answer;
use crate::worker::headers::host;
use crate::worker::rescue::{Failure, REASON, Refused, rescue};

/// The reason that is given for the answer.
const TO_HTTPS: &str = "to-https";

/// The port that needs no naming.
const USUAL_PORT: u16 = 443;

/// Returns an answer that leads to what a request with this head asks for, under https at `port`.
pub(super) fn lead_to_https(port: u16, head: &RequestHead, refused: &Refused) -> Response<Answer> {
    let Some(location) = location(port, head) else {
        return rescue(Failure::BadRequest, refused);
    };
    refused.count(TO_HTTPS);
    // Unlike 301 it lets nobody make a GET of a POST.
    let mut response = Response::new(StatusCode::PERMANENT_REDIRECT, Answer::EMPTY);
    let headers = &mut response.head.headers;
    headers.insert(LOCATION, location);
    headers.insert(REASON, HeaderValue::from_static(TO_HTTPS));
    response
}

fn location(port: u16, head: &RequestHead) -> Option<HeaderValue> {
    let host = host(head).ok()??;
    let host = host.name();
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    // The target of some requests is no path.
    let path = if path.starts_with('/') { path } else { "/" };
    let location = match port {
        USUAL_PORT => format!("https://{host}{path}"),
        _ => format!("https://{host}:{port}{path}"),
    };
    HeaderValue::try_from(location).ok()
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[test]
    fn the_same_is_found_under_https() {
        for (port, target, host, expected) in [
            (
                443,
                "/",
                Some("site.example"),
                Some("https://site.example/"),
            ),
            (
                443,
                "/a?b=c",
                Some("site.example:8080"),
                Some("https://site.example/a?b=c"),
            ),
            (8443, "/", Some("[::1]:80"), Some("https://[::1]:8443/")),
            (
                443,
                "http://other.example:81/a",
                Some("site.example"),
                Some("https://other.example/a"),
            ),
            (
                443,
                "*",
                Some("site.example"),
                Some("https://site.example/"),
            ),
            (
                443,
                "//evil.example/",
                Some("site.example"),
                Some("https://site.example//evil.example/"),
            ),
            (443, "/", None, None),
            (443, "/", Some(""), None),
            (443, "/", Some("a@b"), None),
            (443, "/", Some("a b"), None),
        ] {
            let mut request = Request::get(target);
            if let Some(host) = host {
                request = request.header("host", host);
            }
            let (parts, ()) = request.body(()).unwrap().into_parts();
            let location = location(port, &RequestHead::from(parts));
            let location = location.as_ref().map(|location| location.to_str().unwrap());
            assert_eq!(location, expected, "{target} {host:?}");
        }
    }
}
