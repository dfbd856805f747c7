//! In which words receivers are told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use expect_test::{Expect, expect};
use leadsman_api::Notice;
use leadsman_store::EventLog as _;
use serde_json::{Value, json};

use super::super::kept::tests::kept;
use super::super::kept::{Format, Kept};
use super::super::kinds;
use super::super::reading::Reader;
use super::super::teller::World as _;
use super::Fake;
use super::schema::{check_cdevent, check_cloud_event};

const SOURCE: &str = "urn:leadsman:00";

/// Returns everything that is told of a log in these words.
async fn told(world: &Fake, format: Format) -> Vec<Value> {
    let mut reader = Reader::new(world.log(), Arc::from(SOURCE), Arc::default());
    let kept = Kept {
        format,
        ..kept("chat", "https://example.org/")
    };
    let mut told = Vec::new();
    for row in world.log.read_all(0, usize::MAX).await.unwrap() {
        for message in reader.messages(&row, &kept).await.unwrap() {
            let body: Value = serde_json::from_slice(&message.body).unwrap();
            assert_eq!(body["id"], message.id.as_str());
            assert_eq!(message.kind, row.kind);
            told.push(body);
        }
    }
    told
}

/// Records every event that was ever stored, in streams of their own.
async fn everything() -> Fake {
    let world = Fake::new();
    let (events, runs) = kinds::tests::stored();
    for (kind, body) in &events {
        let stream = match kind.as_str() {
            "release_created" | "report_received" => "shop",
            _ => "shop/production",
        };
        world.record(stream, body).await;
    }
    for (_, body) in &runs {
        world.record("0.run/shop/7", body).await;
    }
    world
}

/// Returns an example of a deployment that begins, with what differs.
fn started(number: u64, release: u64, origin: &Value, artifact: Option<char>) -> String {
    let (events, _) = kinds::tests::stored();
    let example = events.iter().find(|(kind, _)| kind == "deployment_started");
    let mut value: Value = serde_json::from_str(&example.expect("there is one").1).unwrap();
    value["number"] = json!(number);
    value["release"] = json!(release);
    value["origin"] = origin.clone();
    value["content"]["services"]["web"]["artifact"] = match artifact {
        Some(digit) => json!(format!("sha256:{}", digit.to_string().repeat(64))),
        None => Value::Null,
    };
    value.to_string()
}

#[tokio::test]
async fn every_event_that_was_ever_stored_is_a_cloud_event_that_the_client_reads() {
    let world = everything().await;
    let told = told(&world, Format::Leadsman).await;
    let (events, runs) = kinds::tests::stored();
    assert_eq!(told.len(), events.len() + runs.len(), "each is told");
    let ids: BTreeSet<&str> = told.iter().filter_map(|it| it["id"].as_str()).collect();
    assert_eq!(ids.len(), told.len(), "each has an id of its own");
    for (notice, (kind, _)) in told.iter().zip(events.iter().chain(&runs)) {
        check_cloud_event(notice);
        let read: Notice = serde_json::from_value(notice.clone()).unwrap();
        assert_eq!(read.kind, format!("dev.leadsman.{kind}"));
        assert_eq!(read.data.event.kind, *kind);
        assert_eq!(read.data.application, "shop");
        assert!(!read.data.event.sentence.is_empty());
        assert_eq!(serde_json::to_value(&read).unwrap(), *notice);
    }
}

#[tokio::test]
async fn what_is_told_is_the_same_wherever_reading_begins() {
    let world = everything().await;
    let whole = told(&world, Format::Leadsman).await;
    let rows = world.log.read_all(0, usize::MAX).await.unwrap();
    let kept = kept("chat", "https://example.org/");
    for (row, expected) in rows.iter().zip(&whole) {
        let mut fresh = Reader::new(world.log(), Arc::from(SOURCE), Arc::default());
        let messages = fresh.messages(row, &kept).await.unwrap();
        let body: Value = serde_json::from_slice(&messages[0].body).unwrap();
        assert_eq!(body, *expected);
    }
}

