//! What requests may be, and how many of them.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use leadsman_proxy::table::{Limits, Pace, Rate, Table};

use crate::world::{
    Answered, Backend, DEADLINE, Visitor, World, eventually, read_chunk, read_head, side, table,
};

fn limited(generation: u64, at: SocketAddr, limits: Limits) -> Table {
    let mut table = table(generation, [side("web", 10_000, &[at])]);
    table.listeners[0].rules[0].limits = Some(limits);
    table
}

/// Returns why the proxy itself answered.
fn refused(answered: &Answered, status: u16) -> String {
    assert_eq!(answered.status, status, "{}", answered.head);
    answered.header("x-leadsman-reason")[0].to_owned()
}

#[test]
fn a_path_that_is_too_long_is_refused() {
    let backend = Backend::named("web");
    let world = World::new();
    let limits = Limits {
        uri_max: Some(20),
        ..Limits::default()
    };
    let mut visitor = Visitor::new(world.apply(&limited(1, backend.address, limits)));
    assert_eq!(visitor.get("/345678901?345678901").status, 200);
    let answered = visitor.get("/345678901?3456789012");
    assert_eq!(refused(&answered, 414), "uri-too-long");
    world.refused("uri-too-long", 1);
}

fn at_most(body_max: u64) -> Limits {
    Limits {
        body_max: Some(body_max),
        ..Limits::default()
    }
}

#[test]
fn a_body_that_says_that_it_is_too_long_is_not_even_read() {
    let backend = Backend::named("web");
    let world = World::new();
    let address = world.apply(&limited(1, backend.address, at_most(10)));
    let mut visitor = Visitor::new(address);
    for (length, status) in [(10, 200), (11, 413)] {
        let body = "x".repeat(length);
        visitor.send(&format!(
            "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n{body}"
        ));
        assert_eq!(visitor.answer().unwrap().status, status);
    }
    // Who asks first need not send it.
    let mut visitor = Visitor::new(address);
    visitor.send(
        "PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 999999999\r\nexpect: 100-continue\r\n\r\n",
    );
    assert_eq!(refused(&visitor.answer().unwrap(), 413), "body-too-large");
    world.refused("body-too-large", 2);
}

#[test]
fn who_sends_it_all_the_same_gets_to_know_why_it_was_refused() {
    let backend = Backend::named("web");
    let world = World::new();
    let address = world.apply(&limited(1, backend.address, at_most(10)));
    // More than all buffers on the way can hold.
    let length = 6 * 1024 * 1024;
    let body = "x".repeat(length);
    let mut visitor = Visitor::new(address);
    visitor.send(&format!(
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n{body}"
    ));
    assert_eq!(refused(&visitor.answer().unwrap(), 413), "body-too-large");
    assert_eq!(visitor.get("/").status, 200);
}

#[test]
fn a_body_without_a_length_is_cut_where_it_becomes_too_long() {
    let whole = Arc::new(AtomicUsize::new(0));
    let (arrived, asked) = (Arc::clone(&whole), Arc::new(AtomicUsize::new(0)));
    let begun = Arc::clone(&asked);
    let backend = Backend::raw(move |reader, stream| {
        if read_head(reader).is_none() {
            return false;
        }
        begun.fetch_add(1, Ordering::SeqCst);
        while let Some(chunk) = read_chunk(reader) {
            if chunk.is_empty() {
                arrived.fetch_add(1, Ordering::SeqCst);
                let answer = b"HTTP/1.1 200 X\r\ncontent-length: 0\r\n\r\n";
                return std::io::Write::write_all(stream, answer).is_ok();
            }
        }
        false
    });
    let world = World::with(|config| config.cores = Some(1));
    let address = world.apply(&limited(1, backend.address, at_most(10)));
    let head = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
    let mut visitor = Visitor::new(address);
    visitor.send(&format!("{head}5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n"));
    assert_eq!(visitor.answer().unwrap().status, 200);
    visitor.send(&format!("{head}5\r\nhello\r\n"));
    eventually("it is on its way", || {
        (asked.load(Ordering::SeqCst) == 2).then_some(())
    });
    visitor.send("6\r\n world\r\n");
    assert_eq!(refused(&visitor.answer().unwrap(), 413), "body-too-large");
    assert_eq!(whole.load(Ordering::SeqCst), 1);
    // It was the client's doing.
    let counted = world.figures("web", |counted| counted.figures.requests == 1);
    assert_eq!(counted.figures.errors, 0);
}

fn pace(idle: Duration, bytes_per_second: u64, grace: Duration) -> Limits {
    Limits {
        pace: Some(Pace {
            idle,
            bytes_per_second,
            grace,
        }),
        ..Limits::default()
    }
}

