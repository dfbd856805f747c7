//! What a hostile client of HTTP/2 can do: nothing much.

use crate::frames::{
    ACK, CANCEL, CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM,
    FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, GOAWAY, HEADERS, PADDED, PING, PRIORITY, PROTOCOL_ERROR,
    PUSH_PROMISE, RST_STREAM, Raw, SETTINGS, WINDOW_UPDATE, block, frame, get,
};
use crate::http2::behind;
use crate::world::{Backend, Visitor, eventually};

/// What becomes of a client that speaks badly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// The proxy answers with this status.
    Answered(u16),
    /// The stream is ended with this code.
    Reset(u32),
    /// The connection is ended with this code.
    GoneAway(u32),
}

fn fate(raw: &mut Raw) -> Option<Fate> {
    while let Some(frame) = raw.next() {
        match frame.kind {
            RST_STREAM => return Some(Fate::Reset(frame.code().unwrap())),
            GOAWAY => return Some(Fate::GoneAway(frame.code().unwrap())),
            HEADERS => return Some(Fate::Answered(status(&frame.content))),
            _ => {}
        }
    }
    None
}

/// Reads the status at the beginning of a head: a place in the table of HPACK, or three digits in
/// Huffman's code.
fn status(head: &[u8]) -> u16 {
    let in_table = [200, 204, 206, 304, 400, 404, 500];
    let [0x48, _, digits @ ..] = head else {
        return in_table[usize::from(head[0] - 0x88)];
    };
    let mut bits = digits
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |bit| u16::from(byte >> bit & 1)));
    let mut number = |length: usize| (0..length).fold(0, |sum, _| sum * 2 + bits.next().unwrap());
    (0..3).fold(0, |status, _| {
        // 0, 1 and 2 take five bits, the others six.
        let digit = match number(5) {
            digit @ 0..=2 => digit,
            half => half * 2 + number(1) - 0b01_1001 + 3,
        };
        status * 10 + digit
    })
}

