//! Clients and instances that take as much as they can: too large, without end, or too slowly. Each
//! is answered or cut off, it is counted, and nobody else notices.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr};
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::frames::{
    CONTINUATION, END_STREAM, GOAWAY, HEADERS, Raw, SETTINGS, frame, get as head_of_get,
};
use crate::world::{Backend, DEADLINE, Visitor, World, get, side, table};

/// More than all buffers on the way can hold, in bytes.
const FAR_TOO_MUCH: usize = 64 * 1024 * 1024;

fn behind(
    backend: &Backend,
    adjust: impl FnOnce(&mut leadsman_proxy::Config),
) -> (World, SocketAddr) {
    let world = World::with(|config| {
        config.cores = Some(1);
        adjust(config);
    });
    let address = world.apply(&table(1, [side("web", 10_000, &[backend.address])]));
    (world, address)
}

/// Waits until so many requests were refused, for any reason.
fn refusals(world: &World, count: u64) {
    crate::world::eventually("every refusal is counted", || {
        let windows = world.block_on(world.client().windows(0)).unwrap();
        let of_windows = windows.iter().flat_map(|window| window.refused.values());
        (of_windows.sum::<u64>() == count).then_some(())
    });
}

#[test]
fn what_is_too_large_is_refused_and_counted() {
    let backend = Backend::named("ok");
    let (world, address) = behind(&backend, |_| ());
    let long = "x".repeat(70_000);
    let head = |lines: &str| format!("GET / HTTP/1.1\r\nhost: a\r\n{lines}\r\n");
    let cases = [
        format!("GET /{long} HTTP/1.1\r\nhost: a\r\n\r\n"),
        format!("{long} / HTTP/1.1\r\nhost: a\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nhost: {long}\r\n\r\n"),
        head(&format!("x: {long}\r\n")),
        head(&format!("{long}: x\r\n")),
        head(&format!("cookie: a={long}\r\n")),
        head(&"cookie: a=b\r\n".repeat(6000)),
        head(&"x: y\r\n".repeat(101)),
    ];
    for text in &cases {
        let mut visitor = Visitor::new(address);
        // It may be refused before all of it was sent.
        drop(visitor.stream.write_all(text.as_bytes()));
        let what = &text[..text.len().min(30)];
        if let Some(answered) = visitor.answer() {
            assert!(
                [400, 414, 431].contains(&answered.status),
                "{what}: {}",
                answered.head
            );
        }
        assert!(visitor.is_cut_off(), "{what}");
        assert_eq!(get(address, "/").text(), "ok");
    }
    refusals(&world, cases.len() as u64);
    let reached = backend.requests();
    assert!(
        reached <= cases.len(),
        "only the others got through: {reached}"
    );
    // And what is just within the limits passes.
    let mut visitor = Visitor::new(address);
    visitor.send(&head(&format!("x: {}\r\n", "x".repeat(30_000))));
    assert_eq!(visitor.answer().unwrap().text(), "ok");
}

#[test]
fn what_has_no_end_is_cut_off() {
    let backend = Backend::named("ok");
    let (world, address) = behind(&backend, |_| ());
    let chunked = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
    let cases = [
        ("empty lines", String::new(), "\r\n"),
        ("a method", String::new(), "GET"),
        ("a path", "GET /".to_owned(), "abcdefgh"),
        (
            "a header",
            "GET / HTTP/1.1\r\nhost: a\r\nx: ".to_owned(),
            "abcdefgh",
        ),
        (
            "headers",
            "GET / HTTP/1.1\r\nhost: a\r\n".to_owned(),
            "x: y\r\n",
        ),
        ("what is said of a chunk", format!("{chunked}5;"), "a=b;"),
        (
            "what is said of many chunks",
            chunked.to_owned(),
            "1;aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa=b\r\nx\r\n",
        ),
        ("a trailer", format!("{chunked}0\r\nx: "), "abcdefgh"),
        ("trailers", format!("{chunked}0\r\n"), "x: y\r\n"),
    ];
    let count = cases.len() as u64;
    for (what, first, more) in cases {
        let mut visitor = Visitor::new(address);
        visitor.stream.set_write_timeout(Some(DEADLINE)).unwrap();
        visitor.send(&first);
        let piece = more.repeat(16 * 1024 / more.len());
        let mut sent = 0;
        while sent < FAR_TOO_MUCH && visitor.stream.write_all(piece.as_bytes()).is_ok() {
            sent += piece.len();
        }
        assert!(sent < FAR_TOO_MUCH, "{what}: nobody minded");
        assert_eq!(get(address, "/").text(), "ok", "{what}");
    }
    refusals(&world, count);
}

