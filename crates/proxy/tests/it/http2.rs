//! HTTP/2 from clients: what passes, and what a hostile one can do.

use std::io::{BufRead as _, Write as _};
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt as _, Collected, Empty, Full, StreamBody};
use hyper::body::{Body, Frame, Incoming};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use rustls::version::TLS13;
use tokio::net::TcpStream;

use crate::frames::{
    ACK, CANCEL, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, NO_ERROR, PING, PREFACE,
    REFUSED_STREAM, RST_STREAM, Raw, SETTINGS, frame, get,
};
use crate::secure::{Authority, encrypted};
use crate::world::{Backend, Received, Visitor, World, eventually, side, table};

/// Starts a proxy in front of `backend`.
pub(crate) fn behind(backend: &Backend) -> (World, SocketAddr) {
    let world = World::new();
    let address = world.apply(&table(1, [side("web", 10_000, &[backend.address])]));
    (world, address)
}

/// A service that says `ok` and keeps what it received.
fn recorder() -> (Backend, mpsc::Receiver<Received>) {
    let (tell, told) = mpsc::channel();
    let backend = Backend::with(move |received, stream| {
        tell.send(received).unwrap();
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
            .is_ok()
    });
    (backend, told)
}

/// Connects in the clear.
pub(crate) async fn connect<B>(address: SocketAddr) -> SendRequest<B>
where
    B: Body + Send + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    shake_hands(TcpStream::connect(address).await.unwrap()).await
}

async fn shake_hands<B, S>(stream: S) -> SendRequest<B>
where
    B: Body + Send + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let stream = TokioIo::new(stream);
    let (sender, connection) = http2::handshake(TokioExecutor::new(), stream)
        .await
        .unwrap();
    tokio::spawn(async move { drop(connection.await) });
    sender
}

pub(crate) async fn whole(answer: Response<Incoming>) -> (StatusCode, HeaderMap, Collected<Bytes>) {
    let (parts, body) = answer.into_parts();
    (parts.status, parts.headers, body.collect().await.unwrap())
}

pub(crate) fn request(path: &str) -> Request<Empty<Bytes>> {
    let uri = format!("http://site.example{path}");
    Request::get(uri).body(Empty::new()).unwrap()
}

#[test]
fn requests_share_a_connection() {
    let backend = Backend::named("ok");
    let (world, address) = behind(&backend);
    world.block_on(async {
        let client = connect(address).await;
        let asking = (0..100).map(|_| {
            let mut client = client.clone();
            async move { whole(client.send_request(request("/")).await.unwrap()).await }
        });
        for (status, headers, body) in futures_util::future::join_all(asking).await {
            assert_eq!((status, &*body.to_bytes()), (StatusCode::OK, &b"ok"[..]));
            assert_eq!(headers["content-length"], "2");
        }
    });
    assert_eq!(
        world.status().arrivals[&crate::world::any_port()].connections,
        1
    );
    assert_eq!(backend.requests(), 100);
}

#[test]
fn it_is_agreed_upon_under_tls() {
    let (backend, received) = recorder();
    let world = World::new();
    let authority = Authority::new();
    let pair = authority.pair("a", &["a.example"]);
    let plain = table(1, [side("web", 10_000, &[backend.address])]);
    let address = world.apply(&encrypted(plain, [pair]));
    let mut client = authority.client(&[&TLS13]);
    client.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    world.block_on(async {
        let stream = TcpStream::connect(address).await.unwrap();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(client));
        let name = ServerName::try_from("a.example").unwrap();
        let stream = connector.connect(name, stream).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let mut client = shake_hands(stream).await;
        let request = Request::get("https://a.example/x").body(Empty::<Bytes>::new());
        let answer = client.send_request(request.unwrap()).await.unwrap();
        assert_eq!(answer.version(), Version::HTTP_2);
        assert_eq!(whole(answer).await.0, StatusCode::OK);
    });
    let received = received.recv().unwrap();
    assert_eq!(received.header("x-forwarded-proto"), ["https"]);
    assert_eq!(received.header("host"), ["a.example"]);
}

