//! Instances and a proxy that may not take for ever to end, and what is cut short then.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use leadsman_proxy::control::{Draining, Kinds};
use leadsman_proxy::table::{Side, Table};

use crate::world::{Answered, Backend, Received, Visitor, World, eventually, get, side, table};

/// Short, and yet time enough to look at what drains before it is over.
const DRAIN: Duration = Duration::from_millis(400);

/// A limit that no test waits for.
const LONG: Duration = Duration::from_secs(3600);

/// Begins whatever is asked for by the path, and ends nothing.
fn endless(begun: &Arc<AtomicUsize>) -> Backend {
    let begun = Arc::clone(begun);
    Backend::with(move |received, stream| {
        begin(&received, stream);
        begun.fetch_add(1, Ordering::SeqCst);
        // Until the other end is closed.
        drop(stream.read(&mut [0; 64]));
        false
    })
}

fn begin(received: &Received, stream: &mut TcpStream) {
    let begun: &[u8] = match received.head.split(' ').nth(1) {
        Some("/chunks") => b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n",
        Some("/close") => b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nfirst",
        Some("/length") => b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nfirst",
        Some("/upgrade") => {
            b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\nfirst"
        }
        _ => b"",
    };
    stream.write_all(begun).unwrap();
}

/// The table of a side that may drain for some time.
fn drained_within(generation: u64, drain: Option<Duration>, instances: &[SocketAddr]) -> Table {
    let web = side("web", 10_000, instances);
    table(generation, [Side { drain, ..web }])
}

/// Sends a request of its own for each of the endless kinds.
fn visitors(address: SocketAddr, paths: &[&str]) -> Vec<Visitor> {
    let visitor = |path: &&str| {
        let mut visitor = Visitor::new(address);
        let upgrade = match *path {
            "/upgrade" => "connection: upgrade\r\nupgrade: echo\r\n",
            _ => "",
        };
        // A method that must not be tried twice.
        visitor.send(&format!(
            "POST {path} HTTP/1.1\r\nhost: a\r\n{upgrade}content-length: 0\r\n\r\n"
        ));
        visitor
    };
    paths.iter().map(visitor).collect()
}

/// Reads all that is sent until the connection ends.
fn rest(visitor: &mut Visitor) -> String {
    let mut text = Vec::new();
    // A reset is an end, too.
    drop(visitor.reader.read_to_end(&mut text));
    String::from_utf8(text).unwrap()
}

fn draining(world: &World, instance: &str) -> Draining {
    *world.status().draining.get(instance).expect("it is listed")
}

#[test]
fn what_does_not_end_in_time_is_cut_short_and_reported_by_kind() {
    let begun = Arc::default();
    let (old, new) = (endless(&begun), Backend::named("new"));
    let world = World::new();
    let address = world.apply(&drained_within(1, Some(DRAIN), &[old.address]));
    let paths = ["/", "/chunks", "/close", "/length", "/upgrade"];
    let mut visitors = visitors(address, &paths);
    eventually("all have begun", || {
        (begun.load(Ordering::SeqCst) == 5).then_some(())
    });
    let heads: Vec<Option<Answered>> = visitors[1..].iter_mut().map(Visitor::answer_head).collect();
    assert!(heads.iter().all(Option::is_some), "{heads:?}");

    world.apply(&drained_within(2, None, &[new.address]));
    let kinds = Kinds {
        requests: 1,
        bodies: 3,
        upgrades: 1,
    };
    let early = draining(&world, "web-0");
    assert_eq!(
        early.until_ms,
        Some(early.since_ms + DRAIN.as_millis() as u64)
    );
    if early.cut_short == Kinds::default() {
        assert_eq!((early.in_flight, early.kinds), (5, kinds));
    }
    let late = eventually("it is cut short", || {
        let late = draining(&world, "web-0");
        // Who asked in the very moment may be told what was in flight before it.
        (late.cut_short != Kinds::default() && late.in_flight == 0).then_some(late)
    });
    assert_eq!((late.cut_short, late.kinds), (kinds, Kinds::default()));

    let unanswered = visitors[0].answer().unwrap();
    assert_eq!(
        (unanswered.status, unanswered.header("x-leadsman-reason")),
        (503, vec!["cut-short"])
    );
    let rests: Vec<String> = visitors[1..].iter_mut().map(rest).collect();
    // No end of a body that is none: the chunks have no last one.
    assert_eq!(
        rests,
        ["5\r\nfirst\r\n", "5\r\nfirst\r\n", "first", "first"]
    );
    assert_eq!(get(address, "/").text(), "new");
}

