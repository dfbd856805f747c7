//! What is special about requests of gRPC: how a failure is said, and what a failed answer is.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

use crate::message::{Headers, Response, Value};
use crate::worker::answer::Answer;

/// The type of the bodies of gRPC; a `+` and an encoding may follow.
const TYPE: &str = "application/grpc";

const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// The statuses with which a service says that it is its own fault: `UNKNOWN`,
/// `DEADLINE_EXCEEDED`, `INTERNAL`, `UNAVAILABLE` and `DATA_LOSS`.
const FAULTS: [&[u8]; 5] = [b"2", b"4", b"13", b"14", b"15"];

/// Returns whether these are headers of a message of gRPC.
pub(super) fn is_grpc(headers: &Headers) -> bool {
    let kind = headers.get(CONTENT_TYPE).map(Value::as_bytes);
    let rest = kind.and_then(|kind| kind.strip_prefix(TYPE.as_bytes()));
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

/// Returns how long the client of a request of gRPC waits; `None` if it does not say.
pub(super) fn timeout(headers: &Headers) -> Option<Duration> {
    let said = headers.get(TIMEOUT)?.to_str()?;
    let (number, unit) = said.split_at_checked(said.len().checked_sub(1)?)?;
    let is_number = (1..=8).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit());
    let number: u64 = number.parse().ok().filter(|_| is_number)?;
    match unit {
        "H" => Some(Duration::from_secs(number * 3600)),
        "M" => Some(Duration::from_secs(number * 60)),
        "S" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_millis(number)),
        "u" => Some(Duration::from_micros(number)),
        "n" => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

/// Returns whether the head of an answer says that the service failed.
pub(super) fn is_fault(head: &Headers) -> bool {
    head.get(STATUS)
        .map(Value::as_bytes)
        .is_some_and(names_fault)
}

/// Returns whether what came at the end of an answer says that the service failed.
pub(super) fn ends_in_fault(trailers: &HeaderMap) -> bool {
    trailers
        .get(STATUS)
        .map(HeaderValue::as_bytes)
        .is_some_and(names_fault)
}

fn names_fault(status: &[u8]) -> bool {
    FAULTS.contains(&status)
}

/// Returns whether the head of an answer says how it ended: then there is nothing more to come.
pub(super) fn is_ended(head: &Headers) -> bool {
    head.contains(STATUS)
}

/// Says what the proxy has to say as clients of gRPC expect it: in the head of an answer that is
/// nothing but a head, whose status is 200.
pub(super) fn translated(own: Response<Answer>) -> Response<Answer> {
    let Response { mut head, body } = own;
    let words = match body {
        Answer::Own(Some(words)) => words,
        Answer::Own(None) | Answer::Relayed(_) | Answer::Noted(_) => Bytes::new(),
    };
    let headers = &mut head.headers;
    headers.remove(CONTENT_LENGTH);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(TYPE));
    headers.insert(STATUS, HeaderValue::from_static(code(head.status)));
    let message = escaped(&words);
    headers.extend(message.map(|message| (MESSAGE, message)));
    head.status = StatusCode::OK;
    Response {
        head,
        body: Answer::EMPTY,
    }
}

/// Returns the status of gRPC that says the same.
fn code(status: StatusCode) -> &'static str {
    match status {
        StatusCode::REQUEST_TIMEOUT | StatusCode::GATEWAY_TIMEOUT => "4",
        StatusCode::FORBIDDEN => "7",
        StatusCode::PAYLOAD_TOO_LARGE | StatusCode::TOO_MANY_REQUESTS => "8",
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => "12",
        StatusCode::BAD_REQUEST | StatusCode::URI_TOO_LONG => "13",
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE => "14",
        StatusCode::UNAUTHORIZED => "16",
        // Whatever it is that a sign says: the service is not there.
        status if !status.is_client_error() && !status.is_server_error() => "14",
        _ => "2",
    }
}

/// How much of what the proxy says becomes a message, in bytes: a page for people is too long.
const MESSAGE_MAX: usize = 200;

/// Returns the first line of `words` as a message of gRPC, in which all but printable ASCII is
/// percent-encoded.
fn escaped(words: &[u8]) -> Option<HeaderValue> {
    let line = words.split(|byte| *byte == b'\n').next()?;
    let mut message = String::new();
    for byte in line.iter().take(MESSAGE_MAX) {
        match byte {
            b'%' => message.push_str("%25"),
            b' '..=b'~' => message.push(char::from(*byte)),
            byte => message.push_str(&format!("%{byte:02X}")),
        }
    }
    HeaderValue::try_from(message).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: HeaderName, value: &str) -> Headers {
        Headers::from_iter([(name, HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn knows_what_is_grpc() {
        for (kind, is) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("application/grpc;x=y", true),
            ("application/grpc-web", false),
            ("application/grpc-web+proto", false),
            ("application/json", false),
        ] {
            assert_eq!(is_grpc(&headers(CONTENT_TYPE, kind)), is, "{kind}");
        }
        assert!(!is_grpc(&Headers::default()));
    }

    #[test]
    fn reads_how_long_a_client_waits() {
        for (said, time) in [
            ("1H", Some(Duration::from_secs(3600))),
            ("2M", Some(Duration::from_secs(120))),
            ("3S", Some(Duration::from_secs(3))),
            ("4m", Some(Duration::from_millis(4))),
            ("5u", Some(Duration::from_micros(5))),
            ("6n", Some(Duration::from_nanos(6))),
            ("99999999H", Some(Duration::from_secs(99_999_999 * 3600))),
            ("999999999S", None),
            ("", None),
            ("S", None),
            ("+1S", None),
            ("1", None),
            ("1s", None),
            ("1.5S", None),
        ] {
            assert_eq!(timeout(&headers(TIMEOUT, said)), time, "{said}");
        }
    }

    #[test]
    fn tells_faults_of_the_service_from_those_of_who_asked() {
        for (status, is) in [
            ("0", false),
            ("2", true),
            ("3", false),
            ("4", true),
            ("5", false),
        ]
        .into_iter()
        .chain([
            ("13", true),
            ("14", true),
            ("15", true),
            ("16", false),
            ("x", false),
        ]) {
            let said = headers(STATUS, status);
            assert_eq!(is_fault(&said), is, "{status}");
            assert_eq!(ends_in_fault(&HeaderMap::from(&said)), is, "{status}");
        }
        assert!(!is_fault(&Headers::default()));
        assert!(!ends_in_fault(&HeaderMap::new()));
    }

    #[test]
    fn says_what_the_proxy_says_in_a_head() {
        let words = Bytes::from_static(b"100 % \xc3\xbc\nmore");
        let own = Response::new(StatusCode::GATEWAY_TIMEOUT, Answer::Own(Some(words)));
        let Response { head, body } = translated(own);
        assert_eq!(head.status, StatusCode::OK);
        assert_eq!(head.headers.text(CONTENT_TYPE), "application/grpc");
        assert_eq!(head.headers.text(STATUS), "4");
        assert_eq!(head.headers.text(MESSAGE), "100 %25 %C3%BC");
        assert!(matches!(body, Answer::Own(None)));
    }
}