#[test]
fn an_instance_is_asked_in_http_1_1() {
    let (backend, received) = recorder();
    let (world, address) = behind(&backend);
    world.block_on(async {
        let mut client = connect(address).await;
        let request = Request::post("http://Site.example:8080/a?b=c")
            .header("cookie", "a=1")
            .header("cookie", "b=2; c=3")
            .header("x-kept", "yes")
            .header("te", "trailers")
            .body(Full::new(Bytes::from_static(b"hello")));
        let answer = client.send_request(request.unwrap()).await.unwrap();
        assert_eq!(whole(answer).await.0, StatusCode::OK);
    });
    let received = received.recv().unwrap();
    assert!(
        received.head.starts_with("POST /a?b=c HTTP/1.1\r\n"),
        "{}",
        received.head
    );
    for (name, value) in [
        ("host", "Site.example:8080"),
        ("cookie", "a=1; b=2; c=3"),
        ("x-kept", "yes"),
        ("te", "trailers"),
        ("connection", "te"),
        ("via", "2.0 leadsman"),
        ("content-length", "5"),
        ("x-forwarded-host", "Site.example:8080"),
    ] {
        assert_eq!(received.header(name), [value], "{name}");
    }
    assert_eq!(received.body, b"hello");
}

#[test]
fn trailers_pass_both_ways() {
    let backend = Backend::raw(|reader, stream| {
        let Some(head) = crate::world::read_head(reader) else {
            return false;
        };
        assert!(head.contains("transfer-encoding: chunked\r\n"), "{head}");
        let mut line = String::new();
        while line != "0\r\n" {
            line.clear();
            reader.read_line(&mut line).unwrap();
        }
        // What comes after the last chunk: headers and an empty line.
        let trailers = crate::world::read_head(reader).unwrap();
        let answer = format!(
            "HTTP/1.1 200 OK\r\ntrailer: x-sum\r\ntransfer-encoding: chunked\r\n\r\n\
             2\r\nok\r\n0\r\nx-sum: {}\r\n\r\n",
            trailers.replace("\r\n", "|")
        );
        stream.write_all(answer.as_bytes()).is_ok()
    });
    let (world, address) = behind(&backend);
    world.block_on(async {
        let mut client = connect(address).await;
        let trailers = HeaderMap::from_iter([("x-end".parse().unwrap(), "7".parse().unwrap())]);
        let frames = [
            Ok::<_, std::io::Error>(Frame::data(Bytes::from_static(b"hello"))),
            Ok(Frame::trailers(trailers)),
        ];
        let request = Request::post("http://site.example/")
            .header("te", "trailers")
            .header("trailer", "x-end")
            .body(StreamBody::new(stream::iter(frames)));
        let answer = client.send_request(request.unwrap()).await.unwrap();
        let (_, headers, body) = whole(answer).await;
        assert_eq!(headers["trailer"], "x-sum");
        assert_eq!(body.trailers().unwrap()["x-sum"], "x-end: 7||");
        assert_eq!(&*body.to_bytes(), b"ok");
    });
}

#[test]
fn large_bodies_pass_both_ways_at_the_pace_of_the_slower() {
    let backend = Backend::with(|received, stream| {
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        stream.write_all(head.as_bytes()).unwrap();
        for chunk in received.body.chunks(10_000) {
            write!(stream, "{:x}\r\n", chunk.len()).unwrap();
            stream.write_all(chunk).unwrap();
            stream.write_all(b"\r\n").unwrap();
        }
        stream.write_all(b"0\r\n\r\n").is_ok()
    });
    let (world, address) = behind(&backend);
    let body: Bytes = (0..3_000_000_u32).map(|at| (at % 251) as u8).collect();
    world.block_on(async {
        let mut client = connect(address).await;
        for _ in 0..2 {
            let request = Request::post("http://site.example/").body(Full::new(body.clone()));
            let answer = client.send_request(request.unwrap()).await.unwrap();
            assert!(whole(answer).await.2.to_bytes() == body);
        }
    });
}

