//! Instances that speak HTTP/2.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::{StreamExt as _, stream};
use h2::Reason;
use http::{HeaderMap, Method, Request, Response, Version};
use http_body_util::{BodyExt as _, Empty, Full, StreamBody};
use hyper::body::Frame;
use leadsman_proxy::control::Kinds;
use leadsman_proxy::table::{HealthCheck, Side};

use crate::goodbyes::post;
use crate::http2::{connect, request, whole};
use crate::service::{Service, headers, http2_side, read, say, send};
use crate::unix::{at_socket, relay};
use crate::world::{Backend, DEADLINE, Visitor, World, eventually, get, table};

/// Starts a proxy with one worker in front of `service`.
fn before(service: &Service) -> (World, std::net::SocketAddr) {
    let world = World::with(|config| {
        config.cores = Some(1);
        // Clients of these tests do not hear a goodbye.
        config.drain_timeout = Duration::from_millis(100);
    });
    let address = world.apply(&table(1, [service.side()]));
    (world, address)
}

#[test]
fn a_request_arrives_as_http2_has_it() {
    let (tell, told) = mpsc::channel();
    let service = Service::with(move |request: Request<h2::RecvStream>, respond| {
        let tell = tell.clone();
        async move {
            let (parts, body) = request.into_parts();
            let (body, trailers) = read(body).await;
            tell.send((parts, body, trailers)).unwrap();
            say(respond, "ok");
        }
    });
    let (world, address) = before(&service);
    let mut visitor = Visitor::new(address);
    visitor.send(
        "POST /a?b=c HTTP/1.1\r\nhost: Site.example:8080\r\ncookie: a=1\r\nconnection: x-mine, te\r\n\
         x-mine: 1\r\nte: trailers\r\nx-kept: yes\r\ntransfer-encoding: chunked\r\n\
         trailer: x-end\r\n\r\n5\r\nhello\r\n0\r\nx-end: 7\r\n\r\n",
    );
    assert_eq!(visitor.answer().unwrap().text(), "ok");
    let (parts, body, trailers) = told.recv().unwrap();
    assert_eq!(parts.version, Version::HTTP_2);
    assert_eq!(parts.method, Method::POST);
    assert_eq!(parts.uri, "http://Site.example:8080/a?b=c");
    assert_eq!(body, b"hello");
    assert_eq!(trailers.unwrap()["x-end"], "7");
    for (name, value) in [
        ("cookie", Some("a=1")),
        ("te", Some("trailers")),
        ("x-kept", Some("yes")),
        ("via", Some("1.1 leadsman")),
        ("x-forwarded-host", Some("Site.example:8080")),
        ("host", None),
        ("connection", None),
        ("transfer-encoding", None),
        ("x-mine", None),
    ] {
        let said = parts.headers.get(name).map(|value| value.to_str().unwrap());
        assert_eq!(said, value, "{name}");
    }
    world.block_on(async {
        let mut client = connect(address).await;
        let request = Request::post("http://site.example/x").header("te", "trailers");
        let request = request.body(Full::new(Bytes::from_static(b"hi")));
        let answer = client.send_request(request.unwrap()).await.unwrap();
        assert_eq!(&*whole(answer).await.2.to_bytes(), b"ok");
    });
    let (parts, body, _) = told.recv().unwrap();
    assert_eq!(parts.uri, "http://site.example/x");
    assert_eq!(
        (&parts.headers["te"], &*body),
        (&"trailers".parse().unwrap(), &b"hi"[..])
    );
    assert_eq!(parts.headers["content-length"], "2");
}

