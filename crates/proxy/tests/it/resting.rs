//! Connections that are silent for a while, and then are not.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::world::{Backend, DEADLINE, World, eventually, side, table};

const REQUEST: &[u8] = b"GET /a HTTP/1.1\r\nhost: a\r\n\r\n";
const POST: &[u8] = b"POST /a HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nbody";

/// Sees to it that nothing is said for far longer than it takes until a connection rests.
fn stay_silent(stream: &mut TcpStream) {
    let limit = Some(Duration::from_millis(30));
    stream.set_read_timeout(limit).unwrap();
    let silence = stream.read(&mut [0; 1]).unwrap_err();
    assert_eq!(silence.kind(), ErrorKind::WouldBlock);
    stream.set_read_timeout(None).unwrap();
}

fn read_answer(stream: &mut TcpStream) {
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\nok") {
        // Byte by byte: what comes behind it is the next answer.
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("the answer goes on");
        answer.extend(byte);
    }
    assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"));
}

fn behind(backend: &Backend) -> (World, TcpStream) {
    let world = World::new();
    let address = world.apply(&table(1, [side("web", 10_000, &[backend.address])]));
    (world, TcpStream::connect(address).unwrap())
}

fn says_ok() -> Backend {
    Backend::with(|_, stream| {
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        stream.write_all(answer).is_ok()
    })
}

#[test]
fn a_connection_that_rested_is_the_same_as_before() {
    let backend = says_ok();
    let (_world, mut stream) = behind(&backend);
    for request in [REQUEST, REQUEST, POST, REQUEST, POST, POST, REQUEST] {
        stay_silent(&mut stream);
        stream.write_all(request).unwrap();
        read_answer(&mut stream);
    }
}

#[test]
fn nothing_of_a_request_that_comes_in_pieces_is_lost() {
    let backend = says_ok();
    let (_world, mut stream) = behind(&backend);
    stream.set_nodelay(true).unwrap();
    for at in [1, 4, 20, REQUEST.len() - 1] {
        stream.write_all(&REQUEST[..at]).unwrap();
        stay_silent(&mut stream);
        stream.write_all(&REQUEST[at..]).unwrap();
        read_answer(&mut stream);
        stay_silent(&mut stream);
    }
    // Two at once, and the beginning of a third.
    let two = [REQUEST, REQUEST, &REQUEST[..5]].concat();
    stream.write_all(&two).unwrap();
    read_answer(&mut stream);
    read_answer(&mut stream);
    stay_silent(&mut stream);
    stream.write_all(&REQUEST[5..]).unwrap();
    read_answer(&mut stream);
}

#[test]
fn a_body_that_is_not_sent_to_its_end_is_no_request() {
    let backend = Backend::with(|_, stream| {
        // It answers without having read the body.
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        stream.write_all(answer).is_ok()
    });
    let (_world, mut stream) = behind(&backend);
    stream
        .write_all(b"POST /a HTTP/1.1\r\nhost: a\r\ncontent-length: 60\r\n\r\n")
        .unwrap();
    stream.write_all(b"0123456789").unwrap();
    // What follows belongs to the body, however long it takes to come.
    let mut seen = Vec::new();
    stream
        .set_read_timeout(Some(Duration::from_millis(100)))
        .unwrap();
    let read = stream.read_to_end(&mut seen);
    if let Err(error) = read {
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
    }
    drop(stream.write_all(b"GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n0123456789"));
    drop(stream.read_to_end(&mut seen));
    let answers = seen
        .windows(8)
        .filter(|bytes| *bytes == b"HTTP/1.1")
        .count();
    assert!(answers <= 1, "{}", seen.escape_ascii());
}

/// Returns how much memory this process, and with it the proxy, takes, in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().nth(1));
    kibibytes.unwrap().parse().unwrap()
}

#[test]
fn connections_at_rest_give_their_memory_back() {
    const CONNECTIONS: u64 = 1_000;
    let backend = says_ok();
    let world = World::new();
    let address = world.apply(&table(1, [side("web", 10_000, &[backend.address])]));
    let before = resident();
    // All of them have begun to ask before the first one is answered.
    let (beginning, end) = REQUEST.split_at(20);
    let mut clients: Vec<TcpStream> = (0..CONNECTIONS)
        .map(|_| {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(beginning).unwrap();
            stream
        })
        .collect();
    for stream in &mut clients {
        stream.write_all(end).unwrap();
        read_answer(stream);
    }
    // Each took 18 KiB when it was busy, and would go on to.
    eventually("their memory is given back", || {
        let each = resident().saturating_sub(before) / CONNECTIONS;
        (each < 2).then_some(())
    });
    // And none of them is forgotten.
    for stream in &mut clients {
        stream.write_all(REQUEST).unwrap();
        read_answer(stream);
    }
    drop((clients, world));
}

/// Returns a connection that rests.
fn at_rest(world: &World, backend: &Backend) -> (SocketAddr, TcpStream) {
    let address = world.apply(&table(1, [side("web", 10_000, &[backend.address])]));
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(REQUEST).unwrap();
    read_answer(&mut stream);
    stay_silent(&mut stream);
    (address, stream)
}

#[test]
fn a_connection_at_rest_ends_in_its_time() {
    let backend = says_ok();
    let world = World::with(|config| config.head_timeout = Duration::from_millis(300));
    let (_, mut stream) = at_rest(&world, &backend);
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0);
}

#[test]
fn a_connection_at_rest_does_not_keep_the_proxy_from_ending() {
    let backend = says_ok();
    let mut world = World::with(|config| config.drain_timeout = DEADLINE);
    let (_, mut stream) = at_rest(&world, &backend);
    assert_eq!(world.stop().connections, 0);
    assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0);
}

#[test]
fn a_client_that_leaves_a_connection_at_rest_frees_its_place() {
    let backend = says_ok();
    let world = World::with(|config| {
        config.cores = Some(1);
        config.connections_max = 1;
    });
    let (address, first) = at_rest(&world, &backend);
    let mut second = TcpStream::connect(address).unwrap();
    second.write_all(REQUEST).unwrap();
    stay_silent(&mut second);
    drop(first);
    read_answer(&mut second);
}
