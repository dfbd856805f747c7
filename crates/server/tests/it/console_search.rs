//! What somebody looks for: in the history, in the audit and among runs.

use leadsman_api::{AuditQuery, HistoryQuery, Phase};

use crate::browser::Browser;
use crate::served::{Served, shipment};

const HISTORY: &str = "/environments/shop/production/history";

/// Serves an environment with a first release, a second one that was aborted, and a third one on its
/// way.
async fn lived() -> Served {
    let served = Served::start().await;
    for version in 1..=3 {
        let shipped = served.client.ship(&shipment(version)).await;
        shipped.expect("it differs");
        served
            .world
            .until(|view| view.environment.last_deployment.0 == version)
            .await;
        if version == 2 {
            let abort = leadsman_api::Command::Abort {};
            let aborted = served.client.command("shop", "production", &abort).await;
            aborted.expect("it is on its way");
        }
        if version < 3 {
            served.world.until_settled().await;
        }
    }
    served
}

async fn found(served: &Served, query: HistoryQuery) -> (Vec<u64>, usize) {
    let history = served.client.history("shop", "production", &query).await;
    let history = history.expect("it answers");
    let numbers = history.deployments.iter().map(|it| it.number).collect();
    (numbers, history.events.len())
}

#[tokio::test]
async fn the_history_has_what_is_looked_for_and_nothing_else() {
    let served = lived().await;
    let all = served
        .client
        .history("shop", "production", &HistoryQuery::default())
        .await
        .expect("it answers");
    let second = &all.deployments[1];
    let actor = second.actor.clone();
    let of = |change: fn(&mut HistoryQuery)| {
        let mut query = HistoryQuery::default();
        change(&mut query);
        query
    };
    let everything = all.events.len();
    for (called, query, numbers) in [
        ("a release", of(|it| it.release = Some(2)), vec![2]),
        ("no such release", of(|it| it.release = Some(9)), vec![]),
        (
            "what went back",
            of(|it| it.phase = Some(Phase::RolledBack)),
            vec![2],
        ),
        (
            "what is on its way",
            of(|it| it.phase = Some(Phase::Moving)),
            vec![3],
        ),
        (
            "somebody else's",
            of(|it| it.actor = Some("nobody".to_owned())),
            vec![],
        ),
        (
            "of a commit that is not known",
            of(|it| it.commit = Some("5f1d".to_owned())),
            vec![],
        ),
        (
            "before there was anything",
            of(|it| it.until = Some(1)),
            vec![],
        ),
        (
            "after all of it",
            of(|it| it.since = Some(u64::MAX)),
            vec![],
        ),
    ] {
        let (found, events) = found(&served, query).await;
        assert_eq!(found, numbers, "{called}");
        assert_eq!(events == 0, numbers.is_empty(), "{called}: {events}");
        assert!(events < everything, "{called}: {events} of {everything}");
    }
    let by = HistoryQuery {
        actor: Some(actor),
        ..HistoryQuery::default()
    };
    assert_eq!(found(&served, by).await.0, [3, 2, 1]);
    let since = HistoryQuery {
        since: Some(second.started_at.0),
        until: Some(second.started_at.0 + 1),
        ..HistoryQuery::default()
    };
    assert!(found(&served, since).await.0.contains(&2));
}

#[tokio::test]
async fn pages_of_what_is_found_follow_each_other_without_a_gap() {
    let served = lived().await;
    let mut query = HistoryQuery {
        limit: Some(2),
        release: Some(2),
        ..HistoryQuery::default()
    };
    let whole = HistoryQuery {
        limit: None,
        ..query.clone()
    };
    let whole = served.client.history("shop", "production", &whole).await;
    let whole = whole.expect("it answers").events;
    assert!(whole.len() > 5, "{whole:?}");
    let mut positions = Vec::new();
    loop {
        let page = served.client.history("shop", "production", &query).await;
        let page = page.expect("it answers");
        assert!(page.events.len() <= 2);
        positions.extend(page.events.iter().map(|event| event.position));
        let Some(next) = page.next else { break };
        query.before = Some(next);
    }
    let expected: Vec<u64> = whole.iter().map(|event| event.position).collect();
    assert_eq!(positions, expected);
}