#[test]
fn answers_arrive_as_they_are() {
    let service = Service::with(|request, mut respond| async move {
        let (status, length) = match request.uri().path() {
            "/204" => (204, None),
            "/304" => (304, None),
            "/404" => (404, Some("0")),
            _ => (200, Some("1234")),
        };
        let mut answer = Response::builder().status(status).header("x-kept", "yes");
        if let Some(length) = length {
            answer = answer.header("content-length", length);
        }
        let is_head = request.method() == Method::HEAD;
        let mut stream = respond
            .send_response(answer.body(()).unwrap(), is_head || status != 200)
            .unwrap();
        if !is_head && status == 200 {
            stream
                .send_data(Bytes::from(vec![b'x'; 1234]), true)
                .unwrap();
        }
    });
    let (_world, address) = before(&service);
    let mut visitor = Visitor::new(address);
    for (path, status, length) in [
        ("/204", 204, 0),
        ("/304", 304, 0),
        ("/404", 404, 0),
        ("/", 200, 1234),
    ] {
        let answered = visitor.get(path);
        assert_eq!(
            (answered.status, answered.body.len()),
            (status, length),
            "{path}"
        );
        assert_eq!(answered.header("x-kept"), ["yes"]);
    }
    visitor.send("HEAD / HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(
        visitor.answer_head().unwrap().header("content-length"),
        ["1234"]
    );
    assert_eq!(visitor.get("/").body.len(), 1234);
    assert_eq!(service.connections(), 1);
}

#[test]
fn many_requests_share_few_connections() {
    let (go, going) = tokio::sync::watch::channel(false);
    let waiting = Arc::<AtomicUsize>::default();
    let here = Arc::clone(&waiting);
    let service = Service::with(move |_, respond| {
        let (mut going, here) = (going.clone(), Arc::clone(&here));
        async move {
            here.fetch_add(1, Ordering::SeqCst);
            going.wait_for(|go| *go).await.unwrap();
            say(respond, "ok");
        }
    });
    let (world, address) = before(&service);
    world.block_on(async {
        let clients = [connect(address).await, connect(address).await];
        let asking = (0..250).map(|at| {
            let mut client = clients[at % 2].clone();
            async move {
                whole(client.send_request(request("/")).await.unwrap())
                    .await
                    .0
            }
        });
        let all_here = async {
            while waiting.load(Ordering::SeqCst) < 250 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            go.send_replace(true);
        };
        let (statuses, ()) = tokio::join!(join_all(asking), all_here);
        assert!(statuses.iter().all(|status| *status == 200));
    });
    assert_eq!(service.connections(), 3);
    // All of them are good for more.
    for _ in 0..10 {
        assert_eq!(get(address, "/").text(), "ok");
    }
    assert_eq!(service.connections(), 3);
}

#[test]
fn an_instance_gets_no_more_at_a_time_than_it_takes() {
    let (most, now) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let (most_seen, is_now) = (Arc::clone(&most), Arc::clone(&now));
    let service = Service::set_up(
        |builder| {
            builder.max_concurrent_streams(2);
        },
        move |_, respond| {
            let (most, now) = (Arc::clone(&most_seen), Arc::clone(&is_now));
            async move {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                now.fetch_sub(1, Ordering::SeqCst);
                say(respond, "ok");
            }
        },
    );
    let (world, address) = before(&service);
    world.block_on(async {
        let client = connect(address).await;
        let asking = (0..20).map(|_| {
            let mut client = client.clone();
            async move {
                whole(client.send_request(request("/")).await.unwrap())
                    .await
                    .0
            }
        });
        assert!(join_all(asking).await.iter().all(|status| *status == 200));
    });
    let most = most.load(Ordering::SeqCst);
    assert!(
        most <= 2 * service.connections(),
        "{most} on {}",
        service.connections()
    );
}

