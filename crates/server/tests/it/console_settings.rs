//! Settings, as a browser asks for them: tokens, people, webhooks, freezes.

use leadsman_api::{AuditEntry, AuditQuery, Command, NewWebhook, PeopleCommand};

use crate::browser::{Browser, PAGE, header, value};
use crate::people::signed_in;
use crate::raw::{Ask, ask};
use crate::served::{Served, shipment};

async fn shipped() -> Served {
    let served = Served::start().await;
    let first = served.client.ship(&shipment(1)).await;
    first.expect("it is the first");
    served
}

/// Returns what the audit has of this kind, the newest first.
async fn recorded(served: &Served, kind: &str) -> Vec<AuditEntry> {
    let query = AuditQuery {
        kind: Some(kind.to_owned()),
        ..AuditQuery::default()
    };
    let audit = served.client.audit(&query).await;
    audit.expect("it answers").entries
}

async fn names(served: &Served) -> Vec<String> {
    let people = served.client.people().await.expect("it answers").people;
    people.into_iter().map(|person| person.name).collect()
}

/// Returns the token on the page that shows one.
fn made(page: &str) -> String {
    let (_, rest) = page.split_once(">lmt_").expect("it is shown");
    let digits = rest.split('<').next().expect("it ends");
    format!("lmt_{digits}")
}

#[tokio::test]
async fn people_are_added_changed_and_removed_by_who_may_and_the_reason_is_kept() {
    let served = shipped().await;
    let mia = Browser::signed_in(&served, "mia", "admin").await;
    let page = mia.get("/settings/people").await;
    assert_eq!(page.status, 200, "{page:?}");
    let seal = value(&page.body, "seal");
    let body = format!(
        "seal={seal}&person=olga&identity=email%3Aolga%40example.org&role=viewer&reach=shop\
         &reason=she+is+new"
    );
    let added = mia.post("/settings/people", &body).await;
    assert_eq!(added.status, 303, "{added:?}");
    assert_eq!(header(&added, "location"), "/settings/people/olga");
    let page = mia.get("/settings/people/olga").await;
    assert!(page.body.contains("viewer for shop"), "{}", page.body);
    assert!(
        page.body.contains("email:olga@example.org"),
        "{}",
        page.body
    );
    let entry = &recorded(&served, "person_added").await[0];
    assert_eq!(entry.actor, "mia");
    assert_eq!(entry.why.as_deref(), Some("she is new"));

    // Each change is asked about first, and the page that asks changes nothing.
    for (change, fields, there) in [
        (
            "grant",
            "role=operator&reach=shop%2Fproduction",
            "operator for shop/production",
        ),
        ("link", "identity=user%3Aolga", "user:olga"),
        ("join", "team=guards", "guards"),
    ] {
        let path = format!("/settings/people/olga/{change}");
        let asked = mia.get(&format!("{path}?{fields}")).await;
        assert_eq!(asked.status, 200, "{asked:?}");
        let before = mia.get("/settings/people/olga").await;
        assert!(!before.body.contains(there), "{change}: {}", before.body);
        let body = format!("seal={seal}&{fields}");
        let done = mia.post(&path, &body).await;
        assert_eq!(
            header(&done, "location"),
            "/settings/people/olga",
            "{done:?}"
        );
        let after = mia.get("/settings/people/olga").await;
        assert!(after.body.contains(there), "{change}: {}", after.body);
    }
    // What is taken away is linked from the page itself.
    for change in ["revoke", "unlink", "leave"] {
        let page = mia.get("/settings/people/olga").await;
        let before = format!("href=\"/settings/people/olga/{change}?");
        let (_, rest) = page.body.rsplit_once(&before).expect("it is linked");
        let query = rest
            .split('"')
            .next()
            .expect("it ends")
            .replace("&#38;", "&");
        let path = format!("/settings/people/olga/{change}");
        let asked = mia.get(&format!("{path}?{query}")).await;
        assert_eq!(asked.status, 200, "{asked:?}");
        let done = mia.post(&path, &format!("seal={seal}&{query}")).await;
        assert_eq!(done.status, 303, "{done:?}");
    }
    let people = served.client.people().await.expect("it answers").people;
    let olga = people.iter().find(|it| it.name == "olga").expect("there");
    assert_eq!(
        (olga.identities.len(), olga.grants.len(), olga.teams.len()),
        (1, 1, 0)
    );

    let again = mia.post("/settings/people", &body).await;
    assert_eq!(again.status, 409, "she is known: {again:?}");
    let gone = mia
        .post(
            "/settings/people/olga/remove",
            &format!("seal={seal}&reason=left"),
        )
        .await;
    assert_eq!(header(&gone, "location"), "/settings/people", "{gone:?}");
    assert_eq!(names(&served).await, ["mia"]);
    let nobody = mia.get("/settings/people/olga").await;
    assert_eq!(nobody.status, 404, "{nobody:?}");
    let last = mia
        .post("/settings/people/mia/remove", &format!("seal={seal}"))
        .await;
    assert_eq!(last.status, 409, "somebody has to be left: {last:?}");
}

