//! What is counted of an answer, and when.

use std::io::Write as _;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::time::Duration;

use leadsman_proxy::table::{Slow, Table};

use crate::world::{Backend, Visitor, World, eventually, side, table};

fn with(slow: Slow, mut table: Table) -> Table {
    table.listeners[0].services.get_mut("web").unwrap().slow = slow;
    table
}

#[test]
fn answers_slower_than_the_limits_are_counted_exactly() {
    let backend = Backend::named("ok");
    let world = World::new();
    let slow = Slow {
        over: [Some(Duration::ZERO), Some(Duration::from_secs(3600))],
        ..Slow::default()
    };
    let sides = || [side("web", 10_000, &[backend.address])];
    let mut visitor = Visitor::new(world.apply(&with(slow, table(1, sides()))));
    for _ in 0..25 {
        visitor.get("/");
    }
    let counted = world.figures("web", |counted| counted.figures.requests >= 25);
    assert_eq!(counted.figures.over, Some([25, 0]));
    assert_eq!(counted.figures.latency.count(), 25);
}

#[test]
fn a_limit_that_changes_in_a_window_is_exact_from_the_next_one_on() {
    let backend = Backend::named("ok");
    let world = World::new();
    let slow = |over| Slow {
        over,
        ..Slow::default()
    };
    let sides = || [side("web", 10_000, &[backend.address])];
    let first = slow([Some(Duration::ZERO), None]);
    let mut visitor = Visitor::new(world.apply(&with(first, table(1, sides()))));
    visitor.get("/");
    let second = slow([None, Some(Duration::ZERO)]);
    world.apply(&with(second, table(2, sides())));
    eventually("a window in which the second limit held alone", || {
        visitor.get("/");
        let windows = world.block_on(world.client().windows(0)).unwrap();
        let last = windows
            .into_iter()
            .rev()
            .find_map(|mut w| w.sides.remove("web"))?;
        let figures = last.figures;
        // What was counted before the change is in no window with the second limit's counts.
        assert!(figures.over.is_none_or(|over| over[0] == 0 || over[1] == 0));
        (figures.over == Some([0, figures.requests])).then_some(())
    });
}

#[test]
fn how_fast_an_answer_failed_is_no_latency() {
    let backend = Backend::saying("HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n");
    let world = World::new();
    let address = world.apply(&table(1, [side("web", 10_000, &[backend.address])]));
    let mut visitor = Visitor::new(address);
    for _ in 0..10 {
        assert_eq!(visitor.get("/").status, 503);
    }
    let counted = world.figures("web", |counted| counted.figures.requests >= 10);
    assert_eq!((counted.figures.errors, counted.figures.requests), (10, 10));
    assert_eq!(counted.figures.latency.count(), 0);
    assert_eq!(counted.status, [0, 0, 0, 0, 10]);
}

#[test]
fn a_request_that_hangs_is_slow_at_once_and_counted_once() {
    let (go, going) = mpsc::channel::<&str>();
    let going = Mutex::new(going);
    let backend = Backend::with(move |_, stream| {
        let status = going.lock().unwrap().recv().unwrap();
        write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").is_ok()
    });
    let world = World::with(|config| config.cores = Some(1));
    let late = Duration::from_millis(50);
    let slow = Slow {
        over: [Some(late), None],
        late,
    };
    let sides = [side("web", 10_000, &[backend.address])];
    let mut visitor = Visitor::new(world.apply(&with(slow, table(1, sides))));
    visitor.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    let hangs = world.figures("web", |counted| counted.figures.requests > 0);
    assert_eq!((hangs.figures.requests, hangs.figures.errors), (1, 0));
    assert_eq!(hangs.figures.latency.count_above(late), 1);
    assert_eq!(hangs.figures.over, Some([1, 0]));
    // More windows do not count it again.
    let sequence = |world: &World| {
        let windows = world.block_on(world.client().windows(0)).unwrap();
        windows.last().map_or(0, |window| window.sequence)
    };
    let seen = sequence(&world);
    eventually("two windows more", || {
        (sequence(&world) > seen + 1).then_some(())
    });
    assert_eq!(world.figures("web", |_| true).figures.requests, 1);

    // That it fails in the end is one more error, and no more request.
    go.send("500 No").unwrap();
    assert_eq!(visitor.answer().unwrap().status, 500);
    go.send("200 OK").unwrap();
    assert_eq!(visitor.get("/").status, 200);
    let both = world.figures("web", |counted| counted.figures.requests >= 2);
    assert_eq!((both.figures.requests, both.figures.errors), (2, 1));
    assert_eq!(both.figures.latency.count(), 2);
}

#[test]
fn a_client_that_does_not_send_its_body_makes_nobody_slow() {
    let backend = Backend::named("ok");
    let world = World::with(|config| config.cores = Some(1));
    let slow = Slow {
        late: Duration::from_millis(50),
        ..Slow::default()
    };
    let sides = [side("web", 10_000, &[backend.address])];
    let address = world.apply(&with(slow, table(1, sides)));
    let mut visitor = Visitor::new(address);
    visitor.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nab");
    eventually("it is under way", || {
        (backend.connections.load(Ordering::SeqCst) == 1).then_some(())
    });
    let sequence = || {
        let windows = world.block_on(world.client().windows(0)).unwrap();
        windows.last().map_or(0, |window| window.sequence)
    };
    let seen = sequence();
    eventually("two windows", || (sequence() > seen + 1).then_some(()));
    assert_eq!(world.figures("web", |_| true).figures.requests, 0);
    visitor.send("cd");
    assert_eq!(visitor.answer().unwrap().status, 200);
    world.figures("web", |counted| counted.figures.requests == 1);
}

#[test]
fn one_of_several_instances_is_counted_by_itself_too() {
    let backends = [
        Backend::named("one"),
        Backend::named("two"),
        Backend::named("three"),
    ];
    let addresses: Vec<_> = backends.iter().map(|backend| backend.address).collect();
    let single = Backend::named("single");
    let world = World::with(|config| config.cores = Some(1));
    let sides = [
        side("many", 5000, &addresses),
        side("single", 5000, &[single.address]),
    ];
    let mut visitor = Visitor::new(world.apply(&table(1, sides)));
    for _ in 0..60 {
        assert_eq!(visitor.get("/").status, 200);
    }
    let many = world.figures("many", |counted| counted.figures.requests >= 30);
    let reference = many.reference.unwrap();
    assert_eq!((many.figures.requests, reference.requests), (30, 10));
    assert_eq!(backends[0].requests(), 10);
    assert_eq!(reference.latency.count(), 10);
    let single = world.figures("single", |counted| counted.figures.requests >= 30);
    assert_eq!(single.reference, None);
}
