//! Loads as they are described, seen from the server and in the report.

use std::sync::atomic::Ordering;
use std::time::Duration;

use http::Method;
use leadsman_load::{
    Cancel, Data, Document, Failure, Latency, Model, Profile, Report, Request, Scenario, Stage,
    Statuses, Target, Template, Threshold, run,
};

use crate::server::{Act, Server, answer};

pub(crate) const S: Duration = Duration::from_secs(1);

pub(crate) fn scenario(server: &Server, model: Model) -> Scenario {
    let (target, _) = Target::parse(&server.url()).unwrap();
    Scenario::of(target, Request::get(Template::plain("/")), model)
}

pub(crate) fn rate(rate: f64, millis: u64) -> Model {
    Model::Rate(Profile::constant(rate, Duration::from_millis(millis)))
}

pub(crate) fn make(scenario: &Scenario) -> Report {
    run(scenario, |_| {}, &Cancel::default()).unwrap()
}

#[test]
fn a_rate_is_kept_and_connections_are_used_again() {
    let server = Server::start(|_| answer(200, "four"));
    let report = make(&scenario(&server, rate(200.0, 1000)));
    assert_eq!(report.all.requests(), 200);
    assert_eq!(report.all.good(), 200);
    assert_eq!(report.all.errors(), 0);
    assert_eq!(report.all.bytes(), 800);
    assert_eq!(server.asked().len(), 200);
    assert!(report.all.latency(Latency::P50).unwrap() < S / 10);
    // The first was made for trial.
    let connections = server.connections.load(Ordering::Relaxed) - 1;
    assert!(connections < 50, "{connections}");
}

#[test]
fn a_new_connection_is_made_for_each_request_if_that_is_asked_for() {
    let server = Server::start(|_| answer(200, ""));
    let mut scenario = scenario(&server, rate(50.0, 500));
    scenario.reuse = false;
    assert_eq!(make(&scenario).all.good(), 25);
    assert_eq!(server.connections.load(Ordering::Relaxed), 26);
}

#[test]
fn what_comes_while_it_warms_up_is_not_measured() {
    let server = Server::start(|_| answer(200, ""));
    let mut scenario = scenario(&server, rate(100.0, 1000));
    scenario.warm_up = Duration::from_millis(400);
    let report = make(&scenario);
    assert_eq!(report.all.requests(), 60);
    assert_eq!(report.all.length(), Duration::from_millis(600));
    assert_eq!(server.asked().len(), 100);
}

#[test]
fn requests_come_in_their_order_with_the_values_of_their_rows() {
    let server = Server::start(|_| answer(200, ""));
    let mut scenario = scenario(
        &server,
        Model::Users {
            users: Profile::constant(1.0, S),
            think: Duration::from_millis(100),
        },
    );
    let template = |text: &str| text.parse::<Template>().unwrap();
    let page = Request::get(template("/p/${id}"));
    let order = Request {
        method: Method::POST,
        path: template("/order?name=${name}"),
        headers: vec![(http::HeaderName::from_static("x-id"), template("n-${id}"))],
        body: template("{\"id\": ${id}}"),
        ..Request::get(template("/"))
    };
    scenario.requests = vec![page, order];
    scenario.data = Some(Data::read(b"id,name\n1,a b\n2,c&d\n").unwrap());
    let report = make(&scenario);
    assert_eq!(report.all.errors(), 0);
    let asked = server.asked();
    assert!(asked.len() >= 5, "{}", asked.len());
    let lines: Vec<&str> = asked
        .iter()
        .take(4)
        .map(|asked| asked.line.as_str())
        .collect();
    assert_eq!(
        lines,
        [
            "GET /p/1",
            "POST /order?name=a%20b",
            "GET /p/2",
            "POST /order?name=c%26d"
        ]
    );
    let order = &asked[3];
    assert_eq!(order.body, "{\"id\": 2}");
    assert!(order.headers.contains(&"x-id: n-2".to_owned()), "{order:?}");
    assert_eq!(report.requests.len(), 2);
    assert!(
        report
            .requests
            .iter()
            .all(|(_, figures)| figures.good() >= 2)
    );
}

