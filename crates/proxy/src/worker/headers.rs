//! What happens to the heads of requests and answers on their way through.

use http::header::{
    CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, HOST, HeaderName, HeaderValue, TE,
    TRANSFER_ENCODING, UPGRADE,
};
use http::uri::{Authority, PathAndQuery};
use http::{Method, StatusCode, Uri, Version};

use crate::message::{Headers, RequestHead, ResponseHead, Value};
use crate::worker::host::{Host, HostName};
use crate::worker::peer::Peer;
use crate::worker::rescue::{Failure, REASON};

/// Says whether a header is for the next hop only (RFC 9110, 7.6.1), whether `connection` names it
/// or not.
pub(super) fn is_hop_by_hop(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "te"
            | "transfer-encoding"
            | "upgrade"
    )
}

/// Makes the head of a request fit for an instance. Returns the host that it is for, and whether it
/// asks for another protocol. `None` as length of the body is: not known beforehand.
pub(super) fn prepare_request(
    head: &mut RequestHead,
    peer: &Peer,
    body_length: Option<u64>,
) -> Result<(Option<HostName>, bool), Failure> {
    if head.method == Method::CONNECT {
        return Err(Failure::Connect);
    }
    let host = host(head)?;
    let name = host.as_ref().map(Host::place);
    // In a request to an origin the target is a path; with a whole URI its authority counts.
    if head.uri.authority().is_some() {
        let said = host.and_then(|host| HeaderValue::from_bytes(host.said()).ok());
        head.uri = Uri::from(path_for_origin(head.uri.path_and_query()));
        if let Some(said) = said {
            head.headers.insert(HOST, said);
        }
    }
    // Mostly there is nothing of it, and nothing more to be looked for.
    let is_for_us = |name: &HeaderName| *name == EXPECT || is_hop_by_hop(name);
    let wants_upgrade = head.headers.names().any(is_for_us) && heed_what_is_for_the_proxy(head);
    if head.version == Version::HTTP_2 {
        join_cookies(&mut head.headers);
    }
    if body_length.is_none() {
        head.headers
            .insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    peer.announce(head);
    head.version = Version::HTTP_11;
    Ok((name, wants_upgrade))
}

/// Takes what is for the proxy out of the headers of a request, and puts in what the proxy says to
/// the instance instead. Returns whether the request asks for another protocol.
fn heed_what_is_for_the_proxy(head: &mut RequestHead) -> bool {
    let upgrade = wants_upgrade(head);
    let takes_trailers = takes_trailers(head);
    let headers = &mut head.headers;
    // The proxy itself answers `100 Continue` as soon as an instance takes the body.
    strip(headers, |name| *name == EXPECT);
    let wants_upgrade = upgrade.is_some();
    if let Some(upgrade) = upgrade {
        headers.append(UPGRADE, upgrade);
        headers.append(CONNECTION, HeaderValue::from_static("upgrade"));
    } else if takes_trailers {
        headers.append(TE, HeaderValue::from_static("trailers"));
        headers.append(CONNECTION, HeaderValue::from_static("te"));
    }
    wants_upgrade
}

/// Makes the head of an answer fit for the client.
pub(super) fn prepare_answer(head: &mut ResponseHead) {
    let headers = &mut head.headers;
    // Only the proxy speaks in the proxy's voice.
    let is_for_us = |name: &HeaderName| *name == REASON || is_hop_by_hop(name);
    if !headers.names().any(is_for_us) {
        return;
    }
    // These two statuses are about the next hop and say so in a header.
    let names_protocols = [
        StatusCode::SWITCHING_PROTOCOLS,
        StatusCode::UPGRADE_REQUIRED,
    ]
    .contains(&head.status);
    let upgrade = names_protocols.then(|| headers.get_kept(UPGRADE)).flatten();
    // Of two lengths that contradict each other only the one that counted may be passed on.
    let is_coded = headers.contains(TRANSFER_ENCODING);
    strip(headers, |name| {
        *name == REASON || is_coded && *name == CONTENT_LENGTH
    });
    if let Some(upgrade) = upgrade {
        headers.append(UPGRADE, upgrade);
        headers.append(CONNECTION, HeaderValue::from_static("upgrade"));
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

/// Returns the host and port that a request is for; `None` is only possible in HTTP/1.0.
pub(super) fn host(head: &RequestHead) -> Result<Option<Host<'_>>, Failure> {
    let mut lines = head.headers.get_all(HOST);
    let named = match (lines.next(), lines.next()) {
        (_, Some(_)) => return Err(Failure::BadRequest),
        (None, None) if head.version == Version::HTTP_11 => return Err(Failure::BadRequest),
        (named, None) => named.filter(|host| !host.is_empty()),
    };
    let target = head.uri.authority();
    let is_for_an_origin = match target {
        // A target that is nothing but a host is for tunnels; elsewhere it would hide the path.
        Some(_) if head.method == Method::CONNECT => true,
        Some(_) => head
            .uri
            .scheme_str()
            .is_some_and(|scheme| !scheme.is_empty()),
        None => head.uri.path_and_query().is_none_or(begins_plainly),
    };
    if !is_for_an_origin {
        return Err(Failure::BadRequest);
    }
    let is_http2 = head.version == Version::HTTP_2;
    let host = match (target, named) {
        (None, None) if is_http2 => return Err(Failure::BadRequest),
        (None, None) => return Ok(None),
        (None, Some(named)) => Host::read(named.as_bytes()),
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
fn takes_trailers(head: &RequestHead) -> bool {
    let is_trailers = |token: &str| token.trim().eq_ignore_ascii_case("trailers");
    let names_it = |line: Value<'_>| {
        line.to_str()
            .is_some_and(|line| line.split(',').any(is_trailers))
    };
    let is_for_us = || {
        head.version == Version::HTTP_2
            || tokens(&head.headers).any(|token| token.eq_ignore_ascii_case("te"))
    };
    head.headers.get_all(TE).any(names_it) && is_for_us()
}

/// HTTP/2 allows a header for each cookie, HTTP/1.1 only one for all.
fn join_cookies(headers: &mut Headers) {
    if headers.get_all(COOKIE).nth(1).is_none() {
        return;
    }
    let cookies: Vec<&[u8]> = headers.get_all(COOKIE).map(Value::as_bytes).collect();
    // Made of what was valid and of what is.
    if let Ok(joined) = HeaderValue::from_bytes(&cookies.join(&b"; "[..])) {
        headers.insert(COOKIE, joined);
    }
}

fn wants_upgrade(head: &RequestHead) -> Option<HeaderValue> {
    let asked = head.version == Version::HTTP_11
        && tokens(&head.headers).any(|token| token.eq_ignore_ascii_case("upgrade"));
    asked.then(|| head.headers.get_kept(UPGRADE)).flatten()
}

/// Returns what `connection` names.
fn tokens(headers: &Headers) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(CONNECTION).filter_map(Value::to_str);
    lines.flat_map(|line| line.split(',')).map(str::trim)
}

/// Takes out what is for the next hop only, and what is `unwanted` otherwise.
fn strip(headers: &mut Headers, unwanted: impl Fn(&HeaderName) -> bool) {
    // Most name nothing but `keep-alive` or `close`: then there is nothing to collect.
    let named: Vec<HeaderName> = tokens(headers)
        .filter(|token| !["", "close", "keep-alive", "upgrade"].contains(token))
        .filter_map(|token| HeaderName::try_from(token).ok())
        // A message cannot do without these, whoever asks for it.
        .filter(|name| name != HOST && name != CONTENT_LENGTH)
        .collect();
    headers.retain(|name| !is_hop_by_hop(name) && !named.contains(name) && !unwanted(name));
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use http::Request;

    use super::*;

    fn prepared(request: http::request::Builder, peer: &str) -> Result<RequestHead, Failure> {
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let mut head = RequestHead::from(parts);
        prepare_request(
            &mut head,
            &Peer::new(peer.parse().unwrap(), false, &Rc::from([])),
            Some(0),
        )
        .map(|_| head)
    }

    #[test]
    fn nobody_can_name_away_what_a_message_needs() {
        let request = Request::post("/")
            .header("host", "a")
            .header("content-length", "5")
            .header("x-forwarded-for", "1.2.3.4")
            .header("connection", "host, content-length, x-forwarded-for, close");
        let parts = prepared(request, "203.0.113.9:4711").unwrap();
        assert_eq!(parts.headers.text("host"), "a");
        assert_eq!(parts.headers.text("content-length"), "5");
        assert_eq!(parts.headers.text("x-forwarded-for"), "203.0.113.9");
    }

    #[test]
    fn of_two_lengths_of_an_answer_none_is_passed_on() {
        let response = http::Response::builder()
            .header("content-length", "5")
            .header("transfer-encoding", "chunked");
        let (parts, ()) = response.body(()).unwrap().into_parts();
        let mut head = ResponseHead::from(parts);
        prepare_answer(&mut head);
        assert!(head.headers.is_empty());
    }
}
