//! Where a body ends: lengths, chunks, and both.

use super::Verdict::{Any, Last, Refused};
use super::{SMUGGLED, Scene, Verdict, post, taken};

/// How a client can say that a body comes in chunks, and what becomes of it where nothing else is
/// said.
const CODINGS: &[(&str, bool)] = &[
    ("transfer-encoding: chunked", true),
    ("Transfer-Encoding: CHUNKED", true),
    ("TRANSFER-ENCODING:chunked", true),
    ("transfer-encoding:\tchunked", true),
    ("transfer-encoding:  chunked \t ", true),
    ("transfer-encoding: xchunked", false),
    ("transfer-encoding: chunkedx", false),
    ("transfer-encoding: \"chunked\"", false),
    ("transfer-encoding: 'chunked'", false),
    ("transfer-encoding: (chunked)", false),
    ("transfer-encoding: chunked;q=1", false),
    ("transfer-encoding: chunked, identity", false),
    ("transfer-encoding: identity, chunked", false),
    ("transfer-encoding: identity", false),
    ("transfer-encoding: gzip, chunked", false),
    ("transfer-encoding: chunked, chunked", false),
    ("transfer-encoding: chunked chunked", false),
    ("transfer-encoding: ,chunked", false),
    ("transfer-encoding: chunked,", false),
    ("transfer-encoding:", false),
    ("transfer-encoding: ,", false),
    ("transfer-encoding: chunk\u{e9}d", false),
    ("transfer-encoding: \u{b}chunked", false),
    ("transfer-encoding: chunked\u{b}", false),
    ("transfer-encoding: \u{c}chunked", false),
    ("transfer-encoding: \u{7f}chunked", false),
    ("transfer-encoding: chunked\0", false),
    ("transfer-encoding: \u{a0}chunked", false),
    (
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked",
        false,
    ),
    (
        "transfer-encoding: chunked\r\ntransfer-encoding: identity",
        false,
    ),
    (
        "transfer-encoding: identity\r\ntransfer-encoding: chunked",
        false,
    ),
    (
        "transfer-encoding: xchunked\r\ntransfer-encoding: chunked",
        false,
    ),
    (
        "transfer-encoding: gzip\r\ntransfer-encoding: chunked",
        false,
    ),
    ("transfer-encoding : chunked", false),
    ("transfer-encoding\t: chunked", false),
    (" transfer-encoding: chunked", false),
    ("\ttransfer-encoding: chunked", false),
    ("transfer-encoding\r\n : chunked", false),
    ("transfer-encoding:\r\n chunked", false),
    ("transfer-encoding: x\r\n chunked", false),
    ("x: y\r\n transfer-encoding: chunked", false),
    ("transfer-encoding: chunked\rx: y", false),
    ("x: y\rtransfer-encoding: chunked", false),
    ("x: y\r\rtransfer-encoding: chunked", false),
    ("\0transfer-encoding: chunked", false),
    ("transfer-encoding\0: chunked", false),
    ("\u{b}transfer-encoding: chunked", false),
    ("transfer-\u{e9}ncoding: chunked", false),
    (": chunked\r\ntransfer-encoding: chunked", false),
];

/// Nobody can be made to read the body of one as the next request of another, however the two
/// ways to delimit it are written and mixed.
#[test]
fn a_body_ends_in_one_way() {
    let mut scene = Scene::new();
    // For who goes by the chunks, the body ends before what is smuggled...
    let after_chunks = format!("0\r\n\r\n{SMUGGLED}");
    // ... and for who goes by the length, after the first line.
    let in_a_chunk = format!("{:x}\r\n{SMUGGLED}\r\n0\r\n\r\n", SMUGGLED.len());
    for (coding, is_chunked) in CODINGS {
        let alone = post(coding, "5\r\nhello\r\n0\r\n\r\n");
        let expected = if *is_chunked { taken("hello") } else { Refused };
        scene.play(coding, &alone, &expected);
        let old = String::from_utf8(alone)
            .unwrap()
            .replace("HTTP/1.1", "HTTP/1.0");
        scene.play(&format!("HTTP/1.0, {coding}"), old.as_bytes(), &Refused);

        let first_line = in_a_chunk.find('\n').unwrap() + 1;
        for (body, length) in [
            (&after_chunks, after_chunks.len()),
            (&in_a_chunk, first_line),
        ] {
            let length = format!("content-length: {length}");
            for lines in [
                format!("{length}\r\n{coding}"),
                format!("{coding}\r\n{length}"),
                format!("{length}\r\n{coding}\r\n{length}"),
            ] {
                let expected = match is_chunked {
                    true if body == &in_a_chunk => {
                        Last(SMUGGLED.replace("@@@@", &scene.next()).into())
                    }
                    true => Last(Vec::new()),
                    false => Refused,
                };
                scene.play(&lines, &post(&lines, body), &expected);
            }
        }
    }
    scene.end();
}

