//! The wire form of the answers that scripts read. What changes here changes for them.

use expect_test::expect;
use leadsman_api::{
    Deployment, EnvironmentStatus, Figures, Instance, InstanceState, Moment, Origin, Outcome,
    Phase, Problem, Reason, Rollout, RolloutStage, ServiceStatus, Side, Verdict, Who,
};

#[test]
fn a_phase_is_asked_for_as_it_is_told() {
    for phase in Phase::ALL {
        let told = serde_json::to_value(phase).unwrap();
        assert_eq!(told, phase.as_str());
    }
}

fn status() -> EnvironmentStatus {
    EnvironmentStatus {
        certificates: Vec::new(),
        application: "shop".to_owned(),
        environment: "production".to_owned(),
        version: 31,
        at: Moment(1_790_000_000_000),
        url: Some("http://127.0.0.1:8080".to_owned()),
        url_problem: None,
        serves: Some(3),
        schema: None,
        deployment: Some(Deployment {
            number: 4,
            release: 4,
            from: Some(3),
            origin: Origin::Ship,
            phase: Phase::Moving,
            since: Moment(1_789_999_000_000),
            started_at: Moment(1_789_999_000_000),
            actor: "mia".to_owned(),
            note: None,
            cause: None,
        }),
        queued: None,
        requests: Vec::new(),
        freezes: Vec::new(),
        maintenance: None,
        windows: None,
        checklists: Vec::new(),
        services: vec![ServiceStatus {
            closed: None,
            name: "web".to_owned(),
            stable: None,
            canary: Some(Side {
                release: 4,
                deployment: 4,
                weight_percent: 12.5,
                wanted: 1,
                instances: vec![Instance {
                    unhealthy: false,
                    ejected: 0,
                    id: "shop.production.web.r4.d4.1".to_owned(),
                    state: InstanceState::Running,
                    ready: true,
                    started_at: Moment(1_789_999_001_000),
                    restarts: 0,
                    memory_bytes: Some(1 << 20),
                    address: Some("127.0.0.1:41873".to_owned()),
                    detail: None,
                }],
                figures: Some(Figures {
                    window_ms: 10_000,
                    requests_per_second: 12.0,
                    error_ratio: Some(0.001),
                    p95_ms: Some(81.0),
                    p99_ms: None,
                }),
                cut_off: None,
            }),
            baseline: None,
            warm: None,
            rollout: Some(Rollout {
                stage: RolloutStage::Soaking,
                step: 2,
                steps: 4,
                weight_percent: 12.5,
                weights_percent: vec![5.0, 12.5, 50.0, 100.0],
                soak_ms: Some(600_000),
                soaked_ms: 252_000,
                verdict: Some(Verdict {
                    outcome: Outcome::NoData,
                    requests: 0,
                    sentence: "no request yet".to_owned(),
                    findings: Vec::new(),
                    evidence: None,
                }),
            }),
        }],
        reasons: vec![Reason {
            kind: "soak".to_owned(),
            service: Some("web".to_owned()),
            sentence: "step 2 of 4 of `web` holds 12.5 % for 5 min 48 s more".to_owned(),
            since: Moment(1_789_999_748_000),
            until: Some(Moment(1_790_000_348_000)),
            who: Who::Either,
            commands: vec!["leadsman promote".to_owned()],
        }],
    }
}

#[test]
fn a_status_reads_as_documented() {
    let json = serde_json::to_string_pretty(&status()).unwrap();
    expect![[r#"
        {
          "application": "shop",
          "environment": "production",
          "version": 31,
          "at": 1790000000000,
          "url": "http://127.0.0.1:8080",
          "url_problem": null,
          "serves": 3,
          "deployment": {
            "number": 4,
            "release": 4,
            "from": 3,
            "origin": "ship",
            "phase": "moving",
            "since": 1789999000000,
            "started_at": 1789999000000,
            "actor": "mia",
            "note": null,
            "cause": null
          },
          "queued": null,
          "services": [
            {
              "name": "web",
              "stable": null,
              "canary": {
                "release": 4,
                "deployment": 4,
                "weight_percent": 12.5,
                "wanted": 1,
                "instances": [
                  {
                    "id": "shop.production.web.r4.d4.1",
                    "state": "running",
                    "ready": true,
                    "started_at": 1789999001000,
                    "restarts": 0,
                    "memory_bytes": 1048576,
                    "address": "127.0.0.1:41873",
                    "detail": null,
                    "unhealthy": false,
                    "ejected": 0
                  }
                ],
                "figures": {
                  "window_ms": 10000,
                  "requests_per_second": 12.0,
                  "error_ratio": 0.001,
                  "p95_ms": 81.0,
                  "p99_ms": null
                }
              },
              "baseline": null,
              "warm": null,
              "rollout": {
                "stage": "soaking",
                "step": 2,
                "steps": 4,
                "weight_percent": 12.5,
                "weights_percent": [
                  5.0,
                  12.5,
                  50.0,
                  100.0
                ],
                "soak_ms": 600000,
                "soaked_ms": 252000,
                "verdict": {
                  "outcome": "no_data",
                  "requests": 0,
                  "sentence": "no request yet",
                  "findings": []
                }
              }
            }
          ],
          "reasons": [
            {
              "kind": "soak",
              "service": "web",
              "sentence": "step 2 of 4 of `web` holds 12.5 % for 5 min 48 s more",
              "since": 1789999748000,
              "until": 1790000348000,
              "who": "either",
              "commands": [
                "leadsman promote"
              ]
            }
          ]
        }"#]]
    .assert_eq(&json);
    assert_eq!(
        serde_json::from_str::<EnvironmentStatus>(&json).unwrap(),
        status()
    );
}

#[test]
fn an_answer_may_gain_fields() {
    let problem: Problem = serde_json::from_str(
        r#"{"type":"/errors/R001","status":409,"code":"R001","detail":"no","request_id":"1","seen_by":"two"}"#,
    )
    .unwrap();
    assert_eq!(problem.to_string(), "no");
}
