//! Heads of messages: writing those of requests, reading those of answers.

use std::mem::MaybeUninit;
use std::ops::Range;

use bytes::BytesMut;
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, HeaderName, HeaderValue, TRANSFER_ENCODING};
use http::uri::PathAndQuery;
use http::{Method, StatusCode};
use hyper::ext::ReasonPhrase;
use smallvec::SmallVec;

use super::Garbled;
use super::inbound::Inbound;
use super::outbound::Outbound;
use crate::message::{Headers, RequestHead, ResponseHead};

/// How many headers an answer may have.
const HEADERS_MAX: usize = 100;

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
        line(name, value.as_bytes(), out);
    }
    let outbound = if is_chunked {
        Outbound::Chunked
    } else if let Some(length) = length {
        if !is_length_said && (length > 0 || expects_body(method)) {
            line(&CONTENT_LENGTH, length.to_string().as_bytes(), out);
        }
        Outbound::Length(length)
    } else {
        line(&TRANSFER_ENCODING, b"chunked", out);
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

/// Writes a header.
pub(super) fn line(name: &HeaderName, value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(name.as_str().as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Says whether a header may come after a body: not what a message is delimited by, nor where it
/// goes.
pub(super) fn may_follow(name: &HeaderName) -> bool {
    ![CONTENT_LENGTH, TRANSFER_ENCODING, HOST, CONNECTION].contains(name)
}

/// The head of an answer, and what it says of what follows.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) said: ResponseHead,
    pub(super) body: Inbound,
    /// Whether the connection can be used again after the body.
    pub(super) persists: bool,
}

/// How many headers most answers have at most.
const HEADERS_USUAL: usize = 16;

/// Where a header stands in the bytes of a head.
struct Place {
    name: Range<usize>,
    value: Range<usize>,
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
    let places = answer.headers.iter().map(|header| Place {
        name: within(inbox, header.name.as_bytes()),
        value: within(inbox, header.value),
    });
    let places: SmallVec<[Place; HEADERS_USUAL]> = places.collect();
    let is_first_version = answer.version == Some(0);
    let status = answer.code.and_then(|code| StatusCode::from_u16(code).ok());
    let status = status.ok_or(Garbled::Head)?;
    let reason = answer.reason.filter(|reason| !is_usual(status, reason));
    let reason = reason.map(|reason| within(inbox, reason.as_bytes()));

    let head = inbox.split_to(length).freeze();
    let mut headers = Headers::with_capacity(places.len());
    let mut framing = Framing::default();
    for place in places {
        let name = HeaderName::from_bytes(&head[place.name]).map_err(|_| Garbled::Head)?;
        let value = HeaderValue::from_maybe_shared(head.slice(place.value));
        let value = value.map_err(|_| Garbled::Head)?;
        if framing.heed(&name, &value)? {
            headers.append(name, value);
        }
    }
    let body = framing.body(status, method, is_first_version)?;
    let persists = framing.persists(is_first_version) && body != Inbound::UntilClose;
    let reason = reason.and_then(|reason| ReasonPhrase::try_from(head.slice(reason)).ok());
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

/// Returns where `part` lies in `whole`, of which it is a part.
fn within(whole: &[u8], part: &[u8]) -> Range<usize> {
    let start = part.as_ptr().addr().saturating_sub(whole.as_ptr().addr());
    start..start + part.len()
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
    closes: bool,
    stays: bool,
}

impl Framing {
    /// Takes note of a header, and returns whether it is to be kept: a length that is said again
    /// is not, nor is what concerns nothing but this connection.
    fn heed(&mut self, name: &HeaderName, value: &HeaderValue) -> Result<bool, Garbled> {
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
            let mut says_more = false;
            for token in tokens(value) {
                let closes = token.eq_ignore_ascii_case("close");
                let stays = token.eq_ignore_ascii_case("keep-alive");
                self.closes |= closes;
                self.stays |= stays;
                says_more |= !closes && !stays;
            }
            return Ok(says_more);
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

    fn persists(&self, is_first_version: bool) -> bool {
        !self.closes && (self.stays || !is_first_version)
    }
}

/// Returns what a header lists. What is not even text lists nothing.
fn tokens(value: &HeaderValue) -> impl Iterator<Item = &str> {
    let text = value.to_str().unwrap_or_default();
    text.split(',').map(str::trim)
}

/// Reads digits, and nothing but digits: a sign or a blank is read differently by others.
fn digits(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |number, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

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
        assert_eq!(all, ["1", "2"]);
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
                    line(name, value.as_bytes(), &mut again);
                }
                again.extend_from_slice(b"\r\n");
                let length = again.len();
                let read = read_in_pieces(&again, &method, length);
                assert_eq!(read, Ok(Some((status, headers, body, length))));
            }
        });
    }

    /// Makes a request of `input` like a server does; `None` if it is none.
    fn request_of(input: &[u8]) -> Option<RequestHead> {
        let mut lines = [httparse::EMPTY_HEADER; 64];
        let mut parsed = httparse::Request::new(&mut lines);
        parsed
            .parse(input)
            .ok()
            .filter(httparse::Status::is_complete)?;
        let version = match parsed.version? {
            0 => http::Version::HTTP_10,
            _ => http::Version::HTTP_11,
        };
        let begun = Request::builder().method(parsed.method?).uri(parsed.path?);
        let headers = parsed.headers.iter();
        let request = headers.fold(begun.version(version), |request, header| {
            request.header(header.name, header.value)
        });
        Some(request.body(()).ok()?.into_parts().0.into())
    }

    /// Whatever is passed on is one request, and says the same to who reads it.
    #[test]
    fn fuzzed_request_head() {
        let trusted = std::rc::Rc::from([]);
        let peer = "203.0.113.9:4711".parse().unwrap();
        let peer = crate::worker::peer::Peer::new(peer, false, &trusted);
        crate::fuzz::fuzz("request-head", |input| {
            for length in [Some(0), Some(5), None] {
                let Some(mut head) = request_of(input) else {
                    return;
                };
                // The server has understood it, and says it in one way.
                head.headers.remove(CONTENT_LENGTH);
                let prepared = crate::worker::headers::prepare_request(&mut head, &peer, length);
                let Ok((host, _)) = prepared else {
                    return;
                };
                let mut out = Vec::new();
                let outbound = write(&head, length, &mut out);
                let read = request_of(&out).expect("what is written is a request");
                assert_eq!(
                    out.windows(4).position(|end| end == b"\r\n\r\n"),
                    Some(out.len() - 4)
                );
                let ends = out.iter().filter(|byte| **byte == b'\n').count();
                assert_eq!(ends, read.headers.len() + 2, "as many lines as headers");
                assert_eq!(read.method, head.method);
                assert!(
                    read.uri.authority().is_none(),
                    "a path, and nothing but a path"
                );
                assert_eq!(
                    read.headers.get_all(HOST).count(),
                    usize::from(host.is_some() || head.headers.contains(HOST))
                );
                let is_chunked = read.headers.contains(TRANSFER_ENCODING);
                assert_eq!(is_chunked, matches!(outbound, Outbound::Chunked));
                assert!(!(is_chunked && read.headers.contains(CONTENT_LENGTH)));
                for (name, value) in head.headers.iter() {
                    let mut values = read.headers.get_all(name);
                    assert!(
                        values.any(|read| read == value.as_bytes().trim_ascii()),
                        "{name:?}"
                    );
                }
            }
        });
    }
}
