//! Clients and instances that are slower than the other end: who is faster waits, and nobody waits
//! for ever.

use std::io::{BufRead as _, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use leadsman_proxy::control::{Arrivals, Kinds};
use leadsman_proxy::table::{Side, Table};
use rustls::version::TLS13;

use crate::frames::{
    CANCEL, END_HEADERS, END_STREAM, HEADERS, PING, RST_STREAM, Raw, SETTINGS, WINDOW_UPDATE,
    frame, get,
};
use crate::secure::{Authority, Secure, encrypted};
use crate::world::{
    Backend, Visitor, World, any_port, eventually, read_chunk, read_head, side, table,
};

/// More than all buffers between a client and an instance can hold, in bytes.
const FLOOD: u64 = 64 * 1024 * 1024;

/// What they may hold: what the kernel holds for four sockets, of which ours is a small part.
const HELD_MAX: u64 = 32 * 1024 * 1024;

/// How much is written at once, in bytes.
const PIECE: usize = 64 * 1024;

/// A limit that no test waits for.
const LONG: Duration = Duration::from_secs(3600);

/// Short, and yet time enough to begin.
const SHORT: Duration = Duration::from_millis(200);

/// A service that answers with a flood, and says how much of it was taken, and when it was let go.
fn flooding() -> (Backend, Arc<AtomicU64>, Arc<AtomicBool>) {
    let (taken, is_over) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
    let (counted, told) = (Arc::clone(&taken), Arc::clone(&is_over));
    let backend = Backend::with(move |_, stream| {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {FLOOD}\r\n\r\n");
        let mut went = stream.write_all(head.as_bytes());
        while went.is_ok() && counted.load(Ordering::SeqCst) < FLOOD {
            went = stream.write_all(&[b'x'; PIECE]);
            counted.fetch_add(PIECE as u64, Ordering::SeqCst);
        }
        told.store(true, Ordering::SeqCst);
        went.is_ok()
    });
    (backend, taken, is_over)
}

fn with(take_timeout: Duration, head_timeout: Duration) -> World {
    World::with(|config| {
        config.take_timeout = take_timeout;
        config.head_timeout = head_timeout;
    })
}

fn arrivals(world: &World) -> Arrivals {
    world.status().arrivals[&any_port()]
}

/// Waits until something is as it was a moment ago, and returns it.
fn settled(of: &AtomicU64) -> u64 {
    let mut last = u64::MAX;
    let mut same = 0;
    eventually("it stands still", || {
        let now = of.load(Ordering::SeqCst);
        same = if now == last { same + 1 } else { 0 };
        last = now;
        (same == 40).then_some(now)
    })
}

/// Waits until a client that took nothing was given up, and the instance is free again.
fn given_up(world: &World, is_over: &AtomicBool) {
    eventually("it is given up", || {
        (arrivals(world).untaken == 1).then_some(())
    });
    eventually("the instance is let go", || {
        is_over.load(Ordering::SeqCst).then_some(())
    });
}

#[test]
fn a_client_that_takes_nothing_of_its_answer_is_cut_off() {
    let (backend, _, is_over) = flooding();
    let world = with(SHORT, LONG);
    let address = world.apply(&table(1, [side("web", 10_000, &[backend.address])]));
    let mut visitor = Visitor::new(address);
    visitor.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    given_up(&world, &is_over);
    assert_eq!(visitor.answer_head().unwrap().status, 200);
    let mut rest = Vec::new();
    drop(visitor.reader.read_to_end(&mut rest));
    assert!((rest.len() as u64) < FLOOD, "{}", rest.len());
}

#[test]
fn a_client_that_takes_nothing_of_its_encrypted_answer_is_cut_off() {
    let (backend, _, is_over) = flooding();
    let authority = Authority::new();
    let world = with(SHORT, LONG);
    let pair = authority.pair("a", &["a.example"]);
    let plain = table(1, [side("web", 10_000, &[backend.address])]);
    let address = world.apply(&encrypted(plain, [pair]));
    let mut visitor = Secure::new(address, "a.example", &authority.client(&[&TLS13]).into());
    visitor.send(b"GET / HTTP/1.1\r\nhost: a.example\r\n\r\n");
    given_up(&world, &is_over);
}

/// The window of a request of HTTP/2 is opened by its client, who may go on with all others.
#[test]
fn a_client_that_takes_nothing_of_one_answer_of_http2_keeps_its_connection() {
    let (backend, _, is_over) = flooding();
    let world = with(SHORT, LONG);
    let address = world.apply(&table(1, [side("web", 10_000, &[backend.address])]));
    let mut raw = Raw::new(address);
    let head = get(&[]);
    assert!(raw.send(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &head)));
    let reset = raw.until(RST_STREAM).unwrap();
    assert_eq!((reset.stream, reset.code()), (1, Some(CANCEL)));
    given_up(&world, &is_over);
    assert!(raw.send(&frame(PING, 0, 0, &[7; 8])));
    assert_eq!(raw.until(PING).unwrap().content, [7; 8]);
}

