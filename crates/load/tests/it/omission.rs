//! Free of coordinated omission: a server that stands still is seen by all who would have come.

use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use leadsman_load::{
    Cancel, Latency, Model, Profile, Report, Request, Scenario, Target, Template, run,
};

use crate::server::{Server, answer};

/// How long the server stands still, once.
const STALL: Duration = Duration::from_millis(500);

/// A server that stands still from half a second after its first request on.
fn server() -> Server {
    let first: Mutex<Option<Instant>> = Mutex::new(None);
    Server::start(move |_| {
        let first = *first.lock().unwrap().get_or_insert_with(Instant::now);
        let stalls = first + STALL;
        let goes_on = stalls + STALL;
        if (stalls..goes_on).contains(&Instant::now()) {
            thread::sleep(goes_on.saturating_duration_since(Instant::now()));
        }
        answer(200, "ok")
    })
}

fn measure(model: Model) -> Report {
    let server = server();
    let (target, _) = Target::parse(&server.url()).unwrap();
    let scenario = Scenario::of(target, Request::get(Template::plain("/")), model);
    run(&scenario, |_| {}, &Cancel::default()).unwrap()
}

#[test]
fn an_open_model_shows_a_stall_to_all_who_came_meanwhile() {
    let report = measure(Model::Rate(Profile::constant(
        100.0,
        Duration::from_secs(2),
    )));
    assert_eq!(report.all.requests(), 200);
    assert_eq!(report.all.good(), 200);
    // A quarter of the requests came during the stall, and waited for half of it on average: every
    // percentile of them is known beforehand. A busy machine only makes them later.
    for (latency, least, most) in [
        (Latency::P90, 280, 420),
        (Latency::P95, 380, 520),
        (Latency::P99, 460, 650),
        (Latency::Max, 480, 700),
    ] {
        let took = report.all.latency(latency).unwrap().as_millis();
        assert!(
            (least..most).contains(&took),
            "{}: {took} ms",
            latency.name()
        );
    }
}

#[test]
fn a_closed_model_shows_it_to_those_who_waited_and_nobody_else() {
    let report = measure(Model::Users {
        users: Profile::constant(1.0, Duration::from_secs(2)),
        think: Duration::from_millis(5),
    });
    assert!(report.all.requests() > 120, "{}", report.all.requests());
    let took = |latency| report.all.latency(latency).unwrap().as_millis();
    assert!(took(Latency::P99) < 100, "{} ms", took(Latency::P99));
    assert!(took(Latency::Max) >= 450, "{} ms", took(Latency::Max));
}
