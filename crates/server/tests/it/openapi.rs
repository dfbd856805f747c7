//! The description of the API: made from the code, published, and true.

use std::collections::BTreeSet;

use expect_test::expect_file;
use leadsman_server::{Needs, description, listed};
use serde_json::Value;

use crate::raw::{Ask, ask};
use crate::served::Served;

fn document() -> Value {
    serde_json::from_str(description()).expect("it is JSON")
}

#[test]
fn the_description_in_the_reference_is_the_one_that_is_published() {
    expect_file!["../../../../docs/reference/openapi.json"].assert_eq(description());
}

#[test]
fn every_endpoint_is_described_and_nothing_else() {
    let document = document();
    let mut described = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().expect("there are paths") {
        for (method, operation) in operations.as_object().expect("there are methods") {
            described.insert((method.to_uppercase(), path.clone()));
            let id = operation["operationId"].as_str().expect("it has a name");
            assert!(ids.insert(id.to_owned()), "`{id}` is the name of two");
            let names: Vec<&str> = path
                .split('/')
                .filter_map(|it| it.strip_prefix('{')?.strip_suffix('}'))
                .collect();
            let parameters = operation["parameters"].as_array().expect("it has some");
            let in_path = parameters.iter().filter(|it| it["in"] == "path");
            let told: Vec<&str> = in_path.filter_map(|it| it["name"].as_str()).collect();
            assert_eq!(told, names, "{path}");
        }
    }
    let there = listed().into_iter().filter(|it| !it.is_page);
    let there: BTreeSet<_> = there
        .map(|it| (it.method.to_owned(), it.path.to_owned()))
        .collect();
    assert_eq!(described, there);
    for it in listed().into_iter().filter(|it| !it.is_page) {
        let operation = &document["paths"][it.path][it.method.to_lowercase()];
        let open = operation["security"].as_array().is_some_and(Vec::is_empty);
        assert_eq!(open, it.needs == Needs::Nobody, "{} {}", it.method, it.path);
    }
}

#[test]
fn every_reference_leads_somewhere_and_every_schema_is_used() {
    fn collect(value: &Value, into: &mut BTreeSet<String>) {
        match value {
            Value::Object(fields) => {
                for (key, value) in fields {
                    match value.as_str() {
                        Some(to) if key == "$ref" => drop(into.insert(to.to_owned())),
                        _ => collect(value, into),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| collect(item, into)),
            _ => {}
        }
    }
    let document = document();
    let mut references = BTreeSet::new();
    collect(&document, &mut references);
    for to in &references {
        let pointer = to.strip_prefix('#').expect("it is in here");
        assert!(document.pointer(pointer).is_some(), "{to} leads nowhere");
    }
    let schemas = document["components"]["schemas"].as_object();
    for name in schemas.expect("there are some").keys() {
        let to = format!("#/components/schemas/{name}");
        assert!(references.contains(&to), "nothing is a `{name}`");
    }
}

#[tokio::test]
async fn it_is_published_to_anybody_and_so_is_what_codes_mean() {
    let served = Served::start().await;
    let of = |path| {
        ask(
            served.address,
            Ask {
                path,
                ..Ask::default()
            },
        )
    };
    let answer = of("/openapi.json").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.body, description());
    let answer = of("/errors/L080").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.body.starts_with("# L080"), "{answer:?}");
    let answer = of("/errors/L999").await;
    assert_eq!(answer.status, 404, "{answer:?}");
    let problem: Value = serde_json::from_str(&answer.body).expect("it is JSON");
    assert_eq!(problem["type"], "/errors/L081");
    assert!(
        answer
            .head
            .contains("content-type: application/problem+json"),
        "{answer:?}"
    );
}

/// What is asked for in a way that cannot be answered is a problem as everything else is.
#[tokio::test]
async fn whatever_is_wrong_with_a_request_is_told_as_a_problem() {
    let served = Served::start().await;
    let token = served.token_of("mia", "admin", None).await;
    for (method, path, body, status) in [
        ("DELETE", "/v1/status", "", 405),
        ("GET", "/v1/status?after=x", "", 400),
        ("GET", "/v1/status?no=1", "", 400),
        ("GET", "/v1/runs/shop/x", "", 404),
        ("GET", "/v1/runs/shop/99999999999999999999999", "", 404),
        ("POST", "/v1/people", "{", 400),
        ("POST", "/v1/people", "{}", 400),
        ("GET", "/v1/nothing", "", 404),
    ] {
        let answer = ask(
            served.address,
            Ask {
                method,
                path,
                body,
                token: Some(&token),
                ..Ask::default()
            },
        )
        .await;
        assert_eq!(answer.status, status, "{method} {path}: {answer:?}");
        assert!(
            answer
                .head
                .contains("content-type: application/problem+json"),
            "{method} {path}: {answer:?}"
        );
        let problem: Value = serde_json::from_str(&answer.body).expect("it is JSON");
        assert_eq!(problem["status"], status, "{method} {path}");
        if status == 405 {
            assert!(answer.head.contains("allow: GET,HEAD"), "{answer:?}");
        }
    }
}
