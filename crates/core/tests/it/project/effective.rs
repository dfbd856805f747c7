//! An environment written out with every default.

use expect_test::expect;
use leadsman_core::id::ServiceName;
use proptest::prelude::*;

use super::{fixtures, project};

#[test]
fn every_default_is_shown() {
    let project = project("application: files\nservices: { web: { run: ./serve } }\n");
    let name = project.environments().next().unwrap();
    expect![[r#"
        application: files
        services:
          web:
            artifact: null
            run: [./serve]
            instances: 1
            folder: .
            env: {}
            user: null
            memory: null
            files: null
            protocol: http1
            ready:
              tcp: true
              every: 500ms
              timeout: 1s
              within: 1m
              steady: 0s
            stop:
              signal: TERM
              drain: 30s
              grace: 10s
            after: []
            strategy:
              canary:
                steps:
                  - { weight: 5%, soak: 10m }
                  - { weight: 25%, soak: 10m }
                  - { weight: 50%, soak: 10m }
                  - { weight: 90%, soak: 10m }
                  - { weight: 100%, soak: null }
                baseline: stable
              keep_warm: 10m
              patience: 1h
              on_inconclusive: hold
            limits:
              errors: 5%
              p95: null
              p99: null
              memory: 90%
              cpu: null
              restarts: 0
              requests: 100
              warm_up: 0s
              risk: 1%
              against_stable:
                errors: 1%
                p95: 20%
                p99: 50%
            traffic:
              sticky: null
              testers: []
              mirror: null
              hold: null
              maintenance: null
              eject: null
              retries: null
              capacity: null
              slow_start: null
        environments:
          production:
            listen: 127.0.0.1:8080
            tls: null
            headers: {}
            trusted: [127.0.0.0/8, "::1/128"]
            proxy_protocol: []
            entry:
              automatic: null
              after: null
              branches: []
              tags: []
              approvals: null
              maintenance: []
              windows: []
              time_zone: UTC
              waits: 7d
              expedited: null
            checklists: null
            gates: null
            migration: null
        routes:
          - { path: /, service: web }
    "#]]
    .assert_eq(&project.effective(name).unwrap());
}

#[test]
fn what_is_shown_means_the_same_when_it_is_read() {
    for (name, text) in fixtures() {
        let first = project(&text);
        for environment in first.environments() {
            let written = first.effective(environment).unwrap();
            let second = project(&written);
            assert_eq!(
                second.resolve(environment),
                first.resolve(environment),
                "{name}: {written}"
            );
            assert_eq!(second.effective(environment).as_ref(), Some(&written));
        }
    }
}

#[test]
fn artifacts_are_those_of_the_environment() {
    let (_, text) = fixtures()
        .into_iter()
        .find(|(name, _)| name.ends_with("full.yaml"))
        .unwrap();
    let project = project(&text);
    let [web, app, pages] =
        ["web", "app", "pages"].map(|name| -> ServiceName { name.parse().unwrap() });
    let artifacts = |name: &str| {
        project
            .artifacts(&name.parse().unwrap())
            .into_iter()
            .collect::<Vec<_>>()
    };
    let in_production = [(&app, "./front/dist"), (&pages, "./site"), (&web, "./dist")];
    assert_eq!(artifacts("production"), in_production);
    assert_eq!(artifacts("staging"), [(&app, "./front/dist")]);
    assert_eq!(artifacts("nowhere"), []);
    assert_eq!(project.text(), text);
    assert_eq!(project.application().as_str(), "shop");
}

proptest! {
    #[test]
    fn any_text_survives_being_written_and_read(words in proptest::collection::vec("[^\0]{0,20}", 1..4)) {
        prop_assume!(!words[0].trim().is_empty());
        let json = serde_json::to_string(&words).unwrap();
        let text = format!(
            "application: a\nservices: {{ web: {{ run: [./x], env: {{ A: {} }} }} }}\n",
            serde_json::to_string(&words[0]).unwrap(),
        );
        // What JSON leaves as it is, YAML may not accept: then there is nothing to compare.
        if let Ok(first) = leadsman_core::project::Project::parse(&text.replace("[./x]", &json), "f") {
            let name = first.environments().next().unwrap();
            let second = project(&first.effective(name).unwrap());
            prop_assert_eq!(second.resolve(name), first.resolve(name));
        }
    }
}
