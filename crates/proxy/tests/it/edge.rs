//! What a listener asks of who connects, and adds to what is answered.

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::Duration;

use leadsman_proxy::control::Arrivals;
use leadsman_proxy::table::{Listener, Network, Table};
use rustls::version::TLS13;

use crate::secure::{Authority, Secure, encrypted};
use crate::world::{Backend, Received, Visitor, World, any_port, eventually, side, table};

/// A service that says `ok` and tells what it received.
fn recorder() -> (Backend, mpsc::Receiver<Received>) {
    let (tell, told) = mpsc::channel();
    let backend = Backend::with(move |received, stream| {
        tell.send(received).unwrap();
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-frame-options: mine\r\n\r\nok")
            .is_ok()
    });
    (backend, told)
}

fn adjusted(generation: u64, backend: &Backend, adjust: impl FnOnce(&mut Listener)) -> Table {
    let mut table = table(generation, [side("web", 10_000, &[backend.address])]);
    adjust(&mut table.listeners[0]);
    table
}

fn networks(texts: &[&str]) -> Vec<Network> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn arrivals(world: &World) -> Arrivals {
    world.status().arrivals[&any_port()]
}

#[test]
fn clients_are_led_to_https() {
    let (backend, received) = recorder();
    let world = World::new();
    let address = world.apply(&adjusted(1, &backend, |listener| {
        listener.to_https = Some(8443);
    }));
    let mut visitor = Visitor::new(address);
    visitor.send("GET /a?b=c HTTP/1.1\r\nhost: site.example:8080\r\n\r\n");
    let answered = visitor.answer().unwrap();
    assert_eq!(answered.status, 308);
    assert_eq!(
        answered.header("location"),
        ["https://site.example:8443/a?b=c"]
    );
    assert_eq!(answered.header("x-leadsman-reason"), ["to-https"]);
    assert_eq!(answered.header("content-length"), ["0"]);

    visitor.send("GET / HTTP/1.1\r\nhost: a@b\r\n\r\n");
    assert_eq!(visitor.answer().unwrap().status, 400);
    let mut visitor = Visitor::new(address);
    assert!(received.try_recv().is_err(), "no instance was asked");

    // Who ends TLS in front of us, and is believed, has asked by https.
    visitor.send("GET / HTTP/1.1\r\nhost: a\r\nx-forwarded-proto: https\r\n\r\n");
    assert_eq!(visitor.answer().unwrap().status, 200);
    received.recv().unwrap();
    world.apply(&adjusted(2, &backend, |listener| {
        listener.to_https = Some(443);
        listener.trusted = Vec::new();
    }));
    visitor.send("GET / HTTP/1.1\r\nhost: a\r\nx-forwarded-proto: https\r\n\r\n");
    assert_eq!(visitor.answer().unwrap().header("location"), ["https://a/"]);
}