#[tokio::test]
async fn a_token_is_shown_once_opens_what_it_leaves_and_ends_when_it_is_revoked() {
    let served = shipped().await;
    let mia = Browser::signed_in(&served, "mia", "admin").await;
    let page = mia.get("/settings").await;
    let seal = value(&page.body, "seal");
    let body = format!("seal={seal}&name=ci&role=viewer&reach=shop%2Fproduction&days=7");
    let answer = mia.post("/settings", &body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(header(&answer, "cache-control"), "no-store");
    let token = made(&answer.body);
    let opens = async |method: &'static str, path: &'static str| {
        let asked = Ask {
            method,
            path,
            token: Some(&token),
            body: r#"{"command":"pause"}"#,
            ..Ask::default()
        };
        ask(served.address, asked).await.status
    };
    assert_eq!(opens("GET", "/v1/environments/shop/production").await, 200);
    let commands = "/v1/environments/shop/production/commands";
    assert_eq!(opens("POST", commands).await, 403, "it leaves a viewer");

    let page = mia.get("/settings").await;
    assert!(!page.body.contains("lmt_"), "never again: {}", page.body);
    let tokens = served.client.tokens().await.expect("it answers").tokens;
    let number = tokens
        .iter()
        .find(|it| it.name == "ci")
        .expect("it is there");
    let path = format!("/settings/tokens/{}/revoke", number.number);
    assert!(page.body.contains(&path), "{}", page.body);
    let asked = mia.get(&path).await;
    assert!(
        asked.body.contains("<code>ci</code> of mia"),
        "{}",
        asked.body
    );
    assert_eq!(opens("GET", "/v1/environments/shop/production").await, 200);
    let done = mia.post(&path, &format!("seal={seal}&reason=lost")).await;
    assert_eq!(header(&done, "location"), "/settings", "{done:?}");
    assert_eq!(opens("GET", "/v1/environments/shop/production").await, 401);
    let entry = &recorded(&served, "token_revoked").await[0];
    assert_eq!(entry.why.as_deref(), Some("lost"));

    for (fields, status) in [
        ("name=&days=7", 422),
        ("name=x&days=367", 422),
        ("name=x&days=99999999999999999999", 400),
        ("name=x&days=18446744073709551615", 422),
        ("name=x&days=7&role=owner", 400),
        ("name=x&days=7&person=nobody", 404),
    ] {
        let answer = mia
            .post("/settings", &format!("seal={seal}&{fields}"))
            .await;
        assert_eq!(answer.status, status, "{fields}: {answer:?}");
    }
}

#[tokio::test]
async fn who_is_no_admin_makes_tokens_only_when_they_signed_in_and_sees_nobody() {
    let served = shipped().await;
    let by_hand = Browser::signed_in(&served, "olga", "operator").await;
    let page = by_hand.get("/settings").await;
    assert!(
        page.body.contains("operator for everything"),
        "{}",
        page.body
    );
    assert!(page.body.contains("makes no others"), "{}", page.body);
    assert!(!page.body.contains("/settings/people"), "{}", page.body);
    for path in [
        "/settings/people",
        "/settings/people/olga",
        "/settings/webhooks",
    ] {
        assert_eq!(by_hand.get(path).await.status, 403, "{path}");
    }
    let seal = value(&page.body, "seal");
    let wish = format!("seal={seal}&name=ci&days=7");
    let answer = by_hand.post("/settings", &wish).await;
    assert_eq!(answer.status, 403, "{answer:?}");
    let body = format!("seal={seal}&person=eve&role=admin");
    assert_eq!(by_hand.post("/settings/people", &body).await.status, 403);

    let signed = signed_in(&served, "olga", "7").await;
    let signed = Browser::entered(&served, &signed).await;
    let page = signed.get("/settings").await;
    let seal = value(&page.body, "seal");
    let answer = signed
        .post("/settings", &format!("seal={seal}&name=ci&days=7"))
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let body = format!("seal={seal}&name=ci&days=7&person=mia");
    served.token_of("mia", "admin", None).await;
    assert_eq!(signed.post("/settings", &body).await.status, 403);
    // What is somebody else's is not there.
    let tokens = served.client.tokens().await.expect("it answers").tokens;
    let other = tokens.iter().find(|it| it.person == "mia").expect("there");
    let path = format!("/settings/tokens/{}/revoke", other.number);
    assert_eq!(signed.get(&path).await.status, 404);
    assert_eq!(
        signed.post(&path, &format!("seal={seal}")).await.status,
        404
    );
}

#[tokio::test]
async fn no_form_of_settings_does_anything_without_the_seal_of_its_session() {
    let served = shipped().await;
    let mia = Browser::signed_in(&served, "mia", "admin").await;
    let ben = Browser::signed_in(&served, "ben", "admin").await;
    let seal = value(&ben.get("/settings").await.body, "seal");
    let version = served.world.engine.people().version;
    for (path, fields) in [
        ("/settings", "name=ci&days=7"),
        ("/settings/tokens/1/revoke", "reason=x"),
        ("/settings/people", "person=eve&role=admin"),
        ("/settings/people/ben/remove", "reason=x"),
        ("/settings/people/ben/grant", "role=viewer"),
        ("/environments/shop/production/freezes", "reason=x&hours=0"),
        ("/environments/shop/production/freezes/1/thaw", "reason=x"),
    ] {
        for seal in [&*seal, "", "socket"] {
            let answer = mia.post(path, &format!("seal={seal}&{fields}")).await;
            assert_eq!(answer.status, 421, "{path}: {answer:?}");
        }
    }
    assert_eq!(served.world.engine.people().version, version);
    let status = served.client.environment("shop", "production").await;
    assert!(status.expect("it is there").freezes.is_empty());
}

#[tokio::test]
async fn an_environment_is_frozen_and_thawed_with_a_reason_by_who_may() {
    let served = shipped().await;
    served.world.until_settled().await;
    let mia = Browser::signed_in(&served, "mia", "operator").await;
    let eve = Browser::signed_in(&served, "eve", "viewer").await;
    let page = mia.get("/settings/freezes").await;
    assert!(page.body.contains("releases may enter"), "{}", page.body);
    let seal = value(&page.body, "seal");
    let path = format!("{PAGE}/freezes");
    for (fields, status) in [
        ("reason=&hours=1", 400),
        ("reason=x&hours=9999999", 400),
        ("reason=x&hours=0&maintenance=yes", 400),
    ] {
        let answer = mia.post(&path, &format!("seal={seal}&{fields}")).await;
        assert_eq!(answer.status, status, "{fields}: {answer:?}");
    }
    let body = format!("seal={seal}&hours=4&reason=%3Cb%3Efair%3C%2Fb%3E");
    let done = mia.post(&path, &body).await;
    assert_eq!(header(&done, "location"), "/settings/freezes", "{done:?}");
    let status = served.client.environment("shop", "production").await;
    let freeze = status.expect("it is there").freezes.remove(0);
    let lasts = freeze.until.expect("it has an end").0 - freeze.from.0;
    assert_eq!((freeze.why.as_str(), lasts), ("<b>fair</b>", 4 * 3_600_000));

    let page = eve.get("/settings/freezes").await;
    assert!(page.body.contains("nothing enters now"), "{}", page.body);
    assert!(page.body.contains("&#60;b&#62;fair"), "{}", page.body);
    let thaw = format!("{path}/{}/thaw", freeze.number);
    assert!(
        !page.body.contains(&thaw) && !page.body.contains("<form method=\"post\" action=\"/env")
    );
    assert_eq!(eve.get(&thaw).await.status, 403);
    let page = mia.get("/settings/freezes").await;
    assert!(page.body.contains(&thaw), "{}", page.body);
    assert_eq!(mia.get(&thaw).await.status, 200);
    assert_eq!(mia.get(&format!("{path}/9/thaw")).await.status, 404);
    let without = mia.post(&thaw, &format!("seal={seal}&reason=+")).await;
    assert_eq!(without.status, 400, "{without:?}");
    let done = mia
        .post(&thaw, &format!("seal={seal}&reason=it+is+over"))
        .await;
    assert_eq!(done.status, 303, "{done:?}");
    let status = served.client.environment("shop", "production").await;
    assert!(status.expect("it is there").freezes.is_empty());
    let entry = &recorded(&served, "freeze_ended").await[0];
    assert_eq!(
        (entry.actor.as_str(), entry.why.as_deref()),
        ("mia", Some("it is over"))
    );
}

#[tokio::test]
async fn the_windows_of_the_week_and_the_webhooks_are_shown() {
    let served = Served::start().await;
    let mut windowed = shipment(1);
    windowed.project.push_str(
        "environments:\n  production:\n    entry:\n      windows: [Mon-Sun]\n      \
         time_zone: Europe/Berlin\n",
    );
    served
        .client
        .ship(&windowed)
        .await
        .expect("it is the first");
    served
        .world
        .until(|view| view.environment.serving().is_some())
        .await;
    let mia = Browser::signed_in(&served, "mia", "admin").await;
    let page = mia.get("/settings/freezes").await;
    let said = "Releases may enter Mon-Sun 00:00-24:00, by the clock of Europe/Berlin";
    assert!(page.body.contains(said), "{}", page.body);
    let status = served.client.environment("shop", "production").await;
    let windows = status
        .expect("it is there")
        .windows
        .expect("there are some");
    assert_eq!(windows.entry, ["Mon-Sun 00:00-24:00"]);
    assert!(windows.until.is_some(), "{windows:?}");

    let page = mia.get("/settings/webhooks").await;
    assert!(page.body.contains("Nothing begins runs"), "{}", page.body);
    let new = NewWebhook {
        name: "forge".to_owned(),
        sender: "github".to_owned(),
        application: "shop".to_owned(),
        repository: None,
        url: Some("https://forge.example/acme/shop.git".to_owned()),
        called: None,
        project_file: "leadsman.yaml".to_owned(),
        secret: None,
    };
    let added = served.client.add_webhook(&new).await.expect("it is new");
    let secret = added.secret.expect("it was made").0;
    let page = mia.get("/settings/webhooks").await;
    assert!(page.body.contains("acme/shop"), "{}", page.body);
    assert!(!page.body.contains(&secret), "it is shown to nobody");
}

#[tokio::test]
async fn who_was_removed_is_nobody_on_their_next_click() {
    let served = shipped().await;
    let mia = Browser::signed_in(&served, "mia", "operator").await;
    let seal = value(&mia.get("/settings").await.body, "seal");
    let remove = PeopleCommand::Remove {
        person: "mia".to_owned(),
    };
    served.client.about_people(&remove).await.expect("known");
    let body = format!("seal={seal}&hours=0&reason=x");
    let answer = mia.post(&format!("{PAGE}/freezes"), &body).await;
    assert_eq!(answer.status, 303, "{answer:?}");
    assert!(header(&answer, "location").starts_with("/sign-in"));
    let thaw = Command::Thaw { freeze: None };
    let none = served.client.command("shop", "production", &thaw).await;
    assert!(none.is_err(), "nothing is frozen");
}
