//! Items of checklists, confirmed on a page.

use leadsman_api::{ItemState, PeopleCommand};

use crate::browser::{Browser, PAGE, header, value};
use crate::people::signed_in;
use crate::served::{Served, shipment};

const CONFIRM: &str = "/environments/shop/production/do/confirm-1-before-told";

/// Serves an environment in which a release waits for an item that an operator has to confirm.
async fn waiting() -> Served {
    let served = Served::start().await;
    let mut asked = shipment(1);
    asked.project.push_str(
        "environments:\n  production:\n    checklists:\n      before:\n        told: { confirm: \
         support <knows> of it, by: operator }\n",
    );
    served.client.ship(&asked).await.expect("it is the first");
    served
}

/// Makes somebody known, and lets them in as who has signed in by a provider.
async fn entered<'a>(served: &'a Served, name: &str, role: &str, digit: &str) -> Browser<'a> {
    let add = PeopleCommand::Add {
        person: name.to_owned(),
        identities: Vec::new(),
        grants: vec![leadsman_api::Grant {
            role: role.to_owned(),
            reach: None,
        }],
    };
    served
        .client
        .about_people(&add)
        .await
        .expect("they are new");
    let token = signed_in(served, name, digit).await;
    Browser::entered(served, &token).await
}

async fn state(served: &Served) -> Option<ItemState> {
    let status = served.client.environment("shop", "production").await;
    let lists = status.expect("it is there").checklists;
    let items = lists.into_iter().flat_map(|list| list.items);
    items.map(|item| item.state).next()
}

#[tokio::test]
async fn who_may_confirms_an_item_in_their_name_and_says_why() {
    let served = waiting().await;
    let mia = entered(&served, "mia", "operator", "3").await;
    let page = mia.get(PAGE).await;
    for there in [
        "Checklist of release 1, before it gets traffic",
        "waits for a person",
        "support &#60;knows&#62; of it",
        "Confirm told of release 1",
        &format!("href=\"{CONFIRM}\""),
    ] {
        assert!(page.body.contains(there), "{there}: {}", page.body);
    }
    let asked = mia.get(CONFIRM).await;
    assert_eq!(asked.status, 200, "{asked:?}");
    assert!(
        asked.body.contains("support &#60;knows&#62;"),
        "{}",
        asked.body
    );
    assert_eq!(state(&served).await, Some(ItemState::Open));
    let (seal, seen) = (value(&asked.body, "seal"), value(&asked.body, "seen"));
    let without = mia.post(CONFIRM, &format!("seal={seal}&seen={seen}")).await;
    assert_eq!(without.status, 400, "nothing was looked at: {without:?}");
    let of_another = mia
        .post(CONFIRM, &format!("seal=x&seen={seen}&reason=x"))
        .await;
    assert_eq!(of_another.status, 421, "{of_another:?}");
    assert_eq!(state(&served).await, Some(ItemState::Open));

    let body = format!("seal={seal}&seen={seen}&reason=by+mail");
    let done = mia.post(CONFIRM, &body).await;
    assert_eq!(header(&done, "location"), PAGE, "{done:?}");
    let status = served.client.release("shop", 1).await.expect("it is there");
    let answer = &status.environments[0].answers[0];
    assert_eq!(
        (answer.actor.as_str(), answer.said.as_str()),
        ("mia", "by mail")
    );
    let again = mia.post(CONFIRM, &body).await;
    assert!(!again.head.contains("location"), "once: {again:?}");
}

#[tokio::test]
async fn who_may_not_confirm_reads_why() {
    let served = waiting().await;
    for (browser, why) in [
        // What holds such a token need not be a person.
        (
            Browser::signed_in(&served, "ben", "operator").await,
            "made by hand confirms nothing",
        ),
        (entered(&served, "ann", "approver", "4").await, "operator"),
        (
            entered(&served, "eve", "viewer", "5").await,
            "may not do this",
        ),
    ] {
        let page = browser.get(PAGE).await;
        assert!(!page.body.contains(CONFIRM), "{}", page.body);
        assert!(page.body.contains(why), "{why}: {}", page.body);
        let asked = browser.get(CONFIRM).await;
        assert_eq!(asked.status, 409, "{asked:?}");
        let seal = value(&page.body, "seal");
        let body = format!("seal={seal}&seen=99&reason=x");
        let done = browser.post(CONFIRM, &body).await;
        assert_eq!(done.status, 403, "{done:?}");
    }
    assert_eq!(state(&served).await, Some(ItemState::Open));
}
