//! What RFC 9113 and RFC 7541 ask of a server, section by section: the cases of `h2spec`, whose
//! numbers they have (those of RFC 7540, and `g` for its generic ones), written as frames.
//!
//! One deviates: pseudo headers after a body (8.1.2.1/3) are passed over instead of refused.
//!
//! Like there, a mistake of the connection may be answered by its end with the right code or by its
//! end alone, and a mistake of a stream by either of both, too.

mod connection;
mod messages;
mod streams;

use crate::frames::{
    ACK, COMPRESSION_ERROR, DATA, END_HEADERS, END_STREAM, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR,
    Frame, GOAWAY, HEADERS, NO_ERROR, PING, PRIORITY, PROTOCOL_ERROR, REFUSED_STREAM, RST_STREAM,
    Raw, SETTINGS, STREAM_CLOSED, WINDOW_UPDATE, block, frame, get,
};
use crate::http2::behind;
use crate::world::Backend;

/// The flag of a head that begins with a priority.
const PRIORITIZED: u8 = 0x20;
const WHOLE: u8 = END_HEADERS | END_STREAM;

/// What has to come of it.
#[derive(Clone, Copy, Debug)]
enum Outcome {
    /// Stream 1 is answered with status 200.
    Answered,
    /// The connection goes on: a ping is answered.
    GoesOn,
    /// The connection ends, with one of these codes where it is told.
    Ends(&'static [u32]),
    /// The stream or the connection ends, with one of these codes.
    Stream(&'static [u32]),
}

use Outcome::{Answered, Ends, GoesOn, Stream};

const PROTOCOL: &[u32] = &[PROTOCOL_ERROR];
const SIZE: &[u32] = &[FRAME_SIZE_ERROR];
const CLOSED_OR_PROTOCOL: &[u32] = &[STREAM_CLOSED, PROTOCOL_ERROR];
const FLOW: &[u32] = &[FLOW_CONTROL_ERROR];
const COMPRESSION: &[u32] = &[COMPRESSION_ERROR];

/// Section, what is done, and what comes of it. Of two pieces the second is sent when stream 1 is
/// over.
type Case = (&'static str, &'static str, Vec<Vec<u8>>, Outcome);

fn head(flags: u8, stream: u32, more: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, flags, stream, &get(more))
}

/// A whole request on stream 1.
fn one() -> Vec<u8> {
    head(WHOLE, 1, &[])
}

fn post(more: &[(&str, &str)]) -> Vec<u8> {
    let usual = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/"),
        (":authority", "a"),
    ];
    frame(
        HEADERS,
        END_HEADERS,
        1,
        &block(&[&usual[..], more].concat()),
    )
}

/// A request whose head is nothing but these headers.
fn only(headers: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, WHOLE, 1, &block(headers))
}

/// The same with something behind it that is no literal.
fn with_coded(coded: &[u8]) -> Vec<u8> {
    frame(HEADERS, WHOLE, 1, &[&get(&[]), coded].concat())
}

fn reset(stream: u32, code: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &code.to_be_bytes())
}

fn window(stream: u32, more: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &more.to_be_bytes())
}

fn setting(id: u16, value: u32) -> Vec<u8> {
    let content = [&id.to_be_bytes()[..], &value.to_be_bytes()].concat();
    frame(SETTINGS, 0, 0, &content)
}

fn priority(stream: u32, on: u32) -> Vec<u8> {
    frame(
        PRIORITY,
        0,
        stream,
        &[&on.to_be_bytes()[..], &[15]].concat(),
    )
}

fn ping() -> Vec<u8> {
    frame(PING, 0, 0, b"h2spec!!")
}

fn join(pieces: &[Vec<u8>]) -> Vec<u8> {
    pieces.concat()
}

/// What came of it, in words; `Err` if it is not what has to.
fn judged(raw: &mut Raw, outcome: Outcome) -> Result<(), String> {
    let mut seen: Vec<(u8, u32, Option<u32>)> = Vec::new();
    loop {
        let Some(next) = raw.next() else {
            return match outcome {
                Ends(_) | Stream(_) => Ok(()),
                _ => Err(format!("it is over: {seen:?}")),
            };
        };
        seen.push((next.kind, next.stream, next.code()));
        let code = next.code();
        let is_right = |codes: &[u32]| code.is_some_and(|code| codes.contains(&code));
        match (outcome, next.kind) {
            (Answered, HEADERS) if next.stream == 1 => {
                return match next.content[0] {
                    0x88 => Ok(()),
                    _ => Err(format!("another status: {:?}", next.content)),
                };
            }
            (GoesOn, PING) if next.flags == ACK && next.content == b"goes on?" => return Ok(()),
            (Stream(codes), RST_STREAM | GOAWAY) if is_right(codes) => return Ok(()),
            (Ends(codes), GOAWAY) if is_right(codes) => return Ok(()),
            (Answered | GoesOn, GOAWAY) if code != Some(NO_ERROR) => {
                return Err(format!("it is ended: {seen:?}"));
            }
            // An answer to a ping may overtake the end of a stream, but not twice.
            (Ends(_) | Stream(_), PING) if next.content == b"goes on?" => {
                raw.send(&frame(PING, 0, 0, b"or what?"));
            }
            (Ends(_) | Stream(_), PING) => return Err(format!("it goes on: {seen:?}")),
            _ => {}
        }
    }
}

