//! What happens to the heads of requests and answers on their way through.

use http::header::{
    CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue,
    PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING, UPGRADE,
};
use http::request::Parts;
use http::uri::{Authority, PathAndQuery};
use http::{Method, StatusCode, Uri, Version, response};

use crate::worker::host::Host;
use crate::worker::peer::Peer;
use crate::worker::rescue::{Failure, REASON};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// Headers that are for the next hop only (RFC 9110, 7.6.1), whether `connection` names them or
/// not.
static HOP_BY_HOP: [HeaderName; 8] = [
    CONNECTION,
    KEEP_ALIVE,
    PROXY_CONNECTION,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Says whether any of `headers` is for the next hop only, or is `one`. There are few headers, and
/// mostly none of these: to compare all costs less than to look each of them up.
fn has_hop_by_hop_or(one: &HeaderName, headers: &HeaderMap) -> bool {
    headers
        .keys()
        .any(|name| name == one || HOP_BY_HOP.contains(name))
}

/// Makes the head of a request fit for an instance. Returns the host that it is for, and
/// whether it asks for another protocol. `None` as length of the body is: not known beforehand.
pub(super) fn prepare_request(
    parts: &mut Parts,
    peer: &Peer,
    body_length: Option<u64>,
) -> Result<(Option<Host>, bool), Failure> {
    if parts.method == Method::CONNECT {
        return Err(Failure::Connect);
    }
    // One whose length is known is not coded.
    if body_length.is_none() && !is_coded_plainly(&parts.headers) {
        return Err(Failure::BadRequest);
    }
    let host = host(parts)?;
    // In a request to an origin the target is a path; with a whole URI its authority counts.
    if parts.uri.authority().is_some() {
        parts.uri = Uri::from(path_for_origin(parts.uri.path_and_query()));
        if let Some(host) = &host {
            parts.headers.insert(HOST, host.said().clone());
        }
    }
    let wants_upgrade =
        has_hop_by_hop_or(&EXPECT, &parts.headers) && heed_what_is_for_the_proxy(parts);
    if parts.version == Version::HTTP_2 {
        join_cookies(&mut parts.headers);
    }
    if body_length.is_none() {
        parts
            .headers
            .insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    peer.announce(parts);
    parts.version = Version::HTTP_11;
    // Whatever the server noted for itself is not for the instance.
    parts.extensions.clear();
    Ok((host, wants_upgrade))
}

/// Takes what is for the proxy out of the headers of a request, and puts in what the proxy says to
/// the instance instead. Returns whether the request asks for another protocol.
fn heed_what_is_for_the_proxy(parts: &mut Parts) -> bool {
    let upgrade = wants_upgrade(parts);
    let takes_trailers = takes_trailers(parts);
    let headers = &mut parts.headers;
    strip(headers);
    // The proxy itself answers `100 Continue` as soon as an instance takes the body.
    headers.remove(EXPECT);
    let wants_upgrade = upgrade.is_some();
    if let Some(upgrade) = upgrade {
        headers.insert(UPGRADE, upgrade);
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    } else if takes_trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
        headers.insert(CONNECTION, HeaderValue::from_static("te"));
    }
    wants_upgrade
}

/// Makes the head of an answer fit for the client.
pub(super) fn prepare_answer(parts: &mut response::Parts) {
    parts.version = Version::HTTP_11;
    if !has_hop_by_hop_or(&REASON, &parts.headers) {
        return;
    }
    // These two statuses are about the next hop and say so in a header.
    let names_protocols = [
        StatusCode::SWITCHING_PROTOCOLS,
        StatusCode::UPGRADE_REQUIRED,
    ]
    .contains(&parts.status);
    let upgrade = parts
        .headers
        .get(UPGRADE)
        .filter(|_| names_protocols)
        .cloned();
    if parts.headers.contains_key(TRANSFER_ENCODING) {
        // Of two lengths that contradict each other only the one that counted may be passed on.
        parts.headers.remove(CONTENT_LENGTH);
    }
    strip(&mut parts.headers);
    // Only the proxy speaks in the proxy's voice.
    parts.headers.remove(REASON);
    if let Some(upgrade) = upgrade {
        parts.headers.insert(UPGRADE, upgrade);
        parts
            .headers
            .insert(CONNECTION, HeaderValue::from_static("upgrade"));
    }
}

/// Returns the path and query of a whole URI, which may go without a path; a target may not.
fn path_for_origin(path: Option<&PathAndQuery>) -> PathAndQuery {
    let root = || PathAndQuery::from_static("/");
    match path {
        None => root(),
        Some(path) if begins_plainly(path) => path.clone(),
        // Made of what was valid, in a place where it is.
        Some(query) => {
            PathAndQuery::try_from(format!("/{}", query.as_str())).unwrap_or_else(|_| root())
        }
    }
}

/// Says whether it is a target to an origin: a path, or the `*` that is for all of it.
fn begins_plainly(path: &PathAndQuery) -> bool {
    path.as_str().starts_with('/') || path.as_str() == "*"
}

/// Says whether a body comes in chunks and is not coded otherwise, or says nothing of that. What is
/// said is for the next hop, so an instance would be given the coded bytes as if they were plain;
/// and who says it twice, or in other words, may be understood by others in another way.
fn is_coded_plainly(headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(TRANSFER_ENCODING).iter();
    match (lines.next(), lines.next()) {
        (None, _) => true,
        (Some(coding), None) => coding.as_bytes().eq_ignore_ascii_case(b"chunked"),
        (Some(_), Some(_)) => false,
    }
}

/// Returns the host and port that a request is for; `None` is only possible in HTTP/1.0.
pub(super) fn host(parts: &Parts) -> Result<Option<Host>, Failure> {
    let mut lines = parts.headers.get_all(HOST).iter();
    let named = match (lines.next(), lines.next()) {
        (_, Some(_)) => return Err(Failure::BadRequest),
        (None, None) if parts.version == Version::HTTP_11 => return Err(Failure::BadRequest),
        (named, None) => named.filter(|host| !host.is_empty()),
    };
    let target = parts.uri.authority();
    let is_for_an_origin = match target {
        // A target that is nothing but a host is for tunnels; elsewhere it would hide the path.
        Some(_) if parts.method == Method::CONNECT => true,
        Some(_) => parts
            .uri
            .scheme_str()
            .is_some_and(|scheme| !scheme.is_empty()),
        None => parts.uri.path_and_query().is_none_or(begins_plainly),
    };
    if !is_for_an_origin {
        return Err(Failure::BadRequest);
    }
    let is_http2 = parts.version == Version::HTTP_2;
    let host = match (target, named) {
        (None, None) if is_http2 => return Err(Failure::BadRequest),
        (None, None) => return Ok(None),
        (None, Some(named)) => Host::read(named),
        (Some(target), None) => Host::read_target(target),
        // In HTTP/2 the host stands in the target, and may be repeated, but not contradicted, by a
        // header. In HTTP/1.1 the header does not count, but has to be one.
        (Some(target), Some(named)) => {
            let named = Authority::try_from(named.as_bytes()).ok();
            let is_allowed = |named: &Authority| !is_http2 || target == named;
            named
                .filter(is_allowed)
                .and_then(|_| Host::read_target(target))
        }
    };
    host.map(Some).ok_or(Failure::BadRequest)
}

/// Says whether the client takes headers at the end of an answer. What it said about that was for
/// the proxy, which says it anew.
fn takes_trailers(parts: &Parts) -> bool {
    let is_trailers = |token: &str| token.trim().eq_ignore_ascii_case("trailers");
    let names_it = |line: &HeaderValue| {
        line.to_str()
            .is_ok_and(|line| line.split(',').any(is_trailers))
    };
    let is_for_us = || {
        parts.version == Version::HTTP_2
            || tokens(&parts.headers).any(|token| token.eq_ignore_ascii_case("te"))
    };
    parts.headers.get_all(TE).iter().any(names_it) && is_for_us()
}

/// HTTP/2 allows a header for each cookie, HTTP/1.1 only one for all.
fn join_cookies(headers: &mut HeaderMap) {
    let mut cookies = headers.get_all(COOKIE).iter();
    if cookies.nth(1).is_none() {
        return;
    }
    let cookies: Vec<&[u8]> = headers
        .get_all(COOKIE)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    // Made of what was valid and of what is.
    if let Ok(joined) = HeaderValue::from_bytes(&cookies.join(&b"; "[..])) {
        headers.insert(COOKIE, joined);
    }
}

fn wants_upgrade(parts: &Parts) -> Option<HeaderValue> {
    let asked = parts.version == Version::HTTP_11
        && tokens(&parts.headers).any(|token| token.eq_ignore_ascii_case("upgrade"));
    parts.headers.get(UPGRADE).filter(|_| asked).cloned()
}

/// Returns what `connection` names.
fn tokens(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let lines = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim)
}