#[test]
fn users_come_with_the_ramp_and_have_a_connection_each() {
    let server = Server::start(|_| answer(200, ""));
    let users = Profile {
        start: 0.0,
        stages: vec![
            Stage { to: 10.0, over: S },
            Stage {
                to: 10.0,
                over: S / 2,
            },
        ],
    };
    let report = make(&scenario(
        &server,
        Model::Users {
            users,
            think: Duration::from_millis(20),
        },
    ));
    assert_eq!(server.connections.load(Ordering::Relaxed), 11);
    // Ten users for half a second and half as many for a whole one: 500 requests a second at most.
    let requests = report.all.requests();
    assert!((100..700).contains(&requests), "{requests}");
}

#[test]
fn what_is_not_as_expected_is_an_error_of_its_kind() {
    let server = Server::start(|asked| match asked.line.as_str() {
        "GET /teapot" => answer(418, ""),
        "GET /moved" => {
            Act::Answer(b"HTTP/1.1 302 X\r\nlocation: /\r\ncontent-length: 0\r\n\r\n".to_vec())
        }
        _ => answer(200, "good morning"),
    });
    let get = |path: &str| Request::get(Template::plain(path));
    let mut scenario = scenario(&server, rate(50.0, 1000));
    scenario.requests = vec![
        get("/"),
        get("/teapot"),
        get("/moved"),
        Request {
            contains: Some("morning".into()),
            ..get("/")
        },
        Request {
            contains: Some("evening".into()),
            ..get("/")
        },
    ];
    scenario.thresholds = vec![
        Threshold::Errors(0.4),
        Threshold::Errors(0.39),
        Threshold::Rate(29.9),
    ];
    let report = make(&scenario);
    let failures: Vec<_> = report.all.failures().iter().collect();
    assert_eq!(
        failures,
        [(&Failure::Status(418), &10), (&Failure::Check, &10)]
    );
    assert_eq!(report.all.answers(), 50);
    assert_eq!(report.all.good(), 30);
    let held: Vec<bool> = report.thresholds.iter().map(|held| held.holds).collect();
    assert_eq!(held, [true, false, true]);
    assert!(!report.holds());
    // No redirect is followed.
    assert_eq!(server.asked().len(), 50);

    scenario.requests = vec![Request {
        status: vec![Statuses { from: 418, to: 418 }],
        ..get("/teapot")
    }];
    assert_eq!(make(&scenario).all.errors(), 0);
}

#[test]
fn a_load_that_is_ended_early_tells_what_it_measured() {
    let server = Server::start(|_| answer(200, ""));
    let cancel = Cancel::default();
    let report = run(
        &scenario(&server, rate(100.0, 60_000)),
        |progress| {
            if progress.figures.answers() >= 20 {
                cancel.cancel();
            }
        },
        &cancel,
    )
    .unwrap();
    assert!(report.interrupted);
    assert!(
        (20..2000).contains(&report.all.answers()),
        "{}",
        report.all.answers()
    );
    assert!(report.all.length() < S * 30);
}

#[test]
fn a_document_says_what_the_report_says_and_can_be_read_again() {
    let server = Server::start(|_| answer(200, "x"));
    let mut scenario = scenario(&server, rate(100.0, 300));
    scenario.thresholds = vec![
        Threshold::Latency(Latency::P999, S * 5),
        Threshold::Errors(0.01),
    ];
    let report = make(&scenario);
    let document = Document::of(&scenario, &report);
    assert_eq!(document.all.requests, 30);
    assert_eq!(document.rate_asked, Some(100.0));
    assert!(document.holds && document.valid, "{document:?}");
    assert_eq!(document.thresholds[0].threshold, "p99.9 <= 5000ms");
    assert!(document.all.latency_ms.contains_key("p999"));
    let text = serde_json::to_string(&document).unwrap();
    assert_eq!(serde_json::from_str::<Document>(&text).unwrap(), document);
}
