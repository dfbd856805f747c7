//! What is answered to what.

use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use leadsman_api::{
    Command, DiffQuery, Error, HistoryQuery, Phase, PlannedAction, Problem, RolloutStage, Standing,
    StatusQuery,
};
use leadsman_core::time::Timestamp;
use leadsman_store::FigureRow;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use crate::served::{Served, shipment};

const PATIENCE: Duration = Duration::from_secs(30);

fn problem(error: Error) -> Problem {
    match error {
        Error::Refused(problem) => *problem,
        other => unreachable!("control answers with a problem, not: {other:?}"),
    }
}

/// Waits until the status of the one environment is as `wanted`, by long poll.
async fn until(served: &Served, wanted: impl Fn(&leadsman_api::EnvironmentStatus) -> bool) {
    let begun = Instant::now();
    let mut after = None;
    while begun.elapsed() < PATIENCE {
        let query = StatusQuery {
            after,
            wait_ms: Some(1000),
        };
        let overview = served.client.status(&query).await.expect("it answers");
        if overview.environments.first().is_some_and(&wanted) {
            return;
        }
        after = Some(overview.version);
    }
    unreachable!("it does not come true");
}

#[tokio::test]
async fn a_release_can_be_planned_shipped_seen_and_explained() {
    let served = Served::start().await;
    let first = served
        .client
        .ship(&shipment(1))
        .await
        .expect("it is the first release");
    assert_eq!(
        (first.release, first.deployment, first.started),
        (1, Some(1), true)
    );
    until(&served, |status| status.serves == Some(1)).await;

    let again = served
        .client
        .ship(&shipment(1))
        .await
        .expect("a script may repeat itself");
    assert_eq!(
        (again.release, again.started),
        (1, false),
        "{}",
        again.sentence
    );

    let plan = served
        .client
        .plan(&shipment(2))
        .await
        .expect("nothing stands in the way");
    assert_eq!(
        (plan.release, plan.from, plan.at_least_ms),
        (2, Some(1), 120_000)
    );
    let [web] = plan.services.as_slice() else {
        unreachable!("there is one service: {plan:?}")
    };
    assert_eq!(web.action, PlannedAction::Roll);
    let weights: Vec<f64> = web.steps.iter().map(|step| step.weight_percent).collect();
    assert_eq!(weights, [5.0, 50.0, 100.0]);
    assert_eq!(plan.changes.len(), 1, "{:?}", plan.changes);

    served
        .client
        .ship(&shipment(2))
        .await
        .expect("nothing stands in the way");
    until(&served, |status| {
        let rollout = status
            .services
            .first()
            .and_then(|service| service.rollout.as_ref());
        rollout.is_some_and(|rollout| rollout.stage == RolloutStage::Soaking)
    })
    .await;
    let why = served
        .client
        .why("shop", "production")
        .await
        .expect("it is known");
    let deployment = why.status.deployment.as_ref().expect("it is on its way");
    assert_eq!(
        (deployment.phase, deployment.from),
        (Phase::Moving, Some(1))
    );
    assert_eq!(deployment.note.as_deref(), Some("version 2"));
    assert!(
        why.status
            .reasons
            .iter()
            .any(|reason| reason.kind == "soak")
    );
    assert_eq!(
        why.events.first().map(|event| event.kind.as_str()),
        Some("deployment_started")
    );

    let accepted = served
        .client
        .command("shop", "production", &Command::Abort {})
        .await;
    assert!(accepted.expect("it moves").sentence.contains("aborted by"));
    until(&served, |status| {
        status
            .deployment
            .as_ref()
            .is_some_and(|d| d.phase == Phase::RolledBack)
    })
    .await;
    let query = HistoryQuery::default();
    let history = served
        .client
        .history("shop", "production", &query)
        .await
        .expect("it is known");
    let standings: Vec<Standing> = history.releases.iter().map(|r| r.standing).collect();
    assert_eq!(standings, [Standing::Candidate, Standing::Promoted]);
    assert!(
        history
            .events
            .is_sorted_by(|newer, older| newer.position > older.position)
    );
    let query = DiffQuery {
        from: Some(1),
        ..DiffQuery::default()
    };
    let diff = served
        .client
        .diff("shop", "production", &query)
        .await
        .expect("both are known");
    assert_eq!((diff.to.as_str(), diff.changes.len()), ("what runs", 0));
}

#[tokio::test]
async fn what_is_refused_says_why_and_what_to_do() {
    let served = Served::start().await;
    let unknown = served
        .client
        .command("shop", "production", &Command::Pause {})
        .await;
    let unknown = problem(unknown.expect_err("nothing was shipped"));
    assert_eq!((unknown.status, unknown.code.as_str()), (404, "L081"));

    served
        .client
        .ship(&shipment(1))
        .await
        .expect("it is the first release");
    until(&served, |status| {
        status
            .deployment
            .as_ref()
            .is_some_and(|d| d.phase == Phase::Settled)
    })
    .await;
    let refused = served
        .client
        .command("shop", "production", &Command::Pause {})
        .await;
    let refused = problem(refused.expect_err("nothing is on its way"));
    assert_eq!((refused.status, refused.code.as_str()), (409, "R001"));
    assert!(
        refused
            .hint
            .is_some_and(|hint| hint.contains("leadsman ship"))
    );

    let mut wrong = shipment(1);
    wrong.project = "application: shop\nservices: {}\nunknown: 1\n".to_owned();
    let wrong = problem(
        served
            .client
            .ship(&wrong)
            .await
            .expect_err("it has problems"),
    );
    assert_eq!((wrong.status, wrong.code.as_str()), (422, "L012"));
    assert!(
        wrong.message.contains("leadsman.yaml:3:1"),
        "{}",
        wrong.message
    );

    let mut missing = shipment(1);
    missing.project = missing
        .project
        .replace("    run:", "    artifact: ./dist\n    run:");
    let missing = problem(
        served
            .client
            .ship(&missing)
            .await
            .expect_err("it was not uploaded"),
    );
    assert_eq!((missing.status, missing.code.as_str()), (422, "L031"));
}

