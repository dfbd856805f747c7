//! What of HTTP/2 would mean something else once it is written as HTTP/1.1.

use std::net::SocketAddr;

use super::witness::{Witness, Witnessed};
use crate::frames::{
    DATA, END_HEADERS, END_STREAM, Frame, GOAWAY, HEADERS, RST_STREAM, Raw, block, frame,
};
use crate::http2::behind;

/// What comes of a request on stream 1, followed by a harmless one on stream 3.
fn play(
    address: SocketAddr,
    witness: &Witness,
    what: &str,
    frames: &[Vec<u8>],
) -> Option<Witnessed> {
    let turn = what.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    let mut raw = Raw::new(address);
    let harmless = request(&[(":path", "/harmless")], &[]);
    assert!(raw.send(&frames.concat()), "{what}");
    // It may already be refused.
    raw.send(&frame(HEADERS, END_HEADERS | END_STREAM, 3, &harmless));
    let mut answers = Vec::new();
    let is_last = |frame: &Frame| frame.kind == DATA && frame.stream == 3 || frame.kind == GOAWAY;
    while let Some(frame) = raw.next() {
        answers.push(frame);
        if answers.last().is_some_and(is_last)
            && (answers.iter().any(ends_first) || answers.iter().any(is_last_goodbye))
        {
            break;
        }
    }
    let case = witness.of(&format!("/case-{turn}"));
    assert!(case.len() <= 1, "{what}: {case:?}");
    assert_eq!(witness.of("smuggled").len(), 0, "{what}");
    let told = |stream| {
        answers
            .iter()
            .find(|frame| frame.kind == DATA && frame.stream == stream)
    };
    let text = |frame: &Frame| String::from_utf8_lossy(&frame.content).into_owned();
    if let Some(answer) = told(3) {
        assert_eq!(
            text(answer),
            "GET /harmless 0",
            "{what}: somebody else's answer"
        );
    } else {
        assert!(answers.iter().any(is_last_goodbye), "{what}: {answers:?}");
    }
    case.into_iter().next()
}

fn ends_first(frame: &Frame) -> bool {
    frame.stream == 1 && (frame.kind == RST_STREAM || frame.flags & END_STREAM != 0)
}

fn is_last_goodbye(frame: &Frame) -> bool {
    frame.kind == GOAWAY
}

/// The head of a request whose pseudo headers are the usual ones but for these.
fn request(pseudo: &[(&str, &str)], more: &[(&str, &str)]) -> Vec<u8> {
    let usual = [
        (":method", "GET"),
        (":scheme", "http"),
        (":path", "/"),
        (":authority", "site.example"),
    ];
    let mut headers: Vec<(&str, &str)> = usual
        .into_iter()
        .map(|(name, value)| {
            let other = pseudo.iter().find(|(of, _)| *of == name);
            (name, other.map_or(value, |(_, value)| value))
        })
        .collect();
    headers.extend(more);
    block(&headers)
}