#[test]
fn a_length_is_a_number_that_is_said_once() {
    let mut scene = Scene::new();
    let five = taken("hello");
    for (lines, expected) in [
        ("content-length: 5", five.clone()),
        ("Content-Length:5", five.clone()),
        ("content-length:\t5 \t", five.clone()),
        ("content-length: 005", five.clone()),
        ("content-length: 5\r\ncontent-length: 5", five),
        ("content-length: 5\r\ncontent-length: 6", Refused),
        ("content-length: 6\r\ncontent-length: 5", Refused),
        ("content-length: 0\r\ncontent-length: 5", Refused),
        ("content-length: 5, 5", Refused),
        ("content-length: 5, 6", Refused),
        ("content-length: 5,", Refused),
        ("content-length: 5;5", Refused),
        ("content-length: +5", Refused),
        ("content-length: -5", Refused),
        ("content-length: -0", Refused),
        ("content-length: 5 5", Refused),
        ("content-length: 5.0", Refused),
        ("content-length: 5e0", Refused),
        ("content-length: 0x5", Refused),
        ("content-length: 0b101", Refused),
        ("content-length: 5_", Refused),
        ("content-length: \"5\"", Refused),
        ("content-length:", Refused),
        ("content-length: a", Refused),
        ("content-length: \u{665}", Refused),
        ("content-length: \u{b}5", Refused),
        ("content-length: 5\u{c}", Refused),
        ("content-length: 5\0", Refused),
        ("content-length: 5\u{a0}", Refused),
        ("content-length: 18446744073709551615", Refused),
        ("content-length: 18446744073709551616", Refused),
        ("content-length: 18446744073709551621", Refused),
        (
            "content-length: 99999999999999999999999999999999999999",
            Refused,
        ),
        ("content-length : 5", Refused),
        ("content-length\t: 5", Refused),
        (" content-length: 5", Refused),
        ("content-length:\r\n 5", Refused),
        ("content-length: 5\r\n 5", Refused),
        ("content-length: 5\r 0", Refused),
        ("x: y\rcontent-length: 5", Refused),
    ] {
        scene.play(lines, &post(lines, "hello"), &expected);
        let get = post(lines, "hello");
        let get = [b"GET".as_slice(), &get[4..]].concat();
        scene.play(&format!("GET with {lines}"), &get, &expected);
    }
    scene.end();
}

#[test]
fn a_chunk_has_the_size_that_it_says() {
    let mut scene = Scene::new();
    let long = |count: usize| format!("5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(count));
    let hello = || taken("hello");
    let cases: Vec<(String, Verdict)> = vec![
        ("5\r\nhello\r\n0\r\n\r\n".into(), hello()),
        ("0005\r\nhello\r\n0000\r\n\r\n".into(), hello()),
        ("5;a=b\r\nhello\r\n0;c=\"d\"\r\n\r\n".into(), hello()),
        (
            "2\r\nhe\r\n3\r\nllo\r\n0\r\nx-sum: 1\r\n\r\n".into(),
            hello(),
        ),
        ("5 \r\nhello\r\n0\r\n\r\n".into(), Any),
        ("5\t;a\r\nhello\r\n0\r\n\r\n".into(), Any),
        (long(1000), hello()),
        (long(100_000), Refused),
        (
            format!("5;{}\r\nhello\r\n0\r\n\r\n", "a=b;".repeat(10_000)),
            Refused,
        ),
        (" 5\r\nhello\r\n0\r\n\r\n".into(), Refused),
        ("+5\r\nhello\r\n0\r\n\r\n".into(), Refused),
        ("-5\r\nhello\r\n0\r\n\r\n".into(), Refused),
        ("0x5\r\nhello\r\n0\r\n\r\n".into(), Refused),
        ("5h\r\nhello\r\n0\r\n\r\n".into(), Refused),
        ("5 5\r\nhello\r\n0\r\n\r\n".into(), Any),
        ("5_\r\nhello\r\n0\r\n\r\n".into(), Refused),
        ("5\0\r\nhello\r\n0\r\n\r\n".into(), Refused),
        ("\r\nhello\r\n0\r\n\r\n".into(), Refused),
        (";a\r\nhello\r\n0\r\n\r\n".into(), Refused),
        ("5\nhello\r\n0\r\n\r\n".into(), Refused),
        ("5\rhello\r\n0\r\n\r\n".into(), Refused),
        ("5\r\rhello\r\n0\r\n\r\n".into(), Refused),
        ("5;a\nhello\r\n0\r\n\r\n".into(), Refused),
        (
            "5;a\n0\r\n\r\nGET /smuggled-@@@@ HTTP/1.1\r\n\r\n".into(),
            Refused,
        ),
        ("5;a\rhello\r\n0\r\n\r\n".into(), Refused),
        ("5\r\nhello0\r\n\r\n".into(), Refused),
        ("5\r\nhello\n0\r\n\r\n".into(), Refused),
        ("5\r\nhello\r0\r\n\r\n".into(), Refused),
        ("5\r\nhello!\r\n0\r\n\r\n".into(), Refused),
        ("5\r\nhell\r\n0\r\n\r\n".into(), Refused),
        ("10000000000000005\r\nhello\r\n0\r\n\r\n".into(), Refused),
        ("ffffffffffffffffff\r\nhello\r\n0\r\n\r\n".into(), Refused),
        ("5\r\nhello\r\n0\r\nhost: b\r\n\r\n".into(), Any),
        ("5\r\nhello\r\n0\r\ncontent-length: 9\r\n\r\n".into(), Any),
        (
            "5\r\nhello\r\n0\r\ntransfer-encoding: chunked\r\n\r\n".into(),
            Any,
        ),
        ("5\r\nhello\r\n0\r\na b: c\r\n\r\n".into(), Refused),
        ("5\r\nhello\r\n0\r\nx-a: b\r\n c\r\n\r\n".into(), Refused),
        ("5\r\nhello\r\n0\r\nx-a: b\rx-c: d\r\n\r\n".into(), Refused),
        (
            format!("5\r\nhello\r\n0\r\nx-a: {}\r\n\r\n", "b".repeat(100_000)),
            Refused,
        ),
        (
            format!("5\r\nhello\r\n0\r\n{}\r\n", "x-a: b\r\n".repeat(2_000)),
            Refused,
        ),
    ];
    for (body, expected) in cases {
        let what: String = body.chars().take(60).collect();
        scene.play(&what, &post("transfer-encoding: chunked", &body), &expected);
    }
    scene.end();
}
