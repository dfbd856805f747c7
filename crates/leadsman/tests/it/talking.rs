//! What is asked of control, and how its answers are passed on.

use expect_test::expect;
use leadsman_api::{Accepted, EnvironmentStatus, LogLine, Moment, Overview, Problem, System};

use crate::control::{Answer, Control};
use crate::program::Place;

fn environment(name: &str) -> EnvironmentStatus {
    EnvironmentStatus {
        certificates: Vec::new(),
        application: "shop".to_owned(),
        environment: name.to_owned(),
        version: 3,
        at: Moment(1_790_000_000_000),
        url: Some("http://127.0.0.1:8080".to_owned()),
        url_problem: None,
        serves: Some(3),
        schema: None,
        deployment: None,
        queued: None,
        requests: Vec::new(),
        freezes: Vec::new(),
        maintenance: None,
        windows: None,
        checklists: Vec::new(),
        services: Vec::new(),
        reasons: Vec::new(),
    }
}

fn overview(names: &[&str]) -> Answer {
    let environments = names.iter().map(|name| environment(name)).collect();
    Answer::json(&Overview {
        version: 7,
        at: Moment(1_790_000_000_000),
        environments,
    })
}

#[test]
fn status_is_read_by_people_and_by_scripts() {
    let place = Place::new();
    let status = vec![overview(&["production", "staging"])];
    let _control = Control::start(place.path(), vec![("GET /v1/status", status)]);
    expect![[r#"
        status 0
        --- stdout
        shop/production  http://127.0.0.1:8080  release 3 serves

        shop/staging  http://127.0.0.1:8080  release 3 serves
    "#]]
    .assert_eq(&place.run(&["status"]).whole());

    let one = place.run(&["status", "-e", "staging", "--json"]);
    let answer: Overview = serde_json::from_str(&one.stdout).unwrap();
    assert_eq!(answer.environments, [environment("staging")]);
    expect![[r#"
        status 1
        --- stderr
        error[L021]: there is no environment `test` here
        hint: there is shop/production, shop/staging
    "#]]
    .assert_eq(&place.run(&["status", "-e", "test"]).whole());
}

#[test]
fn a_command_goes_to_the_environment_that_is_meant() {
    let accepted = Accepted {
        version: 4,
        deployment: Some(2),
        sentence: "release 4 is paused".to_owned(),
    };
    let place = Place::new();
    let control = Control::start(
        place.path(),
        vec![
            ("GET /v1/status", vec![overview(&["production", "staging"])]),
            ("POST", vec![Answer::json(&accepted)]),
        ],
    );
    expect![[r#"
        status 1
        --- stderr
        error[L020]: there are several environments, and none was named
        hint: name one with `--environment`: shop/production, shop/staging
    "#]]
    .assert_eq(&place.run(&["pause"]).whole());
    assert!(control.all("POST").is_empty(), "nothing is guessed");

    expect![[r#"
        status 0
        --- stdout
        shop/staging: release 4 is paused
    "#]]
    .assert_eq(&place.run(&["pause", "-e", "staging"]).whole());
    for (arguments, body) in [
        (&["resume"][..], r#"{"command":"resume"}"#),
        (&["promote", "--all"], r#"{"command":"promote","all":true}"#),
        (&["abort"], r#"{"command":"abort"}"#),
        (&["retry"], r#"{"command":"retry"}"#),
        (
            &["rollback"],
            r#"{"command":"rollback","to":null,"scope":"all"}"#,
        ),
        (
            &["rollback", "--to", "2", "--canary"],
            r#"{"command":"rollback","to":2,"scope":"canary"}"#,
        ),
        (
            &["rollback", "--service", "web"],
            r#"{"command":"rollback","to":null,"scope":{"service":"web"}}"#,
        ),
    ] {
        control.all("POST");
        let mut all = arguments.to_vec();
        all.extend(["--environment", "shop/staging"]);
        assert_eq!(place.run(&all).status, 0, "{arguments:?}");
        let (asked, sent) = control.asked("POST");
        assert_eq!(asked, "POST /v1/environments/shop/staging/commands");
        assert_eq!(String::from_utf8(sent).unwrap(), body, "{arguments:?}");
    }
}

#[test]
fn a_refusal_is_told_with_its_code_and_its_hint() {
    let problem = Problem {
        kind: Problem::kind_of("R006"),
        status: 409,
        code: "R006".to_owned(),
        message: "it is not paused".to_owned(),
        hint: Some("see what it waits for with `leadsman why`".to_owned()),
        request_id: "1".to_owned(),
    };
    let place = Place::new();
    let refusal = Answer::text(409, &serde_json::to_string(&problem).unwrap());
    let _control = Control::start(
        place.path(),
        vec![
            ("GET /v1/status", vec![overview(&["production"])]),
            ("POST", vec![refusal]),
        ],
    );
    expect![[r#"
        status 1
        --- stderr
        error[R006]: it is not paused
        hint: see what it waits for with `leadsman why`
    "#]]
    .assert_eq(&place.run(&["resume"]).whole());
    expect![[r#"
        status 1
        --- stderr
        {"error":{"code":"R006","message":"it is not paused","causes":[],"hints":["see what it waits for with `leadsman why`"]}}
    "#]].assert_eq(&place.run(&["resume", "--json"]).whole());
}

#[test]
fn log_lines_name_their_instance() {
    let line = |instance: &str, text: &str| {
        let line = LogLine {
            instance: format!("shop.production.{instance}"),
            text: text.to_owned(),
        };
        format!("{}\n", serde_json::to_string(&line).unwrap())
    };
    let lines = line("web.r3.d3.1", "hello") + &line("web.r3.d3.2", "\x1b[31mworld");
    let place = Place::new();
    let control = Control::start(
        place.path(),
        vec![
            ("GET /v1/status", vec![overview(&["production"])]),
            (
                "GET /v1/environments/shop/production/logs",
                vec![Answer::text(200, &lines)],
            ),
        ],
    );
    expect![[r#"
        status 0
        --- stdout
        web.r3.d3.1 | hello
        web.r3.d3.2 | world
    "#]]
    .assert_eq(&place.run(&["logs", "web", "-n", "5"]).whole());
    assert!(
        control
            .asked("GET /v1/env")
            .0
            .ends_with("/logs?service=web&tail=5")
    );
    let json = place.run(&["logs", "--json", "shop.production.web.r3.d3.1"]);
    assert_eq!(json.stdout, lines);
    let asked = control.asked("GET /v1/env").0;
    assert!(
        asked.contains("instance=shop.production.web.r3.d3.1"),
        "{asked}"
    );
}

#[test]
fn down_waits_until_control_is_gone() {
    let system = |pid| {
        Answer::json(&System {
            version: "0.1.0".to_owned(),
            pid,
            started_at: Moment(0),
            state: "/srv/shop/.leadsman".to_owned(),
            api: None,
        })
    };
    let place = Place::new();
    // It still answers twice; then another one was started.
    let control = Control::start(
        place.path(),
        vec![
            ("POST /v1/system/down", vec![system(7)]),
            ("GET /v1/system", vec![system(7), system(7), system(8)]),
        ],
    );
    expect![[r#"
        status 0
        --- stdout
        everything has ended
        --- stderr
        Leadsman (process 7) ends everything it runs
    "#]]
    .assert_eq(&place.run(&["down"]).whole());
    assert_eq!(control.all("GET /v1/system").len(), 3);
}
