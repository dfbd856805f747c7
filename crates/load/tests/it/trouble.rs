//! Servers that misbehave, and loads that cannot be made.

use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use leadsman_load::{
    Cancel, ConnectError, Data, Error, Failure, Latency, Model, Profile, Request, Template, run,
};

use crate::loads::{S, make, rate, scenario};
use crate::server::{Act, Server, answer};

fn failures(act: impl Fn() -> Act + Send + Sync + 'static) -> Vec<(Failure, u64)> {
    let server = Server::start(move |_| act());
    let mut scenario = scenario(&server, rate(20.0, 500));
    scenario.timeout = S * 5;
    scenario.answer_max = 10_000;
    let report = make(&scenario);
    assert_eq!(report.all.requests(), 10);
    report
        .all
        .failures()
        .iter()
        .map(|(kind, count)| (*kind, *count))
        .collect()
}

#[test]
fn answers_that_are_none_are_counted_by_kind() {
    for (bytes, failure) in [
        (
            &b"HTTP/1.1 200 X\r\ncontent-length: 5\r\n\r\nab"[..],
            Failure::Closed,
        ),
        (
            b"HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n5\r\nabcde\r\n",
            Failure::Closed,
        ),
        (b"HTTP/1.1 200", Failure::Closed),
        (b"", Failure::Closed),
        (b"SSH-2.0-OpenSSH\r\n", Failure::Protocol),
        (
            b"HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
            Failure::Protocol,
        ),
    ] {
        let found = failures(move || Act::Close(bytes.to_vec()));
        assert_eq!(found, [(failure, 10)], "{}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn a_body_without_end_is_read_up_to_the_bound() {
    let head = b"HTTP/1.1 200 X\r\n\r\n".to_vec();
    let found = failures(move || Act::Endless([&head[..], &[b'x'; 1000]].concat()));
    assert_eq!(found, [(Failure::TooLong, 10)]);
}

#[test]
fn an_answer_that_comes_too_late_counts_with_the_time_it_was_waited_for() {
    let server = Server::start(|_| {
        thread::sleep(S * 2);
        answer(200, "")
    });
    let mut scenario = scenario(&server, rate(20.0, 500));
    scenario.timeout = S / 4;
    // Those that find no connection wait as long.
    scenario.connections = 2;
    let report = make(&scenario);
    assert_eq!(
        report.all.failures().iter().collect::<Vec<_>>(),
        [(&Failure::Timeout, &10)]
    );
    assert!(report.all.latency(Latency::P50).unwrap() >= S / 4);
    assert!(report.all.waited() > 0);
    assert!(!report.is_valid(), "{:?}", report.invalid);
}

#[test]
fn who_accepts_nothing_is_told_of_at_once() {
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let server = Server::start(|_| answer(200, ""));
    let mut scenario = scenario(&server, rate(20_000.0, 10_000));
    let (target, _) = leadsman_load::Target::parse(&format!("http://{closed}")).unwrap();
    scenario.target = target;
    let begun = Instant::now();
    let error = run(&scenario, |_| {}, &Cancel::default()).unwrap_err();
    assert!(
        matches!(error, Error::Connect(ConnectError::Connect { .. })),
        "{error:?}"
    );
    assert_eq!(error.to_string(), format!("failed to connect to {closed}"));
    assert!(begun.elapsed() < S * 5);
}

#[test]
fn a_server_that_goes_away_is_counted_and_the_load_goes_on() {
    // It accepts one connection for trial, answers one request, and is gone.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || drop(listener.accept().unwrap()));
    let stand_in = Server::start(|_| answer(200, ""));
    let mut scenario = scenario(&stand_in, rate(50.0, 500));
    scenario.target = leadsman_load::Target::parse(&format!("http://{address}"))
        .unwrap()
        .0;
    let report = make(&scenario);
    server.join().unwrap();
    assert_eq!(report.all.requests(), 25);
    assert_eq!(report.all.errors(), 25, "{:?}", report.all.failures());
    assert!(report.all.latency(Latency::P50).is_none());
    assert!(report.all.failures().contains_key(&Failure::Connect));
}

#[test]
fn more_users_than_there_can_be_connections_are_refused_before_anything_is_begun() {
    let server = Server::start(|_| answer(200, ""));
    let users = Profile::constant(900_000.0, S);
    let scenario = scenario(&server, Model::Users { users, think: S });
    let error = run(&scenario, |_| {}, &Cancel::default()).unwrap_err();
    assert!(
        matches!(
            error,
            Error::Room {
                wanted: 900_000,
                ..
            }
        ),
        "{error:?}"
    );
    assert!(server.asked().is_empty());
}

#[test]
fn a_scenario_says_everything_that_is_wrong_with_it() {
    let server = Server::start(|_| answer(200, ""));
    let mut wrong = scenario(&server, rate(0.0, 1000));
    wrong.warm_up = S;
    wrong.timeout = Duration::ZERO;
    wrong.connections = 0;
    wrong.data = Some(Data::read(b"id\n1\n").unwrap());
    wrong.requests = vec![
        Request::get("/${name}".parse().unwrap()),
        Request::get(Template::plain("x")),
    ];
    assert_eq!(
        wrong.problems(),
        [
            "the rate is 0: nothing would be asked for",
            "the warm-up takes all the time: nothing is left to measure",
            "the timeout must be longer than nothing and at most an hour",
            "connections must be 1 to 1000000",
            "`GET /${name}`: the data has no `name`, it has `id`",
            "`GET x`: a path begins with `/`",
        ]
    );
    assert!(matches!(
        run(&wrong, |_| {}, &Cancel::default()),
        Err(Error::Wrong(_))
    ));
}
