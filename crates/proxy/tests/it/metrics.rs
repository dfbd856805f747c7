//! The sums as Prometheus reads them.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use expect_test::expect_file;

use crate::exposition::Page;
use crate::world::{Backend, Visitor, World, any_port, eventually, get, nobody, side, table};

/// A world that shows its metrics over TCP too.
fn showing() -> World {
    World::with(|config| config.metrics = Some(any_port()))
}

/// Reads the page over TCP.
fn page(world: &World) -> Page {
    let address = eventually("an address for metrics", || world.status().metrics);
    let answered = get(address, "/metrics");
    assert_eq!(answered.status, 200);
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    assert_eq!(answered.header("content-type"), [kind]);
    Page::read(answered.text())
}

/// Reads pages until one of them is enough.
fn page_with(world: &World, what: &str, enough: impl Fn(&Page) -> bool) -> Page {
    eventually(what, || Some(page(world)).filter(&enough))
}

#[test]
fn what_is_counted_is_shown_by_side() {
    let backend = Backend::named("hello");
    let world = showing();
    let mut some = table(1, [side("web@r1", 10_000, &[backend.address])]);
    let rule = &mut some.listeners[0].rules[0];
    rule.path = "/shop".to_owned();
    let service = some.listeners[0].services.get_mut("web").unwrap();
    service.sides[0].labels = [("application", "sh\"op\\"), ("release", "1")]
        .map(|(n, v)| (n.into(), v.into()))
        .into();
    let mut visitor = Visitor::new(world.apply(&some));
    for _ in 0..10 {
        visitor.send("POST /shop HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc");
        assert_eq!(visitor.answer().unwrap().status, 200);
    }
    for index in 0..3 {
        // What clients make up makes no series.
        assert_eq!(visitor.get(&format!("/nowhere-{index}")).status, 404);
    }
    let requests = "leadsman_proxy_requests_total";
    let page = page_with(&world, "ten requests", |page| {
        page.sum(requests, &[]) >= 10.0
    });
    let of_side = [
        ("side", "web@r1"),
        ("release", "1"),
        ("application", "sh\"op\\"),
    ];
    for (name, label, value) in [
        (requests, ("kind", "users"), 10.0),
        ("leadsman_proxy_errors_total", ("kind", "users"), 0.0),
        ("leadsman_proxy_answers_total", ("class", "2xx"), 10.0),
        ("leadsman_proxy_answers_total", ("class", "5xx"), 0.0),
        (
            "leadsman_proxy_request_body_bytes_total",
            ("release", "1"),
            30.0,
        ),
        (
            "leadsman_proxy_answer_body_bytes_total",
            ("release", "1"),
            50.0,
        ),
        ("leadsman_proxy_retries_total", ("release", "1"), 0.0),
        ("leadsman_proxy_in_flight", ("state", "unanswered"), 0.0),
        ("leadsman_proxy_side_weight_ratio", ("release", "1"), 1.0),
        ("leadsman_proxy_instances", ("state", "healthy"), 1.0),
        ("leadsman_proxy_instances", ("state", "unhealthy"), 0.0),
    ] {
        let labels = [&of_side[..], &[label]].concat();
        assert!(
            (page.sum(name, &labels) - value).abs() < 0.01,
            "{name} {label:?}"
        );
    }
    let refused = page.sum("leadsman_proxy_refused_total", &[("reason", "no-route")]);
    assert!((refused - 3.0).abs() < 0.01, "{refused}");
    assert!(page.sum("leadsman_proxy_connections_total", &[]) >= 1.0);
    let seconds = page.family("leadsman_proxy_answer_duration_seconds");
    let count = seconds
        .samples
        .iter()
        .find(|(suffix, ..)| suffix == "_count");
    assert!((count.unwrap().2 - 10.0).abs() < 0.01);
    // The control socket shows the same.
    let text = world.block_on(world.client().metrics()).unwrap();
    let same = Page::read(&text).sum(requests, &of_side);
    assert!((same - 10.0).abs() < 0.01, "{same}");
}

