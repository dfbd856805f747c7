//! People and tokens over the socket, whose owner may do everything.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use leadsman_api::{AuditQuery, Error, Grant, NewToken, PeopleCommand, Problem};
use leadsman_core::entry::Source;
use leadsman_core::id::Digest;
use leadsman_core::people::{Command, Narrowing};
use leadsman_engine::{NewRelease, Ways};

use crate::raw::{Ask, ask};
use crate::served::{Served, shipment};

fn problem<T: std::fmt::Debug>(told: Result<T, Error>) -> Problem {
    match told {
        Err(Error::Refused(problem)) => *problem,
        other => unreachable!("control answers with a problem, not: {other:?}"),
    }
}

fn add(person: &str, identity: Option<&str>, role: Option<(&str, Option<&str>)>) -> PeopleCommand {
    PeopleCommand::Add {
        person: person.to_owned(),
        identities: identity.into_iter().map(str::to_owned).collect(),
        grants: role
            .into_iter()
            .map(|(role, reach)| Grant {
                role: role.to_owned(),
                reach: reach.map(str::to_owned),
            })
            .collect(),
    }
}

fn new(name: &str, person: Option<&str>) -> NewToken {
    NewToken {
        name: name.to_owned(),
        person: person.map(str::to_owned),
        roles: Vec::new(),
        reach: None,
        life_ms: 3_600_000,
    }
}

/// Lets somebody sign in, and returns the token that came of it.
pub(crate) async fn signed_in(served: &Served, person: &str, digit: &str) -> String {
    let token = format!("lmt_{}", digit.repeat(64));
    let hash = ring::digest::digest(&ring::digest::SHA256, token.as_bytes());
    let hash = hash.as_ref().try_into().expect("it has 32 bytes");
    let engine = &served.world.engine;
    let create = Command::CreateToken {
        person: person.parse().expect("a name"),
        name: "session".to_owned(),
        hash: Digest::from_bytes(hash),
        narrowing: Narrowing::default(),
        expires_at: engine.now() + Duration::from_secs(3_600),
        sign_in: true,
        grants: BTreeSet::new(),
    };
    engine
        .about_people(&create, "root")
        .await
        .expect("they are known");
    token
}

const COMMANDS: &str = "/v1/environments/shop/production/commands";

async fn told(served: &Served, token: &str, body: &str) -> (u16, String) {
    let asked = Ask {
        method: "POST",
        path: COMMANDS,
        token: Some(token),
        body,
        ..Ask::default()
    };
    let answer = ask(served.address, asked).await;
    let code = if answer.status == 200 {
        String::new()
    } else {
        answer.code()
    };
    (answer.status, code)
}

#[tokio::test]
async fn a_person_confirms_with_the_role_and_no_token_that_was_made_by_hand() {
    let served = Served::start().await;
    let client = &served.client;
    let operator = Some(("operator", Some("shop")));
    client
        .about_people(&add("mia", None, operator))
        .await
        .unwrap();
    let developer = Some(("developer", Some("shop")));
    client
        .about_people(&add("ben", None, developer))
        .await
        .unwrap();
    let mut asking = shipment(1);
    asking.project.push_str(
        "environments:\n  production:\n    checklists:\n      before: { told: { confirm: \
         Customers were told } }\n",
    );
    client.ship(&asking).await.expect("it waits");
    let by_hand = client
        .create_token(&new("laptop", Some("mia")))
        .await
        .unwrap();
    let (mia, ben) = (
        signed_in(&served, "mia", "a").await,
        signed_in(&served, "ben", "b").await,
    );
    let confirm = r#"{"command":"confirm","item":"told","said":"by mail"}"#;
    let refused = |code: &str| (403, code.to_owned());
    assert_eq!(
        told(&served, &by_hand.token.0, confirm).await,
        refused("L102")
    );
    assert_eq!(told(&served, &ben, confirm).await, refused("R036"));
    assert_eq!(told(&served, &mia, confirm).await.0, 200);
}

