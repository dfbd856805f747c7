//! Instances that fail, are full, or are new.

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use leadsman_proxy::table::{Capacity, Ejection, RetryBudget, Service, Side, Table};

use crate::world::{Backend, DEADLINE, Visitor, World, eventually, side, table};

const BAD: &str = "HTTP/1.1 500 X\r\ncontent-length: 3\r\n\r\nbad";
const GOOD: &str = "HTTP/1.1 200 X\r\ncontent-length: 4\r\n\r\ngood";

fn adjusted(
    generation: u64,
    sides: impl IntoIterator<Item = Side>,
    adjust: impl Fn(&mut Service),
) -> Table {
    let mut table = table(generation, sides);
    table.listeners[0].services.values_mut().for_each(adjust);
    table
}

fn ejection(time: Duration) -> Option<Ejection> {
    Some(Ejection {
        failures: 3,
        time,
        time_max: DEADLINE,
        share_max: 5000,
    })
}

/// A service that fails until it is told otherwise.
fn moody() -> (Backend, Arc<AtomicBool>) {
    let is_well = Arc::new(AtomicBool::new(false));
    let well = Arc::clone(&is_well);
    let backend = Backend::with(move |_, stream| {
        let answer = if well.load(Ordering::SeqCst) {
            GOOD
        } else {
            BAD
        };
        stream.write_all(answer.as_bytes()).is_ok()
    });
    (backend, is_well)
}

#[test]
fn an_instance_whose_answers_fail_is_left_out_until_one_request_finds_it_well() {
    let (moody, is_well) = moody();
    let good = Backend::saying(GOOD);
    let world = World::with(|config| config.cores = Some(1));
    let sides = [side("web", 10_000, &[moody.address, good.address])];
    let time = Duration::from_millis(100);
    let address = world.apply(&adjusted(1, sides, |service| {
        service.ejection = ejection(time);
    }));
    let mut visitor = Visitor::new(address);
    // It is left out from a moment between the two on.
    let until_failed = |visitor: &mut Visitor| {
        eventually("a failure", || {
            let asked = Instant::now();
            (visitor.get("/").status == 500).then(|| (asked, Instant::now()))
        })
    };
    until_failed(&mut visitor);
    until_failed(&mut visitor);
    let (mut asked, _) = until_failed(&mut visitor);
    for times in [1, 2, 4] {
        let (again, answered) = until_failed(&mut visitor);
        let took = answered - asked;
        assert!(took >= time * times, "{took:?}");
        asked = again;
    }
    is_well.store(true, Ordering::SeqCst);
    let before = moody.requests();
    eventually("it is asked like the other one", || {
        assert_eq!(visitor.get("/").status, 200);
        (moody.requests() > before + 10).then_some(())
    });
    let windows = world.block_on(world.client().windows(0)).unwrap();
    let ejected: u64 = windows.iter().filter_map(|w| w.ejected.get("web-0")).sum();
    assert!((3..=4).contains(&ejected), "{ejected}");
}

#[test]
fn the_last_instance_is_never_left_out() {
    for backends in [
        vec![Backend::saying(BAD)],
        vec![Backend::saying(BAD), Backend::saying(BAD)],
    ] {
        let world = World::with(|config| config.cores = Some(1));
        let addresses: Vec<SocketAddr> = backends.iter().map(|b| b.address).collect();
        let sides = [side("web", 10_000, &addresses)];
        let address = world.apply(&adjusted(1, sides, |service| {
            service.ejection = ejection(DEADLINE);
        }));
        let mut visitor = Visitor::new(address);
        for _ in 0..50 {
            assert_eq!(visitor.get("/").text(), "bad");
        }
        let asked = backends[0].requests();
        assert!(asked == 3 || asked >= 47, "{asked}");
    }
}

#[test]
fn no_more_requests_are_sent_again_than_the_budget_has() {
    let broken = Backend::with(|_, _| false);
    let good = Backend::saying(GOOD);
    let world = World::with(|config| config.cores = Some(1));
    let sides = [
        side("good", 5000, &[good.address]),
        side("broken", 5000, &[broken.address]),
    ];
    let address = world.apply(&adjusted(1, sides, |service| {
        service.retries = Some(RetryBudget {
            share: 0,
            per_second: 1,
        });
    }));
    let started = Instant::now();
    let mut visitor = Visitor::new(address);
    let refused = (0..80).filter(|_| {
        let answered = visitor.get("/");
        let is_refused = answered.status == 502;
        assert!(is_refused || answered.text() == "good");
        assert!(!is_refused || answered.header("x-leadsman-reason") == ["broke-off"]);
        is_refused
    });
    let refused = refused.count();
    // Half of them break off, of which ten can be sent again, and one more each second.
    let more = usize::try_from(started.elapsed().as_secs()).unwrap() + 1;
    assert!((30 - more.min(30)..=30).contains(&refused), "{refused}");
}

/// A service that answers when it is told to; it remembers how many requests it had at a time.
fn patient() -> (Backend, Arc<AtomicBool>, Arc<AtomicUsize>) {
    let (goes_on, most) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let (waits, maximum) = (Arc::clone(&goes_on), Arc::clone(&most));
    let now = AtomicUsize::new(0);
    let backend = Backend::with(move |_, stream| {
        maximum.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        while !waits.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(1));
        }
        now.fetch_sub(1, Ordering::SeqCst);
        stream.write_all(GOOD.as_bytes()).is_ok()
    });
    (backend, goes_on, most)
}

