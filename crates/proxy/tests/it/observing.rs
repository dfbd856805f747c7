//! What can be seen of single requests: their names, and the access log.

use std::fs;
use std::io::Write as _;
use std::sync::mpsc;
use std::time::Duration;

use leadsman_proxy::AccessLog;
use leadsman_proxy::table::Table;
use serde_json::Value;

use crate::world::{Backend, Visitor, World, eventually, nobody, side, table};

/// A service that says which headers it got.
fn telling() -> (Backend, mpsc::Receiver<Vec<String>>) {
    let (told, heard) = mpsc::channel();
    let told = std::sync::Mutex::new(told);
    let backend = Backend::with(move |request, stream| {
        let ids = request.header("x-request-id").into_iter();
        let ids = ids.map(str::to_owned).collect();
        told.lock().unwrap().send(ids).unwrap();
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
            .is_ok()
    });
    (backend, heard)
}

fn trusting_nobody(mut table: Table) -> Table {
    table.listeners[0].trusted = Vec::new();
    table
}

/// A world that writes an access log, and where.
fn logging(adjust: impl FnOnce(&mut AccessLog)) -> World {
    World::with(|config| {
        let mut log = AccessLog::at(config.state.join("access").join("access.log"));
        adjust(&mut log);
        config.access_log = Some(log);
    })
}

/// Returns the lines of the access log once there are so many.
fn lines(world: &World, count: usize) -> Vec<Value> {
    let path = &world.config.access_log.as_ref().unwrap().path;
    eventually("lines of the access log", || {
        let text = fs::read_to_string(path).ok()?;
        let lines: Vec<&str> = text.lines().collect();
        let read = |line: &&str| serde_json::from_str(line).expect("a line is JSON");
        (text.ends_with('\n') && lines.len() >= count).then(|| lines.iter().map(read).collect())
    })
}

#[test]
fn a_request_has_one_name_on_all_of_its_way() {
    let (backend, heard) = telling();
    let world = World::new();
    let address = world.apply(&table(1, [side("web", 10_000, &[backend.address])]));
    let mut visitor = Visitor::new(address);
    let first = visitor.get("/");
    let [id] = first.header("x-request-id")[..] else {
        panic!("one name: {first:?}");
    };
    assert_eq!(heard.recv().unwrap(), [id]);
    assert_eq!(id.len(), 32);
    let second = visitor.get("/");
    assert_eq!(heard.recv().unwrap(), second.header("x-request-id"));
    assert_ne!(second.header("x-request-id"), [id]);
    assert_eq!(first.header("via"), [""; 0], "the answer is the service's");
}

#[test]
fn a_name_is_taken_over_from_who_is_trusted_alone() {
    let (backend, heard) = telling();
    let world = World::new();
    let sides = || [side("web", 10_000, &[backend.address])];
    let address = world.apply(&table(1, sides()));
    let mut visitor = Visitor::new(address);
    let answered = visitor.ask("GET", "/", &["x-request-id: gate-7"]);
    assert_eq!(answered.header("x-request-id"), ["gate-7"]);
    assert_eq!(heard.recv().unwrap(), ["gate-7"]);
    for lines in [
        &["x-request-id: two words"][..],
        &["x-request-id: a", "x-request-id: b"],
        // What the next hop must have is not to be named away.
        &["connection: x-request-id"],
    ] {
        let answered = visitor.ask("GET", "/", lines);
        let ids = answered.header("x-request-id");
        assert_eq!(heard.recv().unwrap(), ids, "{lines:?}");
        assert_eq!(ids.iter().map(|id| id.len()).collect::<Vec<_>>(), [32]);
    }
    world.apply(&trusting_nobody(table(2, sides())));
    let answered = visitor.ask("GET", "/", &["x-request-id: gate-7"]);
    assert_eq!(heard.recv().unwrap(), answered.header("x-request-id"));
    assert_ne!(answered.header("x-request-id"), ["gate-7"]);
}

#[test]
fn names_can_be_left_out() {
    let (backend, heard) = telling();
    let world = World::with(|config| config.request_ids = false);
    let address = world.apply(&table(1, [side("web", 10_000, &[backend.address])]));
    let mut visitor = Visitor::new(address);
    assert_eq!(visitor.get("/").header("x-request-id"), [""; 0]);
    assert_eq!(heard.recv().unwrap(), [""; 0]);
    // Then it is the service's own affair.
    visitor.ask("GET", "/", &["x-request-id: mine"]);
    assert_eq!(heard.recv().unwrap(), ["mine"]);
}

#[test]
fn a_refusal_is_in_the_proxys_own_voice() {
    let world = World::new();
    let mut with_none = table(1, [side("web", 10_000, &[nobody()])]);
    with_none.listeners[0].rules[0].path = "/here".to_owned();
    let mut visitor = Visitor::new(world.apply(&with_none));
    for (path, status, reason) in [("/", 404, "no-route"), ("/here", 502, "unreachable")] {
        let answered = visitor.ask("GET", path, &["x-request-id: gate-7"]);
        assert_eq!(answered.status, status);
        assert_eq!(answered.header("x-leadsman-reason"), [reason]);
        assert_eq!(answered.header("via"), ["1.1 leadsman"]);
        assert_eq!(answered.header("x-request-id"), ["gate-7"]);
    }
}

