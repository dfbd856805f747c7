//! Heads of messages: reading those of requests, writing those of answers.

use std::io::Write as _;
use std::mem::MaybeUninit;

use bytes::BytesMut;
use http::header::{
    CONNECTION, CONTENT_LENGTH, DATE, EXPECT, HeaderName, TRANSFER_ENCODING, UPGRADE,
};
use http::{Method, StatusCode, Uri, Version};
use hyper::ext::ReasonPhrase;

use crate::message::{RequestHead, ResponseHead, Value};
use crate::worker::http1::{
    HEADERS_MAX, Inbound, Outbound, Persistence, digits, headers, tokens, within, write_header,
};

/// The longest body that can be announced, in bytes. A length that is hardly a number is nobody's.
const LENGTH_MAX: u64 = i64::MAX as u64;

/// The longest target that can be read, in bytes: what the library that reads it can count.
const TARGET_MAX: usize = (u16::MAX - 1) as usize;

/// Why a head cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// It is none, or can be understood in two ways.
    Garbled,
    /// It is longer than it may be, or has more lines.
    TooLarge,
    /// Its target is longer than it may be.
    TargetTooLong,
}

/// The head of a request, and what it says of what follows.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) said: RequestHead,
    pub(super) body: Inbound,
    pub(super) asked: Asked,
    /// Whether the client sends the body only when it is told to.
    pub(super) expects: bool,
    /// Whether another protocol is named.
    pub(super) names_protocol: bool,
}

/// What of a request decides how its answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    /// Whether it is HTTP/1.0 that is spoken.
    is_first_version: bool,
    /// Whether nothing but the head of the answer is asked for.
    is_head: bool,
    /// Whether the connection is to be used again.
    pub(super) persists: bool,
}

impl Asked {
    /// Of what is no request that could be read.
    pub(super) const UNKNOWN: Self = Self {
        is_first_version: false,
        is_head: false,
        persists: false,
    };
}

/// Takes the head of a request out of `inbox`; `None` while it is not complete.
///
/// # Errors
/// It is no head, or what it says of the length of its body can be understood in two ways.
pub(super) fn read(inbox: &mut BytesMut) -> Result<Option<Head>, Unreadable> {
    let mut lines = [const { MaybeUninit::uninit() }; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut []);
    let parsed = httparse::ParserConfig::default().parse_request_with_uninit_headers(
        &mut request,
        inbox,
        &mut lines,
    );
    let length = match parsed {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(Unreadable::TooLarge),
        Err(_) => return Err(Unreadable::Garbled),
    };
    let is_first_version = request.version == Some(0);
    let method = request.method.unwrap_or_default().as_bytes();
    let method = Method::from_bytes(method).map_err(|_| Unreadable::Garbled)?;
    let target = within(inbox, request.path.unwrap_or_default().as_bytes());
    if target.len() > TARGET_MAX {
        return Err(Unreadable::TargetTooLong);
    }

    let mut framing = Framing::default();
    let heed = |name: &HeaderName, value: Value<'_>| framing.heed(name, value);
    let mut headers = headers(request.headers, inbox, Unreadable::Garbled, heed)?;

    // Of what is left there would be an empty view, which holds all of it.
    let head = match length == inbox.len() {
        true => std::mem::take(inbox),
        false => inbox.split_to(length),
    };
    let head = head.freeze();
    let uri = Uri::from_maybe_shared(head.slice(target)).map_err(|_| Unreadable::Garbled)?;
    headers.were_read_from(head);
    let body = framing.body(is_first_version)?;
    if framing.is_chunked && framing.length.is_some() {
        // Only the one that counts may be passed on.
        headers.remove(CONTENT_LENGTH);
    }
    let asked = Asked {
        is_first_version,
        is_head: method == Method::HEAD,
        persists: framing.persists(is_first_version),
    };
    let version = match is_first_version {
        true => Version::HTTP_10,
        false => Version::HTTP_11,
    };
    Ok(Some(Head {
        said: RequestHead {
            method,
            uri,
            version,
            headers,
        },
        expects: framing.expects && !is_first_version && !body.is_done(),
        body,
        asked,
        names_protocol: framing.names_protocol,
    }))
}

