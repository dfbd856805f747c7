//! What frames make up: requests.

use super::Outcome::{Answered, Ends, Stream};
use super::{COMPRESSION, Case, PROTOCOL, WHOLE, head, join, one, only, post, with_coded};
use crate::frames::{DATA, END_HEADERS, END_STREAM, HEADERS, block, frame, get};

pub(super) fn messages() -> Vec<Case> {
    let [method, scheme, path, host] = [
        (":method", "GET"),
        (":scheme", "http"),
        (":path", "/"),
        (":authority", "a"),
    ];
    let with = |more: &[(&str, &str)]| vec![head(WHOLE, 1, more)];
    let trailers = |flags, headers: &[(&str, &str)]| frame(HEADERS, flags, 1, &block(headers));
    let hello = frame(DATA, 0, 1, b"hello");
    let end = frame(DATA, END_STREAM, 1, b"hello");
    vec![
        (
            "8.1/1",
            "a second head amid a body",
            vec![join(&[
                post(&[]),
                hello.clone(),
                trailers(END_HEADERS, &[("x", "y")]),
            ])],
            Stream(PROTOCOL),
        ),
        (
            "8.1.2/1",
            "capital letters",
            with(&[("X-TEST", "ok")]),
            Stream(PROTOCOL),
        ),
        (
            "8.1.2.1/1",
            "an unknown pseudo header",
            with(&[(":test", "ok")]),
            Stream(PROTOCOL),
        ),
        (
            "8.1.2.1/2",
            "a pseudo header of answers",
            with(&[(":status", "200")]),
            Stream(PROTOCOL),
        ),
        // The library passes over them, against the standard, and nothing of them gets through.
        (
            "8.1.2.1/3",
            "a pseudo header after a body",
            vec![join(&[
                post(&[]),
                hello.clone(),
                trailers(WHOLE, &[(":method", "GET")]),
            ])],
            Answered,
        ),
        (
            "8.1.2.1/4",
            "a pseudo header after others",
            vec![only(&[("x", "y"), method, scheme, path, host])],
            Stream(PROTOCOL),
        ),
        (
            "8.1.2.2/1",
            "a connection",
            with(&[("connection", "keep-alive")]),
            Stream(PROTOCOL),
        ),
        (
            "8.1.2.2/2",
            "a coding that is no trailers",
            with(&[("te", "trailers, deflate")]),
            Stream(PROTOCOL),
        ),
        (
            "8.1.2.3/1",
            "an empty path",
            vec![only(&[method, scheme, (":path", ""), host])],
            Stream(PROTOCOL),
        ),
        (
            "8.1.2.3/2",
            "no method",
            vec![only(&[scheme, path, host])],
            Stream(PROTOCOL),
        ),
        (
            "8.1.2.3/3",
            "no scheme",
            vec![only(&[method, path, host])],
            Stream(PROTOCOL),
        ),
        (
            "8.1.2.3/4",
            "no path",
            vec![only(&[method, scheme, host])],
            Stream(PROTOCOL),
        ),
        (
            "8.1.2.3/5",
            "two methods",
            with(&[method]),
            Stream(PROTOCOL),
        ),
        (
            "8.1.2.3/6",
            "two schemes",
            with(&[scheme]),
            Stream(PROTOCOL),
        ),
        ("8.1.2.3/7", "two paths", with(&[path]), Stream(PROTOCOL)),
        (
            "8.1.2.6/1",
            "a length that is not the body's",
            vec![join(&[post(&[("content-length", "1")]), end.clone()])],
            Stream(PROTOCOL),
        ),
        (
            "8.1.2.6/2",
            "the same in pieces",
            vec![join(&[
                post(&[("content-length", "1")]),
                hello.clone(),
                end.clone(),
            ])],
            Stream(PROTOCOL),
        ),
        ("g4/1", "GET", vec![one()], Answered),
        (
            "g4/2",
            "HEAD",
            vec![only(&[(":method", "HEAD"), scheme, path, host])],
            Answered,
        ),
        ("g4/3", "POST", vec![join(&[post(&[]), end])], Answered),
        (
            "g4/4",
            "POST with trailers",
            vec![join(&[
                post(&[("trailer", "x")]),
                hello,
                trailers(WHOLE, &[("x", "y")]),
            ])],
            Answered,
        ),
        (
            "h2.3.3/1",
            "an index that nobody wrote",
            vec![with_coded(&[0xc6])],
            Ends(COMPRESSION),
        ),
        (
            "h2.3.3/2",
            "a name that nobody wrote",
            vec![with_coded(&[0x7f, 0x01, 0x01, b'x'])],
            Ends(COMPRESSION),
        ),
        (
            "h4.2/1",
            "a size at the end of a head",
            vec![with_coded(&[0x3f, 0x01])],
            Ends(COMPRESSION),
        ),
        (
            "h5.2/1",
            "too much padding in Huffman's code",
            vec![with_coded(&[0, 0x81, 0xff, 1, b'x'])],
            Ends(COMPRESSION),
        ),
        (
            "h5.2/2",
            "padding of zeros",
            vec![with_coded(&[0, 1, b'x', 0x81, 0x18])],
            Ends(COMPRESSION),
        ),
        (
            "h5.2/3",
            "the end of all texts in a text",
            vec![with_coded(&[
                0, 1, b'x', 0x85, 0xf2, 0xff, 0xff, 0xff, 0xff,
            ])],
            Ends(COMPRESSION),
        ),
        (
            "h6.1/1",
            "index zero",
            vec![with_coded(&[0x80])],
            Ends(COMPRESSION),
        ),
        (
            "h6.3/1",
            "a table that is larger than it may be",
            vec![frame(
                HEADERS,
                WHOLE,
                1,
                &[&[0x3f, 0xe1, 0xff, 0x7f][..], &get(&[])].concat(),
            )],
            Ends(COMPRESSION),
        ),
        (
            "g5/1",
            "headers by their numbers",
            vec![frame(
                HEADERS,
                WHOLE,
                1,
                &[&[0x82, 0x86, 0x84][..], &block(&[host])].concat(),
            )],
            Answered,
        ),
        (
            "g5/3",
            "a literal that is remembered and used",
            vec![with_coded(&[0x40, 1, b'x', 1, b'y', 0xbe])],
            Answered,
        ),
        (
            "g5/9",
            "a literal that never is",
            vec![with_coded(&[0x10, 1, b'x', 1, b'y'])],
            Answered,
        ),
        (
            "g5/14",
            "a smaller table",
            vec![frame(HEADERS, WHOLE, 1, &[&[0x20][..], &get(&[])].concat())],
            Answered,
        ),
    ]
}
