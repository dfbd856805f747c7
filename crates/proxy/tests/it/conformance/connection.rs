//! The connection as a whole, and frames by themselves.

use super::Outcome::{Answered, Ends, GoesOn, Stream};
use super::{
    CLOSED_OR_PROTOCOL, COMPRESSION, Case, FLOW, PROTOCOL, SIZE, WHOLE, head, join, one, post,
    priority, reset, setting, window,
};
use crate::frames::{
    ACK, CANCEL, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PADDED, PING,
    PRIORITY, PUSH_PROMISE, RST_STREAM, SETTINGS, WINDOW_UPDATE, frame, get,
};

pub(super) fn connection() -> Vec<Case> {
    let block = get(&[]);
    let continued = |stream| frame(CONTINUATION, END_HEADERS, stream, &[]);
    let reserved = [&frame(PING, 0, 0, &[])[..5], &[0x80, 0, 0, 0], &[0; 8]].concat();
    let reserved = [&[0, 0, 8], &reserved[3..]].concat();
    vec![
        (
            "3.5/1",
            "what every client says first",
            vec![vec![]],
            GoesOn,
        ),
        (
            "4.1/1",
            "a frame of an unknown type",
            vec![frame(0xee, 0, 0, &[0; 8])],
            GoesOn,
        ),
        (
            "4.1/2",
            "flags that nobody knows",
            vec![frame(PING, 0x16, 0, &[0; 8])],
            GoesOn,
        ),
        ("4.1/3", "a reserved bit", vec![reserved], GoesOn),
        (
            "4.2/1",
            "as much data as there may be",
            vec![post(&[]), frame(DATA, END_STREAM, 1, &[0; 16_384])],
            Answered,
        ),
        (
            "4.2/2",
            "too much data",
            vec![post(&[]), frame(DATA, END_STREAM, 1, &[0; 16_385])],
            Stream(SIZE),
        ),
        (
            "4.2/3",
            "a head that is too long for a frame",
            vec![frame(HEADERS, WHOLE, 1, &[0; 16_385])],
            Ends(SIZE),
        ),
        (
            "4.3/1",
            "a head of nonsense",
            vec![frame(HEADERS, WHOLE, 1, &[0xff; 20])],
            Ends(COMPRESSION),
        ),
        (
            "4.3/2",
            "a priority amid a head",
            vec![frame(HEADERS, END_STREAM, 1, &block), priority(1, 0)],
            Ends(PROTOCOL),
        ),
        (
            "4.3/3",
            "another head amid a head",
            vec![frame(HEADERS, END_STREAM, 1, &block), head(WHOLE, 3, &[])],
            Ends(PROTOCOL),
        ),
        (
            "5.4.1/1",
            "a bad ping",
            vec![frame(PING, 0, 3, &[0; 8])],
            Ends(PROTOCOL),
        ),
        (
            "5.5/1",
            "an extension",
            vec![frame(0x16, 0, 0, &[0; 8])],
            GoesOn,
        ),
        (
            "5.5/2",
            "an extension amid a head",
            vec![
                frame(HEADERS, END_STREAM, 1, &block),
                frame(0x16, 0, 0, &[0; 8]),
            ],
            Ends(PROTOCOL),
        ),
        (
            "6.10/1",
            "a head in three parts",
            vec![
                frame(HEADERS, END_STREAM, 1, &block),
                frame(CONTINUATION, 0, 1, &[]),
                continued(1),
            ],
            Answered,
        ),
        (
            "6.10/2",
            "something else after a part",
            vec![
                frame(HEADERS, END_STREAM, 1, &block),
                frame(CONTINUATION, 0, 1, &[]),
                frame(DATA, 0, 1, b"x"),
            ],
            Ends(PROTOCOL),
        ),
        (
            "6.10/3",
            "a part of the connection",
            vec![frame(HEADERS, END_STREAM, 1, &block), continued(0)],
            Ends(PROTOCOL),
        ),
        (
            "6.10/4",
            "a part after a whole head",
            vec![head(END_HEADERS, 1, &[]), continued(1)],
            Ends(PROTOCOL),
        ),
        (
            "6.10/5",
            "a part after the last one",
            vec![frame(HEADERS, 0, 1, &block), continued(1), continued(1)],
            Ends(PROTOCOL),
        ),
        (
            "6.10/6",
            "a part after data",
            vec![post(&[]), frame(DATA, 0, 1, b"x"), continued(1)],
            Ends(PROTOCOL),
        ),
        (
            "7/1",
            "a goodbye with an unknown code",
            vec![frame(GOAWAY, 0, 0, &[0, 0, 0, 0, 0, 0, 0, 0xff])],
            GoesOn,
        ),
        (
            "7/2",
            "a reset with an unknown code",
            vec![post(&[]), reset(1, 0xff)],
            GoesOn,
        ),
        (
            "8.2/1",
            "a push",
            vec![frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2])],
            Ends(PROTOCOL),
        ),
    ]
}