/// A release that comes in, a newer one that goes back, one that takes its place, and a person who
/// goes back to the first.
async fn story() -> Fake {
    let world = Fake::new();
    let environment = "shop/production";
    let digest = format!("sha256:{}", "a".repeat(64));
    let created = json!({
        "event": "release_created", "number": 1, "project": "application: shop\n",
        "origin": "/srv/shop", "artifacts": { "web": digest, "worker": digest }, "note": null,
    });
    world.record("shop", &created.to_string()).await;
    let promoted = r#"{"event":"service_promoted","service":"web","passed":"ready"}"#;
    let all = r#"{"event":"deployment_promoted"}"#;
    let settled = r#"{"event":"deployment_ended","end":"settled"}"#;
    let aborted =
        r#"{"event":"rollback_started","services":["web"],"cause":{"aborted":{"by":"ann"}}}"#;
    let returned = r#"{"event":"service_returned","service":"web"}"#;
    let gone_back = r#"{"event":"deployment_ended","end":"rolled_back"}"#;
    let ship = json!("ship");
    // The very first one goes back: nothing is left.
    let first = started(1, 1, &ship, Some('a'));
    let again = started(2, 1, &json!("retry"), Some('a'));
    let second = started(3, 2, &ship, Some('b'));
    let third = started(4, 3, &ship, None);
    let back = started(5, 1, &json!({ "rollback": { "from": 3 } }), Some('a'));
    for body in [
        first.as_str(),
        aborted,
        returned,
        gone_back,
        &again,
        promoted,
        all,
        settled,
        &second,
        aborted,
        returned,
        gone_back,
        &third,
        promoted,
        all,
        settled,
        &back,
        promoted,
        all,
        settled,
    ] {
        world.record(environment, body).await;
    }
    world
}

fn lines(told: &[Value], line: impl Fn(&Value) -> String, expected: &Expect) {
    let lines: Vec<String> = told.iter().map(line).collect();
    expected.assert_eq(&(lines.join("\n") + "\n"));
}