#[test]
fn answers_without_a_body_have_none() {
    let backend = Backend::with(|received, stream| {
        let answer: &[u8] = match received.head.split(' ').nth(1) {
            Some("/204") => b"HTTP/1.1 204 No Content\r\n\r\n",
            Some("/304") => b"HTTP/1.1 304 Not Modified\r\netag: \"x\"\r\n\r\n",
            _ => b"HTTP/1.1 200 OK\r\ncontent-length: 1234\r\n\r\n",
        };
        stream.write_all(answer).is_ok()
    });
    let (world, address) = behind(&backend);
    world.block_on(async {
        let mut client = connect(address).await;
        for (method, path, status, length) in [
            ("HEAD", "/", 200, Some("1234")),
            ("GET", "/204", 204, None),
            ("GET", "/304", 304, None),
        ] {
            let request = Request::builder()
                .method(method)
                .uri(format!("http://a{path}"));
            let request = request.body(Empty::<Bytes>::new()).unwrap();
            let answer = client.send_request(request).await.unwrap();
            let (said, headers, body) = whole(answer).await;
            assert_eq!(said, status, "{path}");
            let said = headers
                .get("content-length")
                .map(|length| length.to_str().unwrap());
            assert_eq!(said, length, "{path}");
            assert!(body.to_bytes().is_empty(), "{path}");
        }
    });
}

#[test]
fn what_is_for_the_next_hop_stays_here() {
    let backend = Backend::saying(
        "HTTP/1.1 200 OK\r\nconnection: x-secret, keep-alive\r\nx-secret: 1\r\n\
         keep-alive: timeout=5\r\nproxy-connection: x\r\nupgrade: h2c\r\nx-kept: yes\r\n\
         transfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    );
    let (world, address) = behind(&backend);
    world.block_on(async {
        let mut client = connect(address).await;
        let answer = client.send_request(request("/")).await.unwrap();
        let (_, headers, body) = whole(answer).await;
        let mut names: Vec<&str> = headers.keys().map(|name| name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, ["date", "x-kept", "x-request-id"]);
        assert_eq!(&*body.to_bytes(), b"ok");
    });
}

#[test]
fn the_proxy_speaks_for_itself() {
    let backend = Backend::saying("nonsense\r\n\r\n");
    let (world, address) = behind(&backend);
    world.block_on(async {
        let mut client = connect(address).await;
        let answer = client.send_request(request("/")).await.unwrap();
        let (status, headers, body) = whole(answer).await;
        assert_eq!(status, StatusCode::BAD_GATEWAY);
        assert_eq!(headers["x-leadsman-reason"], "garbled");
        assert!(!body.to_bytes().is_empty());
    });
}

#[test]
fn an_answer_that_breaks_off_is_no_whole_answer() {
    let backend = Backend::with(|_, stream| {
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")
            .unwrap();
        false
    });
    let (world, address) = behind(&backend);
    world.block_on(async {
        let mut client = connect(address).await;
        let answer = client.send_request(request("/")).await.unwrap();
        assert!(answer.into_body().collect().await.is_err());
        // It was one request's misfortune.
        let answer = client.send_request(request("/")).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
    });
    world.figures("web", |counted| counted.figures.errors >= 1);
}

#[test]
fn a_request_that_is_taken_back_frees_its_instance() {
    let (ended, end) = mpsc::channel();
    let ended = Mutex::new(ended);
    let backend = Backend::raw(move |reader, stream| {
        if crate::world::read_head(reader).is_none() {
            ended.lock().unwrap().send(()).unwrap();
            return false;
        }
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")
            .unwrap();
        true
    });
    let (_world, address) = behind(&backend);
    let mut raw = Raw::new(address);
    assert!(raw.send(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &get(&[]))));
    assert_eq!(raw.until(DATA).unwrap().content, b"half");
    assert!(raw.send(&frame(RST_STREAM, 0, 1, &CANCEL.to_be_bytes())));
    end.recv_timeout(crate::world::DEADLINE).unwrap();
}

