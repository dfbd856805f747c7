//! Where a head ends and what it says: lines, names, hosts, targets, and what follows an answer.

use std::io::Write as _;

use super::Verdict::{Any, Last, Refused, Taken};
use super::{SMUGGLED, Scene, post};
use crate::world::{Backend, Visitor, World, side, table};

const HOST: &str = "host: site.example\r\n";

#[test]
fn a_line_is_a_line() {
    let mut scene = Scene::new();
    let get = |lines: &str| format!("GET /case-@@@@ HTTP/1.1\r\n{HOST}{lines}\r\n");
    let smuggle = |between: &str| {
        get(&format!(
            "x: y{between}GET /smuggled-@@@@ HTTP/1.1{between}{HOST}"
        ))
    };
    for (bytes, expected) in [
        (get(""), Taken(Vec::new())),
        (get("x:\r\n"), Taken(Vec::new())),
        (get("x: \u{e9}\u{a0}\r\n"), Taken(Vec::new())),
        (get("x: a\tb\r\n"), Taken(Vec::new())),
        // Old line folding.
        (get("x: y\r\n z\r\n"), Refused),
        (get("x: y\r\n\tz\r\n"), Refused),
        (get(" x: y\r\n"), Refused),
        (get("\tx: y\r\n"), Refused),
        (get("x: y\r\n \r\n"), Refused),
        (get("x:\r\n y\r\n"), Refused),
        // What is no end of a line.
        (get("x: y\rz: a\r\n"), Refused),
        (get("x: y\r\r\n"), Refused),
        (get("x: y\0z\r\n"), Refused),
        (get("x: y\u{b}z\r\n"), Refused),
        (get("x: y\u{c}z\r\n"), Refused),
        (get("x: y\u{7f}z\r\n"), Refused),
        (get("x: \u{1b}[31m\r\n"), Refused),
        (get("\0: y\r\n"), Refused),
        (get("\rx: y\r\n"), Refused),
        (smuggle("\r"), Refused),
        (smuggle("\r\r"), Refused),
        (smuggle("\r\0\n"), Refused),
        (smuggle("\u{85}"), Any),
        (smuggle("\u{2028}"), Any),
        // A lone line feed may end a line; what it makes of the line is what is passed on.
        (get("x: y\nz: a\n"), Any),
        (
            format!("GET /case-@@@@ HTTP/1.1\n{}\n", HOST.replace('\r', "")),
            Any,
        ),
        // What is no header.
        (get("x : y\r\n"), Refused),
        (get("x\t: y\r\n"), Refused),
        (get(": y\r\n"), Refused),
        (get("x\r\n"), Refused),
        (get("x y: z\r\n"), Refused),
        (get("x\u{e9}: z\r\n"), Refused),
        (get("x(y): z\r\n"), Refused),
        (get("x@y: z\r\n"), Refused),
        (get("[x]: z\r\n"), Refused),
        (get("\"x\": z\r\n"), Refused),
        // First lines.
        (
            format!("\r\nGET /case-@@@@ HTTP/1.1\r\n{HOST}\r\n"),
            Taken(Vec::new()),
        ),
        (format!("GET  /case-@@@@ HTTP/1.1\r\n{HOST}\r\n"), Refused),
        (format!("GET /case-@@@@  HTTP/1.1\r\n{HOST}\r\n"), Refused),
        (format!("GET\t/case-@@@@\tHTTP/1.1\r\n{HOST}\r\n"), Refused),
        (format!(" GET /case-@@@@ HTTP/1.1\r\n{HOST}\r\n"), Refused),
        (format!("GET /case-@@@@ HTTP/1.1 \r\n{HOST}\r\n"), Refused),
        (format!("GET /case-@@@@ HTTP/1.1\r{HOST}\r\n"), Refused),
        (format!("GET /case-@@@@ x HTTP/1.1\r\n{HOST}\r\n"), Refused),
        (format!("GET /case-@@@@\0 HTTP/1.1\r\n{HOST}\r\n"), Refused),
        (
            format!("GET /case-@@@@\u{b} HTTP/1.1\r\n{HOST}\r\n"),
            Refused,
        ),
        (format!("GET /case-@@@@ HTTP/1.2\r\n{HOST}\r\n"), Refused),
        (format!("GET /case-@@@@ HTTP/2.0\r\n{HOST}\r\n"), Refused),
        (format!("GET /case-@@@@ HTTP/0.9\r\n{HOST}\r\n"), Refused),
        (format!("GET /case-@@@@ HTTP/01.1\r\n{HOST}\r\n"), Refused),
        (format!("GET /case-@@@@ http/1.1\r\n{HOST}\r\n"), Refused),
        (format!("GET /case-@@@@ HTTP/1.1x\r\n{HOST}\r\n"), Refused),
        (format!("GET /case-@@@@\r\n{HOST}\r\n"), Refused),
        (format!("G@T /case-@@@@ HTTP/1.1\r\n{HOST}\r\n"), Refused),
        (format!("GET\0 /case-@@@@ HTTP/1.1\r\n{HOST}\r\n"), Refused),
        (format!("GET case-@@@@ HTTP/1.1\r\n{HOST}\r\n"), Refused),
        (format!("GET //case-@@@@ HTTP/1.1\r\n{HOST}\r\n"), Any),
        (format!("GET /case-@@@@#x HTTP/1.1\r\n{HOST}\r\n"), Any),
        (
            format!("GET /case-@@@@?a\u{e9} HTTP/1.1\r\n{HOST}\r\n"),
            Any,
        ),
        (
            format!("CONNECT /case-@@@@ HTTP/1.1\r\n{HOST}\r\n"),
            Refused,
        ),
    ] {
        scene.play(&bytes, bytes.as_bytes(), &expected);
    }
    scene.end();
}

