//! Acts that are asked for again: done once, answered as often as it takes.

use leadsman_api::{AuditQuery, Command};

use crate::raw::{Answer, Ask, ask};
use crate::served::{Served, shipment};

const COMMANDS: &str = "/v1/environments/shop/production/commands";
const PAUSE: &str = r#"{"command":"pause"}"#;

struct Act<'a> {
    path: &'a str,
    key: &'a str,
    token: &'a str,
    body: &'a str,
}

async fn act(served: &Served, act: Act<'_>) -> Answer {
    let key = format!("Idempotency-Key: {}", act.key);
    let headers = [key.as_str()];
    let what = Ask {
        method: "POST",
        path: act.path,
        body: act.body,
        token: Some(act.token),
        headers: &headers,
        ..Ask::default()
    };
    ask(served.address, what).await
}

/// Returns how many events of this kind there are.
async fn count(served: &Served, kind: &str) -> usize {
    let query = AuditQuery {
        kind: Some(kind.to_owned()),
        ..AuditQuery::default()
    };
    served
        .client
        .audit(&query)
        .await
        .expect("it is the owner")
        .entries
        .len()
}

fn is_replayed(answer: &Answer) -> bool {
    answer.head.contains("idempotency-replayed: true")
}

async fn on_its_way() -> (Served, String) {
    let served = Served::start().await;
    for number in [1, 2] {
        let shipped = served.client.ship(&shipment(number)).await;
        shipped.expect("it differs");
        while served
            .client
            .status(&Default::default())
            .await
            .is_ok_and(|it| {
                let newest = it.environments[0].deployment.as_ref();
                newest.is_none_or(|it| it.release != number)
            })
        {}
    }
    let token = served.token_of("mia", "admin", None).await;
    (served, token)
}