#[test]
fn trailers_pass_both_ways() {
    let service = Service::with(|request: Request<h2::RecvStream>, mut respond| async move {
        let (body, trailers) = read(request.into_body()).await;
        let answer = Response::builder()
            .header("trailer", "x-sum")
            .body(())
            .unwrap();
        let mut stream = respond.send_response(answer, false).unwrap();
        stream.send_data(body.into(), false).unwrap();
        let end = trailers.unwrap()["x-end"].to_str().unwrap().to_owned();
        stream.send_trailers(headers("x-sum", &end)).unwrap();
    });
    let (world, address) = before(&service);
    world.block_on(async {
        let mut client = connect(address).await;
        let frames = [
            Ok::<_, std::io::Error>(Frame::data(Bytes::from_static(b"hello"))),
            Ok(Frame::trailers(headers("x-end", "7"))),
        ];
        let request = Request::post("http://site.example/").header("te", "trailers");
        let request = request.body(StreamBody::new(stream::iter(frames))).unwrap();
        let (_, _, body) = whole(client.send_request(request).await.unwrap()).await;
        assert_eq!(body.trailers().unwrap()["x-sum"], "7");
        assert_eq!(&*body.to_bytes(), b"hello");
    });
    // The same with a client of HTTP/1.1 that says that it takes them.
    let mut visitor = Visitor::new(address);
    visitor.send(
        "POST / HTTP/1.1\r\nhost: a\r\nte: trailers\r\nconnection: te\r\ntrailer: x-end\r\n\
         transfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nx-end: 9\r\n\r\n",
    );
    assert_eq!(visitor.answer_head().unwrap().header("trailer"), ["x-sum"]);
    assert_eq!(
        crate::world::read_chunk(&mut visitor.reader).unwrap(),
        b"hi"
    );
    let mut rest = String::new();
    while !rest.ends_with("\r\n\r\n") {
        std::io::BufRead::read_line(&mut visitor.reader, &mut rest).unwrap();
    }
    assert_eq!(rest, "0\r\nx-sum: 9\r\n\r\n");
}

#[test]
fn both_sides_speak_at_the_same_time() {
    let service = Service::with(|request: Request<h2::RecvStream>, mut respond| async move {
        let mut stream = respond.send_response(Response::new(()), false).unwrap();
        let mut body = request.into_body();
        while let Some(Ok(data)) = body.data().await {
            body.flow_control().release_capacity(data.len()).unwrap();
            send(&mut stream, data).await.unwrap();
        }
        stream.send_data(Bytes::new(), true).unwrap();
    });
    let (world, address) = before(&service);
    world.block_on(async {
        let mut client = connect(address).await;
        let (say, mut said) = tokio::sync::mpsc::unbounded_channel::<&'static str>();
        let said = stream::poll_fn(move |context| {
            let frame = |word| Ok::<_, std::io::Error>(Frame::data(Bytes::from(word)));
            said.poll_recv(context).map(|word| word.map(frame))
        });
        let request = Request::post("http://site.example/")
            .body(StreamBody::new(said))
            .unwrap();
        let answer = client.send_request(request).await.unwrap();
        let mut body = answer.into_body();
        for word in ["one", "two", "three"] {
            say.send(word).unwrap();
            let frame = body.frame().await.unwrap().unwrap();
            assert_eq!(frame.into_data().unwrap(), word);
        }
        drop(say);
        assert!(body.collect().await.unwrap().to_bytes().is_empty());
    });
}

#[test]
fn who_takes_nothing_is_sent_nothing_and_holds_up_nobody() {
    let sent = Arc::<AtomicUsize>::default();
    let so_far = Arc::clone(&sent);
    let service = Service::with(move |request: Request<h2::RecvStream>, mut respond| {
        let so_far = Arc::clone(&so_far);
        async move {
            if request.uri().path() != "/endless" {
                return say(respond, vec![b'x'; 500_000]);
            }
            let mut stream = respond.send_response(Response::new(()), false).unwrap();
            let piece = Bytes::from(vec![b'x'; 16 * 1024]);
            while send(&mut stream, piece.clone()).await.is_ok() {
                so_far.fetch_add(piece.len(), Ordering::SeqCst);
            }
        }
    });
    let (world, address) = before(&service);
    world.block_on(async {
        let mut idle = connect(address).await;
        // Many of them, so that what waits for them would fill a connection to the instance.
        let mut answers = Vec::new();
        for _ in 0..40 {
            answers.push(idle.send_request(request("/endless")).await.unwrap());
        }
        let mut other = connect(address).await;
        for _ in 0..10 {
            let answer = other.send_request(request("/")).await.unwrap();
            assert_eq!(whole(answer).await.2.to_bytes().len(), 500_000);
        }
    });
    assert_eq!(service.connections(), 1);
    // Of each answer a window here, one on the way to the client, and what is being written.
    let most = 40 * 4 * 64 * 1024;
    let sent = sent.load(Ordering::SeqCst);
    assert!(sent < most, "{sent}");
}

