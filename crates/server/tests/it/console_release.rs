//! One release, as the API tells of it and as its page shows it.

use leadsman_api::{DiffQuery, Error, ReportQuery, Shipment, Standing};

use crate::browser::{Browser, PAGE, header, value};
use crate::raw::{Ask, ask};
use crate::served::{Served, shipment};

const RELEASE: &str = "/applications/shop/releases/1";

/// Returns a shipment that somebody has to approve, with a gate and a checklist.
fn asked_of(version: u64) -> Shipment {
    let mut shipment = shipment(version);
    shipment.project.push_str(
        "environments:\n  production:\n    entry: { approvals: 1 }\n    gates: { tests: pass }\n    \
         checklists:\n      before:\n        told: { confirm: support knows of it, by: approver }\n",
    );
    shipment
}

#[tokio::test]
async fn a_release_is_told_from_its_request_on_with_all_that_is_known_of_it() {
    let served = Served::start().await;
    served
        .client
        .ship(&asked_of(1))
        .await
        .expect("it is the first");
    let status = served.client.release("shop", 1).await.expect("it is there");
    assert_eq!((status.number, status.runs.len()), (1, 0));
    assert_eq!(status.note.as_deref(), Some("version 1"));
    assert_eq!(status.services[0].name, "web");
    let [production] = status.environments.as_slice() else {
        unreachable!("one environment has seen it: {status:?}");
    };
    assert_eq!(production.standing, None);
    let request = production.request.as_ref().expect("it waits");
    assert!(!request.missing.is_empty(), "{request:?}");
    assert_eq!(production.gates.len(), 1, "{production:?}");

    let mia = Browser::signed_in(&served, "mia", "admin").await;
    let page = mia.get(RELEASE).await;
    assert_eq!(page.status, 200, "{page:?}");
    for there in ["waits to enter", "It lacks", "version 1", "shipped by hand"] {
        assert!(page.body.contains(there), "{there}: {}", page.body);
    }
    // What waits can be compared before anybody consents to it.
    let query = DiffQuery {
        to: Some(1),
        ..DiffQuery::default()
    };
    let diff = served.client.diff("shop", "production", &query).await;
    let diff = diff.expect("it waits").changes;
    assert!(diff.iter().any(|it| it.path.starts_with("services.web")));
    assert!(page.body.contains("services.web"), "{}", page.body);

    let query = ReportQuery {
        job: Some("unit".to_owned()),
        ..ReportQuery::default()
    };
    let report = b"<testsuite><testcase name=\"a\"/><testcase name=\"b\"/></testsuite>".to_vec();
    let taken = served.client.report("shop", 1, &query, report).await;
    taken.expect("it is a report");
    let page = mia.get(RELEASE).await;
    assert!(page.body.contains("2 tests passed"), "{}", page.body);

    let form = format!("{PAGE}/do/approve-1");
    let asked = mia.get(&form).await;
    let (seal, seen) = (value(&asked.body, "seal"), value(&asked.body, "seen"));
    let body = format!("seal={seal}&seen={seen}&reason=read+and+tried");
    let done = mia.post(&form, &body).await;
    assert_eq!(header(&done, "location"), PAGE, "{done:?}");
    let confirm = leadsman_api::Command::Confirm {
        item: "told".to_owned(),
        when: None,
        release: None,
        digest: None,
        said: "by mail".to_owned(),
    };
    let confirmed = served.client.command("shop", "production", &confirm).await;
    confirmed.expect("it is open");
    served
        .world
        .until(|view| view.environment.serving().is_some())
        .await;
    let status = served.client.release("shop", 1).await.expect("it is there");
    let production = &status.environments[0];
    assert!(production.serves && production.request.is_none());
    assert_eq!(production.standing, Some(Standing::Promoted));
    assert_eq!(production.approvals[0].actor, "mia");
    assert_eq!(production.answers[0].said, "by mail");
    assert_eq!(production.deployments.len(), 1);
    assert!(production.entered.is_some());
    let page = mia.get(RELEASE).await;
    for there in ["serves", "read and tried", "by mail", "2 tests passed"] {
        assert!(page.body.contains(there), "{there}: {}", page.body);
    }
}

#[tokio::test]
async fn who_does_not_see_where_a_release_went_is_told_what_is_told_of_none() {
    let served = Served::start().await;
    served
        .client
        .ship(&shipment(1))
        .await
        .expect("it is the first");
    served.world.until_settled().await;
    for (person, reach, sees) in [
        ("ann", "shop", true),
        ("ben", "shop/production", true),
        ("cy", "shop/staging", false),
        ("di", "blog", false),
    ] {
        let token = served.token_of(person, "viewer", Some(reach)).await;
        let of = async |path: &'static str| {
            let asked = Ask {
                path,
                token: Some(&token),
                ..Ask::default()
            };
            ask(served.address, asked).await
        };
        let api = of("/v1/applications/shop/releases/1").await;
        let page = of(RELEASE).await;
        let status = if sees { 200 } else { 404 };
        assert_eq!(
            (api.status, page.status),
            (status, status),
            "{person}: {api:?}"
        );
        let none = of("/v1/applications/shop/releases/9").await;
        assert_eq!(none.status, 404);
        if !sees {
            let bare = |text: &str| -> String {
                let (message, _) = text.split_once("request_id").expect("it has one");
                message.replace('9', "1")
            };
            assert_eq!(bare(&api.body), bare(&none.body), "{person}");
        }
    }
    let none = served.client.release("nowhere", 1).await;
    assert!(matches!(&none, Err(Error::Refused(it)) if it.status == 404));
}

#[tokio::test]
async fn pages_lead_to_the_releases_that_they_speak_of() {
    let served = Served::start().await;
    served
        .client
        .ship(&shipment(1))
        .await
        .expect("it is the first");
    served.world.until_settled().await;
    let mia = Browser::signed_in(&served, "mia", "viewer").await;
    for path in ["/", PAGE, "/environments/shop/production/history"] {
        let page = mia.get(path).await;
        let link = format!("href=\"{RELEASE}\"");
        assert!(page.body.contains(&link), "{path}: {}", page.body);
    }
}