#[test]
fn every_request_is_a_line_of_the_access_log() {
    let backend = Backend::named("hello");
    let world = logging(|_| ());
    let mut some = table(1, [side("web@r1", 10_000, &[backend.address])]);
    some.listeners[0].rules[0].path = "/shop".to_owned();
    let mut visitor = Visitor::new(world.apply(&some));
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let traceparent = format!("traceparent: 00-{trace}-00f067aa0ba902b7-01");
    let asked = [
        "x-request-id: gate-7",
        "x-forwarded-for: 203.0.113.9",
        "user-agent: browser/1",
        "content-length: 3",
        &traceparent,
    ];
    visitor.send(&format!(
        "POST /shop/cart?token=secret HTTP/1.1\r\nhost: site.example\r\n{}\r\n\r\nabc",
        asked.join("\r\n")
    ));
    assert_eq!(visitor.answer().unwrap().status, 200);
    assert_eq!(visitor.get("/elsewhere").status, 404);
    let lines = lines(&world, 2);
    let [mut good, refused] = <[Value; 2]>::try_from(lines).unwrap();
    let ms = good["ms"].take().as_f64().unwrap();
    let first = good["first_byte_ms"].take().as_f64().unwrap();
    assert!(0.0 < first && first <= ms && ms < 20_000.0, "{first} {ms}");
    assert!(good["time"].take().as_str().unwrap().starts_with("20"));
    let expected = serde_json::json!({
        "time": null, "ms": null, "first_byte_ms": null,
        "id": "gate-7", "trace": trace, "client": "203.0.113.9", "method": "POST",
        "host": "site.example", "path": "/shop/cart", "protocol": "HTTP/1.1", "tls": false,
        "status": 200, "service": "web", "side": "web@r1", "instance": "web@r1-0", "attempts": 1,
        "bytes_in": 3, "bytes_out": 5, "agent": "browser/1",
    });
    assert_eq!(good, expected);
    assert_eq!(refused["status"], 404);
    assert_eq!(refused["refused"], "no-route");
    assert_eq!(refused["attempts"], 0);
    assert!(refused.get("service").is_none());
    assert_eq!(world.status().told.lines, 2);
    assert_eq!(world.status().told.lines_dropped, 0);
}

#[test]
fn who_leaves_and_what_breaks_off_is_told_too() {
    let (waits, waiting) = mpsc::channel();
    let waits = std::sync::Mutex::new(waits);
    let backend = Backend::with(move |request, stream| {
        if request.head.starts_with("GET /broken") {
            let some = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nsome";
            stream.write_all(some).unwrap();
            return false;
        }
        waits.lock().unwrap().send(()).unwrap();
        std::thread::sleep(Duration::from_secs(1));
        false
    });
    // Only what failed.
    let world = logging(|log| log.share = 0.0);
    let fine = Backend::named("fine");
    let mut both = table(1, [side("web", 10_000, &[backend.address])]);
    let other = table(1, [side("fine", 10_000, &[fine.address])]);
    let services = other.listeners[0].services.values().cloned();
    let services = services.map(|service| ("fine".to_owned(), service));
    both.listeners[0].services.extend(services);
    let mut rule = other.listeners[0].rules[0].clone();
    (rule.path, rule.service) = ("/fine".to_owned(), "fine".to_owned());
    both.listeners[0].rules.push(rule);
    let address = world.apply(&both);
    assert_eq!(Visitor::new(address).get("/fine").status, 200);
    let mut leaves = Visitor::new(address);
    leaves.send("GET /waits?a=b HTTP/1.1\r\nhost: site.example\r\n\r\n");
    waiting.recv().unwrap();
    drop(leaves);
    let left = lines(&world, 1).remove(0);
    assert_eq!(
        (&left["ended"], &left["status"]),
        (&"client-left".into(), &0.into())
    );
    assert_eq!(left["instance"], "web-0");
    let mut breaks = Visitor::new(address);
    breaks.send("GET /broken HTTP/1.1\r\nhost: site.example\r\n\r\n");
    assert!(breaks.answer().is_none());
    let broken = lines(&world, 2).remove(1);
    assert_eq!(
        (&broken["ended"], &broken["status"]),
        (&"broke-off".into(), &200.into())
    );
    assert_eq!(broken["bytes_out"], 4);
}

#[test]
fn what_is_known_at_the_end_is_written() {
    let backend = Backend::named("hello");
    let mut world = logging(|log| log.query = true);
    let address = world.apply(&table(1, [side("web", 10_000, &[backend.address])]));
    let mut visitor = Visitor::new(address);
    for number in 0..300 {
        visitor.get(&format!("/?number={number}"));
    }
    drop(visitor);
    world.stop();
    let path = &world.config.access_log.as_ref().unwrap().path;
    let text = fs::read_to_string(path).unwrap();
    let queries = text.lines().map(|line| {
        let line: Value = serde_json::from_str(line).unwrap();
        line["query"].as_str().unwrap().to_owned()
    });
    let expected = (0..300).map(|number| format!("number={number}"));
    assert!(queries.eq(expected), "{text}");
}

#[test]
fn a_share_is_written_of_what_went_well() {
    let backend = Backend::named("hello");
    let mut world = logging(|log| log.share = 0.5);
    let address = world.apply(&table(1, [side("web", 10_000, &[backend.address])]));
    let mut visitor = Visitor::new(address);
    for _ in 0..400 {
        visitor.get("/");
    }
    world.stop();
    let path = &world.config.access_log.as_ref().unwrap().path;
    let count = fs::read_to_string(path).unwrap().lines().count();
    // Ten standard deviations to either side.
    assert!((100..300).contains(&count), "{count}");
}
