//! Services that are not to get requests for a while, or cannot.

use std::net::SocketAddr;
use std::time::Duration;

use leadsman_proxy::table::{Hold, Maintenance, Service, Table};

use crate::world::{Backend, DEADLINE, Visitor, World, any_port, eventually, get, side, table};

fn adjusted(mut table: Table, adjust: impl Fn(&mut Service)) -> Table {
    table.listeners[0].services.values_mut().for_each(adjust);
    table
}

fn web(generation: u64, at: SocketAddr, adjust: impl Fn(&mut Service)) -> Table {
    adjusted(table(generation, [side("web", 10_000, &[at])]), adjust)
}

fn hold(requests_max: u32) -> Option<Hold> {
    Some(Hold {
        wait: DEADLINE,
        requests_max,
    })
}

#[test]
fn requests_of_a_paused_service_wait_until_it_goes_on() {
    let backend = Backend::named("web");
    let world = World::with(|config| config.cores = Some(1));
    let at = backend.address;
    let address = world.apply(&web(1, at, |service| {
        (service.paused, service.hold) = (true, hold(2));
    }));
    let mut waiting = [Visitor::new(address), Visitor::new(address)];
    for visitor in &mut waiting {
        visitor.ask_for("/");
    }
    // As soon as both wait there is room for nobody else.
    let refused = eventually("both wait", || {
        let mut visitor = Visitor::new(address);
        visitor
            .stream
            .set_read_timeout(Some(Duration::from_millis(200)))
            .unwrap();
        visitor.ask_for("/");
        visitor.answer()
    });
    assert_eq!(refused.status, 503);
    assert_eq!(refused.header("x-leadsman-reason"), ["paused"]);
    world.apply(&web(2, at, |service| service.hold = hold(2)));
    for visitor in &mut waiting {
        let answered = visitor.answer().unwrap();
        assert_eq!((answered.status, answered.text()), (200, "web"));
    }
}

#[test]
fn a_request_waits_no_longer_than_it_may() {
    let backend = Backend::named("web");
    let world = World::new();
    for (generation, spec) in [
        (1, None),
        (
            2,
            Some(Hold {
                wait: Duration::from_millis(10),
                requests_max: 10,
            }),
        ),
    ] {
        let address = world.apply(&web(generation, backend.address, |service| {
            (service.paused, service.hold) = (true, spec.clone());
        }));
        let answered = get(address, "/");
        assert_eq!(answered.status, 503);
        assert_eq!(answered.header("x-leadsman-reason"), ["paused"]);
        world.refused("paused", generation);
    }
}

#[test]
fn a_request_waits_for_an_instance_that_is_being_started_again() {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&any_port().into()).unwrap();
    let at = socket.local_addr().unwrap().as_socket().unwrap();
    let world = World::with(|config| config.cores = Some(1));
    let address = world.apply(&web(1, at, |service| service.hold = hold(10)));
    let mut visitor = Visitor::new(address);
    visitor.send("POST / HTTP/1.1\r\nhost: site.example\r\ncontent-length: 2\r\n\r\nhi");
    eventually("a connection is refused", || {
        world.status().unhealthy.contains("web-0").then_some(())
    });
    // The one that follows is not even tried.
    let mut second = Visitor::new(address);
    second.ask_for("/");
    // It is back, at the same address.
    socket.listen(16).unwrap();
    let _backend = Backend::named_on(socket.into(), "web");
    for visitor in [&mut visitor, &mut second] {
        assert_eq!(visitor.answer().unwrap().text(), "web");
    }
    let counted = world.figures("web", |counted| counted.figures.requests == 3);
    assert_eq!(counted.figures.errors, 1);
}

#[test]
fn a_service_under_maintenance_says_so_in_its_own_words() {
    let backend = Backend::named("web");
    let world = World::new();
    let address = world.apply(&web(1, backend.address, |service| {
        service.maintenance = Some(Maintenance {
            body: "<h1>Back at noon</h1>".to_owned(),
            content_type: "text/html".to_owned(),
            retry_after: Some(Duration::from_secs(90)),
            ..Maintenance::default()
        });
    }));
    let mut visitor = Visitor::new(address);
    for _ in 0..2 {
        let answered = visitor.get("/");
        assert_eq!(answered.status, 503);
        assert_eq!(answered.text(), "<h1>Back at noon</h1>");
        assert_eq!(answered.header("content-type"), ["text/html"]);
        assert_eq!(answered.header("retry-after"), ["90"]);
        assert_eq!(answered.header("x-leadsman-reason"), ["maintenance"]);
    }
    world.refused("maintenance", 2);
    world.apply(&web(2, backend.address, |_| ()));
    assert_eq!(visitor.get("/").text(), "web");
}