#[tokio::test]
async fn a_search_stays_in_the_form_and_in_the_address() {
    let served = lived().await;
    let mia = Browser::signed_in(&served, "mia", "admin").await;
    let page = mia
        .get(&format!(
            "{HISTORY}?release=2&commit=&actor=&phase=rolled_back&since=&until="
        ))
        .await;
    assert_eq!(page.status, 200, "{page:?}");
    assert!(
        page.body
            .contains("name=\"release\" inputmode=\"numeric\" value=\"2\"")
    );
    assert!(
        page.body
            .contains("<option value=\"rolled_back\" selected>went back</option>"),
        "{}",
        page.body
    );
    assert!(page.body.contains("href=\"/applications/shop/releases/2\""));
    assert!(!page.body.contains("href=\"/applications/shop/releases/1\""));
    let none = mia.get(&format!("{HISTORY}?actor=%3Cnobody%3E")).await;
    assert!(none.body.contains("No such deployment"), "{}", none.body);
    assert!(
        none.body.contains("value=\"&#60;nobody&#62;\""),
        "{}",
        none.body
    );
    for query in ["release=x", "phase=gone", "since=yesterday", "before=-1"] {
        let answer = mia.get(&format!("{HISTORY}?{query}")).await;
        assert_eq!(answer.status, 400, "{query}: {answer:?}");
        assert!(answer.body.contains(&format!("href=\"{HISTORY}\"")));
    }

    // More than one page of the audit: filters go along from one to the next.
    let page = mia
        .get("/audit?actor=leadsman&since=1970-01-01&about=")
        .await;
    assert_eq!(page.status, 200, "{page:?}");
    assert!(
        page.body.contains("name=\"since\" value=\"1970-01-01\""),
        "{}",
        page.body
    );
    let people = mia.get("/audit?people=yes").await;
    assert!(
        people.body.contains("value=\"yes\" checked"),
        "{}",
        people.body
    );
    assert!(
        !people.body.contains("<td>leadsman</td>"),
        "{}",
        people.body
    );
    let old = mia.get("/audit?since=1970-01-02").await;
    assert!(old.body.contains("Nothing of that kind"), "{}", old.body);
    let all = mia.get("/audit?until=1970-01-01").await;
    assert!(!all.body.contains("Nothing of that kind"), "{}", all.body);
    let until = AuditQuery {
        until: Some(1),
        ..AuditQuery::default()
    };
    let audit = served.client.audit(&until).await.expect("it answers");
    assert_eq!(audit.entries, []);
    assert_eq!(mia.get("/audit?since=yesterday").await.status, 400);
    let runs = mia.get("/runs?application=shop").await;
    assert!(
        runs.body.contains("name=\"application\" value=\"shop\""),
        "{}",
        runs.body
    );
    assert_eq!(mia.get("/runs?application=").await.status, 200);
}

#[tokio::test]
async fn a_long_list_leads_to_what_is_older_and_back_to_the_newest() {
    let served = lived().await;
    for number in 0..70 {
        let role = if number % 2 == 0 {
            "viewer"
        } else {
            "operator"
        };
        served.token_of(&format!("p{number}"), role, None).await;
    }
    let mia = Browser::signed_in(&served, "mia", "admin").await;
    let first = mia.get("/audit?kind=token_created&people=yes").await;
    assert!(!first.body.contains(">Newest<"), "{}", first.body);
    let page = mia.get("/audit?people=yes").await;
    let (_, rest) = page
        .body
        .split_once("href=\"/audit?people=yes&#38;before=")
        .expect("older");
    let before = rest.split('"').next().expect("it ends");
    let older = mia.get(&format!("/audit?people=yes&before={before}")).await;
    assert_eq!(older.status, 200, "{older:?}");
    assert!(
        older.body.contains("href=\"/audit?people=yes\">Newest<"),
        "{}",
        older.body
    );
}
