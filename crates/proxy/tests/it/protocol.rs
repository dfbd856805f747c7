//! HTTP as it has to be passed on.

use std::io::{BufRead as _, Read as _, Write as _};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::time::Duration;

use crate::world::{Backend, Received, Visitor, World, get, read_chunk, read_head, side, table};

/// A service that says `ok` and keeps what it received.
fn recorder() -> (Backend, impl Fn() -> Received) {
    let received = Arc::new(Mutex::new(None));
    let keep = Arc::clone(&received);
    let backend = Backend::with(move |request, stream| {
        *keep.lock().unwrap() = Some(request);
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
            .is_ok()
    });
    (backend, move || {
        received
            .lock()
            .unwrap()
            .take()
            .expect("a request was received")
    })
}

fn behind(backend: &Backend) -> (World, Visitor) {
    let world = World::new();
    let address = world.apply(&table(1, [side("web", 10_000, &[backend.address])]));
    (world, Visitor::new(address))
}

#[test]
fn headers_for_the_next_hop_go_no_further() {
    let (backend, received) = recorder();
    let (_world, mut visitor) = behind(&backend);
    visitor.send(
        "GET /a?b=c HTTP/1.1\r\nHost: Site.example:8080\r\nConnection: keep-alive, X-Secret\r\n\
         X-Secret: 1\r\nKeep-Alive: timeout=5\r\nTE: trailers\r\nProxy-Authorization: x\r\n\
         Upgrade: h2c\r\nX-Kept: yes\r\nX-Forwarded-For: 1.2.3.4\r\nX-Forwarded-For: 5.6.7.8\r\n\r\n",
    );
    assert_eq!(visitor.answer().unwrap().status, 200);
    let received = received();
    assert!(
        received.head.starts_with("GET /a?b=c HTTP/1.1\r\n"),
        "{}",
        received.head
    );
    for gone in [
        "connection",
        "x-secret",
        "keep-alive",
        "te",
        "proxy-authorization",
        "upgrade",
        "expect",
    ] {
        assert_eq!(received.header(gone), Vec::<&str>::new(), "{gone}");
    }
    assert_eq!(received.header("host"), ["Site.example:8080"]);
    assert_eq!(received.header("x-kept"), ["yes"]);
    assert_eq!(
        received.header("x-forwarded-for"),
        ["1.2.3.4, 5.6.7.8, 127.0.0.1"]
    );
    assert_eq!(received.header("x-forwarded-proto"), ["http"]);
    assert_eq!(received.header("x-forwarded-host"), ["Site.example:8080"]);
    assert_eq!(received.header("via"), ["1.1 leadsman"]);
}

#[test]
fn headers_of_an_answer_for_the_next_hop_go_no_further() {
    let backend = Backend::saying(
        "HTTP/1.1 200 OK\r\nconnection: x-secret\r\nx-secret: 1\r\nkeep-alive: timeout=5\r\n\
         x-kept: yes\r\nx-leadsman-reason: mine\r\nset-cookie: a=1\r\nset-cookie: b=2\r\ncontent-length: 2\r\n\r\nok",
    );
    let (_world, mut visitor) = behind(&backend);
    let answered = visitor.get("/");
    assert_eq!(answered.header("x-secret"), Vec::<&str>::new());
    assert_eq!(answered.header("keep-alive"), Vec::<&str>::new());
    assert_eq!(answered.header("x-leadsman-reason"), Vec::<&str>::new());
    assert_eq!(answered.header("x-kept"), ["yes"]);
    assert_eq!(answered.header("set-cookie"), ["a=1", "b=2"]);
}

#[test]
fn connections_are_kept_on_both_sides() {
    let backend = Backend::named("ok");
    let (_world, mut visitor) = behind(&backend);
    for _ in 0..50 {
        assert_eq!(visitor.get("/").text(), "ok");
    }
    assert_eq!(backend.connections.load(Ordering::SeqCst), 1);
}

