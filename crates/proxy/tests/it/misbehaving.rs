//! Instances that misbehave: whatever they do, a client never takes a broken answer for a whole one.

use std::io::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use crate::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, Raw, SETTINGS, block, frame,
};
use crate::goodbyes::{by_hand, post, say_by_hand};
use crate::service::http2_side;
use crate::world::{Backend, Visitor, World, get, side, table};

fn world() -> World {
    World::with(|config| {
        config.cores = Some(1);
        config.answer_timeout = Duration::from_millis(300);
    })
}

fn before(address: SocketAddr) -> (World, SocketAddr) {
    let world = world();
    let address = world.apply(&table(1, [side("web", 10_000, &[address])]));
    (world, address)
}

fn before_http2(instance: &Backend) -> (World, SocketAddr) {
    let world = world();
    let address = world.apply(&table(1, [http2_side("web", 10_000, &[instance.address])]));
    (world, address)
}

/// Says what reached a client: `None` if it can tell that it is not all.
fn whole(visitor: &mut Visitor) -> Option<(u16, Vec<u8>)> {
    let answered = visitor.answer()?;
    Some((answered.status, answered.body))
}

#[test]
fn what_is_no_answer_is_none() {
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x-a: b\r\n".repeat(20_000));
    let long = format!("HTTP/1.1 200 OK\r\nx-a: {}\r\n\r\n", "b".repeat(500_000));
    let interim = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n".repeat(5000);
    for answer in [
        "\0\x01\x02\x03\r\n\r\n",
        "HTTP/9.9 200 OK\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!",
        "HTTP/1.1 200 OK\r\ncontent-length: five\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\nhello",
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
        &many,
        &long,
        &interim,
    ] {
        let instance = Backend::saying(answer);
        let (_world, address) = before(instance.address);
        let answered = get(address, "/");
        assert_eq!(answered.status, 502, "{answer:.80}");
        assert_eq!(
            answered.header("x-leadsman-reason"),
            ["garbled"],
            "{answer:.80}"
        );
        // The next one is none the worse for it.
        assert_eq!(get(address, "/").status, 502);
    }
}

#[test]
fn an_answer_that_ends_early_does_not_look_whole() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n8\r\nhalf",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\nrest\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalfX\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\nhalf",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\nno colon\r\n\r\n",
    ] {
        let instance = Backend::with(move |_, stream| {
            stream.write_all(answer.as_bytes()).unwrap();
            false
        });
        let (world, address) = before(instance.address);
        let mut visitor = Visitor::new(address);
        visitor.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n");
        match whole(&mut visitor) {
            None | Some((502, _)) => {}
            Some(found) => panic!("{answer:?} became {found:?}"),
        }
        world.figures("web", |counted| counted.figures.errors >= 1);
    }
}

#[test]
fn an_instance_that_speaks_first_is_not_believed() {
    // Each connection begins with an answer to nothing.
    let instance = Backend::raw(|reader, stream| {
        let early = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nearly";
        stream.write_all(early).is_ok() && crate::world::receive(reader).is_some()
    });
    let (_world, address) = before(instance.address);
    for at in 0..10 {
        let answered = get(address, &format!("/{at}"));
        // On a new connection nobody can tell that it came before its request; on one that is kept
        // what was said unasked answers nobody.
        assert!([200, 502].contains(&answered.status), "{answered:?}");
    }
    // Two answers to one request: the second one is nobody's.
    let instance = Backend::with(|received, stream| {
        let path = received.head.split(' ').nth(1).unwrap().to_owned();
        let answer = |words: &str| {
            let length = words.len();
            format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{words}")
        };
        let both = format!("{}{}", answer(&path), answer("smuggled"));
        stream.write_all(both.as_bytes()).is_ok()
    });
    let (_world, address) = before(instance.address);
    let mut visitor = Visitor::new(address);
    for at in 0..20 {
        let path = format!("/{at}");
        assert_eq!(visitor.get(&path).text(), path);
    }
}

#[test]
fn an_instance_that_hangs_is_not_waited_for() {
    let silent = Backend::with(|_, stream| {
        drop(std::io::Read::read(stream, &mut [0]));
        false
    });
    let (_world, address) = before(silent.address);
    assert_eq!(get(address, "/").status, 504);
    let half = Backend::with(|_, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-").unwrap();
        drop(std::io::Read::read(stream, &mut [0]));
        false
    });
    let (_world, address) = before(half.address);
    assert_eq!(get(address, "/").status, 504);
    let silent = by_hand(|raw, _| raw.next().is_some());
    let (_world, address) = before_http2(&silent);
    assert_eq!(post(address, "hello").status, 504);
}

/// Headers of an answer, and more of them.
fn head(more: &[(&str, &str)]) -> Vec<u8> {
    [vec![0x88], block(more)].concat()
}