#[tokio::test]
async fn nobody_approves_what_they_wrote_under_their_mail_address() {
    let served = Served::start().await;
    let client = &served.client;
    let approver = Some(("approver", Some("shop")));
    for (person, identity) in [("ben", "email:ben@shop.example"), ("cy", "user:cy")] {
        let add = add(person, Some(identity), approver);
        client.about_people(&add).await.unwrap();
    }
    let mut shipped = shipment(1);
    shipped
        .project
        .push_str("environments:\n  production: { entry: { approvals: 1 } }\n");
    let new_release = NewRelease {
        project: shipped.project,
        file_name: shipped.file,
        origin: shipped.origin,
        artifacts: BTreeMap::new(),
        note: None,
        source: Source {
            authors: BTreeSet::from(["Ben".to_owned(), "ben@shop.example".to_owned()]),
            ..Source::default()
        },
    };
    let engine = &served.world.engine;
    let (application, release) = engine.release(&new_release, "ann").await.unwrap();
    let asked = engine
        .ship(&application, release, None, Ways::default(), "ann")
        .await;
    asked.expect("it waits");
    let approve = r#"{"command":"approve","release":1}"#;
    let ben = client
        .create_token(&new("laptop", Some("ben")))
        .await
        .unwrap();
    let cy = client
        .create_token(&new("laptop", Some("cy")))
        .await
        .unwrap();
    let own = (403, "R028".to_owned());
    assert_eq!(told(&served, &ben.token.0, approve).await, own);
    assert_eq!(told(&served, &cy.token.0, approve).await.0, 200);
}

#[tokio::test]
async fn people_come_get_roles_and_go() {
    let served = Served::start().await;
    let client = &served.client;
    assert_eq!(client.people().await.unwrap().people, []);
    let changed = client
        .about_people(&add("mia", Some("user:mia"), Some(("admin", None))))
        .await
        .unwrap();
    assert_eq!(
        changed.sentence,
        "`mia` was added; `user:mia` is `mia` from now on; `mia` is admin for everything from now on"
    );
    client
        .about_people(&add("ben", None, Some(("viewer", Some("shop")))))
        .await
        .unwrap();
    let people = client.people().await.unwrap().people;
    let names: Vec<_> = people.iter().map(|person| person.name.as_str()).collect();
    assert_eq!(names, ["ben", "mia"]);
    assert_eq!(people[0].grants[0].reach.as_deref(), Some("shop"));

    for (command, status, code) in [
        (add("mia", None, None), 409, "R102"),
        (add("Mia", None, None), 400, "L080"),
        (add("leadsman", None, None), 400, "L080"),
        (add("eve", Some("user:mia"), None), 409, "R103"),
        (add("eve", Some("mia"), None), 400, "L080"),
        (add("eve", None, Some(("owner", None))), 400, "L080"),
        (
            add("eve", None, Some(("viewer", Some("a/b/c")))),
            400,
            "L080",
        ),
        (
            PeopleCommand::Remove {
                person: "mia".to_owned(),
            },
            409,
            "R107",
        ),
        (
            PeopleCommand::Remove {
                person: "eve".to_owned(),
            },
            404,
            "R101",
        ),
    ] {
        let told = problem(client.about_people(&command).await);
        assert_eq!(
            (told.status, told.code.as_str()),
            (status, code),
            "{command:?}"
        );
        assert!(code.starts_with('L') || told.hint.is_some(), "{command:?}");
    }
}