#[test]
fn a_client_of_http2_that_reads_nothing_at_all_is_cut_off() {
    let (backend, _, is_over) = flooding();
    let world = with(SHORT, LONG);
    let address = world.apply(&table(1, [side("web", 10_000, &[backend.address])]));
    let mut raw = Raw::new(address);
    // Windows that let everything pass.
    let open = 0x7fff_0000_u32.to_be_bytes();
    let mut window = vec![0, 4];
    window.extend(open);
    assert!(raw.send(&frame(SETTINGS, 0, 0, &window)));
    assert!(raw.send(&frame(WINDOW_UPDATE, 0, 0, &open)));
    let head = get(&[]);
    assert!(raw.send(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &head)));
    eventually("it is given up", || {
        (arrivals(&world).untaken > 0).then_some(())
    });
    eventually("the instance is let go", || {
        is_over.load(Ordering::SeqCst).then_some(())
    });
    while raw.next().is_some() {}
}

#[test]
fn a_head_that_is_begun_and_not_ended_is_counted_and_one_that_never_begins_is_not() {
    let backend = Backend::named("ok");
    let world = with(LONG, SHORT);
    let address = world.apply(&table(1, [side("web", 10_000, &[backend.address])]));
    let mut used = Visitor::new(address);
    assert_eq!(used.get("/").status, 200);
    let mut silent = Visitor::new(address);
    let mut stalled = Visitor::new(address);
    stalled.send("GET / HTTP/1.1\r\nhost: a\r\n");
    for visitor in [&mut used, &mut silent, &mut stalled] {
        assert!(visitor.is_cut_off());
    }
    world.refused("head-stalled", 1);
}

#[test]
fn an_answer_that_is_taken_slowly_holds_up_its_instance_and_arrives_whole() {
    let (backend, taken, is_over) = flooding();
    // Nothing that is waited for while an answer is on its way ends it.
    let world = with(LONG, SHORT);
    let address = world.apply(&table(1, [side("web", 10_000, &[backend.address])]));
    let mut visitor = Visitor::new(address);
    visitor.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    let held = settled(&taken);
    assert!(held > 0 && held < HELD_MAX, "{held}");
    assert!(!is_over.load(Ordering::SeqCst));
    assert_eq!(visitor.answer().unwrap().body.len() as u64, FLOOD);
    assert_eq!(arrivals(&world).untaken, 0);
}

/// Its last part waits in the proxy, when its instance has long gone on to something else.
#[test]
fn the_end_of_an_answer_waits_for_a_client_longer_than_the_next_request_may_take() {
    let world = with(LONG, SHORT);
    let backend = Backend::with(|received, stream| {
        let length: usize = received.head[5..]
            .split(' ')
            .next()
            .unwrap()
            .parse()
            .unwrap();
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
        let mut went = stream.write_all(head.as_bytes());
        for _ in 0..length / PIECE {
            went = went.and_then(|()| stream.write_all(&[b'x'; PIECE]));
        }
        went.is_ok()
    });
    let address = world.apply(&table(1, [side("web", 10_000, &[backend.address])]));
    // Some of these end in the buffers of the proxy, whatever the kernel holds.
    let lengths = (24..80).map(|pieces| pieces * PIECE);
    let visitors = lengths.map(|length| {
        let mut visitor = Visitor::new(address);
        visitor.send(&format!("GET /{length} HTTP/1.1\r\nhost: a\r\n\r\n"));
        (length, visitor)
    });
    let mut visitors: Vec<(usize, Visitor)> = visitors.collect();
    // As long as nothing is asked for on a connection it is ended after that time.
    let mut idle = Visitor::new(address);
    assert!(idle.is_cut_off());
    let mut idle = Visitor::new(address);
    assert!(idle.is_cut_off());
    let mut short = Vec::new();
    for (length, visitor) in &mut visitors {
        let body = visitor.answer().map(|answer| answer.body.len());
        if body != Some(*length) {
            short.push((*length, body));
        }
    }
    assert!(short.is_empty(), "{short:?}");
}