#[test]
fn an_unused_connection_to_an_instance_is_closed() {
    let (ended, end) = mpsc::channel();
    let backend = Backend::raw(move |reader, stream| {
        let more = read_head(reader).is_some();
        if more {
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                .unwrap();
        } else {
            ended.send(()).unwrap();
        }
        more
    });
    let world = World::with(|config| config.idle_timeout = Duration::from_millis(10));
    let address = world.apply(&table(1, [side("web", 10_000, &[backend.address])]));
    assert_eq!(get(address, "/").status, 200);
    end.recv_timeout(crate::world::DEADLINE).unwrap();
}

#[test]
fn a_client_of_http_1_0_is_served() {
    let (backend, received) = recorder();
    let (_world, mut visitor) = behind(&backend);
    visitor.send("GET / HTTP/1.0\r\n\r\n");
    let mut text = String::new();
    visitor.reader.read_to_string(&mut text).unwrap();
    assert!(text.starts_with("HTTP/1.0 200 OK\r\n"), "{text}");
    assert!(text.ends_with("\r\n\r\nok"), "{text}");
    let received = received();
    assert!(received.head.starts_with("GET / HTTP/1.1\r\n"));
    assert_eq!(received.header("host"), [backend.address.to_string()]);
    assert_eq!(received.header("via"), ["1.0 leadsman"]);
}

#[test]
fn a_service_of_http_1_0_is_understood() {
    let backend = Backend::with(|_, stream| {
        stream
            .write_all(b"HTTP/1.0 200 OK\r\n\r\nuntil the end")
            .unwrap();
        false
    });
    let (_world, mut visitor) = behind(&backend);
    for _ in 0..3 {
        let answered = visitor.get("/");
        assert_eq!(answered.text(), "until the end");
        assert_eq!(answered.header("transfer-encoding"), ["chunked"]);
    }
}

#[test]
fn an_answer_to_head_keeps_its_length_and_has_no_body() {
    let backend = Backend::saying("HTTP/1.1 200 OK\r\ncontent-length: 1234\r\n\r\n");
    let (_world, mut visitor) = behind(&backend);
    for _ in 0..3 {
        visitor.send("HEAD / HTTP/1.1\r\nhost: a\r\n\r\n");
        let answered = visitor.answer_head().unwrap();
        assert_eq!(answered.status, 200);
        assert_eq!(answered.header("content-length"), ["1234"]);
    }
    assert_eq!(backend.connections.load(Ordering::SeqCst), 1);
}

#[test]
fn statuses_without_a_body_have_none() {
    let backend = Backend::with(|received, stream| {
        let answer: &[u8] = if received.head.starts_with("GET /204") {
            b"HTTP/1.1 204 No Content\r\n\r\n"
        } else {
            b"HTTP/1.1 304 Not Modified\r\netag: \"x\"\r\n\r\n"
        };
        stream.write_all(answer).is_ok()
    });
    let (_world, mut visitor) = behind(&backend);
    for _ in 0..3 {
        let answered = visitor.get("/204");
        assert_eq!(
            (answered.status, answered.header("content-length")),
            (204, vec![])
        );
        let answered = visitor.get("/304");
        assert_eq!(
            (answered.status, answered.header("etag")),
            (304, vec!["\"x\""])
        );
    }
}

#[test]
fn a_chunked_request_stays_chunked() {
    let (backend, received) = recorder();
    let (_world, mut visitor) = behind(&backend);
    for method in ["POST", "GET"] {
        visitor.send(&format!(
            "{method} / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n\
             3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n"
        ));
        assert_eq!(visitor.answer().unwrap().status, 200);
        let received = received();
        assert_eq!(received.body, b"abcdefg", "{method}");
        assert_eq!(received.header("content-length"), Vec::<&str>::new());
    }
}

