//! Whether a request over TCP was meant for us.
//!
//! A page of somebody else can have a browser on this machine send requests to a loopback address, under a
//! name of its own that it has lead there. It cannot choose what `Host` and `Origin` say.

use axum::http::HeaderMap;
use axum::http::header::{HOST, ORIGIN};
use axum::http::uri::Authority;

/// Returns what is wrong with where a request says that it goes to, and comes from.
/// `plain` says that it came without TLS, so to a loopback address.
pub(crate) fn problem(headers: &HeaderMap, plain: bool) -> Option<&'static str> {
    let mut hosts = headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return Some("it says not once which host it is for");
    };
    let host: Option<Authority> = host.to_str().ok().and_then(|host| host.parse().ok());
    let Some(host) = host else {
        return Some("the host it says it is for is none");
    };
    if plain && !is_loopback(host.host()) {
        return Some("it is for another host than this machine's own address");
    }
    for origin in headers.get_all(ORIGIN) {
        let origin = origin.to_str().unwrap_or_default();
        let from = origin.split_once("://").map(|(_, from)| from);
        if from != Some(host.as_str()) {
            return Some("it comes from a page of another origin");
        }
    }
    None
}

fn is_loopback(host: &str) -> bool {
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let address = bare.unwrap_or(host).parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_was_meant_for_somebody_else_is_told_apart() {
        for (host, origin, plain, good) in [
            (Some("127.0.0.1:8080"), None, true, true),
            (Some("localhost:8080"), None, true, true),
            (Some("[::1]:8080"), None, true, true),
            (Some("127.0.0.1"), Some("http://127.0.0.1"), true, true),
            (Some("evil.example:8080"), None, true, false),
            (Some("127.0.0.1.evil.example"), None, true, false),
            (Some("10.0.0.1:8080"), None, true, false),
            (Some("leadsman.example"), None, false, true),
            (
                Some("leadsman.example"),
                Some("https://leadsman.example"),
                false,
                true,
            ),
            (
                Some("leadsman.example"),
                Some("https://evil.example"),
                false,
                false,
            ),
            (Some("127.0.0.1:1"), Some("http://127.0.0.1:2"), true, false),
            (Some("127.0.0.1:1"), Some("null"), true, false),
            (Some("a b"), None, false, false),
            (None, None, false, false),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(host) = host {
                headers.insert(HOST, host.parse().unwrap());
            }
            if let Some(origin) = origin {
                headers.insert(ORIGIN, origin.parse().unwrap());
            }
            let problem = problem(&headers, plain);
            assert_eq!(problem.is_none(), good, "{host:?} {origin:?}: {problem:?}");
        }
    }
}
