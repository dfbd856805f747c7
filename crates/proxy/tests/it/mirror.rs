//! Requests that a side gets in copy.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use leadsman_proxy::table::{Mirror, Side, Table};

use crate::world::{Backend, Received, Visitor, World, eventually, nobody, side, table};

fn mirrored(generation: u64, sides: [Side; 2], mirror: Mirror) -> Table {
    let mut table = table(generation, sides);
    for service in table.listeners[0].services.values_mut() {
        service.mirror = Some(mirror.clone());
    }
    table
}

fn sides(stable: SocketAddr, canary: SocketAddr) -> [Side; 2] {
    [
        side("stable", 10_000, &[stable]),
        side("canary", 0, &[canary]),
    ]
}

fn mirror(share: u32) -> Mirror {
    Mirror {
        side: "canary".to_owned(),
        share,
        methods: ["GET", "PUT"].map(str::to_owned).into(),
        body_max: 16,
        in_flight_max: 4,
    }
}

/// A service that keeps what it gets, and answers as it likes.
fn recorder(answer: &'static str) -> (Backend, Arc<Mutex<Vec<Received>>>) {
    let kept: Arc<Mutex<Vec<Received>>> = Arc::default();
    let keeps = Arc::clone(&kept);
    let backend = Backend::with(move |received, stream| {
        keeps.lock().unwrap().push(received);
        std::io::Write::write_all(stream, answer.as_bytes()).is_ok()
    });
    (backend, kept)
}

const BAD: &str = "HTTP/1.1 500 X\r\nset-cookie: a=b\r\ncontent-length: 3\r\n\r\nbad";

#[test]
fn a_share_of_requests_is_copied_and_its_answers_are_thrown_away() {
    let stable = Backend::named("stable");
    let (canary, kept) = recorder(BAD);
    let world = World::with(|config| config.cores = Some(1));
    let sides = sides(stable.address, canary.address);
    let address = world.apply(&mirrored(1, sides, mirror(2500)));
    let mut visitor = Visitor::new(address);
    for _ in 0..40 {
        let answered = visitor.ask("GET", "/a?b=c", &["x-leadsman-mirrored: 1", "x-own: 7"]);
        assert_eq!((answered.status, answered.text()), (200, "stable"));
        assert!(answered.header("set-cookie").is_empty());
        // A method that is not to be copied, whoever's turn it is.
        assert_eq!(visitor.ask("DELETE", "/", &[]).status, 200);
    }
    let of_copies = world.figures_in(
        |window| window.mirrored.get("canary"),
        "copies",
        |counted| counted.figures.requests == 10,
    );
    assert_eq!(of_copies.status, [0, 0, 0, 0, 10]);
    let of_users = world.figures("stable", |counted| counted.figures.requests == 80);
    assert_eq!(of_users.figures.errors, 0);
    let windows = world.block_on(world.client().windows(0)).unwrap();
    assert!(windows.iter().all(|w| !w.sides.contains_key("canary")));
    for copy in &*kept.lock().unwrap() {
        assert!(copy.head.starts_with("GET /a?b=c "), "{}", copy.head);
        assert_eq!(copy.header("x-leadsman-mirrored"), ["true"]);
        assert_eq!(copy.header("x-own"), ["7"]);
        assert_eq!(copy.header("host"), ["site.example"]);
    }
}

#[test]
fn only_a_copy_says_that_it_is_one() {
    let (stable, kept) = recorder("HTTP/1.1 204 X\r\n\r\n");
    let canary = Backend::named("canary");
    let world = World::new();
    let sides = sides(stable.address, canary.address);
    let address = world.apply(&mirrored(1, sides, mirror(10_000)));
    let mut visitor = Visitor::new(address);
    visitor.ask("GET", "/", &["x-leadsman-mirrored: true"]);
    let kept = kept.lock().unwrap();
    assert_eq!(
        kept[0].header("x-leadsman-mirrored"),
        <[&str; 0]>::default()
    );
}