#[tokio::test]
async fn services_are_deployed_upgraded_rolled_back_and_removed() {
    let world = story().await;
    let told = told(&world, Format::CdEvents).await;
    lines(
        &told,
        |event| {
            let kind = check_cdevent(event);
            let content = &event["data"]["subject"]["content"];
            format!("{} {kind} {} {content}", event["id"], event["subject"])
        },
        &expect![[r#"
            "shop/1/web" dev.cdevents.artifact.published.0.2.0 "pkg:generic/shop/web@sha256%3Aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" {"user":"ann"}
            "shop/1/worker" dev.cdevents.artifact.published.0.2.0 "pkg:generic/shop/worker@sha256%3Aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" {"user":"ann"}
            "shop/production/3" dev.cdevents.service.removed.0.2.0 "shop/production/web" {"environment":{"id":"shop/production"}}
            "shop/production/6" dev.cdevents.service.deployed.0.2.0 "shop/production/web" {"artifactId":"pkg:generic/shop/web@sha256%3Aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","environment":{"id":"shop/production"}}
            "shop/production/11" dev.cdevents.service.rolledback.0.2.0 "shop/production/web" {"artifactId":"pkg:generic/shop/web@sha256%3Aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","environment":{"id":"shop/production"}}
            "shop/production/14" dev.cdevents.service.upgraded.0.2.0 "shop/production/web" {"artifactId":"pkg:generic/shop/web@release-3","environment":{"id":"shop/production"}}
            "shop/production/18" dev.cdevents.service.rolledback.0.2.0 "shop/production/web" {"artifactId":"pkg:generic/shop/web@sha256%3Aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","environment":{"id":"shop/production"}}
        "#]],
    );
}

#[tokio::test]
async fn a_service_that_was_upgraded_is_told_so() {
    let world = story().await;
    let told = told(&world, Format::CdEvents).await;
    let upgraded = told.iter().find(|event| {
        let kind = event["type"].as_str().unwrap_or_default();
        kind.contains("upgraded")
    });
    let text = serde_json::to_string_pretty(upgraded.expect("there is one")).unwrap();
    expect![[r#"
        {
          "data": {
            "context": {
              "id": "shop/production/14",
              "source": "urn:leadsman:00",
              "timestamp": "2026-09-21T14:13:20.000Z",
              "type": "dev.cdevents.service.upgraded.0.2.0",
              "version": "0.4.1"
            },
            "customData": {
              "application": "shop",
              "environment": "production",
              "event": {
                "actor": "ann",
                "at": 1790000000000,
                "deployment": 4,
                "kind": "service_promoted",
                "position": 15,
                "sentence": "`web` is promoted"
              },
              "release": 3,
              "service": "web"
            },
            "customDataContentType": "application/json",
            "subject": {
              "content": {
                "artifactId": "pkg:generic/shop/web@release-3",
                "environment": {
                  "id": "shop/production"
                }
              },
              "id": "shop/production/web",
              "type": "service"
            }
          },
          "datacontenttype": "application/json",
          "id": "shop/production/14",
          "source": "urn:leadsman:00",
          "specversion": "1.0",
          "subject": "shop/production/web",
          "time": "2026-09-21T14:13:20.000Z",
          "type": "dev.cdevents.service.upgraded.0.2.0"
        }"#]]
    .assert_eq(&text);
}

#[tokio::test]
async fn a_notice_says_what_happened_to_what() {
    let world = story().await;
    let told = told(&world, Format::Leadsman).await;
    let ended = told
        .iter()
        .find(|notice| notice["type"] == "dev.leadsman.deployment_ended");
    let text = serde_json::to_string_pretty(ended.expect("there is one")).unwrap();
    expect![[r#"
        {
          "data": {
            "application": "shop",
            "environment": "production",
            "event": {
              "actor": "ann",
              "at": 1790000000000,
              "deployment": 1,
              "kind": "deployment_ended",
              "position": 5,
              "sentence": "rolled back: the release has no traffic any more"
            },
            "release": 1
          },
          "datacontenttype": "application/json",
          "id": "shop/production/4",
          "source": "urn:leadsman:00",
          "specversion": "1.0",
          "subject": "shop/production",
          "time": "2026-09-21T14:13:20.000Z",
          "type": "dev.leadsman.deployment_ended"
        }"#]]
    .assert_eq(&text);
    lines(
        &told,
        |notice| {
            let data = &notice["data"];
            format!(
                "{} {} release {} deployment {} service {}: {}",
                notice["id"].as_str().unwrap_or_default(),
                data["event"]["kind"].as_str().unwrap_or_default(),
                data["release"],
                data["event"]["deployment"],
                data["service"],
                data["event"]["sentence"].as_str().unwrap_or_default(),
            )
        },
        &expect![[r#"
            shop/1 release_created release 1 deployment null service null: release 1 was recorded
            shop/production/1 deployment_started release 1 deployment 1 service null: release 1 is on its way as deployment 1: `web`
            shop/production/2 rollback_started release 1 deployment 1 service null: goes back: aborted by ann
            shop/production/3 service_returned release 1 deployment 1 service "web": `web` has no request on the new revision any more
            shop/production/4 deployment_ended release 1 deployment 1 service null: rolled back: the release has no traffic any more
            shop/production/5 deployment_started release 1 deployment 2 service null: release 1 is tried again as deployment 2: `web`
            shop/production/6 service_promoted release 1 deployment 2 service "web": `web` is promoted
            shop/production/7 deployment_promoted release 1 deployment 2 service null: all traffic is on the new release
            shop/production/8 deployment_ended release 1 deployment 2 service null: settled: the previous revisions are gone
            shop/production/9 deployment_started release 2 deployment 3 service null: release 2 is on its way as deployment 3: `web`
            shop/production/10 rollback_started release 2 deployment 3 service null: goes back: aborted by ann
            shop/production/11 service_returned release 2 deployment 3 service "web": `web` has no request on the new revision any more
            shop/production/12 deployment_ended release 2 deployment 3 service null: rolled back: the release has no traffic any more
            shop/production/13 deployment_started release 3 deployment 4 service null: release 3 is on its way as deployment 4: `web`
            shop/production/14 service_promoted release 3 deployment 4 service "web": `web` is promoted
            shop/production/15 deployment_promoted release 3 deployment 4 service null: all traffic is on the new release
            shop/production/16 deployment_ended release 3 deployment 4 service null: settled: the previous revisions are gone
            shop/production/17 deployment_started release 1 deployment 5 service null: back from release 3 to release 1 as deployment 5: `web`
            shop/production/18 service_promoted release 1 deployment 5 service "web": `web` is promoted
            shop/production/19 deployment_promoted release 1 deployment 5 service null: all traffic is on the new release
            shop/production/20 deployment_ended release 1 deployment 5 service null: settled: the previous revisions are gone
        "#]],
    );
}

#[tokio::test]
async fn runs_and_their_jobs_begin_and_end_with_an_outcome() {
    let world = Fake::new();
    let (_, runs) = kinds::tests::stored();
    for (_, body) in &runs {
        world.record("0.run/shop/7", body).await;
    }
    let told = told(&world, Format::CdEvents).await;
    let mut seen = BTreeMap::new();
    for event in &told {
        let kind = check_cdevent(event);
        let content = &event["data"]["subject"]["content"];
        let line = format!("{kind} {} {content}", event["subject"]);
        seen.entry(line).or_insert(());
    }
    let seen: Vec<Value> = seen.into_keys().map(Value::String).collect();
    lines(
        &seen,
        |line| line.as_str().unwrap_or_default().to_owned(),
        &expect![[r#"
            dev.cdevents.pipelinerun.finished.0.2.0 "shop/runs/7" {"errors":"a job did not pass","outcome":"failure","pipelineName":"shop"}
            dev.cdevents.pipelinerun.finished.0.2.0 "shop/runs/7" {"errors":"the run was cancelled","outcome":"error","pipelineName":"shop"}
            dev.cdevents.pipelinerun.finished.0.2.0 "shop/runs/7" {"outcome":"success","pipelineName":"shop"}
            dev.cdevents.pipelinerun.started.0.2.0 "shop/runs/7" {"pipelineName":"shop"}
            dev.cdevents.taskrun.finished.0.2.0 "shop/runs/7/lint/2" {"errors":"ended because somebody asked for it","outcome":"error","pipelineRun":{"id":"shop/runs/7"},"taskName":"lint"}
            dev.cdevents.taskrun.finished.0.2.0 "shop/runs/7/lint/2" {"errors":"interrupted: the runner was killed","outcome":"error","pipelineRun":{"id":"shop/runs/7"},"taskName":"lint"}
            dev.cdevents.taskrun.finished.0.2.0 "shop/runs/7/lint/2" {"errors":"it did","outcome":"error","pipelineRun":{"id":"shop/runs/7"},"taskName":"lint"}
            dev.cdevents.taskrun.finished.0.2.0 "shop/runs/7/lint/2" {"errors":"it did","outcome":"failure","pipelineRun":{"id":"shop/runs/7"},"taskName":"lint"}
            dev.cdevents.taskrun.finished.0.2.0 "shop/runs/7/lint/2" {"outcome":"success","pipelineRun":{"id":"shop/runs/7"},"taskName":"lint"}
            dev.cdevents.taskrun.started.0.2.0 "shop/runs/7/lint/2" {"pipelineRun":{"id":"shop/runs/7"},"taskName":"lint"}
            dev.cdevents.taskrun.started.0.2.0 "shop/runs/7/unit.stable/1" {"pipelineRun":{"id":"shop/runs/7"},"taskName":"unit.stable"}
        "#]],
    );
}

#[tokio::test]
async fn just_the_kinds_that_have_a_cdevent_are_told_as_one() {
    let mut kinds_told = BTreeSet::new();
    for world in [everything().await, story().await] {
        for event in told(&world, Format::CdEvents).await {
            check_cdevent(&event);
            let kind = event["data"]["customData"]["event"]["kind"].as_str();
            kinds_told.insert(kind.unwrap_or_default().to_owned());
        }
    }
    let (events, runs) = kinds::tests::stored();
    for (kind, _) in events.iter().chain(&runs) {
        assert_eq!(
            kinds::has_cdevent(kind),
            kinds_told.contains(kind),
            "{kind}"
        );
    }
}