#[test]
fn a_body_goes_no_faster_than_the_instance_takes_it() {
    let (go, going) = tokio::sync::watch::channel(false);
    let service = Service::with(move |request: Request<h2::RecvStream>, respond| {
        let mut going = going.clone();
        async move {
            going.wait_for(|go| *go).await.unwrap();
            let (body, _) = read(request.into_body()).await;
            say(respond, body.len().to_string());
        }
    });
    let (world, address) = before(&service);
    let taken = Arc::<AtomicUsize>::default();
    let so_far = Arc::clone(&taken);
    let length = 20_000_000;
    let pieces = (0..length / 10_000).map(move |_| {
        so_far.fetch_add(10_000, Ordering::SeqCst);
        Ok::<_, std::io::Error>(Frame::data(Bytes::from(vec![b'x'; 10_000])))
    });
    world.block_on(async {
        let mut client = connect(address).await;
        let body = StreamBody::new(stream::iter(pieces));
        let request = Request::post("http://site.example/").body(body).unwrap();
        let asking = client.send_request(request);
        let watching = async {
            // Until nothing moves any more.
            let mut last = usize::MAX;
            while taken.load(Ordering::SeqCst) != last {
                last = taken.load(Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            go.send_replace(true);
            last
        };
        let (answer, stood_at) = tokio::join!(asking, watching);
        assert_eq!(
            whole(answer.unwrap()).await.2.to_bytes(),
            length.to_string()
        );
        assert!(stood_at < 2_000_000, "{stood_at}");
    });
}

#[test]
fn a_request_that_is_reset_hurts_no_other() {
    let (go, going) = tokio::sync::watch::channel(false);
    let service = Service::with(move |request: Request<h2::RecvStream>, mut respond| {
        let mut going = going.clone();
        async move {
            match request.uri().path() {
                "/reset" => respond.send_reset(Reason::INTERNAL_ERROR),
                "/half" => {
                    let mut stream = respond.send_response(Response::new(()), false).unwrap();
                    stream
                        .send_data(Bytes::from_static(b"half"), false)
                        .unwrap();
                    // What was said first is to be heard first.
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    stream.send_reset(Reason::INTERNAL_ERROR);
                }
                _ => {
                    going.wait_for(|go| *go).await.unwrap();
                    say(respond, "ok");
                }
            }
        }
    });
    let (world, address) = before(&service);
    world.block_on(async {
        let client = connect(address).await;
        let ask = |method: &str, path: &str| {
            let uri = format!("http://site.example{path}");
            let request = Request::builder().method(method).uri(uri);
            let request = request.body(Empty::<Bytes>::new()).unwrap();
            let mut client = client.clone();
            async move { client.send_request(request).await.unwrap() }
        };
        let going_on = tokio::spawn(ask("GET", "/"));
        let (status, headers, _) = whole(ask("POST", "/reset").await).await;
        assert_eq!(
            (status.as_u16(), &headers["x-leadsman-reason"]),
            (502, &"broke-off".parse().unwrap())
        );
        let half = ask("GET", "/half").await.into_body().collect().await;
        assert!(half.is_err());
        go.send_replace(true);
        assert_eq!(&*whole(going_on.await.unwrap()).await.2.to_bytes(), b"ok");
    });
    assert_eq!(service.connections(), 1);
}

#[test]
fn an_instance_is_told_of_a_client_that_left() {
    let (tell, told) = mpsc::channel();
    let service = Service::with(move |request: Request<h2::RecvStream>, mut respond| {
        let tell = tell.clone();
        async move {
            let path = request.uri().path().to_owned();
            let mut body = request.into_body();
            let mut stream = match &*path {
                "/answered" => {
                    let mut stream = respond.send_response(Response::new(()), false).unwrap();
                    stream
                        .send_data(Bytes::from_static(b"half"), false)
                        .unwrap();
                    Some(stream)
                }
                _ => None,
            };
            tell.send(format!("{path} came")).unwrap();
            let reset = std::future::poll_fn(|context| match &mut stream {
                Some(stream) => stream.poll_reset(context),
                None => respond.poll_reset(context),
            });
            let reason = reset.await.unwrap();
            while let Some(Ok(_)) = body.data().await {}
            tell.send(format!("{path} {reason:?}")).unwrap();
        }
    });
    let (_world, address) = before(&service);
    for (path, head) in [
        ("/asked", "GET /asked HTTP/1.1\r\nhost: a\r\n\r\n"),
        ("/answered", "GET /answered HTTP/1.1\r\nhost: a\r\n\r\n"),
        (
            "/asking",
            "POST /asking HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhalf",
        ),
    ] {
        let mut visitor = Visitor::new(address);
        visitor.send(head);
        assert_eq!(told.recv_timeout(DEADLINE).unwrap(), format!("{path} came"));
        if path == "/answered" {
            assert_eq!(visitor.answer_head().unwrap().status, 200);
        }
        drop(visitor);
        assert_eq!(
            told.recv_timeout(DEADLINE).unwrap(),
            format!("{path} CANCEL")
        );
    }
    assert_eq!(service.connections(), 1);
}

#[test]
fn an_answer_may_come_before_all_of_the_request() {
    let service = Service::with(
        |_, mut respond: h2::server::SendResponse<Bytes>| async move {
            let answer = Response::builder().status(413).body(()).unwrap();
            let mut stream = respond.send_response(answer, false).unwrap();
            stream
                .send_data(Bytes::from_static(b"too much"), true)
                .unwrap();
            // The library asks the other end to stop, without an error.
        },
    );
    let (world, address) = before(&service);
    world.block_on(async {
        for _ in 0..10 {
            let mut client = connect(address).await;
            let pieces = stream::iter(0..2000)
                .map(|_| Ok::<_, std::io::Error>(Frame::data(Bytes::from(vec![b'x'; 10_000]))));
            let body = StreamBody::new(pieces);
            let request = Request::post("http://site.example/").body(body).unwrap();
            let (status, _, body) = whole(client.send_request(request).await.unwrap()).await;
            assert_eq!(
                (status.as_u16(), &*body.to_bytes()),
                (413, &b"too much"[..])
            );
        }
    });
    assert_eq!(service.connections(), 1);
}

#[test]
fn requests_that_drain_are_told_by_kind_and_cut_short() {
    let service = Service::with(|request: Request<h2::RecvStream>, mut respond| async move {
        let mut stream = match request.uri().path() {
            "/body" => Some(respond.send_response(Response::new(()), false).unwrap()),
            _ => None,
        };
        if let Some(stream) = &mut stream {
            stream
                .send_data(Bytes::from_static(b"half"), false)
                .unwrap();
        }
        std::future::poll_fn(|context| match &mut stream {
            Some(stream) => stream.poll_reset(context),
            None => respond.poll_reset(context),
        })
        .await
        .ok();
    });
    let world = World::with(|config| config.cores = Some(1));
    let drain = Some(Duration::from_millis(400));
    let web = Side {
        drain,
        ..service.side()
    };
    let address = world.apply(&table(1, [web]));
    let mut asked = Visitor::new(address);
    asked.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n");
    let mut body = Visitor::new(address);
    body.send("POST /body HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(body.answer_head().unwrap().status, 200);
    assert_eq!(crate::world::read_chunk(&mut body.reader).unwrap(), b"half");

    let next = Backend::named("next");
    world.apply(&table(
        2,
        [crate::world::side("next", 10_000, &[next.address])],
    ));
    assert_eq!(get(address, "/").text(), "next");
    let both = Kinds {
        requests: 1,
        bodies: 1,
        upgrades: 0,
    };
    eventually("both are listed", || {
        let draining = *world.status().draining.get("web-0")?;
        (draining.kinds == both).then_some(())
    });
    let answered = asked.answer().unwrap();
    assert_eq!(answered.header("x-leadsman-reason"), ["cut-short"]);
    // The last chunk is missing.
    assert_eq!(crate::world::read_chunk(&mut body.reader), None);
    eventually("the instance is free", || {
        (service.open.load(Ordering::SeqCst) == 0).then_some(())
    });
}

#[test]
fn connections_to_an_instance_that_left_are_closed() {
    let service = Service::with(|_, respond| async move { say(respond, "ok") });
    let (world, address) = before(&service);
    assert_eq!(get(address, "/").text(), "ok");
    assert_eq!(service.open.load(Ordering::SeqCst), 1);
    let next = Backend::named("next");
    world.apply(&table(
        2,
        [crate::world::side("next", 10_000, &[next.address])],
    ));
    eventually("it is closed", || {
        (service.open.load(Ordering::SeqCst) == 0).then_some(())
    });
}

#[test]
fn an_instance_that_does_not_speak_it_gets_no_request() {
    let instance = Backend::named("ok");
    let world = World::new();
    let address = world.apply(&table(1, [http2_side("web", 10_000, &[instance.address])]));
    let answered = post(address, "hello");
    assert_eq!(answered.status, 502);
    assert_eq!(answered.header("x-leadsman-reason"), ["unreachable"]);
}

#[test]
fn its_health_is_asked_for_in_the_same_protocol() {
    let is_well = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let well = Arc::clone(&is_well);
    let service = Service::with(move |request: Request<h2::RecvStream>, mut respond| {
        let well = well.load(Ordering::SeqCst) || request.uri().path() != "/health";
        async move {
            let answer = Response::builder().status(if well { 200 } else { 500 });
            respond
                .send_response(answer.body(()).unwrap(), true)
                .unwrap();
        }
    });
    let world = World::new();
    let mut side = service.side();
    for instance in side.instances.values_mut() {
        let path = "/health".to_owned();
        instance.health = Some(HealthCheck::Http { path });
    }
    let address = world.apply(&table(1, [side]));
    assert_eq!(get(address, "/").status, 200);
    is_well.store(false, Ordering::SeqCst);
    eventually("the check fails", || {
        world.status().unhealthy.contains("web-0").then_some(())
    });
    is_well.store(true, Ordering::SeqCst);
    eventually("the check succeeds", || {
        world.status().unhealthy.is_empty().then_some(())
    });
}

#[test]
fn it_is_spoken_over_a_unix_socket_too() {
    let service = Service::with(|request: Request<h2::RecvStream>, respond| async move {
        say(respond, request.uri().path().to_owned());
    });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("web.sock");
    relay(&path, service.address);
    let world = World::new();
    let protocol = service.side().protocol;
    let side = Side {
        protocol,
        ..at_socket(&path, None)
    };
    let address = world.apply(&table(1, [side]));
    assert_eq!(get(address, "/a").text(), "/a");
}

#[test]
fn an_upgrade_is_not_offered_to_it() {
    let (tell, told) = mpsc::channel();
    let service = Service::with(move |request: Request<h2::RecvStream>, respond| {
        let tell = tell.clone();
        async move {
            tell.send(request.into_parts().0.headers).unwrap();
            say(respond, "plain");
        }
    });
    let (_world, address) = before(&service);
    let mut visitor = Visitor::new(address);
    visitor.send("GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
    assert_eq!(visitor.answer().unwrap().text(), "plain");
    let headers: HeaderMap = told.recv().unwrap();
    assert!(!headers.contains_key("upgrade"));
}
