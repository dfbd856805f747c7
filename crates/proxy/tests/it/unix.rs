//! Instances behind Unix sockets.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::mpsc;

use leadsman_proxy::table::{Address, HealthCheck, Instance, Side};

use crate::world::{Backend, Visitor, World, eventually, get, table};

/// Lets whoever connects to the socket at `path` speak with the service at `address`.
pub(crate) fn relay(path: &Path, address: SocketAddr) {
    let listener = UnixListener::bind(path).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (from, to) = (stream.unwrap(), TcpStream::connect(address).unwrap());
            let back = (to.try_clone().unwrap(), from.try_clone().unwrap());
            std::thread::spawn(move || {
                drop(io::copy(&mut &from, &mut &to));
                drop(to.shutdown(Shutdown::Write));
            });
            std::thread::spawn(move || {
                drop(io::copy(&mut &back.0, &mut &back.1));
                drop(UnixStream::shutdown(&back.1, Shutdown::Write));
            });
        }
    });
}

/// A side whose only instance is at the socket `path`.
pub(crate) fn at_socket(path: &Path, health: Option<HealthCheck>) -> Side {
    let instance = Instance {
        address: Address::Unix(path.to_str().unwrap().to_owned()),
        health,
    };
    Side {
        name: "web".to_owned(),
        weight: 10_000,
        instances: BTreeMap::from([("web-0".to_owned(), instance)]),
        ..Side::default()
    }
}

#[test]
fn requests_and_upgrades_go_to_a_unix_socket() {
    let (tell, told) = mpsc::channel();
    let backend = Backend::with(move |received, stream| {
        let upgrades = !received.header("upgrade").is_empty();
        tell.send(received).unwrap();
        if !upgrades {
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
            return stream.write_all(answer).is_ok();
        }
        let answer = "HTTP/1.1 101 Switching Protocols\r\nupgrade: echo\r\n\
                      connection: upgrade\r\n\r\nhello";
        stream.write_all(answer.as_bytes()).unwrap();
        false
    });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("web.sock");
    relay(&path, backend.address);
    let world = World::with(|config| config.cores = Some(1));
    let address = world.apply(&table(1, [at_socket(&path, None)]));
    let mut visitor = Visitor::new(address);
    for _ in 0..5 {
        assert_eq!(visitor.get("/a").text(), "ok");
        assert!(told.recv().unwrap().head.starts_with("GET /a HTTP/1.1\r\n"));
    }
    assert_eq!(backend.connections.load(Ordering::SeqCst), 1);
    visitor.send("GET /a HTTP/1.0\r\n\r\n");
    assert_eq!(visitor.answer().unwrap().status, 200);
    assert_eq!(told.recv().unwrap().header("host"), ["localhost"]);

    let mut visitor = Visitor::new(address);
    visitor.send("GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n");
    assert_eq!(visitor.answer_head().unwrap().status, 101);
    let mut hello = [0; 5];
    std::io::Read::read_exact(&mut visitor.reader, &mut hello).unwrap();
    assert_eq!(&hello, b"hello");
}

#[test]
fn the_health_of_an_instance_at_a_unix_socket_is_watched_over() {
    let http = HealthCheck::Http {
        path: "/health".to_owned(),
    };
    for check in [http, HealthCheck::Tcp] {
        let backend = Backend::named("ok");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("web.sock");
        relay(&path, backend.address);
        let world = World::new();
        let address = world.apply(&table(1, [at_socket(&path, Some(check))]));
        assert_eq!(get(address, "/").text(), "ok");

        let hidden = folder.path().join("hidden.sock");
        std::fs::rename(&path, &hidden).unwrap();
        eventually("the check fails", || {
            world.status().unhealthy.contains("web-0").then_some(())
        });
        std::fs::rename(&hidden, &path).unwrap();
        eventually("the check succeeds", || {
            world.status().unhealthy.is_empty().then_some(())
        });
        assert_eq!(get(address, "/").text(), "ok");
    }
}

#[test]
fn a_socket_that_is_not_there_is_an_instance_that_cannot_be_reached() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new();
    let path = folder.path().join("nobody.sock");
    let address = world.apply(&table(1, [at_socket(&path, None)]));
    let answered = get(address, "/");
    assert_eq!(answered.status, 502);
    assert_eq!(answered.header("x-leadsman-reason"), ["unreachable"]);
}