#[tokio::test]
async fn a_plan_says_that_a_release_would_not_be_let_in() {
    let served = Served::start().await;
    let mut guarded = shipment(1);
    guarded
        .project
        .push_str("environments:\n  production: { entry: { branches: [main] } }\n");
    let plan = served.client.plan(&guarded).await;
    let plan = plan.expect("what would be refused is a part of the plan");
    assert_eq!(
        plan.warnings,
        [
            "release 1 was built from no branch or tag that is known, and only branch `main` may enter"
        ]
    );
    assert_eq!(plan.services.len(), 1, "all else is planned as if it were");
}

#[tokio::test]
async fn a_plan_says_what_its_steps_see_by_the_traffic_that_was_kept() {
    let served = Served::start().await;
    served
        .client
        .ship(&shipment(1))
        .await
        .expect("it is the first release");
    until(&served, |status| {
        let deployment = status.deployment.as_ref();
        deployment.is_some_and(|d| d.phase == Phase::Settled)
    })
    .await;
    let next = shipment(2);
    let unknown = served.client.plan(&next).await;
    let unknown = unknown.expect("nothing stands in the way");
    let warned = |plan: &leadsman_api::Plan, words: &str| {
        let mut warnings = plan.warnings.iter();
        assert!(warnings.any(|it| it.contains(words)), "{:?}", plan.warnings);
    };
    warned(&unknown, "no traffic is known of `web`");
    assert_eq!(unknown.services[0].traffic, None);

    // Two requests a second for an hour; one in a hundred failed.
    let minute = |minute: u64| FigureRow {
        series: "shop/production/traffic/web".to_owned(),
        at: Timestamp::from_millis(minute * 60_000),
        body: "[1,1,60.0,[120,1,[290,60,10,50,20,10]]]".to_owned(),
    };
    let rows = (1..=60).map(minute).collect();
    served
        .world
        .figures
        .append_figures(rows)
        .await
        .expect("there is room");
    let plan = served.client.plan(&next).await;
    let plan = plan.expect("nothing stands in the way");
    let web = &plan.services[0];
    let traffic = web.traffic.as_ref().expect("it is known");
    assert_eq!(traffic.over_ms, 3_600_000);
    assert!((traffic.requests_per_second - 2.0).abs() < 1e-9);
    let sights: Vec<_> = web.steps.iter().map(|step| step.sight.as_ref()).collect();
    let [Some(first), Some(second), None] = sights[..] else {
        unreachable!("two steps are held, the last is not: {sights:?}")
    };
    assert_eq!((first.requests, second.requests), (6, 60));
    let errors = second.errors.as_ref().expect("errors have a limit");
    assert!((errors.from - 1.0 / 120.0).abs() < 1e-9);
    assert!(
        errors.to.is_some_and(|to| to > 0.1 && to < 0.5),
        "{errors:?}"
    );
    warned(&plan, "5 % for 1m at 2 requests/s shows ");
}

/// Sends bytes as they are and returns the answer.
async fn send(served: &Served, request: &str) -> String {
    let mut stream = UnixStream::connect(&served.socket)
        .await
        .expect("it listens");
    stream
        .write_all(request.as_bytes())
        .await
        .expect("it reads");
    let mut answer = String::new();
    stream
        .read_to_string(&mut answer)
        .await
        .expect("it answers and closes");
    answer
}

#[tokio::test]
async fn requests_that_make_no_sense_are_refused_and_change_nothing() {
    let served = Served::start().await;
    for (path, body, status, code) in [
        (
            "/v1/environments/shop/production/commands",
            "{",
            400,
            "L080",
        ),
        (
            "/v1/environments/shop/production/commands",
            r#"{"command":"stop"}"#,
            400,
            "L080",
        ),
        (
            "/v1/environments/shop/production/commands",
            r#"{"command":"promote","al":true}"#,
            400,
            "L080",
        ),
        (
            "/v1/environments/..%2f/production/commands",
            r#"{"command":"pause"}"#,
            404,
            "L081",
        ),
        (
            "/v1/ship",
            r#"{"project":"","file":"x","origin":"relative"}"#,
            400,
            "L080",
        ),
        ("/v1/nowhere", "{}", 404, "L081"),
    ] {
        let length = body.len();
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: control\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\nconnection: close\r\n\r\n{body}"
        );
        let answer = send(&served, &request).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{path} {body}: {answer}"
        );
        assert!(
            answer.contains(&format!(r#""code":"{code}""#)),
            "{path} {body}: {answer}"
        );
    }
    let query = StatusQuery::default();
    assert!(
        served
            .client
            .status(&query)
            .await
            .expect("it answers")
            .environments
            .is_empty()
    );
}

#[tokio::test]
async fn only_the_owner_may_open_the_socket() {
    let served = Served::start().await;
    let mode = std::fs::metadata(&served.socket)
        .expect("it is there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let system = served.client.system().await.expect("it answers");
    assert_eq!((system.version.as_str(), system.started_at.0), ("1.2.3", 7));
}