#[test]
fn what_can_be_asked_elsewhere_is_asked_elsewhere() {
    let begun = Arc::default();
    let (old, new) = (endless(&begun), Backend::named("new"));
    let world = World::new();
    let address = world.apply(&drained_within(1, Some(DRAIN), &[old.address]));
    let mut visitor = Visitor::new(address);
    visitor.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    eventually("it waits", || {
        (begun.load(Ordering::SeqCst) == 1).then_some(())
    });
    world.apply(&drained_within(2, None, &[new.address]));
    assert_eq!(visitor.answer().unwrap().text(), "new");
    let kinds = Kinds {
        requests: 1,
        ..Kinds::default()
    };
    assert_eq!(draining(&world, "web-0").cut_short, kinds);
}

#[test]
fn a_client_that_does_not_read_holds_no_instance_beyond_the_deadline() {
    // As much as the client's and all buffers in between cannot hold.
    let flood = Backend::with(|_, stream| {
        let head = "HTTP/1.1 200 OK\r\ncontent-length: 100000000\r\n\r\n";
        let begun = stream.write_all(head.as_bytes());
        begun
            .and_then(|()| stream.write_all(&vec![b'x'; 100_000_000]))
            .is_ok()
    });
    let new = Backend::named("new");
    let world = World::new();
    let address = world.apply(&drained_within(1, Some(DRAIN), &[flood.address]));
    let mut visitor = Visitor::new(address);
    visitor.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(visitor.answer_head().unwrap().status, 200);
    world.apply(&drained_within(2, None, &[new.address]));
    let late = eventually("it is cut short", || {
        let late = draining(&world, "web-0");
        (late.cut_short != Kinds::default()).then_some(late)
    });
    assert_eq!((late.cut_short.bodies, late.in_flight), (1, 0));
    let read = rest(&mut visitor).len();
    assert!(read < 100_000_000, "{read}");
}

#[test]
fn what_ends_in_time_is_not_cut_short() {
    let (old, new) = (Backend::named("old"), Backend::named("new"));
    let world = World::with(|config| config.drained_listed = LONG);
    let address = world.apply(&drained_within(1, Some(DRAIN), &[old.address]));
    assert_eq!(get(address, "/").text(), "old");
    let old_alone = drained_within(1, Some(LONG), &[old.address]).listeners;
    world.apply(&drained_within(2, None, &[new.address]));
    let is_over = |draining: Draining| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        now.unwrap().as_millis() as u64 > draining.until_ms.unwrap() + 100
    };
    eventually("its time is up", || {
        is_over(draining(&world, "web-0")).then_some(())
    });
    assert_eq!(draining(&world, "web-0").cut_short, Kinds::default());
    // Back in the table it serves as before.
    world.apply(&Table {
        generation: 3,
        listeners: old_alone,
        ..Table::default()
    });
    assert_eq!(get(address, "/").text(), "old");
}

#[test]
fn an_instance_that_was_cut_short_can_come_back() {
    let begun = Arc::default();
    let (old, new) = (endless(&begun), Backend::named("new"));
    let world = World::new();
    let address = world.apply(&drained_within(1, Some(DRAIN), &[old.address]));
    let mut waiting = visitors(address, &["/chunks"]);
    assert_eq!(waiting[0].answer_head().unwrap().status, 200);
    world.apply(&drained_within(2, None, &[new.address]));
    eventually("it is cut short", || {
        (draining(&world, "web-0").cut_short.bodies == 1).then_some(())
    });
    world.apply(&drained_within(3, None, &[old.address]));
    let mut again = visitors(address, &["/chunks"]);
    assert_eq!(again[0].answer_head().unwrap().status, 200);
}

#[test]
fn a_proxy_that_is_stopped_says_what_it_cut_short() {
    let begun = Arc::default();
    let old = endless(&begun);
    let mut world = World::with(|config| config.drain_timeout = Duration::from_millis(200));
    let address = world.apply(&drained_within(1, None, &[old.address]));
    let mut visitors = visitors(address, &["/", "/chunks", "/upgrade"]);
    let mut idle = Visitor::new(address);
    eventually("all have begun", || {
        (begun.load(Ordering::SeqCst) == 3).then_some(())
    });
    for visitor in &mut visitors[1..] {
        assert!(visitor.answer_head().is_some());
    }
    let cut_short = world.stop();
    let kinds = Kinds {
        requests: 1,
        bodies: 1,
        upgrades: 1,
    };
    assert_eq!(
        (cut_short.kinds(), cut_short.in_flight["web-0"]),
        (kinds, kinds)
    );
    assert_eq!(
        cut_short.connections, 2,
        "an upgraded one is a client's no more"
    );
    assert_eq!(
        kinds.to_string(),
        "1 unanswered request, 1 unfinished answer, 1 upgraded connection"
    );
    let unanswered = visitors[0].answer().unwrap();
    assert_eq!(unanswered.header("x-leadsman-reason"), ["cut-short"]);
    assert_eq!(rest(&mut visitors[1]), "5\r\nfirst\r\n");
    assert!(idle.is_cut_off());
}