fn capacity(pending_max: u32, pending_wait: Duration) -> Option<Capacity> {
    Some(Capacity {
        in_flight_max: 3,
        pending_max,
        pending_wait,
    })
}

#[test]
fn an_instance_gets_no_more_than_it_can_take_from_all_workers_together() {
    let (backend, goes_on, most) = patient();
    let world = World::with(|config| config.cores = Some(4));
    let sides = [side("web", 10_000, &[backend.address])];
    let address = world.apply(&adjusted(1, sides, |service| {
        service.capacity = capacity(100, DEADLINE);
    }));
    let mut visitors: Vec<Visitor> = (0..20).map(|_| Visitor::new(address)).collect();
    for visitor in &mut visitors {
        visitor.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    }
    eventually("three are under way", || {
        (most.load(Ordering::SeqCst) == 3).then_some(())
    });
    goes_on.store(true, Ordering::SeqCst);
    for visitor in &mut visitors {
        assert_eq!(visitor.answer().unwrap().text(), "good");
    }
    assert_eq!(most.load(Ordering::SeqCst), 3);
}

#[test]
fn who_finds_no_room_to_wait_in_is_refused_at_once() {
    let (backend, goes_on, _) = patient();
    let world = World::with(|config| config.cores = Some(2));
    let sides = [side("web", 10_000, &[backend.address])];
    let address = world.apply(&adjusted(1, sides, |service| {
        service.capacity = capacity(2, DEADLINE);
    }));
    let mut visitors: Vec<Visitor> = (0..8).map(|_| Visitor::new(address)).collect();
    for visitor in &mut visitors {
        visitor.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    }
    world.refused("overloaded", 3);
    goes_on.store(true, Ordering::SeqCst);
    let answered: Vec<_> = visitors.iter_mut().map(|v| v.answer().unwrap()).collect();
    let refused: Vec<_> = answered
        .iter()
        .filter(|answer| answer.status == 503)
        .collect();
    assert_eq!(refused.len(), 3);
    assert_eq!(refused[0].header("x-leadsman-reason"), ["overloaded"]);
    // There is room again.
    assert_eq!(visitors[0].get("/").text(), "good");
}

#[test]
fn who_waits_too_long_for_room_is_refused() {
    let (backend, goes_on, _) = patient();
    let world = World::with(|config| config.cores = Some(1));
    let sides = [side("web", 10_000, &[backend.address])];
    let address = world.apply(&adjusted(1, sides, |service| {
        service.capacity = capacity(10, Duration::from_millis(20));
    }));
    let mut visitors: Vec<Visitor> = (0..4).map(|_| Visitor::new(address)).collect();
    for visitor in &mut visitors {
        visitor.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    }
    world.refused("overloaded", 1);
    goes_on.store(true, Ordering::SeqCst);
}

#[test]
fn a_side_that_is_full_passes_nothing_on_to_the_others() {
    let (canary, goes_on, _) = patient();
    let stable = Backend::named("stable");
    let world = World::with(|config| config.cores = Some(1));
    let sides = [
        side("stable", 5000, &[stable.address]),
        side("canary", 5000, &[canary.address]),
    ];
    let address = world.apply(&adjusted(1, sides, |service| {
        service.capacity = capacity(100, DEADLINE);
    }));
    let mut visitors: Vec<Visitor> = (0..20).map(|_| Visitor::new(address)).collect();
    for visitor in &mut visitors {
        visitor.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    }
    eventually("stable has got what it is to get", || {
        (stable.requests() >= 3).then_some(())
    });
    goes_on.store(true, Ordering::SeqCst);
    let texts = visitors
        .iter_mut()
        .map(|v| v.answer().unwrap().text().to_owned());
    let of_canary = texts.filter(|text| text == "good").count();
    assert_eq!(of_canary, 10);
}

#[test]
fn a_new_instance_gets_a_growing_share_and_its_side_the_same() {
    let ramp = Duration::from_secs(2);
    let backends = ["a", "b", "new"].map(Backend::named);
    let other = Backend::named("other");
    let world = World::with(|config| config.cores = Some(1));
    let apply = |generation, count| {
        let addresses: Vec<SocketAddr> = backends.iter().map(|b| b.address).take(count).collect();
        let sides = [
            side("web", 5000, &addresses),
            side("other", 5000, &[other.address]),
        ];
        world.apply(&adjusted(generation, sides, |service| {
            service.slow_start = Some(ramp);
        }))
    };
    let began = Instant::now();
    let mut visitor = Visitor::new(apply(1, 2));
    eventually("the first ones are new no more", || {
        visitor.get("/");
        (began.elapsed() > ramp).then_some(())
    });
    // From before it is added on: its share is smaller than that, if anything.
    let (adding, before) = (Instant::now(), other.requests());
    apply(2, 3);
    for _ in 0..200 {
        visitor.get("/");
    }
    // Chance decides on each request: allow for four deviations.
    let part = (adding.elapsed().as_secs_f64() / ramp.as_secs_f64()).clamp(0.1, 1.0);
    let most = 100.0 * part / 3.0;
    let got = backends[2].requests();
    assert!(
        got as f64 <= most + 4.0 * most.sqrt(),
        "{got} of at most {most}"
    );
    assert_eq!(other.requests() - before, 100);
    eventually("it has its whole share", || {
        let before = backends[2].requests();
        (0..60).for_each(|_| drop(visitor.get("/")));
        (backends[2].requests() - before >= 9).then_some(())
    });
}