/// What the headers of a request say of what follows (RFC 9112, 6.3 and 9.3).
#[derive(Default)]
struct Framing {
    length: Option<u64>,
    is_chunked: bool,
    persistence: Persistence,
    expects: bool,
    names_protocol: bool,
}

impl Framing {
    /// Takes note of a header, and returns whether it is to be kept: how a body is coded is not,
    /// nor is a length that is said again, nor what concerns nothing but this connection.
    fn heed(&mut self, name: &HeaderName, value: Value<'_>) -> Result<bool, Unreadable> {
        if *name == CONTENT_LENGTH {
            let length = digits(value.as_bytes()).filter(|length| *length <= LENGTH_MAX);
            let length = length.ok_or(Unreadable::Garbled)?;
            return match self.length.replace(length) {
                None => Ok(true),
                Some(before) if before == length => Ok(false),
                Some(_) => Err(Unreadable::Garbled),
            };
        }
        if *name == TRANSFER_ENCODING {
            // Who says it twice, or in other words, may be understood by others in another way.
            let is_plain = value.as_bytes().eq_ignore_ascii_case(b"chunked");
            return match is_plain && !std::mem::replace(&mut self.is_chunked, true) {
                true => Ok(false),
                false => Err(Unreadable::Garbled),
            };
        }
        if *name == CONNECTION {
            return Ok(self.persistence.heed(value));
        }
        if *name == EXPECT {
            self.expects |= value.as_bytes().eq_ignore_ascii_case(b"100-continue");
        } else if *name == UPGRADE {
            self.names_protocol = true;
        }
        Ok(true)
    }

    fn body(&self, is_first_version: bool) -> Result<Inbound, Unreadable> {
        // Who does not know what that is may have been told by somebody who lies.
        if self.is_chunked && is_first_version {
            return Err(Unreadable::Garbled);
        }
        Ok(match (self.is_chunked, self.length) {
            (true, _) => Inbound::chunked(),
            (false, None | Some(0)) => Inbound::Done,
            (false, Some(length)) => Inbound::Length(length),
        })
    }

    fn persists(&self, is_first_version: bool) -> bool {
        // Who says both may be understood by others in another way.
        let is_plain = !(self.is_chunked && self.length.is_some());
        is_plain && self.persistence.persists(is_first_version)
    }
}