#[test]
fn of_two_lengths_only_one_is_passed_on_and_the_connection_ends() {
    let (backend, received) = recorder();
    let (_world, mut visitor) = behind(&backend);
    visitor.send(
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 60\r\ntransfer-encoding: chunked\r\n\r\n\
         2\r\nhi\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n",
    );
    assert_eq!(visitor.answer().unwrap().status, 200);
    let received = received();
    assert_eq!(received.body, b"hi");
    assert_eq!(received.header("content-length"), Vec::<&str>::new());
    // What follows on such a connection cannot be trusted, and is not even read.
    assert!(visitor.answer().is_none() && visitor.is_cut_off());
    assert_eq!(backend.connections.load(Ordering::SeqCst), 1);
}

#[test]
fn requests_that_can_be_understood_in_two_ways_are_refused() {
    let backend = Backend::named("reached");
    let (world, _) = behind(&backend);
    for request in [
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a b\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: user@a\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: +1\r\n\r\na",
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nx : y\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nx: y\r\n z\r\n\r\n",
    ] {
        let mut visitor = Visitor::new(world.address());
        visitor.send(request);
        assert_eq!(visitor.answer().expect(request).status, 400, "{request}");
    }
    assert_eq!(backend.connections.load(Ordering::SeqCst), 0);
    let mut visitor = Visitor::new(world.address());
    visitor.send("CONNECT a:1 HTTP/1.1\r\nhost: a:1\r\n\r\n");
    assert_eq!(visitor.answer().unwrap().status, 405);
}

#[test]
fn a_head_that_is_too_large_is_refused() {
    let backend = Backend::named("reached");
    let (_world, mut visitor) = behind(&backend);
    let padding = "x".repeat(70_000);
    visitor.send(&format!(
        "GET / HTTP/1.1\r\nhost: a\r\nx: {padding}\r\n\r\n"
    ));
    assert_eq!(visitor.answer().unwrap().status, 431);
}

#[test]
fn a_client_that_does_not_come_to_the_point_is_cut_off() {
    let backend = Backend::named("reached");
    let world = World::with(|config| config.head_timeout = Duration::from_secs(1));
    let address = world.apply(&table(1, [side("web", 10_000, &[backend.address])]));
    for beginning in ["", "GET / HTTP/1.1\r\nhost: a\r\n"] {
        let mut visitor = Visitor::new(address);
        visitor.send(beginning);
        assert!(visitor.is_cut_off());
    }
    assert_eq!(backend.connections.load(Ordering::SeqCst), 0);
    // Neither does one that has nothing more to ask.
    let mut visitor = Visitor::new(address);
    assert_eq!(visitor.get("/").text(), "reached");
    assert!(visitor.is_cut_off());
}

#[test]
fn what_stands_in_front_on_this_machine_is_believed() {
    let (backend, received) = recorder();
    let (_world, mut visitor) = behind(&backend);
    visitor.send(
        "GET / HTTP/1.1\r\nhost: inner\r\nx-forwarded-proto: https\r\n\
         x-forwarded-host: outer.example\r\n\r\n",
    );
    assert_eq!(visitor.answer().unwrap().status, 200);
    let received = received();
    assert_eq!(received.header("x-forwarded-proto"), ["https"]);
    assert_eq!(received.header("x-forwarded-host"), ["outer.example"]);
}

#[test]
fn one_client_too_many_waits_for_its_turn() {
    let backend = Backend::named("ok");
    let world = World::with(|config| {
        config.cores = Some(1);
        config.connections_max = 1;
    });
    let address = world.apply(&table(1, [side("web", 10_000, &[backend.address])]));
    let mut first = Visitor::new(address);
    assert_eq!(first.get("/").text(), "ok");
    let mut second = Visitor::new(address);
    second.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    second
        .stream
        .set_read_timeout(Some(Duration::from_millis(100)))
        .unwrap();
    assert!(second.reader.fill_buf().is_err(), "it has to wait");
    second
        .stream
        .set_read_timeout(Some(crate::world::DEADLINE))
        .unwrap();
    assert_eq!(first.get("/").text(), "ok");
    drop(first);
    assert_eq!(second.answer().unwrap().text(), "ok");
}