#[test]
fn a_request_is_for_one_host() {
    let mut scene = Scene::new();
    for (target, lines, expected) in [
        ("case-@@@@", "host: a\r\n", Refused),
        ("?case-@@@@", "host: a\r\n", Refused),
        ("://case-@@@@?", "host: a\r\n", Refused),
        ("http://a?/case-@@@@", "host: a\r\n", Taken(Vec::new())),
        ("/case-@@@@", "", Refused),
        ("/case-@@@@", "host: a\r\nhost: b\r\n", Refused),
        ("/case-@@@@", "host: a\r\nhost: a\r\n", Refused),
        ("/case-@@@@", "host: a\r\nHOST: a\r\n", Refused),
        ("/case-@@@@", "host: a, b\r\n", Refused),
        ("/case-@@@@", "host: a b\r\n", Refused),
        ("/case-@@@@", "host: a\tb\r\n", Refused),
        ("/case-@@@@", "host: user@a\r\n", Refused),
        ("/case-@@@@", "host: a/b\r\n", Refused),
        ("/case-@@@@", "host: a?b\r\n", Refused),
        ("/case-@@@@", "host: a#b\r\n", Refused),
        ("/case-@@@@", "host: a\\b\r\n", Refused),
        ("/case-@@@@", "host: http://a\r\n", Refused),
        ("/case-@@@@", "host: \u{e9}\r\n", Refused),
        ("/case-@@@@", "host : a\r\n", Refused),
        ("/case-@@@@", " host: a\r\n", Refused),
        ("/case-@@@@", "x: y\r\n host: a\r\n", Refused),
        ("/case-@@@@", "host: a\r\n b\r\n", Refused),
        ("/case-@@@@", "host: a:b\r\n", Refused),
        ("/case-@@@@", "host: a:80:90\r\n", Refused),
        ("/case-@@@@", "host: a:99999\r\n", Refused),
        ("/case-@@@@", "host: [::1\r\n", Refused),
        ("/case-@@@@", "host: a:80\r\n", Taken(Vec::new())),
        ("/case-@@@@", "host: [::1]:80\r\n", Taken(Vec::new())),
        ("http://a/case-@@@@", "", Refused),
        ("http://a/case-@@@@", "host: a\r\nhost: a\r\n", Refused),
        ("http://a/case-@@@@", "host: b@c\r\n", Any),
        ("http://u:p@a/case-@@@@", "host: a\r\n", Refused),
        ("http://a b/case-@@@@", "host: a\r\n", Refused),
        ("http:///case-@@@@", "host: a\r\n", Refused),
        ("http://a:x/case-@@@@", "host: a\r\n", Refused),
        ("a/case-@@@@", "host: a\r\n", Refused),
        ("//a/case-@@@@", "host: a\r\n", Any),
        ("http://a/case-@@@@", "host: b\r\n", Taken(Vec::new())),
        ("HTTP://a/case-@@@@", "host: a\r\n", Taken(Vec::new())),
    ] {
        let bytes = format!("GET {target} HTTP/1.1\r\n{lines}\r\n");
        scene.play(&bytes, bytes.as_bytes(), &expected);
        for seen in scene.witness.of(&format!("/case-{:04}", scene.turns)) {
            let hosts: Vec<_> = seen
                .lines
                .iter()
                .filter(|line| line.starts_with("host:"))
                .collect();
            let host = if target.starts_with("http://a") || target.starts_with("HTTP://a") {
                "host: a"
            } else {
                lines.trim_end()
            };
            assert_eq!(
                hosts,
                [host],
                "of what counts and what is passed on only one can be"
            );
        }
    }
    scene.end();
}