#[test]
fn a_body_is_copied_when_it_is_complete_and_short_enough() {
    let stable = Backend::named("stable");
    let (canary, kept) = recorder("HTTP/1.1 200 X\r\ncontent-length: 0\r\n\r\n");
    let world = World::with(|config| config.cores = Some(1));
    let sides = sides(stable.address, canary.address);
    let address = world.apply(&mirrored(1, sides, mirror(10_000)));
    let mut visitor = Visitor::new(address);
    let chunked = "transfer-encoding: chunked\r\n\r\n";
    for (number, rest) in [
        "content-length: 5\r\n\r\nshort".to_owned(),
        "content-length: 17\r\n\r\nseventeen letters".to_owned(),
        format!("{chunked}9\r\nin pieces\r\n3\r\n yo\r\n0\r\n\r\n"),
        format!("{chunked}9\r\nin pieces\r\n9\r\n too long\r\n0\r\n\r\n"),
        "content-length: 0\r\n\r\n".to_owned(),
    ]
    .iter()
    .enumerate()
    {
        visitor.send(&format!("PUT /{number} HTTP/1.1\r\nhost: a\r\n{rest}"));
        assert_eq!(visitor.answer().unwrap().text(), "stable");
    }
    eventually("three copies", || {
        (kept.lock().unwrap().len() == 3).then_some(())
    });
    let mut bodies: Vec<(String, Vec<u8>)> = kept
        .lock()
        .unwrap()
        .iter()
        .map(|copy| (copy.head[4..7].trim().to_owned(), copy.body.clone()))
        .collect();
    bodies.sort();
    let wanted = [("/0", "short"), ("/2", "in pieces yo"), ("/4", "")];
    assert_eq!(
        bodies,
        wanted.map(|(path, body)| (path.to_owned(), body.as_bytes().to_vec()))
    );
}

#[test]
fn copies_that_hang_hold_up_nobody_and_are_bounded() {
    let stable = Backend::named("stable");
    let goes_on = Arc::new(AtomicBool::new(false));
    let waits = Arc::clone(&goes_on);
    let canary = Backend::with(move |_, stream| {
        while !waits.load(Ordering::SeqCst) {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        let answer = b"HTTP/1.1 200 X\r\ncontent-length: 0\r\n\r\n";
        std::io::Write::write_all(stream, answer).is_ok()
    });
    let world = World::with(|config| config.cores = Some(1));
    let sides = sides(stable.address, canary.address);
    let address = world.apply(&mirrored(1, sides, mirror(10_000)));
    let mut visitor = Visitor::new(address);
    for _ in 0..50 {
        assert_eq!(visitor.get("/").text(), "stable");
    }
    eventually("copies arrived", || {
        (canary.connections.load(Ordering::SeqCst) == 4).then_some(())
    });
    goes_on.store(true, Ordering::SeqCst);
    let of_copies = world.figures_in(
        |window| window.mirrored.get("canary"),
        "copies",
        |counted| counted.figures.requests >= 4,
    );
    assert_eq!(of_copies.figures.requests, 4);
    assert_eq!(visitor.get("/").text(), "stable");
    eventually("there is room again", || {
        (canary.requests() == 5).then_some(())
    });
}

#[test]
fn a_copy_that_reaches_nobody_harms_nobody() {
    let stable = Backend::named("stable");
    let world = World::with(|config| config.cores = Some(1));
    let sides = sides(stable.address, nobody());
    let address = world.apply(&mirrored(1, sides, mirror(10_000)));
    let mut visitor = Visitor::new(address);
    for _ in 0..5 {
        assert_eq!(visitor.get("/").text(), "stable");
    }
    world.figures_in(
        |window| window.mirrored.get("canary"),
        "copies",
        |counted| counted.figures.errors == 5,
    );
    assert!(world.status().unhealthy.is_empty());
}