#[test]
fn a_whole_uri_as_target_counts_more_than_the_host() {
    let (backend, received) = recorder();
    let (_world, mut visitor) = behind(&backend);
    visitor.send("GET http://other.example/x?y HTTP/1.1\r\nhost: site.example\r\n\r\n");
    assert_eq!(visitor.answer().unwrap().status, 200);
    let received = received();
    assert!(
        received.head.starts_with("GET /x?y HTTP/1.1"),
        "{}",
        received.head
    );
    assert_eq!(received.header("host"), ["other.example"]);
}

#[test]
fn the_body_is_asked_for_only_when_an_instance_takes_it() {
    let (backend, received) = recorder();
    let (_world, mut visitor) = behind(&backend);
    visitor.send("POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n");
    assert_eq!(visitor.answer_head().unwrap().status, 100);
    visitor.send("hi");
    assert_eq!(visitor.answer().unwrap().status, 200);
    assert_eq!(received().body, b"hi");
}

#[test]
fn bodies_stream_both_ways() {
    // Each chunk comes back before the next one is sent.
    let backend = Backend::raw(|reader, stream| {
        if read_head(reader).is_none() {
            return false;
        }
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
            .unwrap();
        while let Some(chunk) = read_chunk(reader) {
            write!(stream, "{:x}\r\n", chunk.len()).unwrap();
            stream.write_all(&chunk).unwrap();
            stream.write_all(b"\r\n").unwrap();
            if chunk.is_empty() {
                break;
            }
        }
        true
    });
    let (_world, mut visitor) = behind(&backend);
    for _ in 0..2 {
        visitor.send("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n");
        assert_eq!(visitor.answer_head().unwrap().status, 200);
        for word in ["first", "second", "third"] {
            visitor.send(&format!("{:x}\r\n{word}\r\n", word.len()));
            assert_eq!(read_chunk(&mut visitor.reader).unwrap(), word.as_bytes());
        }
        visitor.send("0\r\n\r\n");
        assert_eq!(read_chunk(&mut visitor.reader).unwrap(), b"");
    }
}

#[test]
fn large_bodies_arrive_whole() {
    let backend = Backend::with(|received, stream| {
        write!(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n",
            received.body.len()
        )
        .unwrap();
        stream.write_all(&received.body).is_ok()
    });
    let (_world, mut visitor) = behind(&backend);
    let body: Vec<u8> = (0..20_000_000_u32).map(|at| (at % 251) as u8).collect();
    visitor.send(&format!(
        "PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n",
        body.len()
    ));
    visitor.stream.write_all(&body).unwrap();
    assert!(visitor.answer().unwrap().body == body);
}