#[test]
fn nothing_of_http2_becomes_a_second_request() {
    const NEXT: &str = " HTTP/1.1\r\nhost: a\r\n\r\nGET /smuggled HTTP/1.1\r\nx: y";
    let (backend, witness) = Witness::new();
    let (world, address) = behind(&backend);
    let whole = END_HEADERS | END_STREAM;
    let one = |pseudo: &[(&str, &str)], more: &[(&str, &str)]| {
        vec![frame(HEADERS, whole, 1, &request(pseudo, more))]
    };
    let value = |text: &str| format!("y{text}GET /smuggled HTTP/1.1");
    let body = |more: &[(&str, &str)], parts: &[&str]| {
        let pseudo = [(":method", "POST"), (":path", "/case-body")];
        let mut frames = vec![frame(HEADERS, END_HEADERS, 1, &request(&pseudo, more))];
        frames.extend(parts.iter().map(|part| frame(DATA, 0, 1, part.as_bytes())));
        let last = frames.len() - 1;
        frames[last][4] |= END_STREAM;
        frames
    };
    // None of these is for an instance.
    let path = format!("/case{NEXT}");
    let mut refused: Vec<(String, Vec<Vec<u8>>)> = Vec::new();
    for (name, text) in [
        (":path", path.as_str()),
        (":path", "/case HTTP/1.1"),
        (":path", "/case\r\nx: y"),
        (":path", "/case\nx: y"),
        (":path", "/case\0"),
        (":path", "case"),
        (":path", ""),
        (":method", "GET / HTTP/1.1\r\nhost: a\r\n\r\nGET"),
        (":method", "GET "),
        (":method", "GET\r\n"),
        (":method", ""),
        (":authority", "a\r\nx: y"),
        (":authority", "a\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: b"),
        (":authority", "a b"),
        (":authority", "a/b"),
        (":authority", "a?b"),
        (":authority", "a@b"),
        (":authority", "a:x"),
        (":scheme", "http\r\nx: y"),
        (":scheme", "http://a/smuggled HTTP/1.1\r\n\r\n"),
    ] {
        refused.push((format!("{name}: {text:?}"), one(&[(name, text)], &[])));
    }
    for text in ["\r\n\r\n", "\r\n", "\n", "\r", "\0", "\r\n "] {
        for name in ["x", "cookie", "user-agent", "host", "referer", "accept"] {
            refused.push((
                format!("{name}: {text:?}"),
                one(&[], &[(name, &value(text))]),
            ));
        }
        let name = format!("x{text}y");
        refused.push((format!("a name with {text:?}"), one(&[], &[(&name, "z")])));
    }
    for (name, text) in [
        ("transfer-encoding", "chunked"),
        ("transfer-encoding", "identity"),
        ("transfer-encoding", ""),
        ("Transfer-Encoding", "chunked"),
        ("connection", "close"),
        ("connection", "transfer-encoding"),
        ("connection", "content-length"),
        ("upgrade", "websocket"),
        ("http2-settings", "AAMAAABk"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("te", "trailers, chunked"),
        ("te", "chunked"),
        ("host", "other.example"),
        ("Host", "site.example"),
        ("x ", "y"),
        ("x:", "y"),
        (" x", "y"),
        ("x\u{e9}", "y"),
        ("", "y"),
        (":path", "/smuggled"),
        (":method", "PUT"),
        (":authority", "other.example"),
        (":scheme", "https"),
        (":protocol", "websocket"),
        (":x", "y"),
        ("content-length", "5"),
        ("content-length", "-1"),
        ("content-length", "+0"),
        ("content-length", "0, 0"),
        ("content-length", "18446744073709551616"),
    ] {
        if name != "http2-settings" {
            refused.push((format!("{name}: {text}"), one(&[], &[(name, text)])));
        }
    }
    for (what, lengths, parts) in [
        ("less than it says", &["11"][..], &["hello"][..]),
        (
            "more than it says",
            &["5"],
            &["hello", "GET /smuggled HTTP/1.1\r\n\r\n"],
        ),
        (
            "something after nothing",
            &["0"],
            &["GET /smuggled HTTP/1.1\r\n\r\n"],
        ),
        ("two lengths", &["5", "6"], &["hello"]),
        ("no number", &["5x"], &["hello"]),
        ("a sign", &["+5"], &["hello"]),
    ] {
        let more: Vec<_> = lengths
            .iter()
            .map(|length| ("content-length", *length))
            .collect();
        refused.push((what.to_owned(), body(&more, parts)));
    }
    for (what, frames) in &refused {
        let seen = play(address, &witness, what, frames);
        assert!(seen.is_none(), "{what}: {seen:?}");
        let mut all = witness.of("").into_iter();
        let other = all.find(|seen| seen.target != "/harmless");
        assert!(other.is_none(), "{what}: {other:?}");
    }

    // And these are for it as they are, once.
    let smuggled = "0\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n";
    for (more, parts, expected) in [
        (&[][..], &[smuggled][..], smuggled),
        (&[("content-length", "5")], &["he", "", "llo"], "hello"),
        (
            &[("content-length", "5")],
            &["5\r\nhe"[..5].as_ref()],
            "5\r\nhe",
        ),
        (&[("te", "trailers")], &["", "", "hello"], "hello"),
    ] {
        let had = witness.of("/case-body").len();
        let mut raw = Raw::new(address);
        assert!(raw.send(&body(more, parts).concat()));
        assert!(raw.until(DATA).is_some(), "{expected:?}");
        let seen = witness.of("/case-body");
        assert_eq!(seen.len(), had + 1);
        assert_eq!(seen[had].body, expected.as_bytes());
    }
    assert_eq!(witness.flaws(), Vec::<String>::new());
    drop(world);
}

/// Trailers are headers that come late: none that says where a message ends or goes gets through.
#[test]
fn nothing_smuggled_comes_after_a_body() {
    let (backend, witness) = Witness::new();
    let (_world, address) = behind(&backend);
    let head = request(&[(":method", "POST"), (":path", "/case")], &[]);
    for trailers in [
        &[("transfer-encoding", "chunked")][..],
        &[("content-length", "0")],
        &[("host", "other.example")],
        &[("connection", "close")],
        &[(":path", "/smuggled")],
        &[("x", "y\r\n\r\nGET /smuggled HTTP/1.1")],
        &[("x y", "z")],
        &[("x\r\ny", "z")],
        &[("X", "y")],
    ] {
        let mut raw = Raw::new(address);
        assert!(raw.send(&frame(HEADERS, END_HEADERS, 1, &head)));
        raw.send(&frame(DATA, 0, 1, b"hello"));
        raw.send(&frame(
            HEADERS,
            END_HEADERS | END_STREAM,
            1,
            &block(trailers),
        ));
        // It is answered, or it is not, but nothing else is.
        let ended = std::iter::from_fn(|| raw.next())
            .find(|frame| [RST_STREAM, GOAWAY, DATA].contains(&frame.kind));
        assert!(ended.is_some(), "{trailers:?}");
    }
    assert_eq!(witness.of("smuggled").len(), 0);
    // Whatever it was sent, the witness understood it, or lost its connection in the middle.
    assert_eq!(witness.flaws(), Vec::<String>::new());
}