fn strip(headers: &mut HeaderMap) {
    // Most name nothing but `keep-alive` or `close`: then there is nothing to collect.
    let named: Vec<HeaderName> = tokens(headers)
        .filter(|token| !["", "close", "keep-alive", "upgrade"].contains(token))
        .filter_map(|token| HeaderName::try_from(token).ok())
        // A message cannot do without these, whoever asks for it.
        .filter(|name| name != HOST && name != CONTENT_LENGTH)
        .collect();
    for name in HOP_BY_HOP.iter().chain(&named) {
        if headers.keys().any(|other| other == name) {
            headers.remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use http::Request;

    use super::*;

    fn prepared(request: http::request::Builder, peer: &str) -> Result<Parts, Failure> {
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        prepare_request(
            &mut parts,
            &Peer::new(peer.parse().unwrap(), false, &Rc::from([])),
            Some(0),
        )
        .map(|_| parts)
    }

    #[test]
    fn nobody_can_name_away_what_a_message_needs() {
        let request = Request::post("/")
            .header("host", "a")
            .header("content-length", "5")
            .header("x-forwarded-for", "1.2.3.4")
            .header("connection", "host, content-length, x-forwarded-for, close");
        let parts = prepared(request, "203.0.113.9:4711").unwrap();
        assert_eq!(parts.headers["host"], "a");
        assert_eq!(parts.headers["content-length"], "5");
        assert_eq!(parts.headers["x-forwarded-for"], "203.0.113.9");
    }

    #[test]
    fn of_two_lengths_of_an_answer_none_is_passed_on() {
        let response = http::Response::builder()
            .header("content-length", "5")
            .header("transfer-encoding", "chunked");
        let (mut parts, ()) = response.body(()).unwrap().into_parts();
        prepare_answer(&mut parts);
        assert!(parts.headers.is_empty());
    }
}
