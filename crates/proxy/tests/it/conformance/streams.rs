//! Streams and what may be said on them.

use super::Outcome::{Answered, Ends, GoesOn, Stream};
use super::{
    CLOSED_OR_PROTOCOL, Case, PRIORITIZED, PROTOCOL, WHOLE, head, join, one, post, priority, reset,
    window,
};
use crate::frames::{
    CANCEL, CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PADDED, frame, get,
};

pub(super) fn streams() -> Vec<Case> {
    let data = |stream| frame(DATA, 0, stream, b"x");
    let part = frame(CONTINUATION, END_HEADERS, 1, &get(&[]));
    let taken_back = || join(&[post(&[]), reset(1, CANCEL)]);
    let with_priority = |on: u32| {
        let content = [&on.to_be_bytes()[..], &[15], &get(&[])].concat();
        frame(HEADERS, WHOLE | PRIORITIZED, 1, &content)
    };
    let then = |first: Vec<u8>| vec![one(), first];
    vec![
        ("5.1/1", "idle: data", vec![data(1)], Ends(PROTOCOL)),
        (
            "5.1/2",
            "idle: a reset",
            vec![reset(1, CANCEL)],
            Ends(PROTOCOL),
        ),
        (
            "5.1/3",
            "idle: a window",
            vec![window(1, 100)],
            Ends(PROTOCOL),
        ),
        (
            "5.1/4",
            "idle: a part of a head",
            vec![part.clone()],
            Ends(PROTOCOL),
        ),
        (
            "5.1/5",
            "half closed: data",
            vec![join(&[one(), data(1)])],
            Stream(CLOSED_OR_PROTOCOL),
        ),
        (
            "5.1/6",
            "half closed: a head",
            vec![join(&[one(), one()])],
            Stream(CLOSED_OR_PROTOCOL),
        ),
        (
            "5.1/7",
            "half closed: a part of a head",
            vec![join(&[one(), part.clone()])],
            Ends(CLOSED_OR_PROTOCOL),
        ),
        (
            "5.1/8",
            "taken back: data",
            vec![join(&[taken_back(), data(1)])],
            Stream(CLOSED_OR_PROTOCOL),
        ),
        (
            "5.1/9",
            "taken back: a head",
            vec![join(&[taken_back(), one()])],
            Stream(CLOSED_OR_PROTOCOL),
        ),
        (
            "5.1/10",
            "taken back: a part of a head",
            vec![join(&[taken_back(), part.clone()])],
            Ends(CLOSED_OR_PROTOCOL),
        ),
        (
            "5.1/11",
            "closed: data",
            then(data(1)),
            Stream(CLOSED_OR_PROTOCOL),
        ),
        (
            "5.1/12",
            "closed: a head",
            then(one()),
            Ends(CLOSED_OR_PROTOCOL),
        ),
        (
            "5.1/13",
            "closed: a part of a head",
            then(part),
            Ends(CLOSED_OR_PROTOCOL),
        ),
        (
            "5.1.1/1",
            "a number of the server's",
            vec![head(WHOLE, 2, &[])],
            Ends(PROTOCOL),
        ),
        (
            "5.1.1/2",
            "a number that is over",
            vec![join(&[head(WHOLE, 5, &[]), head(WHOLE, 3, &[])])],
            Ends(PROTOCOL),
        ),
        (
            "5.3.1/1",
            "a head that depends on itself",
            vec![with_priority(1)],
            Stream(PROTOCOL),
        ),
        (
            "5.3.1/2",
            "a priority that depends on itself",
            vec![priority(1, 1)],
            Stream(PROTOCOL),
        ),
        (
            "g2/1",
            "idle: a priority",
            vec![join(&[priority(1, 0), one()])],
            Answered,
        ),
        (
            "g2/2",
            "half closed: a window",
            vec![join(&[one(), window(1, 100)])],
            Answered,
        ),
        (
            "g2/3",
            "half closed: a priority",
            vec![join(&[one(), priority(1, 0)])],
            Answered,
        ),
        (
            "g2/4",
            "half closed: a reset",
            vec![join(&[one(), reset(1, CANCEL)])],
            GoesOn,
        ),
        ("g2/5", "closed: a priority", then(priority(1, 0)), GoesOn),
        (
            "g3.1/1",
            "data",
            vec![join(&[post(&[]), frame(DATA, END_STREAM, 1, b"x")])],
            Answered,
        ),
        (
            "g3.1/2",
            "much data",
            vec![join(&[
                post(&[]),
                data(1),
                data(1),
                frame(DATA, END_STREAM, 1, b"x"),
            ])],
            Answered,
        ),
        (
            "g3.1/3",
            "data with padding",
            vec![join(&[
                post(&[]),
                frame(DATA, END_STREAM | PADDED, 1, &[3, b'x', 0, 0, 0]),
            ])],
            Answered,
        ),
        ("g3.2/1", "a head", vec![one()], Answered),
        (
            "g3.2/2",
            "a head with padding",
            vec![frame(
                HEADERS,
                WHOLE | PADDED,
                1,
                &[&[2][..], &get(&[]), &[0, 0]].concat(),
            )],
            Answered,
        ),
        (
            "g3.2/3",
            "a head with a priority",
            vec![with_priority(0)],
            Answered,
        ),
        (
            "g3.3/1",
            "a priority",
            vec![join(&[one(), priority(1, 0)])],
            Answered,
        ),
        (
            "g3.3/2",
            "a priority on a higher stream",
            vec![join(&[priority(1, 5), one()])],
            Answered,
        ),
        (
            "g3.3/5",
            "a priority that excludes others",
            vec![join(&[priority(1, 0x8000_0003), one()])],
            Answered,
        ),
        (
            "g3.4/1",
            "a reset",
            vec![join(&[post(&[]), reset(1, CANCEL)])],
            GoesOn,
        ),
        (
            "g3.10/1",
            "a head in two parts",
            vec![join(&[
                frame(HEADERS, END_STREAM, 1, &get(&[])),
                frame(CONTINUATION, END_HEADERS, 1, &[]),
            ])],
            Answered,
        ),
    ]
}