#[test]
fn a_request_that_is_taken_slowly_holds_up_its_client_and_arrives_whole() {
    let goes_on = Arc::<AtomicBool>::default();
    let may = Arc::clone(&goes_on);
    let backend = Backend::raw(move |reader, stream| {
        if read_head(reader).is_none() {
            return false;
        }
        eventually("it may go on", || may.load(Ordering::SeqCst).then_some(()));
        let read = std::io::copy(&mut reader.take(FLOOD), &mut std::io::sink()).unwrap();
        let words = read.to_string();
        let length = words.len();
        write!(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{words}"
        )
        .is_ok()
    });
    let world = with(LONG, LONG);
    let address = world.apply(&table(1, [side("web", 10_000, &[backend.address])]));
    let mut visitor = Visitor::new(address);
    visitor.send(&format!(
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {FLOOD}\r\n\r\n"
    ));
    let sent = Arc::<AtomicU64>::default();
    let (counted, mut stream) = (Arc::clone(&sent), visitor.stream.try_clone().unwrap());
    let sending = std::thread::spawn(move || {
        while counted.load(Ordering::SeqCst) < FLOOD {
            stream.write_all(&[b'x'; PIECE]).unwrap();
            counted.fetch_add(PIECE as u64, Ordering::SeqCst);
        }
    });
    let held = settled(&sent);
    assert!(held > 0 && held < HELD_MAX, "{held}");
    goes_on.store(true, Ordering::SeqCst);
    sending.join().unwrap();
    assert_eq!(visitor.answer().unwrap().text(), FLOOD.to_string());
}

/// A service that speaks as long as it is spoken to: line by line, over what it was asked for.
fn echo() -> Backend {
    Backend::raw(|reader, stream| {
        let Some(head) = read_head(reader) else {
            return false;
        };
        let is_upgrade = head.contains("upgrade: echo");
        let begun: &[u8] = match is_upgrade {
            true => b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n",
            false => {
                b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
            }
        };
        stream.write_all(begun).unwrap();
        events(reader, stream, is_upgrade);
        false
    })
}

/// Says each line that comes again, as it is or as an event, until one says that it is the end.
fn events(reader: &mut std::io::BufReader<TcpStream>, stream: &mut TcpStream, is_upgrade: bool) {
    let mut line = String::new();
    while reader.read_line(&mut line).is_ok_and(|length| length > 0) {
        let said = match (is_upgrade, line.trim()) {
            (true, _) => line.clone(),
            // What a chunk of the request says stands between its size and its end.
            (false, "0") => "0\r\n\r\n".to_owned(),
            (false, word) if word.starts_with("data: ") => {
                format!("{:x}\r\n{line}\r\n", line.len())
            }
            (false, _) => String::new(),
        };
        stream.write_all(said.as_bytes()).unwrap();
        if said == "end\n" || said == "0\r\n\r\n" {
            return;
        }
        line.clear();
    }
}

fn drained_by(generation: u64, address: SocketAddr) -> Table {
    let web = side("web", 10_000, &[address]);
    table(
        generation,
        [Side {
            drain: Some(LONG),
            ..web
        }],
    )
}

#[test]
fn events_and_upgraded_connections_go_on_while_their_instance_drains() {
    let (old, new) = (echo(), Backend::named("new"));
    let world = World::new();
    let address = world.apply(&drained_by(1, old.address));
    let mut socket = Visitor::new(address);
    socket.send("GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n");
    assert_eq!(socket.answer_head().unwrap().status, 101);
    let mut stream = Visitor::new(address);
    stream.send("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n");
    assert_eq!(stream.answer_head().unwrap().status, 200);

    world.apply(&drained_by(2, new.address));
    assert_eq!(Visitor::new(address).get("/").text(), "new");
    let kinds = Kinds {
        bodies: 1,
        upgrades: 1,
        ..Kinds::default()
    };
    assert_eq!(world.status().draining["web-0"].kinds, kinds);
    for round in 0..3 {
        socket.send("over the socket\n");
        let mut line = String::new();
        socket.reader.read_line(&mut line).unwrap();
        assert_eq!(line, "over the socket\n", "{round}");
        stream.send("c\r\ndata: event\n\r\n");
        let event = read_chunk(&mut stream.reader).unwrap();
        assert_eq!(
            String::from_utf8(event).unwrap(),
            "data: event\n",
            "{round}"
        );
    }
    socket.send("end\n");
    stream.send("0\r\n\r\n");
    let mut line = String::new();
    socket.reader.read_line(&mut line).unwrap();
    assert!(socket.is_cut_off());
    // Both sides have to say that they are through.
    drop(socket);
    assert_eq!(read_chunk(&mut stream.reader), Some(Vec::new()));
    let over = eventually("it has drained", || {
        let draining = world.status().draining["web-0"];
        (draining.in_flight == 0).then_some(draining)
    });
    assert_eq!(over.cut_short, Kinds::default());
}