#[test]
fn both_protocols_are_told_apart_by_their_first_bytes() {
    let backend = Backend::named("ok");
    let (_world, address) = behind(&backend);
    for words in ["GET", "P", "PR", "PUT", "PROPFIND", "PRICE"] {
        let mut visitor = Visitor::new(address);
        visitor.send(words);
        // The rest comes later: what was seen was not taken.
        std::thread::yield_now();
        visitor.send(" / HTTP/1.1\r\nhost: a\r\n\r\n");
        assert_eq!(visitor.answer().unwrap().text(), "ok", "{words}");
    }
    let mut raw = Raw::silent(address);
    assert!(raw.send(b"PRI * HTTP/2.0\r\n\r\n"));
    assert!(raw.send(b"SM\r\n\r\n"));
    assert!(raw.send(&frame(SETTINGS, 0, 0, &[])));
    assert_eq!(raw.next().unwrap().kind, SETTINGS);
}

#[test]
fn who_says_nothing_is_not_waited_for() {
    let backend = Backend::named("ok");
    let world = World::with(|config| {
        config.head_timeout = Duration::from_millis(100);
        config.handshake_timeout = Duration::from_millis(100);
    });
    let address = world.apply(&table(1, [side("web", 10_000, &[backend.address])]));
    for words in [
        &[][..],
        PREFACE,
        &[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat(),
        // A head of which the end never comes.
        &[
            PREFACE,
            &frame(SETTINGS, 0, 0, &[]),
            &frame(HEADERS, 0, 1, &get(&[])),
        ]
        .concat(),
    ] {
        let mut raw = Raw::silent(address);
        assert!(raw.send(words));
        while raw.next().is_some() {}
    }
}

#[test]
fn a_door_that_closes_says_goodbye_and_answers_what_was_asked() {
    let (go, going) = mpsc::channel::<()>();
    let going = Mutex::new(going);
    let backend = Backend::with(move |_, stream| {
        going.lock().unwrap().recv().unwrap();
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
            .is_ok()
    });
    let (world, address) = behind(&backend);
    let mut raw = Raw::new(address);
    assert!(raw.send(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &get(&[]))));
    eventually("the request has arrived", || {
        (backend.connections.load(Ordering::SeqCst) == 1).then_some(())
    });
    let nothing = leadsman_proxy::table::Table {
        generation: 2,
        ..leadsman_proxy::table::Table::default()
    };
    world.block_on(world.client().apply(&nothing)).unwrap();
    assert_eq!(raw.until(GOAWAY).unwrap().code(), Some(NO_ERROR));
    let ping = raw.until(PING).unwrap();
    assert!(raw.send(&frame(PING, ACK, 0, &ping.content)));
    go.send(()).unwrap();
    assert_eq!(raw.until(DATA).unwrap().content, b"ok");
    while raw.next().is_some() {}
}

#[test]
fn no_more_requests_at_a_time_than_was_agreed() {
    let (go, going) = mpsc::channel::<()>();
    let going = Mutex::new(going);
    let backend = Backend::with(move |_, stream| {
        going.lock().unwrap().recv().unwrap();
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").is_ok()
    });
    let world = World::with(|config| config.streams_max = 3);
    let address = world.apply(&table(1, [side("web", 10_000, &[backend.address])]));
    let mut raw = Raw::new(address);
    for stream in [1, 3, 5, 7] {
        assert!(raw.send(&frame(HEADERS, END_HEADERS | END_STREAM, stream, &get(&[]))));
    }
    let refused = raw.until(RST_STREAM).unwrap();
    assert_eq!((refused.stream, refused.code()), (7, Some(REFUSED_STREAM)));
    for _ in 0..3 {
        go.send(()).unwrap();
        assert!(raw.until(HEADERS).unwrap().stream < 7);
    }
}