#[tokio::test]
async fn an_act_that_is_asked_for_again_is_done_once_and_answered_alike() {
    let (served, token) = on_its_way().await;
    let pause = |key, body| Act {
        path: COMMANDS,
        key,
        token: &token,
        body,
    };
    let first = act(&served, pause("k-1", PAUSE)).await;
    assert_eq!(
        (first.status, is_replayed(&first)),
        (200, false),
        "{first:?}"
    );
    // In quotes it is the same key.
    for key in ["k-1", "\"k-1\""] {
        let again = act(&served, pause(key, PAUSE)).await;
        assert_eq!(
            (again.status, is_replayed(&again)),
            (200, true),
            "{again:?}"
        );
        assert_eq!(again.body, first.body);
    }
    assert_eq!(count(&served, "deployment_paused").await, 1);
    // With another key it is another act.
    let other = act(&served, pause("k-2", PAUSE)).await;
    assert_eq!(other.status, 409, "{other:?}");
    // What was refused changed nothing, and is decided anew.
    let resume = Command::Resume {};
    let resumed = served.client.command("shop", "production", &resume).await;
    resumed.expect("it is paused");
    let anew = act(&served, pause("k-2", PAUSE)).await;
    assert_eq!((anew.status, is_replayed(&anew)), (200, false), "{anew:?}");
    // A key stands for one thing.
    let misused = act(&served, pause("k-1", r#"{"command":"resume"}"#)).await;
    assert_eq!((misused.status, misused.code().as_str()), (422, "L087"));
    // And it is of whoever gave it.
    let leo = served.token_of("leo", "admin", None).await;
    let of_leo = Act {
        token: &leo,
        ..pause("k-1", PAUSE)
    };
    let of_leo = act(&served, of_leo).await;
    assert_eq!(of_leo.code(), "R005", "{of_leo:?}");
    let long = "k".repeat(201);
    for bad in ["", "with space", long.as_str(), "\"\""] {
        let refused = act(&served, pause(bad, PAUSE)).await;
        assert_eq!(
            (refused.status, refused.code().as_str()),
            (400, "L080"),
            "{bad}"
        );
    }
}

#[tokio::test]
async fn a_key_holds_across_the_end_of_control() {
    let (served, token) = on_its_way().await;
    let pause = || Act {
        path: COMMANDS,
        key: "before",
        token: &token,
        body: PAUSE,
    };
    let person = || Act {
        path: "/v1/people",
        key: "leo",
        token: &token,
        body: r#"{"command":"add","person":"leo"}"#,
    };
    let paused = act(&served, pause()).await;
    let added = act(&served, person()).await;
    assert_eq!((paused.status, added.status), (200, 200));
    let served = served.again().await;
    let again = act(&served, pause()).await;
    assert_eq!(
        (again.status, is_replayed(&again)),
        (200, true),
        "{again:?}"
    );
    assert_eq!(again.body, paused.body, "it is made of what was recorded");
    let again = act(&served, person()).await;
    assert_eq!(
        (again.status, again.code().as_str()),
        (409, "L089"),
        "{again:?}"
    );
    assert!(
        again.body.contains("leo"),
        "it says what was done: {again:?}"
    );
    assert_eq!(count(&served, "deployment_paused").await, 1);
    assert_eq!(count(&served, "person_added").await, 2);
    let other = Act {
        body: r#"{"command":"resume"}"#,
        ..pause()
    };
    assert_eq!(act(&served, other).await.code(), "L087");
}

/// It is recorded in two steps, and control may be killed between them.
#[tokio::test]
async fn what_is_shipped_again_is_carried_out_to_its_end_and_is_one_release() {
    let (served, token) = on_its_way().await;
    let body = serde_json::to_string(&shipment(3)).expect("it has only text keys");
    let ship = || Act {
        path: "/v1/ship",
        key: "third",
        token: &token,
        body: &body,
    };
    let shipped = act(&served, ship()).await;
    assert_eq!(shipped.status, 200, "{shipped:?}");
    assert!(is_replayed(&act(&served, ship()).await));
    let served = served.again().await;
    let again = act(&served, ship()).await;
    assert_eq!(
        (again.status, is_replayed(&again)),
        (200, false),
        "{again:?}"
    );
    assert!(again.body.contains("\"release\":3"), "{again:?}");
    assert!(again.body.contains("\"started\":false"), "{again:?}");
}

/// What was shown once is not shown again to somebody else, and what is no act has no key.
#[tokio::test]
async fn a_token_that_was_made_is_answered_again_to_who_made_it_alone() {
    let served = Served::start().await;
    let make = r#"{"name":"ci","person":"leo","life_ms":60000}"#;
    let mia = served.token_of("mia", "admin", None).await;
    served.token_of("leo", "viewer", None).await;
    let tokens = |token| Act {
        path: "/v1/tokens",
        key: "one",
        token,
        body: make,
    };
    let first = act(&served, tokens(&mia)).await;
    assert_eq!(first.status, 200, "{first:?}");
    let again = act(&served, tokens(&mia)).await;
    assert_eq!(again.body, first.body);
    let ina = served.token_of("ina", "admin", None).await;
    let other = act(&served, tokens(&ina)).await;
    assert_eq!(other.code(), "R109", "it is decided anew: {other:?}");
}

/// To do it without its reason would leave the reason out of the audit in silence.
#[tokio::test]
async fn a_reason_is_kept_as_it_was_meant_and_one_that_cannot_be_read_is_refused() {
    let (served, token) = on_its_way().await;
    let pause = async |reason: &str| {
        let headers = [reason];
        let what = Ask {
            method: "POST",
            path: COMMANDS,
            body: PAUSE,
            token: Some(&token),
            headers: &headers,
            ..Ask::default()
        };
        ask(served.address, what).await
    };
    let refused = pause("Leadsman-Reason: 50 % errors").await;
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (400, "L080"),
        "{refused:?}"
    );
    assert_eq!(count(&served, "deployment_paused").await, 0);
    let taken = pause("Leadsman-Reason: 5%25 errors, n%C3%A4chtlich").await;
    assert_eq!(taken.status, 200, "{taken:?}");
    let query = AuditQuery {
        kind: Some("deployment_paused".to_owned()),
        ..AuditQuery::default()
    };
    let found = served.client.audit(&query).await.expect("it is the owner");
    let why: Vec<_> = found.entries.iter().map(|it| it.why.as_deref()).collect();
    assert_eq!(why, [Some("5% errors, nächtlich")]);
}