#[test]
fn what_is_so_at_this_moment_is_shown() {
    let (waits, waiting) = std::sync::mpsc::channel();
    let waits = std::sync::Mutex::new(waits);
    let (go, gone) = std::sync::mpsc::channel::<()>();
    let gone = std::sync::Mutex::new(gone);
    let backend = Backend::with(move |_, stream| {
        waits.lock().unwrap().send(()).unwrap();
        gone.lock().unwrap().recv().ok();
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").is_ok()
    });
    let world = showing();
    let sides = [
        side("stable", 9_000, &[backend.address, nobody()]),
        side("canary", 1_000, &[]),
    ];
    let mut visitor = Visitor::new(world.apply(&table(1, sides)));
    visitor.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    waiting.recv().unwrap();
    let name = "leadsman_proxy_in_flight";
    let of = [
        ("side", "stable"),
        ("state", "unanswered"),
        ("service", "web"),
    ];
    let page = page(&world);
    assert!((page.sum(name, &of) - 1.0).abs() < 0.01, "{page:?}");
    let weight = page.sum("leadsman_proxy_side_weight_ratio", &[("side", "canary")]);
    assert!((weight - 0.1).abs() < 1e-9, "{weight}");
    go.send(()).unwrap();
    assert_eq!(visitor.answer().unwrap().status, 204);
    page_with(&world, "nothing in flight", |page| {
        page.sum(name, &of) < 0.5
    });
}

#[test]
fn a_retry_is_counted_where_it_went() {
    let backend = Backend::named("ok");
    let world = showing();
    let sides = [
        side("canary", 10_000, &[nobody()]),
        side("stable", 0, &[backend.address]),
    ];
    let address = world.apply(&table(1, sides));
    assert_eq!(get(address, "/").status, 200);
    let page = page_with(&world, "a retry", |page| {
        page.sum("leadsman_proxy_retries_total", &[]) > 0.5
    });
    let stable = page.sum("leadsman_proxy_retries_total", &[("side", "stable")]);
    assert!((stable - 1.0).abs() < 0.01, "{stable}");
}

#[test]
fn counters_never_go_back_while_the_process_lives() {
    let backend = Backend::named("ok");
    let world = showing();
    let name = "leadsman_proxy_requests_total";
    let mut before = 0.0;
    for generation in 1..=6 {
        // Sides come and go, and so do their series; what was counted stays.
        let side = format!("web@r{generation}");
        let address = world.apply(&table(generation, [side_of(&side, &backend)]));
        get(address, "/");
        let counted = page_with(&world, "one more request", |page| {
            let sum = page.sum(name, &[]);
            assert!(sum >= before, "{sum} after {before}");
            sum > before + 0.5
        });
        before = counted.sum(name, &[]);
    }
    assert!((before - 6.0).abs() < 0.01, "{before}");
}

fn side_of(name: &str, backend: &Backend) -> leadsman_proxy::table::Side {
    side(name, 10_000, &[backend.address])
}

#[test]
fn there_is_nothing_to_be_commanded_where_metrics_are() {
    let world = showing();
    let address = eventually("an address for metrics", || world.status().metrics);
    let mut visitor = Visitor::new(address);
    for (method, path, status) in [
        ("GET", "/status", 404),
        ("GET", "/", 404),
        ("PUT", "/table", 404),
        ("POST", "/metrics", 405),
        ("DELETE", "/metrics", 405),
        ("GET", "/metrics?collect=all", 200),
    ] {
        let answered = visitor.ask(method, path, &["content-length: 0"]);
        assert_eq!(answered.status, status, "{method} {path}");
    }
}

#[test]
fn the_reference_is_up_to_date() {
    let world = World::new();
    let page = Page::read(&world.block_on(world.client().metrics()).unwrap());
    let mut reference = String::from(
        "# Metrics\n\n\
         What `/metrics` of the data plane shows.\n\
         This page is made by the tests of the crate `leadsman-proxy`; \
         [the guide](../guide/observe.md#metrics) says how to read it.\n\n\
         | metric | type | meaning |\n|---|---|---|\n",
    );
    let mut seen = BTreeMap::new();
    for family in &page.0 {
        let (name, kind, help) = (&family.name, &family.kind, &family.help);
        reference.push_str(&format!("| `{name}` | {kind} | {help} |\n"));
        assert!(
            seen.insert(help, name).is_none(),
            "{name} says what another one says"
        );
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/metrics.md");
    expect_file![path].assert_eq(&reference);
}