/// Zeros before the size of a chunk are allowed, as many as a size can have digits.
#[test]
fn a_body_that_does_not_come_to_the_point_is_cut_off() {
    let backend = Backend::named("ok");
    let (world, address) = behind(&backend, |_| ());
    let mut visitor = Visitor::new(address);
    visitor.stream.set_write_timeout(Some(DEADLINE)).unwrap();
    visitor.send("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n");
    let started = std::time::Instant::now();
    while visitor.stream.write_all(&[b'0'; 1024]).is_ok() {
        assert!(started.elapsed() < DEADLINE, "nobody minded");
        assert_eq!(
            get(address, "/").text(),
            "ok",
            "others are served meanwhile"
        );
    }
    world.refused("bad-request", 1);
}

#[test]
fn who_takes_his_time_with_a_head_is_cut_off() {
    let backend = Backend::named("ok");
    let limit = Duration::from_millis(400);
    let (world, address) = behind(&backend, |config| config.head_timeout = limit);
    let mut slow: Vec<Visitor> = (0..20).map(|_| Visitor::new(address)).collect();
    for visitor in &mut slow {
        visitor.send("GET / HTTP/1.1\r\nhost: a\r\nx: ");
        visitor
            .stream
            .set_read_timeout(Some(Duration::from_millis(1)))
            .unwrap();
    }
    // Who has nothing more to ask is cut off like them, but has done nothing wrong.
    let mut idle = Visitor::new(address);
    assert_eq!(idle.get("/").text(), "ok");
    // Each says a little more all the time, which helps nobody.
    let mut is_over = vec![false; slow.len()];
    let started = std::time::Instant::now();
    while is_over.contains(&false) {
        assert!(started.elapsed() < DEADLINE, "{is_over:?}");
        assert_eq!(
            get(address, "/").text(),
            "ok",
            "others are served meanwhile"
        );
        for (visitor, is_over) in slow.iter_mut().zip(&mut is_over) {
            let is_cut = visitor.stream.write_all(b"y").is_err();
            let read = visitor.stream.read(&mut [0; 512]);
            let waits = matches!(&read, Err(error) if error.kind() == ErrorKind::WouldBlock);
            *is_over |= is_cut || !waits;
        }
    }
    assert!(idle.is_cut_off());
    world.refused("head-stalled", 20);
    assert_eq!(backend.connections.load(Ordering::SeqCst), 1);
}

#[test]
fn who_takes_his_time_in_http2_is_cut_off() {
    let backend = Backend::named("ok");
    let (_world, address) = behind(&backend, |config| {
        config.head_timeout = Duration::from_millis(300);
        config.handshake_timeout = Duration::from_millis(100);
    });
    let settings = frame(SETTINGS, 0, 0, &[]);
    let head = head_of_get(&[]);
    for (what, bytes) in [
        ("half of the preface", b"PRI * HTTP/2".to_vec()),
        ("the preface alone", crate::frames::PREFACE.to_vec()),
        (
            "half of a frame",
            [crate::frames::PREFACE, &settings, &[0, 0]].concat(),
        ),
        (
            "a head without its end",
            [
                crate::frames::PREFACE,
                &settings,
                &frame(HEADERS, END_STREAM, 1, &head),
            ]
            .concat(),
        ),
        (
            "a head whose end is never said",
            [
                crate::frames::PREFACE,
                &settings,
                &frame(HEADERS, 0, 1, &head),
                &frame(CONTINUATION, 0, 1, &[]),
            ]
            .concat(),
        ),
    ] {
        let mut raw = Raw::silent(address);
        assert!(raw.send(&bytes));
        // It may be told goodbye before.
        while let Some(frame) = raw.next() {
            assert!(frame.kind != HEADERS, "{what}");
            assert!(frame.kind != GOAWAY || frame.code().is_some());
        }
        assert_eq!(raw.0.read(&mut [0]).ok().unwrap_or_default(), 0, "{what}");
        assert_eq!(get(address, "/").text(), "ok", "{what}");
    }
}

/// A client that says that it will say nothing more gets its answer, or a clean end; never a part.
#[test]
fn a_client_that_closes_its_half_gets_all_or_nothing() {
    let backend = Backend::with(|_, stream| {
        std::thread::sleep(Duration::from_millis(20));
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
            .is_ok()
    });
    let (_world, address) = behind(&backend, |_| ());
    for (text, is_whole) in [
        ("GET / HTTP/1.1\r\nhost: a\r\n\r\n", true),
        (
            "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi",
            true,
        ),
        (
            "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
            true,
        ),
        ("GET / HTTP/1.0\r\n\r\n", true),
        ("", false),
        ("GET / HT", false),
        ("GET / HTTP/1.1\r\nhost: a\r\n", false),
        (
            "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhi",
            false,
        ),
        (
            "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhi",
            false,
        ),
        (
            "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n",
            false,
        ),
    ] {
        let mut visitor = Visitor::new(address);
        visitor.send(text);
        visitor.stream.shutdown(Shutdown::Write).unwrap();
        let mut said = Vec::new();
        let read = visitor.reader.read_to_end(&mut said);
        assert!(read.is_ok(), "{text:?}: no clean end: {read:?}");
        let said = String::from_utf8(said).unwrap();
        let is_answer = said.starts_with("HTTP/1.1 200 ") && said.ends_with("\r\n\r\nok");
        let is_refusal = said.starts_with("HTTP/1.1 400 ");
        match is_whole {
            true => assert!(said.is_empty() || is_answer, "{text:?}: {said:?}"),
            false => assert!(said.is_empty() || is_refusal, "{text:?}: {said:?}"),
        }
        assert_eq!(get(address, "/").text(), "ok");
    }
}

