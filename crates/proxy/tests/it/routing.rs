//! How requests find their service.

use std::collections::BTreeMap;

use leadsman_proxy::control::ClientError;
use leadsman_proxy::table::{Condition, Named, Rule, Service, Table};

use crate::world::{Backend, Visitor, World, side, table};

fn named(name: &str, value: &str) -> Named {
    Named {
        name: name.to_owned(),
        value: Some(value.to_owned()),
    }
}

/// A table of one side for each service, with rules to them.
fn with_rules(generation: u64, services: &[(&str, &Backend)], rules: Vec<Rule>) -> Table {
    let mut table = table(generation, []);
    let services = services.iter().map(|(name, backend)| {
        let side = side(name, 10_000, &[backend.address]);
        let service = Service {
            sides: vec![side],
            ..Service::default()
        };
        ((*name).to_owned(), service)
    });
    table.listeners[0].services = BTreeMap::from_iter(services);
    table.listeners[0].rules = rules;
    table
}

fn rule(service: &str) -> Rule {
    Rule {
        path: "/".to_owned(),
        service: service.to_owned(),
        ..Rule::default()
    }
}

#[test]
fn headers_cookies_and_methods_lead_to_services() {
    let backends = ["web", "beta", "own", "write"].map(Backend::named);
    let [web, beta, own, write] = &backends;
    let world = World::new();
    let services = [("web", web), ("beta", beta), ("own", own), ("write", write)];
    let rules = vec![
        rule("web"),
        Rule {
            when: vec![Condition::Header(named("X-Track", "beta"))],
            ..rule("beta")
        },
        Rule {
            when: vec![
                Condition::Header(named("x-track", "beta")),
                Condition::Cookie(named("user", "7")),
            ],
            ..rule("own")
        },
        Rule {
            methods: vec!["DELETE".to_owned()],
            ..rule("write")
        },
    ];
    let address = world.apply(&with_rules(1, &services, rules));
    let mut visitor = Visitor::new(address);
    for (method, lines, service) in [
        ("GET", &[][..], "web"),
        ("GET", &["cookie: user=7"], "web"),
        ("GET", &["x-track: beta"], "beta"),
        (
            "GET",
            &["X-TRACK: beta", "cookie: a=b", "cookie: user=7"],
            "own",
        ),
        ("DELETE", &["x-track: beta"], "write"),
    ] {
        let answered = visitor.ask(method, "/", lines);
        assert_eq!(answered.text(), service, "{method} {lines:?}");
    }
}

#[test]
fn rules_that_nothing_tells_apart_are_refused() {
    let (one, two) = (Backend::named("one"), Backend::named("two"));
    let world = World::new();
    let services = [("one", &one), ("two", &two)];
    let header = Rule {
        when: vec![Condition::Header(named("x-a", "1"))],
        ..rule("one")
    };
    let cookie = Rule {
        when: vec![Condition::Cookie(named("b", "2"))],
        ..rule("two")
    };
    let table = with_rules(1, &services, vec![header.clone(), cookie]);
    let refused = world.block_on(world.client().apply(&table)).unwrap_err();
    let ClientError::Refused { message, .. } = &refused else {
        unreachable!("{refused}")
    };
    let why =
        "the rules for `/` of every host to `one` and `two` could both be meant by one request";
    assert!(message.contains(why), "{message}");
    let other = Rule {
        when: vec![Condition::Header(named("x-a", "2"))],
        ..rule("two")
    };
    world.apply(&with_rules(1, &services, vec![header, other]));
}

#[test]
fn a_request_without_a_rule_is_refused_and_counted() {
    let web = Backend::named("web");
    let world = World::new();
    let rules = vec![Rule {
        path: "/api".to_owned(),
        ..rule("web")
    }];
    let address = world.apply(&with_rules(1, &[("web", &web)], rules));
    let mut visitor = Visitor::new(address);
    for _ in 0..3 {
        let answered = visitor.get("/");
        assert_eq!(answered.status, 404);
        assert_eq!(answered.header("x-leadsman-reason"), ["no-route"]);
    }
    assert_eq!(visitor.get("/api").status, 200);
    world.refused("no-route", 3);
}