#[test]
fn answers_get_the_headers_of_the_listener_unless_they_have_them() {
    let (backend, _received) = recorder();
    let world = World::new();
    let authority = Authority::new();
    let pair = authority.pair("a", &["a.example"]);
    let table = adjusted(1, &backend, |listener| {
        for (name, value) in [
            ("strict-transport-security", "max-age=31536000"),
            ("Content-Security-Policy", "default-src 'self'"),
            ("x-frame-options", "DENY"),
        ] {
            let header = (name.to_owned(), value.to_owned());
            listener.answer_headers.extend([header]);
        }
        listener.rules[0].path = "/here".to_owned();
    });
    let address = world.apply(&encrypted(table, [pair]));
    let mut visitor = Secure::new(address, "a.example", &authority.client(&[&TLS13]).into());
    for (path, status, frames) in [("/here", " 200 ", "mine"), ("/", " 404 ", "DENY")] {
        visitor.send(format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n").as_bytes());
        let (head, _) = visitor.answer();
        assert!(head.contains(status), "{head}");
        for line in [
            "strict-transport-security: max-age=31536000\r\n".to_owned(),
            "content-security-policy: default-src 'self'\r\n".to_owned(),
            format!("x-frame-options: {frames}\r\n"),
        ] {
            assert_eq!(head.matches(&line).count(), 1, "{line}: {head}");
        }
        assert_eq!(head.matches("x-frame-options").count(), 1, "{head}");
    }
}

#[test]
fn forwarded_headers_are_believed_of_those_who_are_trusted() {
    let (backend, received) = recorder();
    let world = World::new();
    let mut visitor = None;
    for (generation, trusted, chain, proto) in [
        (1, &["127.0.0.0/8"][..], "203.0.113.9, 127.0.0.1", "https"),
        (2, &["10.0.0.0/8"], "127.0.0.1", "http"),
        (3, &[], "127.0.0.1", "http"),
        (4, &["127.0.0.1"], "203.0.113.9, 127.0.0.1", "https"),
    ] {
        let address = world.apply(&adjusted(generation, &backend, |listener| {
            listener.trusted = networks(trusted);
        }));
        // Also on a connection that is older than the table.
        let visitor = visitor.get_or_insert_with(|| Visitor::new(address));
        visitor.send(
            "GET / HTTP/1.1\r\nhost: a\r\nx-forwarded-for: 203.0.113.9\r\n\
             x-forwarded-proto: https\r\nforwarded: for=203.0.113.9\r\n\r\n",
        );
        visitor.answer().unwrap();
        let received = received.recv().unwrap();
        assert_eq!(received.header("x-forwarded-for"), [chain], "{generation}");
        assert_eq!(
            received.header("x-forwarded-proto"),
            [proto],
            "{generation}"
        );
        let is_believed = received.header("forwarded") == ["for=203.0.113.9"];
        assert_eq!(is_believed, proto == "https", "{generation}");
    }
}

/// The beginning of a connection by version 2 from 192.0.2.1.
fn in_binary() -> Vec<u8> {
    let mut bytes = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x10".to_vec();
    bytes.extend([192, 0, 2, 1, 127, 0, 0, 1, 0x12, 0x67, 0, 80, 4, 0, 1, 0]);
    bytes
}

#[test]
fn a_load_balancer_says_who_the_client_is() {
    let (backend, received) = recorder();
    let world = World::new();
    let address = world.apply(&adjusted(1, &backend, |listener| {
        listener.proxy_protocol_from = networks(&["127.0.0.0/8"]);
    }));
    let binary = in_binary();
    let local = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
    for (said, client) in [
        (
            &b"PROXY TCP4 192.0.2.1 127.0.0.1 4711 80\r\n"[..],
            "192.0.2.1",
        ),
        (b"PROXY TCP6 2001:db8::1 ::1 4711 80\r\n", "2001:db8::1"),
        (b"PROXY UNKNOWN\r\n", "127.0.0.1"),
        (&binary, "192.0.2.1"),
        (local, "127.0.0.1"),
    ] {
        // At once, and byte for byte.
        for pieces in [said.len(), 1] {
            let mut visitor = Visitor::new(address);
            for piece in said.chunks(pieces) {
                visitor.stream.write_all(piece).unwrap();
            }
            assert_eq!(visitor.get("/").text(), "ok");
            assert_eq!(received.recv().unwrap().header("x-forwarded-for"), [client]);
            assert_eq!(visitor.get("/").text(), "ok", "it is said once");
            assert_eq!(received.recv().unwrap().header("x-forwarded-for"), [client]);
        }
    }
    // Both together with the request.
    let mut visitor = Visitor::new(address);
    visitor.send("PROXY TCP4 192.0.2.1 127.0.0.1 4711 80\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(visitor.answer().unwrap().text(), "ok");
    assert_eq!(arrivals(&world).unannounced, 0);
}

#[test]
fn a_client_that_is_announced_may_encrypt() {
    let (backend, received) = recorder();
    let world = World::new();
    let authority = Authority::new();
    let pair = authority.pair("a", &["a.example"]);
    let table = adjusted(1, &backend, |listener| {
        listener.proxy_protocol_from = networks(&["127.0.0.0/8"]);
    });
    let address = world.apply(&encrypted(table, [pair]));
    let client = authority.client(&[&TLS13]).into();
    let mut visitor = Secure::after(&in_binary(), address, "a.example", &client).unwrap();
    assert_eq!(visitor.get(), "ok");
    let received = received.recv().unwrap();
    assert_eq!(received.header("x-forwarded-for"), ["192.0.2.1"]);
    assert_eq!(received.header("x-forwarded-proto"), ["https"]);
    assert!(Secure::try_new(address, "a.example", &client).is_err());
}

#[test]
fn who_should_be_announced_and_is_not_is_turned_away_and_counted() {
    let (backend, received) = recorder();
    let world = World::with(|config| config.handshake_timeout = Duration::from_millis(100));
    let address = world.apply(&adjusted(1, &backend, |listener| {
        listener.proxy_protocol_from = networks(&["127.0.0.0/8"]);
    }));
    let endless = [&b"PROXY UNKNOWN "[..], &[b'x'; 200]].concat();
    for (count, said) in (1..).zip([
        &b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"[..],
        b"PROXY TCP4 nonsense\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n",
        b"PROXY UNKNOWN\nGET / HTTP/1.1\r\nhost: a\r\n\r\n",
        &endless,
        b"PROXY",
        b"PROXY TCP4 192.0.2.1",
        b"",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x04aaaa",
        b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0caaaabbbbccdd",
    ]) {
        let mut visitor = Visitor::new(address);
        visitor.stream.write_all(said).unwrap();
        assert!(visitor.is_cut_off(), "{said:?}");
        let counted = || (arrivals(&world).unannounced == count).then_some(());
        eventually("it is counted", counted);
    }
    assert!(received.try_recv().is_err(), "no instance was asked");
}

#[test]
fn nobody_else_can_say_who_he_is() {
    let (backend, received) = recorder();
    let world = World::new();
    let address: SocketAddr = world.apply(&adjusted(1, &backend, |listener| {
        listener.proxy_protocol_from = networks(&["10.0.0.0/8"]);
    }));
    let mut visitor = Visitor::new(address);
    visitor.send("PROXY TCP4 192.0.2.1 127.0.0.1 4711 80\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(visitor.answer().unwrap().status, 400);
    assert_eq!(Visitor::new(address).get("/").text(), "ok");
    assert_eq!(
        received.recv().unwrap().header("x-forwarded-for"),
        ["127.0.0.1"]
    );
}
