//! Instances that fall ill and recover.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use leadsman_proxy::table::HealthCheck;

use crate::world::{Backend, World, checked_side, eventually, get, side, table};

#[test]
fn an_instance_whose_check_fails_is_left_out_until_it_recovers() {
    let is_well = Arc::new(AtomicBool::new(true));
    let well = Arc::clone(&is_well);
    let patient = Backend::with(move |received, stream| {
        let status = if well.load(Ordering::SeqCst) {
            200
        } else {
            500
        };
        if received.head.starts_with("GET /health") {
            write!(stream, "HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n").is_ok()
        } else {
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\npatient")
                .is_ok()
        }
    });
    let other = Backend::named("other");
    let world = World::with(|config| config.cores = Some(1));
    let check = Some(HealthCheck::Http {
        path: "/health".to_owned(),
    });
    let addresses = [patient.address, other.address];
    let sides = [checked_side("web", 10_000, &addresses, check)];
    let address = world.apply(&table(1, sides));
    let sees_patient = || (0..4).any(|_| get(address, "/").text() == "patient");
    assert!(sees_patient());

    is_well.store(false, Ordering::SeqCst);
    eventually("the check fails", || {
        world.status().unhealthy.contains("web-0").then_some(())
    });
    assert!(!sees_patient());

    is_well.store(true, Ordering::SeqCst);
    eventually("the check succeeds", || {
        world.status().unhealthy.is_empty().then_some(())
    });
    assert!(sees_patient());
}

#[test]
fn an_instance_that_refuses_connections_is_left_out_until_it_accepts_again() {
    // A port that is held, but refuses connections until somebody listens.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&crate::world::any_port().into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let other = Backend::named("other");
    let world = World::with(|config| config.cores = Some(1));
    let entrance = world.apply(&table(1, [side("web", 10_000, &[address, other.address])]));
    for _ in 0..4 {
        assert_eq!(get(entrance, "/").text(), "other");
    }
    assert!(world.status().unhealthy.contains("web-0"));
    // One attempt failed; the others were not even made.
    let counted = world.figures("web", |counted| counted.figures.requests == 5);
    assert_eq!(counted.figures.errors, 1);

    socket.listen(16).unwrap();
    eventually("it accepts again", || {
        world.status().unhealthy.is_empty().then_some(())
    });
}

#[test]
fn when_all_are_ill_they_are_tried_anyway() {
    let backend = Backend::with(|received, stream| {
        let status = if received.head.starts_with("GET /health") {
            500
        } else {
            200
        };
        write!(stream, "HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n").is_ok()
    });
    let world = World::new();
    let check = Some(HealthCheck::Http {
        path: "/health".to_owned(),
    });
    let address = world.apply(&table(
        1,
        [checked_side("web", 10_000, &[backend.address], check)],
    ));
    eventually("the check fails", || {
        world.status().unhealthy.contains("web-0").then_some(())
    });
    assert_eq!(get(address, "/").status, 200);
}

#[test]
fn a_check_by_connection_needs_no_http() {
    let silent = Backend::raw(|_, _| false);
    let world = World::new();
    let check = Some(HealthCheck::Tcp);
    world.apply(&table(
        1,
        [checked_side("web", 10_000, &[silent.address], check)],
    ));
    eventually("it was probed a few times", || {
        (silent.connections.load(Ordering::SeqCst) > 3).then_some(())
    });
    assert!(world.status().unhealthy.is_empty());
}

#[test]
fn an_instance_that_returns_to_the_table_is_believed_to_be_ready() {
    let (web, other) = (Backend::named("web"), Backend::named("other"));
    let listens = crate::world::nobody();
    let world = World::with(|config| config.probe_interval = crate::world::DEADLINE * 10);
    let with = |generation| {
        table(
            generation,
            [
                side("web", 10_000, &[listens]),
                side("way-back", 0, &[web.address]),
            ],
        )
    };
    let address = world.apply(&with(1));
    assert_eq!(get(address, "/").text(), "web");
    assert!(world.status().unhealthy.contains("web-0"));
    world.apply(&table(2, [side("other", 10_000, &[other.address])]));
    world.apply(&with(3));
    assert!(world.status().unhealthy.is_empty());
}