#[test]
fn nothing_comes_after_a_connection_that_should_be_closed() {
    let mut scene = Scene::new();
    for (lines, expected) in [
        ("connection: close", Last(Vec::new())),
        ("connection: keep-alive, close", Last(Vec::new())),
        (
            "connection: keep-alive\r\nconnection: close",
            Last(Vec::new()),
        ),
        (
            "connection: close\r\nconnection: keep-alive",
            Last(Vec::new()),
        ),
        ("Connection: CLOSE", Last(Vec::new())),
        ("connection: keep-alive", Taken(Vec::new())),
        // Nobody takes it up, so the connection goes on as it was.
        ("connection: upgrade\r\nupgrade: websocket", Any),
        (
            "connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk",
            Any,
        ),
        ("connection: content-length, host", Taken(Vec::new())),
        ("connection: transfer-encoding", Taken(Vec::new())),
    ] {
        scene.play(lines, &post(lines, ""), &expected);
        if lines.contains("close") {
            let more = post(lines, SMUGGLED);
            scene.play(lines, &more, &expected);
        }
    }
    // What a message needs cannot be named away, or its body would be the next request.
    for name in ["content-length", "transfer-encoding", "host"] {
        let length = SMUGGLED.len();
        let lines = format!("connection: {name}\r\ncontent-length: {length}");
        let body = SMUGGLED.replace("@@@@", &scene.next());
        scene.play(&lines, &post(&lines, SMUGGLED), &Taken(body.into()));
        let body = SMUGGLED.replace("@@@@", &scene.next());
        let lines = format!("connection: {name}\r\ntransfer-encoding: chunked");
        let chunks = format!("{length:x}\r\n{SMUGGLED}\r\n0\r\n\r\n");
        scene.play(&lines, &post(&lines, &chunks), &Taken(body.into()));
    }
    scene.end();
}

#[test]
fn each_of_many_requests_at_once_gets_its_own_answer() {
    let scene = Scene::new();
    let mut visitor = Visitor::new(scene.address);
    let mut expected = Vec::new();
    let mut bytes = String::new();
    for turn in 0..50 {
        let (method, body) = [
            ("GET", ""),
            ("POST", "hello"),
            ("PUT", "GET /smuggled HTTP/1.1\r\n\r\n"),
        ][turn % 3];
        let framed = match turn % 2 {
            0 => format!("content-length: {}\r\n\r\n{body}", body.len()),
            _ if body.is_empty() => "transfer-encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(),
            _ => format!(
                "transfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
                body.len()
            ),
        };
        bytes.push_str(&format!("{method} /{turn} HTTP/1.1\r\n{HOST}{framed}"));
        expected.push(super::said_of(method, &format!("/{turn}"), body.len()));
    }
    visitor.send(&bytes);
    for said in expected {
        assert_eq!(visitor.answer().unwrap().text(), said);
    }
    assert_eq!(scene.witness.of("smuggled").len(), 0);
    scene.end();
}

/// An answer that has no body, but comes with one, is not followed by that of somebody else.
#[test]
fn a_body_after_an_answer_that_has_none_is_nobodys_answer() {
    const POISON: &str = "HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\npoisoned";
    let poison = POISON.len();
    for (method, head) in [
        (
            "HEAD",
            format!("HTTP/1.1 200 OK\r\ncontent-length: {poison}\r\n\r\n"),
        ),
        (
            "HEAD",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_owned(),
        ),
        (
            "GET",
            format!("HTTP/1.1 204 No Content\r\ncontent-length: {poison}\r\n\r\n"),
        ),
        (
            "GET",
            "HTTP/1.1 204 No Content\r\ntransfer-encoding: chunked\r\n\r\n".to_owned(),
        ),
        (
            "GET",
            format!("HTTP/1.1 304 Not Modified\r\ncontent-length: {poison}\r\n\r\n"),
        ),
        (
            "GET",
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_owned(),
        ),
        (
            "GET",
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_owned(),
        ),
        (
            "GET",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n".to_owned(),
        ),
    ] {
        let said = head.clone();
        let backend = Backend::with(move |received, stream| {
            let is_first = received.head.contains("/first");
            let answer = if is_first {
                format!("{said}{POISON}")
            } else {
                "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ngood".to_owned()
            };
            stream.write_all(answer.as_bytes()).is_ok()
        });
        let world = World::with(|config| config.cores = Some(1));
        let address = world.apply(&table(1, [side("web", 10_000, &[backend.address])]));
        let mut first = Visitor::new(address);
        first.send(&format!(
            "{method} /first HTTP/1.1\r\n{HOST}\r\nGET /second HTTP/1.1\r\n{HOST}\r\n"
        ));
        let answered = first.answer_head().unwrap();
        assert!(answered.status < 400, "{head}: {}", answered.head);
        let rest = crate::world::get(address, "/third");
        assert_eq!(rest.text(), "good", "{method} {head}");
        let mut all = String::new();
        first.stream.shutdown(std::net::Shutdown::Write).unwrap();
        drop(std::io::Read::read_to_string(&mut first.reader, &mut all));
        assert!(!all.contains("poisoned"), "{method} {head}: {all}");
    }
}
