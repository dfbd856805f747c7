//! Heads of messages: writing those of requests, reading those of answers.

use std::mem::MaybeUninit;

use bytes::BytesMut;
use http::header::{CONNECTION, CONTENT_LENGTH, HeaderName, TRANSFER_ENCODING};
use http::uri::PathAndQuery;
use http::{Method, StatusCode};
use hyper::ext::ReasonPhrase;

use super::Garbled;
use crate::message::{RequestHead, ResponseHead, Value};
use crate::worker::http1::{
    HEADERS_MAX, Inbound, Outbound, Persistence, digits, headers, tokens, within, write_header,
};

/// Writes the head of a request, and returns how its body is to be written. `length` is the length
/// of the body in bytes, where it is known.
pub(super) fn write(head: &RequestHead, length: Option<u64>, out: &mut Vec<u8>) -> Outbound {
    let method = &head.method;
    let target = head.uri.path_and_query();
    let target = target.map_or("/", PathAndQuery::as_str);
    out.extend_from_slice(method.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(target.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    let (mut is_chunked, mut is_length_said) = (false, false);
    for (name, value) in head.headers.iter() {
        is_chunked |= *name == TRANSFER_ENCODING;
        is_length_said |= *name == CONTENT_LENGTH;
        write_header(name, value.as_bytes(), out);
    }
    let outbound = if is_chunked {
        Outbound::Chunked
    } else if let Some(length) = length {
        if !is_length_said && (length > 0 || expects_body(method)) {
            write_header(&CONTENT_LENGTH, length.to_string().as_bytes(), out);
        }
        Outbound::Length(length)
    } else {
        write_header(&TRANSFER_ENCODING, b"chunked", out);
        Outbound::Chunked
    };
    out.extend_from_slice(b"\r\n");
    outbound
}

/// Says whether a request of this method has a body by its meaning, so that to have none is to be
/// said (RFC 9110, 8.6).
fn expects_body(method: &Method) -> bool {
    [Method::POST, Method::PUT, Method::PATCH].contains(method)
}

/// The head of an answer, and what it says of what follows.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) said: ResponseHead,
    pub(super) body: Inbound,
    /// Whether the connection can be used again after the body.
    pub(super) persists: bool,
}

/// Takes the head of the answer to a request of `method` out of `inbox`; `None` while it is not
/// complete.
///
/// # Errors
/// It is no head, or what it says of the length of its body can be understood in two ways.
pub(super) fn read(inbox: &mut BytesMut, method: &Method) -> Result<Option<Head>, Garbled> {
    let mut lines = [const { MaybeUninit::uninit() }; HEADERS_MAX];
    let mut answer = httparse::Response::new(&mut []);
    let parsed = httparse::ParserConfig::default().parse_response_with_uninit_headers(
        &mut answer,
        inbox,
        &mut lines,
    );
    let httparse::Status::Complete(length) = parsed.map_err(|_| Garbled::Head)? else {
        return Ok(None);
    };
    let is_first_version = answer.version == Some(0);
    let status = answer.code.and_then(|code| StatusCode::from_u16(code).ok());
    let status = status.ok_or(Garbled::Head)?;
    let reason = answer.reason.filter(|reason| !is_usual(status, reason));
    let reason = reason.map(|reason| within(inbox, reason.as_bytes()));

    let mut framing = Framing::default();
    let heed = |name: &HeaderName, value: Value<'_>| framing.heed(name, value);
    let mut headers = headers(answer.headers, inbox, Garbled::Head, heed)?;
    let body = framing.body(status, method, is_first_version)?;
    let persists = framing.persistence.persists(is_first_version) && body != Inbound::UntilClose;

    let head = inbox.split_to(length).freeze();
    let reason = reason.and_then(|reason| ReasonPhrase::try_from(head.slice(reason)).ok());
    headers.were_read_from(head);
    Ok(Some(Head {
        said: ResponseHead {
            status,
            reason,
            headers,
        },
        body,
        persists,
    }))
}

/// Says whether `reason` is what everybody says with `status`, or nothing.
fn is_usual(status: StatusCode, reason: &str) -> bool {
    reason.is_empty() || status.canonical_reason() == Some(reason)
}

/// What the headers of an answer say of what follows (RFC 9112, 6.3 and 9.3).
#[derive(Default)]
struct Framing {
    length: Option<u64>,
    /// Whether the body is encoded for the way, and if so, whether in chunks.
    is_chunked: Option<bool>,
    persistence: Persistence,
}

impl Framing {
    /// Takes note of a header, and returns whether it is to be kept: a length that is said again
    /// is not, nor is what concerns nothing but this connection.
    fn heed(&mut self, name: &HeaderName, value: Value<'_>) -> Result<bool, Garbled> {
        if *name == CONTENT_LENGTH {
            let length = digits(value.as_bytes()).ok_or(Garbled::Framing)?;
            return match self.length.replace(length) {
                None => Ok(true),
                Some(before) if before == length => Ok(false),
                Some(_) => Err(Garbled::Framing),
            };
        }
        if *name == TRANSFER_ENCODING {
            // The last one counts.
            let last = tokens(value).last();
            self.is_chunked = Some(last.is_some_and(|last| last.eq_ignore_ascii_case("chunked")));
        } else if *name == CONNECTION {
            return Ok(self.persistence.heed(value));
        }
        Ok(true)
    }

    fn body(
        &self,
        status: StatusCode,
        method: &Method,
        is_first_version: bool,
    ) -> Result<Inbound, Garbled> {
        // Who does not know what that is may have been told by somebody who lies.
        if self.is_chunked.is_some() && is_first_version {
            return Err(Garbled::Framing);
        }
        let has_none = status.is_informational()
            || status == StatusCode::NO_CONTENT
            || status == StatusCode::NOT_MODIFIED
            || method == Method::HEAD;
        Ok(match (self.is_chunked, self.length) {
            _ if has_none => Inbound::Done,
            (Some(true), _) => Inbound::chunked(),
            (None, Some(0)) => Inbound::Done,
            (None, Some(length)) => Inbound::Length(length),
            (Some(false), _) | (None, None) => Inbound::UntilClose,
        })
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::Request;
    use http::header::HOST;

    use super::*;
    use crate::message::Headers;
    use crate::worker::door::http1::read_request;

    fn written(request: http::request::Builder, length: Option<u64>) -> String {
        let mut out = Vec::new();
        let (parts, ()) = request.body(()).unwrap().into_parts();
        write(&parts.into(), length, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_request_says_how_long_its_body_is() {
        let get = || Request::get("/a?b=c").header("host", "quay");
        let post = || Request::post("/a?b=c").header("host", "quay");
        let with = |method: &str, lines: &str| {
            format!("{method} /a?b=c HTTP/1.1\r\nhost: quay\r\n{lines}\r\n")
        };
        assert_eq!(written(get(), Some(0)), with("GET", ""));
        assert_eq!(
            written(get(), Some(3)),
            with("GET", "content-length: 3\r\n")
        );
        assert_eq!(
            written(get(), None),
            with("GET", "transfer-encoding: chunked\r\n")
        );
        assert_eq!(
            written(post(), Some(0)),
            with("POST", "content-length: 0\r\n")
        );
        let said = post().header("content-length", "3");
        assert_eq!(
            written(said, Some(3)),
            with("POST", "content-length: 3\r\n")
        );
        let star = Request::options("*").header("host", "quay");
        assert_eq!(
            written(star, Some(0)),
            "OPTIONS * HTTP/1.1\r\nhost: quay\r\n\r\n"
        );
    }

    /// Reads the head of an answer to `method`; what was read, or why not.
    fn read_to(method: &Method, text: &str) -> Result<Option<(u16, Inbound, bool)>, Garbled> {
        let mut inbox = BytesMut::from(text);
        let head = read(&mut inbox, method)?;
        Ok(head.map(|head| (head.said.status.as_u16(), head.body, head.persists)))
    }

    #[test]
    fn a_head_says_what_follows() {
        let get = |text| read_to(&Method::GET, text);
        let is = |status, body, persists| Ok(Some((status, body, persists)));
        let cases = [
            (
                "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n",
                is(200, Inbound::Length(5), true),
            ),
            (
                "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
                is(200, Inbound::Done, true),
            ),
            ("HTTP/1.1 200\r\n\r\n", is(200, Inbound::UntilClose, false)),
            (
                "HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\n",
                is(204, Inbound::Done, true),
            ),
            (
                "HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n",
                is(304, Inbound::Done, true),
            ),
            (
                "HTTP/1.1 101 X\r\nupgrade: y\r\n\r\n",
                is(101, Inbound::Done, true),
            ),
            (
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n",
                is(200, Inbound::chunked(), true),
            ),
            (
                "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, Chunked\r\n\r\n",
                is(200, Inbound::chunked(), true),
            ),
            (
                "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n",
                is(200, Inbound::UntilClose, false),
            ),
            (
                "HTTP/1.1 200 OK\r\nconnection: x, Close\r\ncontent-length: 5\r\n\r\n",
                is(200, Inbound::Length(5), false),
            ),
            (
                "HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\n",
                is(200, Inbound::Length(5), false),
            ),
            (
                "HTTP/1.0 200 OK\r\ncontent-length: 5\r\nconnection: keep-alive\r\n\r\n",
                is(200, Inbound::Length(5), true),
            ),
            (
                "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 5\r\n\r\n",
                is(200, Inbound::Length(5), true),
            ),
            ("HTTP/1.1 200 OK\r\n", Ok(None)),
            ("", Ok(None)),
        ];
        for (text, expected) in cases {
            assert_eq!(get(text), expected, "{text:?}");
        }
        let head = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n";
        assert_eq!(read_to(&Method::HEAD, head), is(200, Inbound::Done, true));
    }

    #[test]
    fn what_can_be_understood_in_two_ways_is_not_understood() {
        let with = |lines: &str| format!("HTTP/1.1 200 OK\r\n{lines}\r\n\r\n");
        let lines = [
            "content-length: 5\r\ncontent-length: 6",
            "content-length: 5, 5",
            "content-length: +5",
            "content-length: -5",
            "content-length: 5 5",
            "content-length: 0x5",
            "content-length:",
            "content-length: 18446744073709551616",
            "content-length : 5",
            "content-length: 5\r\n folded: 1",
            "a b: 5",
            "content-length: 5\0",
        ];
        for text in lines.map(with) {
            assert!(read_to(&Method::GET, &text).is_err(), "{text:?}");
            assert!(read_to(&Method::HEAD, &text).is_err(), "{text:?}");
        }
        let whole = [
            "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
            "HTTP/2.0 200 OK\r\n\r\n",
            "HTTP/1.1 2000 OK\r\n\r\n",
            "HTTP/1.1 099 OK\r\n\r\n",
            "SSH-2.0-OpenSSH\r\n",
            "GET / HTTP/1.1\r\n\r\n",
        ];
        for text in whole {
            assert!(read_to(&Method::GET, text).is_err(), "{text:?}");
        }
        let flood = with(&vec!["a: b"; HEADERS_MAX + 1].join("\r\n"));
        assert!(read_to(&Method::GET, &flood).is_err());
        let most = with(&vec!["a: b"; HEADERS_MAX].join("\r\n"));
        assert!(read_to(&Method::GET, &most).is_ok_and(|head| head.is_some()));
    }

    #[test]
    fn what_concerns_the_connection_alone_is_heeded_and_not_kept() {
        let kept = |line: &str| {
            let text =
                format!("HTTP/1.1 200 OK\r\nconnection: {line}\r\ncontent-length: 5\r\n\r\n");
            let head = read(&mut BytesMut::from(&*text), &Method::GET);
            let head = head.unwrap().unwrap();
            (head.said.headers.contains(CONNECTION), head.persists)
        };
        assert_eq!(kept("keep-alive"), (false, true));
        assert_eq!(kept("Close"), (false, false));
        assert_eq!(kept("close, x-secret"), (true, false));
        assert_eq!(kept("x-secret"), (true, true));
        assert_eq!(kept("upgrade"), (true, true));
    }

    #[test]
    fn headers_are_as_they_were_sent() {
        let text = "HTTP/1.1 299 Quite fine\r\nX-A: 1\r\nx-a:  2 \r\nset-cookie: a=b\r\n\
                    content-length: 5\r\ncontent-length: 5\r\n\r\nhello";
        let mut inbox = BytesMut::from(text);
        let head = read(&mut inbox, &Method::GET).unwrap().unwrap().said;
        assert_eq!(&inbox[..], b"hello");
        let all: Vec<_> = head.headers.get_all("x-a").collect();
        assert_eq!(all, [Value::of(b"1"), Value::of(b"2")]);
        assert_eq!(head.headers.get_all(CONTENT_LENGTH).count(), 1);
        let reason = head.reason.unwrap();
        assert_eq!(reason.as_bytes(), b"Quite fine");
    }

    /// What a head says, and how long it is; `None` where it is not complete.
    type Said = Result<Option<(StatusCode, Headers, Inbound, usize)>, Garbled>;

    /// Reads a head that comes in pieces of `step` bytes.
    fn read_in_pieces(text: &[u8], method: &Method, step: usize) -> Said {
        let mut inbox = BytesMut::new();
        for (turn, piece) in text.chunks(step).enumerate() {
            inbox.extend_from_slice(piece);
            if let Some(head) = read(&mut inbox, method)? {
                let length = (turn * step + piece.len()) - inbox.len();
                let ResponseHead {
                    status, headers, ..
                } = head.said;
                return Ok(Some((status, headers, head.body, length)));
            }
        }
        Ok(None)
    }

    #[test]
    fn fuzzed_answer_head() {
        crate::fuzz::fuzz("answer-head", |input| {
            for method in [Method::GET, Method::HEAD] {
                let whole = read_in_pieces(input, &method, input.len().max(1));
                for step in [1, 2, 3, 7, 64] {
                    assert_eq!(read_in_pieces(input, &method, step), whole, "by {step}");
                }
                let Ok(Some((status, headers, body, _))) = whole else {
                    continue;
                };
                assert!(headers.len() <= HEADERS_MAX);
                let mut again = format!("HTTP/1.1 {} \r\n", status.as_str()).into_bytes();
                for (name, value) in headers.iter() {
                    assert!(
                        HeaderValue::from_bytes(value.as_bytes()).is_ok(),
                        "{value:?}"
                    );
                    write_header(name, value.as_bytes(), &mut again);
                }
                assert_eq!(headers.to_kept().count(), headers.len());
                again.extend_from_slice(b"\r\n");
                let length = again.len();
                let read = read_in_pieces(&again, &method, length);
                assert_eq!(read, Ok(Some((status, headers, body, length))));
            }
        });
    }

    /// Whatever is passed on is one request, and says the same to who reads it.
    #[test]
    fn fuzzed_request_head() {
        let trusted = std::rc::Rc::from([]);
        let peer = "203.0.113.9:4711".parse().unwrap();
        let peer = crate::worker::peer::Peer::new(peer, false, &trusted);
        crate::fuzz::fuzz("request-head", |input| {
            let Some((mut head, body)) = read_request(input) else {
                return;
            };
            let length = body.left();
            let prepared = crate::worker::headers::prepare_request(&mut head, &peer, length);
            let Ok((host, _)) = prepared else {
                return;
            };
            let mut out = Vec::new();
            let outbound = write(&head, length, &mut out);
            let (read, same) = read_request(&out).expect("what is written is a request");
            assert_eq!(same, body, "with the same body");
            assert_eq!(
                out.windows(4).position(|end| end == b"\r\n\r\n"),
                Some(out.len() - 4)
            );
            let is_chunked = matches!(outbound, Outbound::Chunked);
            assert_eq!(is_chunked, body.left().is_none());
            let ends = out.iter().filter(|byte| **byte == b'\n').count();
            let lines = read.headers.len() + usize::from(is_chunked);
            assert_eq!(ends, lines + 2, "as many lines as headers");
            assert_eq!(read.method, head.method);
            assert!(
                read.uri.authority().is_none(),
                "a path, and nothing but a path"
            );
            assert_eq!(
                read.headers.get_all(HOST).count(),
                usize::from(host.is_some() || head.headers.contains(HOST))
            );
            assert!(!(is_chunked && read.headers.contains(CONTENT_LENGTH)));
            for (name, value) in head.headers.iter() {
                let mut values = read.headers.get_all(name);
                assert!(
                    *name == TRANSFER_ENCODING
                        || values.any(|read| read.as_bytes() == value.as_bytes().trim_ascii()),
                    "{name:?}"
                );
            }
        });
    }
}