/// Writes the head of an answer, whose body has a `length` in bytes, where that is known. Returns how
/// the body is to be written, and whether the connection can be used again after it, unless it
/// `closes` anyway. An answer that does not say when it was given says `date`.
pub(super) fn write(
    answer: &ResponseHead,
    length: Option<u64>,
    asked: Asked,
    closes: bool,
    date: &[u8],
    out: &mut Vec<u8>,
) -> (Outbound, bool) {
    let status = answer.status;
    let version: &[u8] = match asked.is_first_version {
        true => b"HTTP/1.0 ",
        false => b"HTTP/1.1 ",
    };
    out.extend_from_slice(version);
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b' ');
    let reason = answer.reason.as_ref().map(ReasonPhrase::as_bytes);
    let usual = || status.canonical_reason().unwrap_or_default().as_bytes();
    out.extend_from_slice(reason.unwrap_or_else(usual));
    out.extend_from_slice(b"\r\n");

    let has_none = status.is_informational()
        || status == StatusCode::NO_CONTENT
        || status == StatusCode::NOT_MODIFIED;
    let outbound = match length {
        _ if has_none || asked.is_head => Outbound::None,
        Some(length) => Outbound::Length(length),
        None if asked.is_first_version => Outbound::UntilClose,
        None => Outbound::Chunked,
    };
    let mut closes = closes || outbound == Outbound::UntilClose;
    let mut is_dated = status.is_informational();
    let mut is_measured = has_none;
    for (name, value) in answer.headers.iter() {
        if *name == CONNECTION {
            closes |= tokens(value).any(|token| token.eq_ignore_ascii_case("close"));
            // That is said below.
            if value.as_bytes().eq_ignore_ascii_case(b"close") {
                continue;
            }
        } else if *name == CONTENT_LENGTH {
            // Of two that contradict each other the one that counts is said.
            let is_right = match outbound {
                Outbound::Length(length) => digits(value.as_bytes()) == Some(length),
                Outbound::None => !has_none || status == StatusCode::NOT_MODIFIED,
                Outbound::Chunked | Outbound::UntilClose => false,
            };
            if !is_right {
                continue;
            }
            is_measured = true;
        } else if *name == DATE {
            is_dated = true;
        }
        write_header(name, value.as_bytes(), out);
    }
    match (outbound, length) {
        (Outbound::Chunked, _) => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        // What there would be, had not only the head been asked for. To write to memory does not
        // fail.
        (Outbound::None, Some(length @ 1..)) | (Outbound::Length(length), _) if !is_measured => {
            drop(write!(out, "content-length: {length}\r\n"));
        }
        _ => {}
    }
    if status == StatusCode::SWITCHING_PROTOCOLS {
        // The connection is what it speaks from now on.
    } else if closes {
        if !asked.is_first_version {
            out.extend_from_slice(b"connection: close\r\n");
        }
    } else if asked.is_first_version {
        out.extend_from_slice(b"connection: keep-alive\r\n");
    }
    if !is_dated {
        out.extend_from_slice(b"date: ");
        out.extend_from_slice(date);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
    (outbound, !closes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Headers;

    /// Reads the head of a request that comes in pieces of `step` bytes. Returns it with what is
    /// left.
    fn read_in_pieces(text: &[u8], step: usize) -> Result<Option<(Head, Vec<u8>)>, Unreadable> {
        let mut inbox = BytesMut::new();
        let mut pieces = text.chunks(step);
        while let Some(piece) = pieces.next() {
            inbox.extend_from_slice(piece);
            if let Some(head) = read(&mut inbox)? {
                let left = inbox.iter().copied().chain(pieces.flatten().copied());
                return Ok(Some((head, left.collect())));
            }
        }
        Ok(None)
    }

    fn read_whole(text: &str) -> Result<Option<Head>, Unreadable> {
        let read = read_in_pieces(text.as_bytes(), text.len().max(1))?;
        Ok(read.map(|(head, _)| head))
    }

    #[test]
    fn a_head_says_what_follows() {
        let five = || Inbound::Length(5);
        for (text, body, persists) in [
            ("GET / HTTP/1.1\r\n\r\n", Inbound::Done, true),
            ("GET / HTTP/1.0\r\n\r\n", Inbound::Done, false),
            ("\r\n\r\nGET / HTTP/1.1\r\n\r\n", Inbound::Done, true),
            ("GET / HTTP/1.1\nhost: a\n\n", Inbound::Done, true),
            (
                "GET / HTTP/1.0\r\nconnection: Keep-Alive\r\n\r\n",
                Inbound::Done,
                true,
            ),
            (
                "GET / HTTP/1.1\r\nconnection: x, Close\r\n\r\n",
                Inbound::Done,
                false,
            ),
            (
                "POST / HTTP/1.1\r\ncontent-length: 0\r\n\r\n",
                Inbound::Done,
                true,
            ),
            ("GET / HTTP/1.1\r\ncontent-length: 5\r\n\r\n", five(), true),
            (
                "POST / HTTP/1.0\r\ncontent-length: 5\r\n\r\n",
                five(),
                false,
            ),
            (
                "POST / HTTP/1.1\r\ncontent-length: 5\r\ncontent-length: 5\r\n\r\n",
                five(),
                true,
            ),
            (
                "POST / HTTP/1.1\r\ntransfer-encoding: Chunked \r\n\r\n",
                Inbound::chunked(),
                true,
            ),
            (
                "POST / HTTP/1.1\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
                Inbound::chunked(),
                false,
            ),
        ] {
            let head = read_whole(text).unwrap().unwrap();
            assert_eq!(
                (&head.body, head.asked.persists),
                (&body, persists),
                "{text:?}"
            );
            let lengths = head.said.headers.get_all(CONTENT_LENGTH).count();
            assert!(lengths <= usize::from(body.left().is_some()), "{text:?}");
            assert!(!head.said.headers.contains(TRANSFER_ENCODING), "{text:?}");
        }
        for text in [
            "",
            "GET / HTTP/1.1",
            "GET / HTTP/1.1\r\nhost: a\r\n",
            "\r\n\r\n",
        ] {
            assert!(read_whole(text).unwrap().is_none(), "{text:?}");
        }
    }

    #[test]
    fn what_can_be_understood_in_two_ways_is_refused() {
        let with = |lines: &str| format!("POST / HTTP/1.1\r\nhost: a\r\n{lines}\r\n\r\n");
        for lines in [
            "content-length: 5\r\ncontent-length: 6",
            "content-length: 5, 5",
            "content-length: +5",
            "content-length:",
            "content-length: 9223372036854775808",
            "content-length: 18446744073709551616",
            "content-length : 5",
            "transfer-encoding: gzip, chunked",
            "transfer-encoding: chunked, chunked",
            "transfer-encoding: identity",
            "transfer-encoding: chunked\r\ntransfer-encoding: chunked",
            "transfer-encoding:",
            "x: a\r\n b",
            "x: a\0",
        ] {
            let read = read_whole(&with(lines)).map(|head| head.is_some());
            assert_eq!(read, Err(Unreadable::Garbled), "{lines:?}");
        }
        for text in [
            "GET / HTTP/2.0\r\n\r\n",
            "GET / \r\n\r\n",
            "GET /a b HTTP/1.1\r\n\r\n",
            "G\u{e9}T / HTTP/1.1\r\n\r\n",
            "GET a b\r\n",
            "\x16\x03\x01\x02\0",
            "POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n",
        ] {
            let read = read_whole(text).map(|head| head.is_some());
            assert_eq!(read, Err(Unreadable::Garbled), "{text:?}");
        }
        let many = with(&vec!["a: b"; HEADERS_MAX].join("\r\n"));
        assert_eq!(read_whole(&many).err(), Some(Unreadable::TooLarge));
        let long = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(TARGET_MAX));
        assert_eq!(read_whole(&long).err(), Some(Unreadable::TargetTooLong));
    }

    #[test]
    fn leave_is_only_given_where_there_is_something_to_send() {
        for (lines, expects) in [
            (
                "POST / HTTP/1.1\r\nexpect: 100-Continue\r\ncontent-length: 5",
                true,
            ),
            (
                "POST / HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 0",
                false,
            ),
            (
                "POST / HTTP/1.0\r\nexpect: 100-continue\r\ncontent-length: 5",
                false,
            ),
            (
                "POST / HTTP/1.1\r\nexpect: more\r\ncontent-length: 5",
                false,
            ),
        ] {
            let head = read_whole(&format!("{lines}\r\n\r\n")).unwrap().unwrap();
            assert_eq!(head.expects, expects, "{lines:?}");
        }
    }

    /// Writes the head of an answer with these headers to a request.
    fn written(
        status: u16,
        headers: &str,
        length: Option<u64>,
        request: &str,
        closes: bool,
    ) -> (String, Outbound, bool) {
        let asked = read_whole(&format!("{request}\r\n\r\n"))
            .unwrap()
            .unwrap()
            .asked;
        let lines = headers.split("; ").filter_map(|line| line.split_once(": "));
        let answer = ResponseHead {
            status: StatusCode::from_u16(status).unwrap(),
            reason: None,
            headers: Headers::from_iter(
                lines.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())),
            ),
        };
        let mut out = Vec::new();
        let (outbound, persists) = write(&answer, length, asked, closes, b"now", &mut out);
        let text = String::from_utf8(out).unwrap();
        let text = text.strip_suffix("\r\n\r\n").unwrap().replace("\r\n", "; ");
        (text, outbound, persists)
    }

    #[test]
    fn an_answer_says_how_long_its_body_is_and_what_becomes_of_the_connection() {
        const GET: &str = "GET / HTTP/1.1";
        const HEAD: &str = "HEAD / HTTP/1.1";
        const OLD: &str = "GET / HTTP/1.0";
        const KEPT: &str = "GET / HTTP/1.0\r\nconnection: keep-alive";
        use Outbound::{Chunked, Length, None as Nothing, UntilClose};
        for (request, status, headers, length, expected, outbound, persists) in [
            (
                GET,
                200,
                "",
                Some(0),
                "HTTP/1.1 200 OK; content-length: 0; date: now",
                Length(0),
                true,
            ),
            (
                GET,
                200,
                "date: then; content-length: 5; x: y",
                Some(5),
                "HTTP/1.1 200 OK; date: then; content-length: 5; x: y",
                Length(5),
                true,
            ),
            (
                GET,
                200,
                "content-length: 6",
                Some(5),
                "HTTP/1.1 200 OK; content-length: 5; date: now",
                Length(5),
                true,
            ),
            (
                GET,
                200,
                "content-length: 5",
                None,
                "HTTP/1.1 200 OK; transfer-encoding: chunked; date: now",
                Chunked,
                true,
            ),
            (
                GET,
                503,
                "connection: close",
                Some(5),
                "HTTP/1.1 503 Service Unavailable; content-length: 5; connection: close; date: now",
                Length(5),
                false,
            ),
            (
                GET,
                204,
                "content-length: 5",
                Some(0),
                "HTTP/1.1 204 No Content; date: now",
                Nothing,
                true,
            ),
            (
                GET,
                304,
                "content-length: 5",
                Some(0),
                "HTTP/1.1 304 Not Modified; content-length: 5; date: now",
                Nothing,
                true,
            ),
            (
                GET,
                101,
                "connection: upgrade; upgrade: x",
                Some(0),
                "HTTP/1.1 101 Switching Protocols; connection: upgrade; upgrade: x",
                Nothing,
                true,
            ),
            (
                GET,
                426,
                "connection: upgrade; upgrade: x",
                Some(0),
                "HTTP/1.1 426 Upgrade Required; connection: upgrade; upgrade: x; content-length: 0; \
                 date: now",
                Length(0),
                true,
            ),
            (
                GET,
                299,
                "",
                Some(0),
                "HTTP/1.1 299 ; content-length: 0; date: now",
                Length(0),
                true,
            ),
            (
                HEAD,
                200,
                "content-length: 5",
                Some(0),
                "HTTP/1.1 200 OK; content-length: 5; date: now",
                Nothing,
                true,
            ),
            (
                HEAD,
                200,
                "",
                Some(0),
                "HTTP/1.1 200 OK; date: now",
                Nothing,
                true,
            ),
            (
                HEAD,
                404,
                "",
                Some(9),
                "HTTP/1.1 404 Not Found; content-length: 9; date: now",
                Nothing,
                true,
            ),
            (
                OLD,
                200,
                "",
                Some(5),
                "HTTP/1.0 200 OK; content-length: 5; date: now",
                Length(5),
                false,
            ),
            (
                OLD,
                200,
                "",
                None,
                "HTTP/1.0 200 OK; date: now",
                UntilClose,
                false,
            ),
            (
                KEPT,
                200,
                "",
                Some(5),
                "HTTP/1.0 200 OK; content-length: 5; connection: keep-alive; date: now",
                Length(5),
                true,
            ),
            (
                KEPT,
                200,
                "",
                None,
                "HTTP/1.0 200 OK; date: now",
                UntilClose,
                false,
            ),
        ] {
            let closes = request == OLD;
            assert_eq!(
                written(status, headers, length, request, closes),
                (expected.to_owned(), outbound, persists),
                "{request:?}: {status} {headers:?}"
            );
        }
        let (text, _, persists) = written(200, "", Some(0), GET, true);
        assert!(text.contains("; connection: close") && !persists, "{text}");
    }

    #[test]
    fn fuzzed_client_head() {
        crate::fuzz::fuzz("request-head", |input| {
            let said = |read: Result<Option<(Head, Vec<u8>)>, Unreadable>| {
                read.map(|read| read.map(|(head, left)| (format!("{head:?}"), left)))
            };
            let whole = said(read_in_pieces(input, input.len().max(1)));
            for step in [1, 2, 3, 7, 64] {
                assert_eq!(said(read_in_pieces(input, step)), whole, "by {step}");
            }
        });
    }
}