/// Who asks and asks and reads no answer is not read any more.
#[test]
fn who_asks_without_end_and_reads_nothing_is_not_heard() {
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n{}",
        "x".repeat(100_000)
    );
    let backend = Backend::saying(answer);
    let (_world, address) = behind(&backend, |_| ());
    let mut greedy = Visitor::new(address);
    greedy
        .stream
        .set_write_timeout(Some(Duration::from_millis(500)))
        .unwrap();
    let requests = "GET / HTTP/1.1\r\nhost: a\r\n\r\n".repeat(1000);
    let mut sent = 0;
    while sent < FAR_TOO_MUCH && greedy.stream.write_all(requests.as_bytes()).is_ok() {
        sent += requests.len();
    }
    assert!(sent < FAR_TOO_MUCH, "all of it was taken");
    let asked = backend.requests();
    assert!(asked < 1000, "{asked} answers wait for nobody");
    assert_eq!(get(address, "/").status, 200);
}

/// What an instance cannot say in a header, it cannot make the proxy say.
#[test]
fn an_instance_cannot_put_lines_into_an_answer() {
    let long = |count| format!("x: y\r\n{}", "a: b\r\n".repeat(count));
    let lines = [
        "x: a\rset-cookie: b=c\r\n".to_owned(),
        "x: a\r\r\n".to_owned(),
        "x: a\0\r\n".to_owned(),
        "x: a\r\n set-cookie: b=c\r\n".to_owned(),
        "x : a\r\n".to_owned(),
        "x y: a\r\n".to_owned(),
        "x\u{e9}: a\r\n".to_owned(),
        ": a\r\n".to_owned(),
        "x\r\n".to_owned(),
        long(101),
        format!("x: {}\r\n", "y".repeat(2_000_000)),
        "content-length: 2\r\ncontent-length: 3\r\n".to_owned(),
        "content-length: 2, 2\r\n".to_owned(),
    ];
    let count = lines.len();
    let answers = std::sync::Mutex::new(lines.into_iter());
    let backend = Backend::with(move |_, stream| match answers.lock().unwrap().next() {
        Some(lines) => write!(stream, "HTTP/1.1 200 OK\r\n{lines}\r\nok").is_ok(),
        None => stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
            .is_ok(),
    });
    let (world, address) = behind(&backend, |_| ());
    for turn in 0..count {
        let answered = get(address, "/");
        assert_eq!(answered.status, 502, "{turn}: {}", answered.head);
        assert_eq!(answered.header("x-leadsman-reason"), ["garbled"], "{turn}");
        assert_eq!(answered.header("set-cookie"), Vec::<&str>::new());
    }
    world.refused("garbled", count as u64);
    assert_eq!(get(address, "/").text(), "ok");
}

/// Only the user of the proxy can open the control socket; but a mistake there costs nothing either.
#[test]
fn nonsense_on_the_control_socket_is_refused_and_changes_nothing() {
    let backend = Backend::named("ok");
    let (world, address) = behind(&backend, |_| ());
    let put = |body: &str| {
        let length = body.len();
        format!("PUT /table HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n{body}")
    };
    let deep = "[".repeat(100_000);
    let large = format!("\"{}\"", "x".repeat(17 * 1024 * 1024));
    for text in [
        "nonsense\r\n\r\n".to_owned(),
        "GET /windows?after=-1 HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(),
        "GET /windows?after=18446744073709551616 HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(),
        "GET /windows?before=1 HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(),
        "DELETE /table HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(),
        "POST /relay HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n".to_owned(),
        "PUT /follow HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{}".to_owned(),
        put(""),
        put("{}"),
        put("null"),
        put("{\"generation\": -1, \"listeners\": []}"),
        put("{\"generation\": 1e400, \"listeners\": []}"),
        put("{\"generation\": 9, \"listeners\": [{}]}"),
        put("{\"generation\": 9, \"generation\": 9, \"listeners\": []}"),
        put(&deep),
        put(&format!("{{\"generation\": 9, \"listeners\": {deep}")),
        put(&large),
    ] {
        let what: String = text.chars().take(60).collect();
        let mut stream = std::os::unix::net::UnixStream::connect(&world.config.socket).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        // It may be refused before all of it was sent.
        drop(stream.write_all(text.as_bytes()));
        let mut said = [0; 12];
        if stream.read_exact(&mut said).is_ok() {
            assert!(
                said.starts_with(b"HTTP/1.1 4"),
                "{what}: {}",
                said.escape_ascii()
            );
        }
        assert_eq!(world.status().generation, 1, "{what}");
        assert_eq!(get(address, "/").text(), "ok", "{what}");
    }
}