#[test]
fn the_standard_is_kept() {
    let backend = Backend::saying("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    let (_world, address) = behind(&backend);
    let mut failed = Vec::new();
    let cases = [
        connection::connection(),
        connection::frames(),
        streams::streams(),
        messages::messages(),
    ]
    .concat();
    let count = cases.len();
    for (section, what, pieces, outcome) in cases {
        let mut raw = Raw::new(address);
        for (at, piece) in pieces.iter().enumerate() {
            // What is said after a whole request is said after its answer.
            if at > 0 && pieces[0] == one() {
                let is_over = |frame: &Frame| {
                    frame.stream == 1 && frame.flags & END_STREAM != 0 && frame.kind != RST_STREAM
                };
                assert!(
                    std::iter::from_fn(|| raw.next()).any(|frame| is_over(&frame)),
                    "{what}"
                );
            }
            raw.send(piece);
        }
        // Whoever has nothing against what was said answers this; else there is nobody.
        raw.send(&frame(PING, 0, 0, b"goes on?"));
        if let Err(why) = judged(&mut raw, outcome) {
            failed.push(format!("{section} {what}: {why}"));
        }
    }
    println!("{count} cases, {} failed", failed.len());
    assert!(
        failed.is_empty(),
        "{} of {count}:\n{}",
        failed.len(),
        failed.join("\n")
    );
}

#[test]
fn a_wrong_preface_ends_the_connection() {
    let backend = Backend::named("ok");
    let (_world, address) = behind(&backend);
    for preface in [
        &b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\r"[..],
        b"PRI * HTTP/2.1\r\n\r\nSM\r\n\r\n",
    ] {
        let mut raw = Raw::silent(address);
        assert!(raw.send(preface));
        raw.send(&frame(SETTINGS, 0, 0, &[]));
        let mut all = Vec::new();
        drop(std::io::Read::read_to_end(&mut raw.0, &mut all));
        assert!(!all.windows(4).any(|word| word == b" 200"), "{preface:?}");
    }
}

#[test]
fn what_is_asked_for_is_said() {
    let backend = Backend::saying("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello");
    let (_world, address) = behind(&backend);
    // 6.7/1 and 6.7/2: a ping is answered with what it said, and the answer to one is not.
    let mut raw = Raw::new(address);
    assert!(raw.send(&join(&[frame(PING, ACK, 0, b"not this"), ping()])));
    let answer = raw.until(PING).unwrap();
    assert_eq!((answer.flags, &answer.content[..]), (ACK, &b"h2spec!!"[..]));
    // 6.5.3/2: settings are acknowledged.
    let mut raw = Raw::new(address);
    let is_known = |frame: &Frame| frame.kind == SETTINGS && frame.flags & ACK != 0;
    assert!(std::iter::from_fn(|| raw.next()).any(|frame| is_known(&frame)));
    // 6.9.1/1 and 6.5.3/1: no more than the window, which is the last one that was said.
    let mut raw = Raw::new(address);
    let twice = [&[0, 4, 0, 0, 0, 100][..], &[0, 4, 0, 0, 0, 1]].concat();
    assert!(raw.send(&join(&[frame(SETTINGS, 0, 0, &twice), one()])));
    assert_eq!(raw.until(DATA).unwrap().content, b"h");
    // 6.9.2/1: a window that grows lets more through; 6.9.2/2: one below zero nothing.
    assert!(raw.send(&setting(4, 3)));
    assert_eq!(raw.until(DATA).unwrap().content, b"el");
    assert!(raw.send(&join(&[setting(4, 0), window(1, 2), ping()])));
    assert_eq!(raw.until(PING).unwrap().flags, ACK);
    assert!(raw.send(&window(1, 2)));
    let data = raw.until(DATA).unwrap();
    assert_eq!(data.content, b"l");
    assert!(raw.send(&window(1, 1)));
    assert_eq!(raw.until(DATA).unwrap().content, b"o");
    // 5.1.2/1: more streams than may be are refused.
    let backend = Backend::raw(|reader, _| {
        drop(std::io::copy(reader, &mut std::io::sink()));
        false
    });
    let (_world, address) = behind(&backend);
    let mut raw = Raw::new(address);
    for stream in (1..).step_by(2).take(200) {
        raw.send(&head(WHOLE, stream, &[]));
    }
    assert!(judged(&mut raw, Stream(&[REFUSED_STREAM, PROTOCOL_ERROR])).is_ok());
}