pub(super) fn frames() -> Vec<Case> {
    let largest = 0x7fff_ffff;
    vec![
        (
            "6.1/1",
            "data of the connection",
            vec![frame(DATA, 0, 0, b"x")],
            Ends(PROTOCOL),
        ),
        (
            "6.1/2",
            "data of a stream that is over",
            vec![one(), frame(DATA, END_STREAM, 1, b"x")],
            Stream(CLOSED_OR_PROTOCOL),
        ),
        (
            "6.1/3",
            "more padding than data",
            vec![join(&[
                post(&[]),
                frame(DATA, END_STREAM | PADDED, 1, &[6, 1, 2]),
            ])],
            Ends(PROTOCOL),
        ),
        (
            "6.2/1",
            "no end of the head, then a priority",
            vec![join(&[frame(HEADERS, 0, 1, &get(&[])), priority(1, 0)])],
            Ends(PROTOCOL),
        ),
        (
            "6.2/2",
            "no end of the head, then another",
            vec![join(&[
                frame(HEADERS, 0, 1, &get(&[])),
                head(WHOLE, 3, &[]),
            ])],
            Ends(PROTOCOL),
        ),
        (
            "6.2/3",
            "a head of the connection",
            vec![head(WHOLE, 0, &[])],
            Ends(PROTOCOL),
        ),
        (
            "6.2/4",
            "more padding than head",
            vec![frame(
                HEADERS,
                WHOLE | PADDED,
                1,
                &[&[255][..], &get(&[])].concat(),
            )],
            Ends(PROTOCOL),
        ),
        (
            "6.3/1",
            "a priority of the connection",
            vec![priority(0, 1)],
            Ends(PROTOCOL),
        ),
        (
            "6.3/2",
            "a short priority",
            vec![frame(PRIORITY, 0, 1, &[0; 4])],
            Stream(SIZE),
        ),
        (
            "6.4/1",
            "a reset of the connection",
            vec![reset(0, CANCEL)],
            Ends(PROTOCOL),
        ),
        (
            "6.4/2",
            "a reset of what never was",
            vec![reset(1, CANCEL)],
            Ends(PROTOCOL),
        ),
        (
            "6.4/3",
            "a short reset",
            vec![join(&[post(&[]), frame(RST_STREAM, 0, 1, &[0; 3])])],
            Ends(SIZE),
        ),
        (
            "6.5/1",
            "an acknowledgement that says something",
            vec![frame(SETTINGS, ACK, 0, &[0; 6])],
            Ends(SIZE),
        ),
        (
            "6.5/2",
            "settings of a stream",
            vec![frame(SETTINGS, 0, 1, &[])],
            Ends(PROTOCOL),
        ),
        (
            "6.5/3",
            "a part of a setting",
            vec![frame(SETTINGS, 0, 0, &[0; 3])],
            Ends(SIZE),
        ),
        (
            "6.5.2/1",
            "push, twice as much",
            vec![setting(2, 2)],
            Ends(PROTOCOL),
        ),
        (
            "6.5.2/2",
            "a window that is too large",
            vec![setting(4, 0x8000_0000)],
            Ends(FLOW),
        ),
        (
            "6.5.2/3",
            "frames that are too small",
            vec![setting(5, 16_383)],
            Ends(PROTOCOL),
        ),
        (
            "6.5.2/4",
            "frames that are too large",
            vec![setting(5, 16_777_216)],
            Ends(PROTOCOL),
        ),
        (
            "6.5.2/5",
            "a setting that nobody knows",
            vec![setting(0xff, 1)],
            GoesOn,
        ),
        (
            "6.7/3",
            "a ping of a stream",
            vec![frame(PING, 0, 1, &[0; 8])],
            Ends(PROTOCOL),
        ),
        (
            "6.7/4",
            "a short ping",
            vec![frame(PING, 0, 0, &[0; 6])],
            Ends(SIZE),
        ),
        (
            "6.8/1",
            "a goodbye of a stream",
            vec![frame(GOAWAY, 0, 1, &[0; 8])],
            Ends(PROTOCOL),
        ),
        (
            "6.9/1",
            "a window of nothing",
            vec![window(0, 0)],
            Ends(PROTOCOL),
        ),
        (
            "6.9/2",
            "a window of nothing for a stream",
            vec![join(&[post(&[]), window(1, 0)])],
            Stream(PROTOCOL),
        ),
        (
            "6.9/3",
            "a short window",
            vec![frame(WINDOW_UPDATE, 0, 0, &[0; 3])],
            Ends(SIZE),
        ),
        (
            "6.9.1/2",
            "windows that sum to too much",
            vec![join(&[window(0, largest), window(0, largest)])],
            Ends(FLOW),
        ),
        (
            "6.9.1/3",
            "the same of a stream",
            vec![join(&[post(&[]), window(1, largest), window(1, largest)])],
            Stream(FLOW),
        ),
        (
            "6.9.2/3",
            "a setting that is too much for a window",
            vec![setting(4, 0x8000_0000)],
            Ends(FLOW),
        ),
        ("g3.5/1", "settings", vec![setting(3, 100)], GoesOn),
        (
            "g3.8/1",
            "a goodbye",
            vec![frame(GOAWAY, 0, 0, &[0; 8])],
            GoesOn,
        ),
        (
            "g3.9/1",
            "a window",
            vec![join(&[window(0, 1), one()])],
            Answered,
        ),
        (
            "g3.9/2",
            "a window of a stream",
            vec![join(&[one(), window(1, 1)])],
            Answered,
        ),
    ]
}
