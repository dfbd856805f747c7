//! What happens when instances fail: retries, fallbacks, the proxy's own voice, and the count.

use std::io::{BufRead as _, Read as _, Write as _};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::world::{Backend, Visitor, World, eventually, get, nobody, side, table};

#[test]
fn a_dead_instance_costs_no_request() {
    let alive = Backend::named("alive");
    let world = World::new();
    let sides = [side("web", 10_000, &[nobody(), alive.address])];
    let address = world.apply(&table(1, sides));
    for _ in 0..20 {
        assert_eq!(get(address, "/").text(), "alive");
    }
}

#[test]
fn a_side_may_have_a_long_name() {
    let alive = Backend::named("alive");
    let world = World::new();
    let name = "shop/production/release-1/web-of-the-whole-company".repeat(3);
    let address = world.apply(&table(1, [side(&name, 10_000, &[alive.address])]));
    assert_eq!(get(address, "/").text(), "alive");
}

#[test]
fn a_failed_attempt_is_counted_against_the_side_that_failed() {
    let stable = Backend::named("stable");
    let world = World::with(|config| config.cores = Some(1));
    let sides = [
        side("stable", 5000, &[stable.address]),
        side("canary", 5000, &[nobody()]),
    ];
    let address = world.apply(&table(1, sides));
    for _ in 0..4 {
        assert_eq!(get(address, "/").text(), "stable");
    }
    let canary = world.figures("canary", |counted| counted.figures.requests > 0);
    assert_eq!(canary.figures.errors, canary.figures.requests);
    assert_eq!(canary.status, [0; 5]);
    let stable = world.figures("stable", |counted| counted.figures.requests == 4);
    assert_eq!(stable.figures.errors, 0);
}

#[test]
fn a_request_that_broke_off_is_repeated_on_another_side() {
    let canary = Backend::with(|_, _| false);
    let stable = Backend::named("stable");
    let world = World::new();
    let sides = |canary_weight| {
        [
            side("stable", 10_000 - canary_weight, &[stable.address]),
            side("canary", canary_weight, &[canary.address]),
        ]
    };
    let address = world.apply(&table(1, sides(5000)));
    let mut visitor = Visitor::new(address);
    for _ in 0..10 {
        assert_eq!(visitor.get("/").text(), "stable");
    }
    let counted = world.figures("canary", |counted| counted.figures.requests == 5);
    assert_eq!(counted.figures.errors, 5);
}

#[test]
fn a_request_with_a_body_is_never_sent_twice() {
    let breaking = Backend::with(|_, _| false);
    let other = Backend::named("other");
    let world = World::with(|config| config.cores = Some(1));
    let sides = [
        side("web", 10_000, &[breaking.address]),
        side("old", 0, &[other.address]),
    ];
    let address = world.apply(&table(1, sides));
    for _ in 0..3 {
        let mut visitor = Visitor::new(address);
        visitor.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi");
        let answered = visitor.answer().unwrap();
        assert_eq!(answered.status, 502);
        assert_eq!(answered.header("x-leadsman-reason"), ["broke-off"]);
    }
    assert_eq!(breaking.connections.load(Ordering::SeqCst), 3);
    assert_eq!(other.connections.load(Ordering::SeqCst), 0);
}

#[test]
fn a_lone_instance_that_broke_off_is_asked_again() {
    // A worker process that dies and is replaced behind the same port.
    let count = std::sync::atomic::AtomicUsize::new(0);
    let backend = Backend::with(move |_, stream| {
        count.fetch_add(1, Ordering::SeqCst) > 0
            && stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
                .is_ok()
    });
    let world = World::new();
    let address = world.apply(&table(1, [side("web", 10_000, &[backend.address])]));
    assert_eq!(get(address, "/").text(), "ok");
}

#[test]
fn an_idle_connection_that_the_instance_closed_is_no_error() {
    // It says nothing about closing and closes after every answer.
    let backend = Backend::with(|_, stream| {
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
            .ok();
        false
    });
    let world = World::new();
    let address = world.apply(&table(1, [side("web", 10_000, &[backend.address])]));
    let mut visitor = Visitor::new(address);
    for _ in 0..100 {
        let answered = visitor.get("/");
        assert_eq!((answered.status, answered.text()), (200, "ok"));
    }
}

#[test]
fn speaks_in_its_own_voice_only_when_nobody_else_can() {
    let garbling = Backend::saying("this is no HTTP\r\n\r\n");
    let world = World::new();
    let mut generation = 0;
    let mut voice_with = |side| {
        generation += 1;
        let address = world.apply(&table(generation, [side]));
        let answered = get(address, "/");
        assert!(answered.text().ends_with('\n'));
        (
            answered.status,
            answered.header("x-leadsman-reason").concat(),
        )
    };
    let said = |status: u16, reason: &str| (status, reason.to_owned());
    assert_eq!(voice_with(side("a", 10_000, &[])), said(503, "no-instance"));
    assert_eq!(
        voice_with(side("a", 10_000, &[nobody()])),
        said(502, "unreachable")
    );
    assert_eq!(
        voice_with(side("a", 10_000, &[garbling.address])),
        said(502, "garbled")
    );

    let mut unrouted = table(9, [side("a", 10_000, &[nobody()])]);
    unrouted.listeners[0].rules[0].path = "/only".to_owned();
    let answered = get(world.apply(&unrouted), "/");
    assert_eq!(
        (answered.status, answered.header("x-leadsman-reason")),
        (404, vec!["no-route"])
    );
}