#[test]
fn a_client_that_does_not_read_holds_up_nobody_and_fills_no_memory() {
    let (wrote, written) = mpsc::channel();
    let backend = Backend::with(move |received, stream| {
        if received.head.starts_with("GET /small") {
            return stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
                .is_ok();
        }
        // Far more than all buffers on the way can hold.
        let size = 200_000_000;
        write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {size}\r\n\r\n").unwrap();
        let part = vec![b'x'; 1_000_000];
        stream
            .set_write_timeout(Some(Duration::from_secs(1)))
            .unwrap();
        let parts = (0..200)
            .take_while(|_| stream.write_all(&part).is_ok())
            .count();
        wrote.send(parts).unwrap();
        false
    });
    let world = World::with(|config| config.cores = Some(1));
    let address = world.apply(&table(1, [side("web", 10_000, &[backend.address])]));
    let mut slow = Visitor::new(address);
    slow.send("GET /large HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(slow.answer_head().unwrap().status, 200);
    for _ in 0..20 {
        assert_eq!(get(address, "/small").text(), "ok");
    }
    let parts = written.recv_timeout(crate::world::DEADLINE).unwrap();
    assert!(
        parts < 50,
        "{parts} MB were taken although nobody reads them"
    );
}

#[test]
fn an_upgraded_connection_is_passed_through_until_it_ends() {
    let backend = Backend::raw(|reader, stream| {
        let Some(head) = read_head(reader) else {
            return false;
        };
        assert!(
            head.to_lowercase().contains("connection: upgrade"),
            "{head}"
        );
        assert!(head.to_lowercase().contains("upgrade: echo"), "{head}");
        stream
            .write_all(
                b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n",
            )
            .unwrap();
        let mut line = String::new();
        while reader.read_line(&mut line).unwrap() > 0 {
            stream.write_all(line.as_bytes()).unwrap();
            line.clear();
        }
        false
    });
    let other = Backend::named("other");
    let (world, mut visitor) = behind(&backend);
    visitor.send("GET / HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: echo\r\n\r\n");
    let answered = visitor.answer_head().unwrap();
    assert_eq!(
        (answered.status, answered.header("upgrade")),
        (101, vec!["echo"])
    );
    let mut echo = |word: &str| {
        visitor.send(&format!("{word}\n"));
        let mut line = String::new();
        visitor.reader.read_line(&mut line).unwrap();
        assert_eq!(line.trim(), word);
    };
    echo("hello");
    // It goes on after its side has left the table, and counts as in flight until it ends.
    world.apply(&table(2, [side("new", 10_000, &[other.address])]));
    echo("still there");
    assert_eq!(world.status().draining["web-0"].in_flight, 1);
    drop(visitor);
    crate::world::eventually("the tunnel ends", || {
        (world.status().draining["web-0"].in_flight == 0).then_some(())
    });
}

#[test]
fn an_upgrade_that_nobody_asked_for_is_not_passed_on() {
    let backend = Backend::saying(
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n",
    );
    let (_world, mut visitor) = behind(&backend);
    let answered = visitor.get("/");
    assert_eq!(
        (answered.status, answered.header("x-leadsman-reason")),
        (502, vec!["garbled"])
    );
}

#[test]
fn hosts_and_paths_lead_to_their_services() {
    let (shop, api) = (Backend::named("shop"), Backend::named("api"));
    let world = World::new();
    let mut table = table(1, [side("shop", 10_000, &[shop.address])]);
    let listener = &mut table.listeners[0];
    let service = leadsman_proxy::table::Service {
        sides: vec![side("api", 10_000, &[api.address])],
        ..Default::default()
    };
    listener.services.insert("api".to_owned(), service);
    listener.rules.push(leadsman_proxy::table::Rule {
        host: Some("site.example".to_owned()),
        path: "/api".to_owned(),
        service: "api".to_owned(),
        ..leadsman_proxy::table::Rule::default()
    });
    let address = world.apply(&table);
    assert_eq!(get(address, "/api/v1").text(), "api");
    assert_eq!(get(address, "/apix").text(), "shop");
    let mut visitor = Visitor::new(address);
    visitor.send("GET /api HTTP/1.1\r\nhost: other.example\r\n\r\n");
    assert_eq!(visitor.answer().unwrap().text(), "shop");
}

#[test]
fn an_answer_before_the_end_of_the_request_gets_through() {
    let backend = Backend::raw(|reader, stream| {
        if read_head(reader).is_none() {
            return false;
        }
        stream
            .write_all(
                b"HTTP/1.1 413 Too Large\r\nconnection: close\r\ncontent-length: 4\r\n\r\nmuch",
            )
            .unwrap();
        // Takes what comes without looking at it, as servers do to be polite.
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        std::io::copy(reader, &mut std::io::sink()).ok();
        false
    });
    let (world, mut visitor) = behind(&backend);
    visitor.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000\r\n\r\nonly the beginning");
    let answered = visitor.answer().unwrap();
    assert_eq!((answered.status, answered.text()), (413, "much"));
    drop(visitor);
    let counted = world.figures("web", |counted| counted.figures.requests == 1);
    assert_eq!(counted.figures.errors, 0);
}