#[test]
fn what_is_no_answer_in_http2_is_none() {
    let long = "b".repeat(60_000);
    let interim = frame(HEADERS, END_HEADERS, 1, &block(&[(":status", "103")])).repeat(1000);
    let switching = frame(HEADERS, END_HEADERS, 1, &block(&[(":status", "101")]));
    let continued = [
        frame(HEADERS, 0, 1, &head(&[])),
        frame(CONTINUATION, 0, 1, &block(&[("x-a", "b")])).repeat(50_000),
    ];
    for (what, answer) in [
        (
            "garbage",
            b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello".to_vec(),
        ),
        ("data without a head", frame(DATA, END_STREAM, 1, b"hello")),
        (
            "a head without a status",
            frame(HEADERS, END_HEADERS, 1, &block(&[("x-a", "b")])),
        ),
        ("no HPACK", frame(HEADERS, END_HEADERS, 1, &[0xff; 20])),
        (
            "a header for the next hop",
            frame(HEADERS, END_HEADERS, 1, &head(&[("connection", "close")])),
        ),
        (
            "capitals",
            frame(HEADERS, END_HEADERS, 1, &head(&[("X-A", "b")])),
        ),
        ("interim answers", interim),
        ("another protocol", switching),
        ("heads without end", continued.concat()),
        ("a long head", {
            let lines: Vec<(&str, &str)> = (0..20).map(|_| ("x-a", long.as_str())).collect();
            let block = head(&lines);
            let mut frames = Vec::new();
            for (at, piece) in block.chunks(16_000).enumerate() {
                let kind = if at == 0 { HEADERS } else { CONTINUATION };
                let is_last = (at + 1) * 16_000 >= block.len();
                frames.extend(frame(kind, if is_last { END_HEADERS } else { 0 }, 1, piece));
            }
            frames
        }),
        (
            "a setting that cannot be",
            frame(SETTINGS, 0, 0, &[0, 4, 0xff, 0xff, 0xff, 0xff]),
        ),
    ] {
        let instance = by_hand(move |raw, _| raw.send(&answer));
        let (_world, address) = before_http2(&instance);
        let answered = post(address, "hello");
        assert_eq!(answered.status, 502, "{what}");
        assert!(!answered.header("x-leadsman-reason").is_empty(), "{what}");
    }
}

#[test]
fn an_answer_of_http2_that_ends_early_does_not_look_whole() {
    let half = |raw: &mut Raw, number: u32, more: &[(&str, &str)]| {
        raw.send(&frame(HEADERS, END_HEADERS, number, &head(more)));
        raw.send(&frame(DATA, 0, number, b"half"))
    };
    type Answer = Box<dyn Fn(&mut Raw, u32) -> bool + Send + Sync>;
    let no_error = |number| frame(crate::frames::RST_STREAM, 0, number, &[0; 4]);
    let answers: [(&str, Answer); 5] = [
        (
            "closed",
            Box::new(move |raw, number| {
                half(raw, number, &[]);
                false
            }),
        ),
        (
            "reset without an error",
            Box::new(move |raw, number| half(raw, number, &[]) && raw.send(&no_error(number))),
        ),
        (
            "shorter than said",
            Box::new(move |raw, number| {
                half(raw, number, &[("content-length", "10")])
                    && raw.send(&frame(DATA, END_STREAM, number, b""))
            }),
        ),
        (
            "longer than said",
            Box::new(move |raw, number| {
                half(raw, number, &[("content-length", "2")])
                    && raw.send(&frame(DATA, END_STREAM, number, b""))
            }),
        ),
        (
            "long trailers",
            Box::new(move |raw, number| {
                let long = "b".repeat(12_000);
                half(raw, number, &[]);
                let trailers = block(&[("x-a", &long)]);
                raw.send(&frame(HEADERS, 0, number, &trailers));
                for _ in 0..20 {
                    raw.send(&frame(CONTINUATION, 0, number, &trailers));
                }
                raw.send(&frame(CONTINUATION, END_HEADERS, number, &[]))
            }),
        ),
    ];
    for (what, answer) in answers {
        let instance = by_hand(answer);
        let (_world, address) = before_http2(&instance);
        let mut visitor = Visitor::new(address);
        visitor.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n");
        match whole(&mut visitor) {
            None | Some((502, _)) => {}
            Some(found) => panic!("{what} became {found:?}"),
        }
    }
}

#[test]
fn an_instance_that_goes_wrong_once_is_asked_again() {
    let instance = by_hand(|raw, number| match number {
        1 => raw.send(b"nonsense, and more of it, until it is a frame"),
        _ => say_by_hand(raw, number, b"ok"),
    });
    let (_world, address) = before_http2(&instance);
    assert_eq!(post(address, "hello").status, 502);
    let instance = by_hand(|raw, number| say_by_hand(raw, number, b"ok"));
    let (_world, address) = before_http2(&instance);
    assert_eq!(post(address, "hello").text(), "ok");
}

#[test]
fn a_client_that_expects_to_be_asked_is_asked_when_the_instance_takes_the_body() {
    let refuses = Backend::raw(|reader, stream| {
        let Some(head) = crate::world::read_head(reader) else {
            return false;
        };
        assert!(!head.contains("expect:"), "{head}");
        stream
            .write_all(b"HTTP/1.1 413 Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
            .unwrap();
        false
    });
    let takes = Backend::with(|received, stream| {
        let length = received.body.len();
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
        stream.write_all(answer.as_bytes()).unwrap();
        stream.write_all(&received.body).is_ok()
    });
    let by_http2 = by_hand(|raw, number| {
        let body = raw.until(DATA).unwrap().content;
        say_by_hand(raw, number, &body)
    });
    let expect = "POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n";
    let (_world, address) = before(takes.address);
    let (_world_of_http2, by_http2) = before_http2(&by_http2);
    for address in [address, by_http2] {
        let mut visitor = Visitor::new(address);
        visitor.send(expect);
        assert_eq!(visitor.answer_head().unwrap().status, 100);
        visitor.send("hello");
        assert_eq!(visitor.answer().unwrap().text(), "hello");
    }
    let (_world, address) = before(refuses.address);
    let mut visitor = Visitor::new(address);
    visitor.send(expect);
    let first = visitor.answer_head().unwrap().status;
    let status = if first == 100 {
        visitor.answer_head().unwrap().status
    } else {
        first
    };
    assert_eq!(status, 413);
}
