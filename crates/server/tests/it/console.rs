//! The pages, as a browser asks for them.

use leadsman_api::{Command, PeopleCommand};

use crate::browser::{Browser, FORM, PAGE, header, value};
use crate::raw::{Ask, ask};
use crate::served::{Served, shipment};

async fn shipped() -> Served {
    let served = Served::start().await;
    let first = served.client.ship(&shipment(1)).await;
    first.expect("it is the first");
    served.world.until_settled().await;
    served
}

#[tokio::test]
async fn who_is_nobody_is_asked_to_sign_in_and_then_sees_what_they_wanted() {
    let served = shipped().await;
    let nobody = Browser {
        served: &served,
        cookie: String::from("Accept: text/html"),
    };
    let answer = nobody.get(PAGE).await;
    assert_eq!(answer.status, 303);
    assert_eq!(header(&answer, "location"), format!("/sign-in?to={PAGE}"));
    let page = nobody.get(&format!("/sign-in?to={PAGE}")).await;
    assert_eq!(value(&page.body, "to"), PAGE);
    let wrong = nobody.post("/sign-in", "to=%2F&token=lmt_0").await;
    assert_eq!(wrong.status, 401);
    assert!(wrong.body.contains("not known here"), "{}", wrong.body);

    let mia = Browser::signed_in(&served, "mia", "operator").await;
    let page = mia.get(PAGE).await;
    assert_eq!(page.status, 200);
    assert!(page.body.contains("release 1 serves"), "{}", page.body);
    let policy = header(&page, "content-security-policy");
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(header(&page, "cache-control"), "no-store");
    // Everything that the page refers to is there, and nothing is in it that could be run.
    assert!(!page.body.contains("style=") && !page.body.contains("onclick"));
    for (before, media) in [
        ("<script src=\"", "text/javascript"),
        ("<link rel=\"stylesheet\" href=\"", "text/css"),
    ] {
        let (_, rest) = page.body.split_once(before).expect("it is referred to");
        let asset = mia.get(rest.split('"').next().expect("it ends")).await;
        assert_eq!(asset.status, 200);
        assert!(header(&asset, "content-type").starts_with(media));
    }
    let history = mia.get(&format!("{PAGE}/history")).await;
    assert!(history.body.contains("shipped by"), "{}", history.body);
}

#[tokio::test]
async fn what_somebody_decides_on_a_page_is_done_once_and_only_if_it_is_still_so() {
    let served = shipped().await;
    let mia = Browser::signed_in(&served, "mia", "operator").await;
    let second = served.client.ship(&shipment(2)).await;
    second.expect("it differs");
    served
        .world
        .until(|view| view.environment.deployment.is_some())
        .await;
    let (seal, seen) = mia.form("pause").await;
    let path = format!("{PAGE}/do/pause");
    let done = mia.post(&path, &format!("seal={seal}&seen={seen}")).await;
    assert_eq!(
        (done.status, header(&done, "location")),
        (303, PAGE.to_owned()),
        "{done:?}"
    );
    let page = mia.get(PAGE).await;
    assert!(page.body.contains("paused"), "{}", page.body);

    // What was looked at is not how things stand any more.
    let (seal, seen) = mia.form("abort").await;
    let resumed = served
        .client
        .command("shop", "production", &Command::Resume {});
    resumed.await.expect("it is paused");
    let path = format!("{PAGE}/do/abort");
    let late = mia.post(&path, &format!("seal={seal}&seen={seen}")).await;
    assert_eq!(late.status, 412, "{late:?}");
    assert!(late.body.contains("R044"), "{}", late.body);
    let (seal, seen) = mia.form("abort").await;
    let done = mia.post(&path, &format!("seal={seal}&seen={seen}")).await;
    assert_eq!(done.status, 303, "{done:?}");
}

#[tokio::test]
async fn a_form_of_somebody_else_does_nothing() {
    let served = shipped().await;
    let mia = Browser::signed_in(&served, "mia", "operator").await;
    let ben = Browser::signed_in(&served, "ben", "operator").await;
    served.client.ship(&shipment(2)).await.expect("it differs");
    served
        .world
        .until(|view| view.environment.deployment.is_some())
        .await;
    let (seal, seen) = ben.form("pause").await;
    let path = format!("{PAGE}/do/pause");
    for body in [
        format!("seal={seal}&seen={seen}"),
        format!("seal=&seen={seen}"),
        format!("seal=socket&seen={seen}"),
    ] {
        let answer = mia.post(&path, &body).await;
        assert_eq!(answer.status, 421, "{answer:?}");
    }
    // The session counts for pages alone.
    let answer = mia.get("/v1/status").await;
    assert_eq!(answer.status, 401, "{answer:?}");
    let elsewhere = ["Origin: https://evil.example", FORM, &mia.cookie];
    let asked = Ask {
        method: "POST",
        path: &path,
        headers: &elsewhere,
        ..Ask::default()
    };
    let answer = ask(served.address, asked).await;
    assert_eq!(answer.status, 421, "{answer:?}");
}

#[tokio::test]
async fn who_may_not_do_something_reads_why_and_who_signs_out_is_nobody() {
    let served = shipped().await;
    let eve = Browser::signed_in(&served, "eve", "viewer").await;
    let page = eve.get(PAGE).await;
    assert!(page.body.contains("Nothing at the moment"), "{}", page.body);
    assert!(page.body.contains("may not do this"), "{}", page.body);
    let asked = eve.get(&format!("{PAGE}/do/rollback")).await;
    assert_eq!(asked.status, 409);
    assert!(asked.body.contains("L102"), "{}", asked.body);

    let seal = value(&page.body, "seal");
    let out = eve.post("/sign-out", &format!("seal={seal}")).await;
    assert_eq!(header(&out, "location"), "/sign-in", "{out:?}");
    assert!(header(&out, "set-cookie").contains("Max-Age=0"));
    let after = eve.get(PAGE).await;
    assert_eq!(after.status, 303, "{after:?}");
}

#[tokio::test]
async fn a_page_that_is_looked_at_is_told_what_changes() {
    let served = shipped().await;
    let mia = Browser::signed_in(&served, "mia", "operator").await;
    let mut live = mia.listen(&format!("{PAGE}/live")).await;
    live.until("release 1 serves").await;
    served.client.ship(&shipment(2)).await.expect("it differs");
    live.until("release 2 on its way").await;
    live.until("/do/pause").await;
    // Whoever is nobody any more is told nothing more.
    let remove = PeopleCommand::Remove {
        person: "mia".to_owned(),
    };
    served.client.about_people(&remove).await.expect("known");
    live.until("event: again").await;
    live.until_it_ends().await;
}