#[test]
fn a_client_that_stops_in_the_middle_of_its_body_is_refused() {
    let backend = Backend::named("web");
    let world = World::new();
    let limits = pace(Duration::from_millis(50), 0, Duration::ZERO);
    let mut visitor = Visitor::new(world.apply(&limited(1, backend.address, limits)));
    visitor.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhello");
    assert_eq!(refused(&visitor.answer().unwrap(), 408), "client-slow");
    world.refused("client-slow", 1);
}

#[test]
fn a_client_that_trickles_its_body_is_refused() {
    let backend = Backend::named("web");
    let world = World::new();
    let grace = Duration::from_millis(200);
    let limits = pace(DEADLINE, 100_000, grace);
    let mut visitor = Visitor::new(world.apply(&limited(1, backend.address, limits)));
    visitor.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100000\r\n\r\n");
    visitor
        .stream
        .set_read_timeout(Some(Duration::from_millis(20)))
        .unwrap();
    let started = Instant::now();
    // A byte now and then keeps no connection open.
    let answered = loop {
        visitor.send("x");
        if let Some(answered) = visitor.answer() {
            break answered;
        }
        assert!(started.elapsed() < DEADLINE, "it goes on for ever");
    };
    assert!(started.elapsed() >= grace);
    assert_eq!(refused(&answered, 408), "client-slow");
    // One that is fast enough may take as long as it needs.
    let limits = pace(DEADLINE, 10, Duration::from_secs(1));
    let mut visitor = Visitor::new(world.apply(&limited(2, backend.address, limits)));
    visitor.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 40\r\n\r\n");
    for _ in 0..4 {
        visitor.send("0123456789");
    }
    assert_eq!(visitor.answer().unwrap().status, 200);
}

fn rate(requests: u32, burst: u32) -> Option<Rate> {
    Some(Rate {
        requests,
        per: Duration::from_secs(3600),
        burst,
    })
}

/// Connects from an address of this machine.
fn from(client: [u8; 4], to: SocketAddr) -> Visitor {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let client = SocketAddr::from((IpAddr::from(client), 0));
    socket.bind(&client.into()).unwrap();
    socket.connect(&to.into()).unwrap();
    let stream = std::net::TcpStream::from(socket);
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    Visitor {
        reader: std::io::BufReader::new(stream.try_clone().unwrap()),
        stream,
    }
}

#[test]
fn a_client_gets_as_many_answers_as_it_may_from_all_workers_together() {
    let backend = Backend::named("web");
    let world = World::with(|config| config.cores = Some(4));
    let limits = Limits {
        per_client: rate(1, 10),
        ..Limits::default()
    };
    let address = world.apply(&limited(1, backend.address, limits.clone()));
    let ask = |client: [u8; 4]| from(client, address).get("/");
    let of_one = (0..25)
        .filter(|_| ask([127, 0, 0, 1]).status == 200)
        .count();
    assert_eq!(of_one, 10);
    // The same table once more is no new beginning.
    let address = world.apply(&limited(2, backend.address, limits));
    let answered = from([127, 0, 0, 1], address).get("/");
    assert_eq!(refused(&answered, 429), "client-rate");
    let retry_after: u32 = answered.header("retry-after")[0].parse().unwrap();
    assert!((3500..=3600).contains(&retry_after), "{retry_after}");
    // Somebody else has a bucket of his own.
    let of_other = (0..11).filter(|_| from([127, 0, 0, 2], address).get("/").status == 200);
    assert_eq!(of_other.count(), 10);
    world.refused("client-rate", 17);
}

#[test]
fn a_route_gets_no_more_requests_than_it_may_from_all_clients() {
    let backend = Backend::named("web");
    let world = World::with(|config| config.cores = Some(2));
    let limits = Limits {
        per_client: rate(1, 5),
        in_all: rate(1, 8),
        ..Limits::default()
    };
    let mut table = limited(1, backend.address, limits);
    let mut free = table.listeners[0].rules[0].clone();
    (free.path, free.limits) = ("/free".to_owned(), None);
    table.listeners[0].rules.push(free);
    let address = world.apply(&table);
    for (client, passes) in [
        ([127, 0, 0, 1], 5),
        ([127, 0, 0, 2], 3),
        ([127, 0, 0, 3], 0),
    ] {
        let passed = (0..10).filter(|_| from(client, address).get("/").status == 200);
        assert_eq!(passed.count(), passes, "{client:?}");
    }
    let answered = from([127, 0, 0, 4], address).get("/");
    assert_eq!(refused(&answered, 429), "route-rate");
    assert_eq!(from([127, 0, 0, 1], address).get("/free").status, 200);
}