#[test]
fn what_is_badly_formed_reaches_no_instance() {
    use Fate::{Answered, GoneAway, Reset};
    let backend = Backend::named("ok");
    let (_world, address) = behind(&backend);
    let whole = END_HEADERS | END_STREAM;
    let one = |block: &[u8]| frame(HEADERS, whole, 1, block);
    let with = |more: &[(&str, &str)]| one(&get(more));
    let all = |headers: &[(&str, &str)]| one(&block(headers));
    let method = (":method", "GET");
    let (scheme, path, host) = ((":scheme", "http"), (":path", "/"), (":authority", "a"));
    let open = frame(HEADERS, END_HEADERS, 1, &get(&[]));
    let large = block(&[("x-large", &"x".repeat(16_000))]);
    let in_parts = |parts: &[&[u8]]| {
        let head = frame(HEADERS, END_STREAM, 1, parts[0]);
        let more = parts[1..]
            .iter()
            .map(|part| frame(CONTINUATION, 0, 1, part));
        let last = frame(CONTINUATION, END_HEADERS, 1, &[]);
        [head, more.collect::<Vec<_>>().concat(), last].concat()
    };
    let number = |n: u32| n.to_be_bytes();
    let setting = |id: u16, value: u32| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat();
    for (what, bytes, expected) in [
        // Heads (RFC 9113, 8.2 and 8.3).
        (
            "connection",
            with(&[("connection", "close")]),
            Reset(PROTOCOL_ERROR),
        ),
        (
            "keep-alive",
            with(&[("keep-alive", "1")]),
            Reset(PROTOCOL_ERROR),
        ),
        (
            "proxy-connection",
            with(&[("proxy-connection", "1")]),
            Reset(PROTOCOL_ERROR),
        ),
        (
            "transfer-encoding",
            with(&[("transfer-encoding", "chunked")]),
            Reset(PROTOCOL_ERROR),
        ),
        (
            "upgrade",
            with(&[("upgrade", "h2c")]),
            Reset(PROTOCOL_ERROR),
        ),
        ("te", with(&[("te", "gzip")]), Reset(PROTOCOL_ERROR)),
        (
            "upper case",
            with(&[("X-Upper", "1")]),
            GoneAway(PROTOCOL_ERROR),
        ),
        (
            "an empty name",
            with(&[("", "1")]),
            GoneAway(PROTOCOL_ERROR),
        ),
        (
            "a space in a name",
            with(&[("a b", "1")]),
            GoneAway(PROTOCOL_ERROR),
        ),
        (
            "a colon in a name",
            with(&[("a:b", "1")]),
            GoneAway(PROTOCOL_ERROR),
        ),
        (
            "a line break in a value",
            with(&[("a", "b\r\nc: d")]),
            GoneAway(PROTOCOL_ERROR),
        ),
        (
            "a line feed in a value",
            with(&[("a", "b\nc")]),
            GoneAway(PROTOCOL_ERROR),
        ),
        (
            "a zero in a value",
            with(&[("a", "b\0c")]),
            GoneAway(PROTOCOL_ERROR),
        ),
        (
            "a pseudo header after others",
            with(&[("a", "b"), (":path", "/x")]),
            Reset(PROTOCOL_ERROR),
        ),
        (
            "an unknown pseudo header",
            with(&[(":unknown", "x")]),
            GoneAway(PROTOCOL_ERROR),
        ),
        (
            "a pseudo header of answers",
            with(&[(":status", "200")]),
            Reset(PROTOCOL_ERROR),
        ),
        ("two paths", with(&[(":path", "/x")]), Reset(PROTOCOL_ERROR)),
        (
            "no method",
            all(&[scheme, path, host]),
            Reset(PROTOCOL_ERROR),
        ),
        (
            "no path",
            all(&[method, scheme, host]),
            Reset(PROTOCOL_ERROR),
        ),
        (
            "no scheme",
            all(&[method, path, host]),
            Reset(PROTOCOL_ERROR),
        ),
        (
            "an empty path",
            all(&[method, scheme, (":path", ""), host]),
            Reset(PROTOCOL_ERROR),
        ),
        (
            "a space in the path",
            all(&[method, scheme, (":path", "/a b"), host]),
            Reset(PROTOCOL_ERROR),
        ),
        (
            "a line break in the path",
            all(&[method, scheme, (":path", "/ HTTP/1.1\r\na: b"), host]),
            Reset(PROTOCOL_ERROR),
        ),
        (
            "a space in the method",
            all(&[(":method", "GET /x"), scheme, path, host]),
            GoneAway(PROTOCOL_ERROR),
        ),
        (
            "a path in the host",
            all(&[method, scheme, path, (":authority", "a/b")]),
            Reset(PROTOCOL_ERROR),
        ),
        ("no host", all(&[method, scheme, path]), Answered(400)),
        (
            "two hosts",
            with(&[("host", "other.example")]),
            Answered(400),
        ),
        (
            "the same host twice",
            with(&[("host", "site.example")]),
            Answered(200),
        ),
        (
            "a name before the host",
            all(&[method, scheme, path, (":authority", "b@a")]),
            Answered(400),
        ),
        (
            "lengths that differ",
            with(&[("content-length", "1"), ("content-length", "2")]),
            Reset(PROTOCOL_ERROR),
        ),
        (
            "a length of a body that is none",
            with(&[("content-length", "5")]),
            Reset(PROTOCOL_ERROR),
        ),
        (
            "a length that is no number",
            with(&[("content-length", "x")]),
            Reset(PROTOCOL_ERROR),
        ),
        (
            "connect",
            all(&[(":method", "CONNECT"), (":authority", "a:1")]),
            Answered(405),
        ),
        (
            "a head that is too long",
            in_parts(&[&get(&[]), &large, &large, &large, &large, &large]),
            Answered(431),
        ),
        (
            "a head that is far too long",
            in_parts(&vec![&*large; 20]),
            GoneAway(ENHANCE_YOUR_CALM),
        ),
        // Frames (RFC 9113, 4 to 6).
        (
            "a frame that is too long",
            frame(DATA, 0, 1, &[0; 16_385]),
            GoneAway(FRAME_SIZE_ERROR),
        ),
        (
            "a body that nobody announced",
            frame(DATA, 0, 1, b"x"),
            GoneAway(PROTOCOL_ERROR),
        ),
        (
            "a body of the connection",
            frame(DATA, 0, 0, b"x"),
            GoneAway(PROTOCOL_ERROR),
        ),
        (
            "a head of the connection",
            frame(HEADERS, whole, 0, &get(&[])),
            GoneAway(PROTOCOL_ERROR),
        ),
        (
            "a stream of the server's",
            frame(HEADERS, whole, 2, &get(&[])),
            GoneAway(PROTOCOL_ERROR),
        ),
        (
            "a stream that is over",
            [
                frame(HEADERS, whole, 5, &get(&[])),
                frame(HEADERS, whole, 3, &get(&[])),
            ]
            .concat(),
            GoneAway(PROTOCOL_ERROR),
        ),
        (
            "a body after its end",
            [one(&get(&[])), frame(DATA, 0, 1, b"x")].concat(),
            GoneAway(PROTOCOL_ERROR),
        ),
        (
            "a body longer than its length",
            [
                frame(HEADERS, END_HEADERS, 1, &get(&[("content-length", "1")])),
                frame(DATA, END_STREAM, 1, b"xyz"),
            ]
            .concat(),
            Reset(PROTOCOL_ERROR),
        ),
        (
            "a body shorter than its length",
            [
                frame(HEADERS, END_HEADERS, 1, &get(&[("content-length", "9")])),
                frame(DATA, END_STREAM, 1, b"xyz"),
            ]
            .concat(),
            Reset(PROTOCOL_ERROR),
        ),
        (
            "a continuation of nothing",
            frame(CONTINUATION, END_HEADERS, 1, &get(&[])),
            GoneAway(PROTOCOL_ERROR),
        ),
        (
            "something amid a head",
            [frame(HEADERS, 0, 1, &get(&[])), frame(PING, 0, 0, &[0; 8])].concat(),
            GoneAway(PROTOCOL_ERROR),
        ),
        (
            "a head of nonsense",
            one(&[0xff; 20]),
            GoneAway(PROTOCOL_ERROR),
        ),
        (
            "a header that nobody wrote",
            one(&[0xbe]),
            GoneAway(PROTOCOL_ERROR),
        ),
        (
            "padding that is longer than the frame",
            frame(DATA, PADDED, 1, &[200, 0]),
            GoneAway(PROTOCOL_ERROR),
        ),
        (
            "a dependency on itself",
            frame(PRIORITY, 0, 1, &[0, 0, 0, 1, 0]),
            Reset(PROTOCOL_ERROR),
        ),
        (
            "a short reset",
            frame(RST_STREAM, 0, 1, &[0; 3]),
            GoneAway(PROTOCOL_ERROR),
        ),
        (
            "a reset of what never was",
            frame(RST_STREAM, 0, 1, &[0; 4]),
            GoneAway(PROTOCOL_ERROR),
        ),
        (
            "settings of a stream",
            frame(SETTINGS, 0, 1, &[]),
            GoneAway(PROTOCOL_ERROR),
        ),
        (
            "settings of odd length",
            frame(SETTINGS, 0, 0, &[0; 5]),
            GoneAway(PROTOCOL_ERROR),
        ),
        (
            "an acknowledgement with content",
            frame(SETTINGS, ACK, 0, &[0; 6]),
            GoneAway(PROTOCOL_ERROR),
        ),
        (
            "a push setting that is none",
            frame(SETTINGS, 0, 0, &setting(2, 2)),
            GoneAway(PROTOCOL_ERROR),
        ),
        (
            "a window setting that is too large",
            frame(SETTINGS, 0, 0, &setting(4, 0x8000_0000)),
            GoneAway(PROTOCOL_ERROR),
        ),
        (
            "a frame setting that is too small",
            frame(SETTINGS, 0, 0, &setting(5, 1)),
            GoneAway(PROTOCOL_ERROR),
        ),
        (
            "a push",
            frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2]),
            GoneAway(PROTOCOL_ERROR),
        ),
        (
            "a ping of a stream",
            frame(PING, 0, 1, &[0; 8]),
            GoneAway(PROTOCOL_ERROR),
        ),
        (
            "a short ping",
            frame(PING, 0, 0, &[0; 7]),
            GoneAway(PROTOCOL_ERROR),
        ),
        (
            "a window opened by nothing",
            frame(WINDOW_UPDATE, 0, 0, &number(0)),
            GoneAway(PROTOCOL_ERROR),
        ),
        (
            "a short window",
            frame(WINDOW_UPDATE, 0, 0, &[0; 3]),
            GoneAway(PROTOCOL_ERROR),
        ),
        (
            "a window that is too large",
            frame(WINDOW_UPDATE, 0, 0, &number(0x7fff_ffff)),
            GoneAway(FLOW_CONTROL_ERROR),
        ),
        (
            "a window of a stream that is too large",
            [open, frame(WINDOW_UPDATE, 0, 1, &number(0x7fff_ffff))].concat(),
            Reset(FLOW_CONTROL_ERROR),
        ),
    ] {
        let before = backend.requests();
        let mut raw = Raw::new(address);
        assert!(raw.send(&bytes), "{what}");
        assert_eq!(fate(&mut raw), Some(expected), "{what}");
        if !matches!(expected, Answered(_)) {
            assert_eq!(backend.requests(), before, "{what}");
        }
    }
    let mut raw = Raw::silent(address);
    assert!(raw.send(b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"));
    assert_eq!(fate(&mut raw), None, "it is not even spoken to");
}

#[test]
fn a_flood_is_ended_and_counted_and_drowns_nobody_else() {
    let backend = Backend::saying(format!(
        "HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n{}",
        "x".repeat(100_000)
    ));
    let (world, address) = behind(&backend);
    let request = |stream| frame(HEADERS, END_HEADERS | END_STREAM, stream, &get(&[]));
    let taken_back = |stream| frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes());
    let odd = |turn: u32| turn * 2 + 1;
    let setting = |value: u32| [&[0, 4][..], &value.to_be_bytes()].concat();
    type Flood<'a> = (&'a str, Vec<u8>, Box<dyn Fn(u32) -> Vec<u8> + 'a>);
    let floods: Vec<Flood<'_>> = vec![
        (
            "requests that are taken back at once",
            vec![],
            Box::new(|turn| [request(odd(turn)), taken_back(odd(turn))].concat()),
        ),
        (
            "requests that are badly formed",
            vec![],
            Box::new(|turn| {
                frame(
                    HEADERS,
                    END_HEADERS | END_STREAM,
                    odd(turn),
                    &get(&[("te", "x")]),
                )
            }),
        ),
        ("pings", vec![], Box::new(|_| frame(PING, 0, 0, &[7; 8]))),
        (
            "settings",
            vec![],
            Box::new(|turn| frame(SETTINGS, 0, 0, &setting(turn))),
        ),
        (
            "empty settings",
            vec![],
            Box::new(|_| frame(SETTINGS, 0, 0, &[])),
        ),
        (
            "bodies of nothing",
            frame(HEADERS, END_HEADERS, 1, &get(&[])),
            Box::new(|_| frame(DATA, 0, 1, &[])),
        ),
        (
            "bodies of padding",
            frame(HEADERS, END_HEADERS, 1, &get(&[])),
            Box::new(|_| frame(DATA, PADDED, 1, &[0])),
        ),
        (
            "heads without an end",
            frame(HEADERS, 0, 1, &get(&[])),
            Box::new(|_| frame(CONTINUATION, 0, 1, &[])),
        ),
        (
            "heads of many parts",
            vec![],
            Box::new(|turn| {
                let parts =
                    (0..30).map(|_| frame(CONTINUATION, 0, odd(turn), &block(&[("a", "b")])));
                let first = frame(HEADERS, END_STREAM, odd(turn), &get(&[]));
                let last = frame(CONTINUATION, END_HEADERS, odd(turn), &[]);
                [
                    first,
                    parts.collect::<Vec<_>>().concat(),
                    last,
                    taken_back(odd(turn)),
                ]
                .concat()
            }),
        ),
        (
            "priorities",
            vec![],
            Box::new(|turn| frame(PRIORITY, 0, odd(turn), &[0, 0, 0, 0, 1])),
        ),
        (
            "what nobody knows",
            vec![],
            Box::new(|_| frame(0xee, 0, 0, &[0; 100])),
        ),
        (
            "windows opened by a byte",
            request(1),
            Box::new(|_| frame(WINDOW_UPDATE, 0, 1, &1_u32.to_be_bytes())),
        ),
        (
            "windows that open and close",
            request(1),
            Box::new(|turn| frame(SETTINGS, 0, 0, &setting(turn % 2))),
        ),
    ];
    let count = floods.len() as u64;
    let mut raw = Raw::new(address);
    let mut innocent = Visitor::new(address);
    for (done, (what, first, flood)) in (1..).zip(floods) {
        let mut flooder = Raw::new(address);
        assert!(flooder.send(&first), "{what}");
        // Read beside it, or the two of us wait for each other.
        let mut reader = Raw(flooder.0.try_clone().unwrap());
        let reading = std::thread::spawn(move || {
            let mut seen = Vec::new();
            while let Some(frame) = reader.next() {
                seen.extend(frame.code().filter(|_| frame.kind == GOAWAY));
            }
            seen
        });
        let sent = (0..200_000)
            .take_while(|turn| flooder.send(&flood(*turn)))
            .count();
        assert!(sent < 200_000, "{what}: nobody minded");
        let codes = reading.join().unwrap();
        assert!(
            codes.iter().all(|code| *code == ENHANCE_YOUR_CALM),
            "{what}: {codes:?}"
        );
        eventually(what, || {
            (world.status().arrivals[&crate::world::any_port()].floods == done).then_some(())
        });
        assert_eq!(innocent.get("/").status, 200, "{what}");
    }
    assert!(count > 0);
    // Who was there all the while, and did nothing wrong, still is.
    assert!(raw.send(&request(1)));
    assert!(raw.until(DATA).is_some());
}

#[test]
fn who_cancels_much_and_takes_much_is_no_flood() {
    let backend = Backend::saying(format!(
        "HTTP/1.1 200 OK\r\ncontent-length: 4000\r\n\r\n{}",
        "x".repeat(4000)
    ));
    let (world, address) = behind(&backend);
    let mut raw = Raw::new(address);
    // A window for all that will come.
    assert!(raw.send(&frame(WINDOW_UPDATE, 0, 0, &0x7000_0000_u32.to_be_bytes())));
    for stream in (1..).step_by(2).take(3000) {
        assert!(raw.send(&frame(HEADERS, END_HEADERS | END_STREAM, stream, &get(&[]))));
        // Its end may already be on the way.
        assert_eq!(raw.until(DATA).unwrap().stream, stream);
        assert!(raw.send(&frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes())));
    }
    assert_eq!(world.status().arrivals[&crate::world::any_port()].floods, 0);
}