#[test]
fn an_instance_that_hangs_is_given_up() {
    let hanging = Backend::with(|_, _| true);
    let world = World::with(|config| config.answer_timeout = Duration::from_millis(200));
    let address = world.apply(&table(1, [side("web", 10_000, &[hanging.address])]));
    let answered = get(address, "/");
    assert_eq!(
        (answered.status, answered.header("x-leadsman-reason")),
        (504, vec!["timed-out"])
    );
    let counted = world.figures("web", |counted| counted.figures.requests == 1);
    assert_eq!(counted.figures.errors, 1);
    let slowest = counted
        .figures
        .latency
        .counts()
        .iter()
        .rposition(|count| *count > 0)
        .unwrap();
    assert!(slowest >= leadsman_analysis::Histogram::bucket(Duration::from_millis(200)));
}

#[test]
fn a_slow_upload_is_not_taken_for_a_slow_answer() {
    let backend = Backend::named("got it");
    let limit = Duration::from_secs(1);
    let world = World::with(|config| config.answer_timeout = limit);
    let address = world.apply(&table(1, [side("web", 10_000, &[backend.address])]));
    let mut visitor = Visitor::new(address);
    visitor.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n");
    let started = Instant::now();
    for _ in 0..10 {
        // The pace of the upload is what is tested here.
        std::thread::sleep(limit / 8);
        visitor.send("x");
    }
    assert!(started.elapsed() > limit);
    assert_eq!(visitor.answer().unwrap().text(), "got it");

    visitor.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nx");
    assert_eq!(visitor.answer().unwrap().status, 408);
    let counted = world.figures("web", |counted| counted.figures.requests == 1);
    assert_eq!(counted.figures.errors, 0);
}

#[test]
fn clients_that_gave_up_on_a_hanging_side_are_counted_against_it() {
    let hanging = Backend::with(|_, _| true);
    let world = World::with(|config| config.patience = Duration::from_millis(100));
    let address = world.apply(&table(1, [side("web", 10_000, &[hanging.address])]));
    let mut visitor = Visitor::new(address);
    visitor.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    // Who leaves before the request is on its way has changed his mind.
    eventually("the request has arrived", || {
        (hanging.requests() == 1).then_some(())
    });
    visitor
        .stream
        .set_read_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    assert!(visitor.reader.fill_buf().is_err(), "there is no answer");
    drop(visitor);
    let counted = world.figures("web", |counted| counted.figures.requests == 1);
    assert_eq!(counted.figures.errors, 1);
}

#[test]
fn clients_that_changed_their_mind_are_not_counted() {
    let hanging = Backend::with(|_, _| true);
    let good = Backend::named("good");
    let world = World::new();
    let address = world.apply(&table(1, [side("hanging", 10_000, &[hanging.address])]));
    let mut visitor = Visitor::new(address);
    visitor.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    eventually("the request has arrived", || {
        (hanging.requests() == 1).then_some(())
    });
    let both = [
        side("good", 10_000, &[good.address]),
        side("hanging", 0, &[hanging.address]),
    ];
    world.apply(&table(2, both));
    drop(visitor);
    assert_eq!(get(address, "/").text(), "good");
    eventually("nothing is in flight", || {
        world.apply(&table(3, [side("good", 10_000, &[good.address])]));
        (world.status().draining["hanging-0"].in_flight == 0).then_some(())
    });
    world.figures("good", |counted| counted.figures.requests == 1);
    let hanging = world.figures("hanging", |_| true);
    assert_eq!(hanging.figures.requests, 0);
}

#[test]
fn an_answer_that_breaks_off_in_the_middle_is_cut_and_counted() {
    let backend = Backend::with(|_, stream| {
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nonly this")
            .ok();
        false
    });
    let world = World::new();
    let address = world.apply(&table(1, [side("web", 10_000, &[backend.address])]));
    let mut visitor = Visitor::new(address);
    visitor.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(visitor.answer_head().unwrap().status, 200);
    let mut body = Vec::new();
    visitor.reader.read_to_end(&mut body).ok();
    assert!(body.len() < 100);
    let counted = world.figures("web", |counted| counted.figures.requests == 2);
    assert_eq!(
        (counted.figures.errors, counted.status),
        (1, [0, 1, 0, 0, 0])
    );
}

#[test]
fn answers_of_the_service_are_counted_by_their_status() {
    let backend = Backend::with(|received, stream| {
        let status = received.head.split(['/', ' ']).nth(2).unwrap().to_owned();
        write!(stream, "HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n").is_ok()
    });
    let world = World::new();
    let address = world.apply(&table(1, [side("web", 10_000, &[backend.address])]));
    let mut visitor = Visitor::new(address);
    for status in [200, 201, 302, 404, 404, 500, 503, 599] {
        assert_eq!(visitor.get(&format!("/{status}")).status, status);
    }
    let counted = world.figures("web", |counted| counted.figures.requests == 8);
    assert_eq!(counted.status, [0, 2, 1, 2, 3]);
    assert_eq!(counted.figures.errors, 3);
}