#[tokio::test]
async fn a_token_is_shown_once_and_ends_when_it_is_revoked() {
    let served = Served::start().await;
    let client = &served.client;
    client
        .about_people(&add("mia", None, Some(("developer", None))))
        .await
        .unwrap();
    let told = problem(client.create_token(&new("ci", None)).await);
    assert_eq!((told.status, told.code.as_str()), (400, "L080"));
    let made = client.create_token(&new("ci", Some("mia"))).await.unwrap();
    assert!(made.token.0.starts_with("lmt_"));
    let listed = client.tokens().await.unwrap();
    assert_eq!(listed.tokens.len(), 1);
    assert!(
        !serde_json::to_string(&listed)
            .unwrap()
            .contains(&made.token.0[4..])
    );
    let log = served.world.engine.log();
    let events = log.read_all(0, 100).await.unwrap();
    assert!(
        events
            .iter()
            .all(|event| !event.body.contains(&made.token.0[4..]))
    );

    let token = Some(made.token.0.as_str());
    let asked = async || {
        ask(
            served.address,
            Ask {
                token,
                ..Ask::default()
            },
        )
        .await
        .status
    };
    assert_eq!(asked().await, 200);
    let changed = client.revoke_token(made.number).await.unwrap();
    assert_eq!(changed.sentence, "token 1, `ci`, of `mia` was revoked");
    assert_eq!(asked().await, 401);
    let told = problem(client.revoke_token(made.number).await);
    assert_eq!((told.status, told.code.as_str()), (404, "R108"));
}

#[tokio::test]
async fn who_is_known_after_a_restart_is_who_was_known_before() {
    let mut served = Served::start().await;
    served
        .client
        .about_people(&add("mia", Some("user:mia"), Some(("admin", None))))
        .await
        .unwrap();
    let made = served
        .client
        .create_token(&new("ci", Some("mia")))
        .await
        .unwrap();
    let before = served.world.engine.people();
    served.world.restart_engine().await;
    assert_eq!(served.world.engine.people(), before);
    assert_eq!(before.tokens.len(), 1);
    assert_eq!(made.number, before.last_token);
}

#[tokio::test]
async fn whoever_sees_one_application_is_told_of_no_other() {
    let served = Served::start().await;
    let client = &served.client;
    client.ship(&shipment(1)).await.unwrap();
    let mut other = shipment(1);
    other.project = other
        .project
        .replace("application: shop", "application: blog");
    client.ship(&other).await.unwrap();
    client
        .about_people(&add("mia", None, Some(("operator", Some("blog")))))
        .await
        .unwrap();
    let made = client.create_token(&new("ci", Some("mia"))).await.unwrap();
    let token = Some(made.token.0.as_str());
    for path in ["/v1/status", "/v1/audit"] {
        let answer = ask(
            served.address,
            Ask {
                path,
                token,
                ..Ask::default()
            },
        )
        .await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(answer.body.contains("blog"), "{}", answer.body);
        assert!(!answer.body.contains("shop"), "{}", answer.body);
    }
}

#[tokio::test]
async fn the_audit_is_searched_page_by_page() {
    let served = Served::start().await;
    let client = &served.client;
    for index in 0..30 {
        client
            .about_people(&add(&format!("p{index}"), None, None))
            .await
            .unwrap();
    }
    let mut query = AuditQuery {
        kind: Some("person_added".to_owned()),
        limit: Some(7),
        ..AuditQuery::default()
    };
    let mut seen = Vec::new();
    loop {
        let page = client.audit(&query).await.unwrap();
        assert!(page.entries.len() <= 7);
        seen.extend(page.entries.iter().map(|entry| entry.position));
        query.before = page.next;
        if page.next.is_none() {
            break;
        }
    }
    assert_eq!(seen, (1..=30).rev().collect::<Vec<_>>());
    let nobody = AuditQuery {
        actor: Some("nobody".to_owned()),
        ..AuditQuery::default()
    };
    assert_eq!(client.audit(&nobody).await.unwrap().entries, []);
    let future = AuditQuery {
        since: Some(u64::MAX),
        ..AuditQuery::default()
    };
    assert_eq!(client.audit(&future).await.unwrap().entries, []);
}
