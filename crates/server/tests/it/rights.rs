//! The rights table: every endpoint for every role. What is not listed here is denied.

use std::collections::BTreeSet;

use expect_test::expect_file;
use leadsman_api::{Grant, NewToken, PeopleCommand};
use leadsman_core::people::{Act, Role};
use leadsman_server::{Needs, listed};

use crate::raw::{Ask, ask};
use crate::served::{Served, shipment};

/// What an endpoint is about, and so how far a role has to reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum About {
    /// Anybody who is known may.
    Anybody,
    /// Whoever has the role for everything.
    Everything,
    /// Whoever has the role for anything at all.
    Anything,
    /// Whoever has the role for `shop/production`.
    Production,
    /// Whoever has the role for all of `shop`.
    Shop,
}

const ALL: &str = "viewer developer operator approver admin";
const SHIP: &str = "developer operator admin";
const OPERATE: &str = "operator admin";
const APPROVE: &str = "approver admin";
const ADMIN: &str = "admin";
/// Whoever may do anything of what a page has buttons for; which of it is asked for is asked again.
const DECIDE: &str = "developer operator approver admin";

const DIGEST: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

/// An endpoint, what is sent to it, what it is about, and the roles that may.
type Row = (&'static str, &'static str, About, &'static str);

/// Everything that is allowed.
fn table() -> Vec<Row> {
    use About::{Anybody, Anything, Everything, Production, Shop};
    const IN: &str = "/v1/environments/{application}/{environment}";
    let mut rows = vec![
        ("GET /v1/system", "", Anybody, ALL),
        ("POST /v1/system/down", "", Everything, ADMIN),
        ("GET /v1/status", "", Anything, ALL),
        ("GET /v1/events", "", Anything, ALL),
        ("GET /metrics", "", Anything, ALL),
        ("POST /v1/plan", "SHIPMENT", Production, ALL),
        ("POST /v1/ship", "SHIPMENT", Production, SHIP),
        ("GET /v1/artifacts/{digest}", "", Anything, SHIP),
        ("PUT /v1/artifacts/{digest}", "abc", Anything, SHIP),
        ("GET /v1/people", "", Everything, ADMIN),
        (
            "POST /v1/people",
            r#"{"command":"remove","person":"nobody-there"}"#,
            Everything,
            ADMIN,
        ),
        ("GET /v1/webhooks", "", Everything, ADMIN),
        (
            "POST /v1/webhooks",
            r#"{"name":"-","sender":"github","application":"shop","project_file":"leadsman.yaml"}"#,
            Everything,
            ADMIN,
        ),
        ("DELETE /v1/webhooks/{webhook}", "", Everything, ADMIN),
        ("GET /v1/subscriptions", "", Everything, ADMIN),
        (
            "POST /v1/subscriptions",
            r#"{"name":"-","url":"https://example.org/"}"#,
            Everything,
            ADMIN,
        ),
        (
            "DELETE /v1/subscriptions/{subscription}",
            "",
            Everything,
            ADMIN,
        ),
        (
            "POST /v1/subscriptions/{subscription}/secret",
            "",
            Everything,
            ADMIN,
        ),
        (
            "POST /v1/subscriptions/{subscription}/test",
            "",
            Everything,
            ADMIN,
        ),
        (
            "GET /v1/subscriptions/{subscription}/deliveries",
            "",
            Everything,
            ADMIN,
        ),
        ("GET /v1/tokens", "", Anything, ALL),
        // A token makes none, but for an admin's, whatever else its person may.
        (
            "POST /v1/tokens",
            r#"{"name":"of-a-token","life_ms":60000}"#,
            Everything,
            ADMIN,
        ),
        ("DELETE /v1/tokens/{number}", "", Anything, ALL),
        ("GET /v1/runs", "", Anything, ALL),
        (
            "POST /v1/runs",
            r#"{"repository":"/nowhere","commit":"main","ref":"main","project_file":"leadsman.yaml"}"#,
            Anything,
            SHIP,
        ),
        ("GET /v1/runs/{application}/{number}", "", Shop, ALL),
        ("GET /v1/runs/{application}/{number}/logs", "", Shop, ALL),
        (
            "POST /v1/runs/{application}/{number}/commands",
            "\"cancel\"",
            Shop,
            SHIP,
        ),
        ("GET /v1/audit", "", Anything, "operator approver admin"),
        (
            "GET /v1/applications/{application}/releases/{release}",
            "",
            Anything,
            ALL,
        ),
        (
            "POST /v1/applications/{application}/releases/{release}/reports",
            "<testsuite/>",
            Shop,
            OPERATE,
        ),
    ];
    for (what, body) in [
        ("GET {}", ""),
        ("GET {}/choices", ""),
        ("GET {}/series", ""),
        ("GET {}/why", ""),
        ("GET {}/history", ""),
        ("GET {}/diff", ""),
        ("GET {}/logs", ""),
        ("POST {}/replay", "{}"),
    ] {
        let endpoint: &str = what.replace("{}", IN).leak();
        rows.push((endpoint, body, Production, ALL));
    }
    const PAGE: &str = "/environments/{application}/{environment}";
    rows.extend([
        ("GET /", "", Anything, ALL),
        ("GET /live", "", Anything, ALL),
        ("POST /sign-out", "", Anybody, ALL),
        ("GET /runs", "", Anything, ALL),
        ("GET /runs/{application}/{number}", "", Shop, ALL),
        ("GET /runs/{application}/{number}/live", "", Shop, ALL),
        ("GET /runs/{application}/{number}/logs/{job}", "", Shop, ALL),
        ("GET /audit", "", Anything, "operator approver admin"),
        (
            "GET /applications/{application}/releases/{release}",
            "",
            Anything,
            ALL,
        ),
        ("GET /settings", "", Anything, ALL),
        ("POST /settings", "", Anything, ALL),
        ("GET /settings/tokens/{number}/revoke", "", Anything, ALL),
        ("POST /settings/tokens/{number}/revoke", "", Anything, ALL),
        ("GET /settings/people", "", Everything, ADMIN),
        ("POST /settings/people", "", Everything, ADMIN),
        ("GET /settings/people/{person}", "", Everything, ADMIN),
        (
            "GET /settings/people/{person}/{change}",
            "",
            Everything,
            ADMIN,
        ),
        (
            "POST /settings/people/{person}/{change}",
            "",
            Everything,
            ADMIN,
        ),
        ("GET /settings/webhooks", "", Everything, ADMIN),
        ("GET /settings/freezes", "", Anything, ALL),
    ]);
    for (what, roles) in [
        ("GET {}", ALL),
        ("GET {}/live", ALL),
        ("GET {}/history", ALL),
        ("GET {}/services/{service}", ALL),
        ("GET {}/services/{service}/live", ALL),
        ("GET {}/do/{choice}", ALL),
        ("POST {}/do/{choice}", DECIDE),
        ("POST {}/freezes", OPERATE),
        ("GET {}/freezes/{number}/thaw", OPERATE),
        ("POST {}/freezes/{number}/thaw", OPERATE),
    ] {
        let endpoint: &str = what.replace("{}", PAGE).leak();
        rows.push((endpoint, "", Production, roles));
    }
    let commands = "POST /v1/environments/{application}/{environment}/commands";
    for body in [
        r#"{"command":"pause"}"#,
        r#"{"command":"resume"}"#,
        r#"{"command":"promote"}"#,
        r#"{"command":"abort"}"#,
        r#"{"command":"retry"}"#,
        r#"{"command":"rollback"}"#,
        r#"{"command":"close","how":"held"}"#,
        r#"{"command":"open","how":"held"}"#,
    ] {
        rows.push((commands, body, Production, OPERATE));
    }
    for body in [r#"{"command":"freeze","why":"x"}"#, r#"{"command":"thaw"}"#] {
        rows.push((commands, body, Production, OPERATE));
    }
    for body in [
        r#"{"command":"approve","release":9}"#,
        r#"{"command":"reject","release":9,"why":"x"}"#,
        r#"{"command":"except","release":9,"why":"x"}"#,
    ] {
        rows.push((commands, body, Production, APPROVE));
    }
    // Whoever holds a token that was made by hand need not be a person.
    let confirm = r#"{"command":"confirm","item":"told","said":"x"}"#;
    rows.push((commands, confirm, Production, ""));
    rows.push(("POST /v1/ship", "EXPEDITED", Production, OPERATE));
    rows
}

/// Somebody who asks.
struct Asking {
    called: String,
    token: Option<String>,
    /// What their grant is; nothing for who is nobody.
    role: Option<(Role, &'static str)>,
    known: bool,
}

fn covers(reach: &str, about: About) -> bool {
    match about {
        About::Anybody | About::Anything => true,
        About::Everything => reach == "*",
        About::Shop => matches!(reach, "*" | "shop"),
        About::Production => matches!(reach, "*" | "shop" | "shop/production"),
    }
}

fn may(asking: &Asking, about: About, roles: &str) -> bool {
    match asking.role {
        _ if about == About::Anybody => asking.known,
        None => false,
        Some((role, reach)) => {
            roles.split(' ').any(|it| it == role.as_str()) && covers(reach, about)
        }
    }
}

async fn person(served: &Served, name: &str, grant: Option<(&str, &str)>) {
    let grants = grant.into_iter().map(|(role, reach)| Grant {
        role: role.to_owned(),
        reach: (reach != "*").then(|| reach.to_owned()),
    });
    let add = PeopleCommand::Add {
        person: name.to_owned(),
        identities: Vec::new(),
        grants: grants.collect(),
    };
    served
        .client
        .about_people(&add)
        .await
        .expect("they are new");
}

async fn token(
    served: &Served,
    person: &str,
    narrow: Option<(&str, &str)>,
    life_ms: u64,
) -> (u64, String) {
    let new = NewToken {
        name: format!("t{life_ms}"),
        person: Some(person.to_owned()),
        roles: narrow.iter().map(|(role, _)| (*role).to_owned()).collect(),
        reach: narrow.and_then(|(_, reach)| (reach != "*").then(|| reach.to_owned())),
        life_ms,
    };
    let made = served.client.create_token(&new).await.expect("it is new");
    (made.number, made.token.0)
}

/// Returns somebody for each role and reach, by grant and by a token that an admin has narrowed to it, and
/// everybody who is nobody.
async fn everybody(served: &Served) -> Vec<Asking> {
    const HOUR: u64 = 3_600_000;
    let mut all = Vec::new();
    person(served, "chief", Some(("admin", "*"))).await;
    for (index, role) in Role::ALL.into_iter().enumerate() {
        for (at, reach) in ["*", "shop", "shop/production", "shop/staging", "blog"]
            .into_iter()
            .enumerate()
        {
            let name = format!("p{index}{at}");
            person(served, &name, Some((role.as_str(), reach))).await;
            let (_, of_person) = token(served, &name, None, HOUR).await;
            let narrow = Some((role.as_str(), reach));
            let life = HOUR + (index * 10 + at) as u64;
            let (_, of_chief) = token(served, "chief", narrow, life).await;
            for (how, token) in [("granted", of_person), ("narrowed", of_chief)] {
                all.push(Asking {
                    called: format!("{how} {role} for {reach}"),
                    token: Some(token),
                    role: Some((role, reach)),
                    known: true,
                });
            }
        }
    }
    let nobody = |called: &str, token: Option<String>, known| Asking {
        called: called.to_owned(),
        token,
        role: None,
        known,
    };
    person(served, "bare", None).await;
    let (_, bare) = token(served, "bare", None, HOUR).await;
    all.push(nobody("a person without a role", Some(bare), true));
    all.push(nobody("nobody", None, false));
    all.push(nobody(
        "a token that never was",
        Some(format!("lmt_{}", "0".repeat(64))),
        false,
    ));
    all.push(nobody(
        "a token of another form",
        Some("secret".to_owned()),
        false,
    ));
    let (revoked, text) = token(served, "chief", None, HOUR * 2).await;
    served
        .client
        .revoke_token(revoked)
        .await
        .expect("it is live");
    all.push(nobody("a revoked token", Some(text), false));
    let (_, expired) = token(served, "chief", None, 40).await;
    let since = served.world.engine.now();
    while served.world.engine.now().since(since).as_millis() < 42 {
        tokio::task::yield_now().await;
    }
    all.push(nobody("an expired token", Some(expired), false));
    person(served, "gone", Some(("admin", "*"))).await;
    let (_, gone) = token(served, "gone", None, HOUR).await;
    let remove = PeopleCommand::Remove {
        person: "gone".to_owned(),
    };
    served
        .client
        .about_people(&remove)
        .await
        .expect("they are there");
    all.push(nobody(
        "a token of somebody who was removed",
        Some(gone),
        false,
    ));
    all
}

#[tokio::test]
async fn every_endpoint_is_denied_to_every_role_but_what_is_listed() {
    let served = Served::start().await;
    served
        .client
        .ship(&shipment(1))
        .await
        .expect("it is the first");
    let table = table();
    let known: BTreeSet<&str> = table.iter().map(|row| row.0).collect();
    let there: Vec<String> = listed()
        .iter()
        .filter(|it| it.needs != Needs::Nobody)
        .map(|it| format!("{} {}", it.method, it.path))
        .collect();
    for endpoint in &there {
        assert!(
            known.contains(endpoint.as_str()),
            "{endpoint} is not in the table"
        );
    }
    assert_eq!(
        known.len(),
        there.len(),
        "the table has an endpoint that is not there"
    );

    let everybody = everybody(&served).await;
    let shipped = serde_json::to_string(&shipment(1)).expect("it has only text keys");
    let mut hurried = shipment(1);
    hurried.expedite = Some("it cannot wait".to_owned());
    let hurried = serde_json::to_string(&hurried).expect("it has only text keys");
    let mut checked = 0;
    for (row, (endpoint, body, about, roles)) in table.iter().enumerate() {
        let (method, template) = endpoint.split_once(' ').expect("method and path");
        let is_page = !template.starts_with("/v1/") && template != "/metrics";
        // What goes on changing has no end; its head says enough.
        let method = if template.ends_with("/live") || template == "/v1/events" {
            "HEAD"
        } else {
            method
        };
        let path = template
            .replace("{application}", "shop")
            .replace("{environment}", "production")
            .replace("{digest}", DIGEST)
            .replace("{release}", "9999")
            .replace("{number}", "9999")
            .replace("{webhook}", "nothing")
            .replace("{choice}", "pause")
            .replace("{job}", "unit")
            .replace("{service}", "web")
            .replace("{person}", "nobody-there")
            .replace("{change}", "remove");
        for asking in &everybody {
            let answer = ask(
                served.address,
                Ask {
                    method,
                    path: &path,
                    token: asking.token.as_deref(),
                    body: match *body {
                        "SHIPMENT" => &shipped,
                        "EXPEDITED" => &hurried,
                        body => body,
                    },
                    // Whoever fails too often has to wait: each row comes from elsewhere.
                    from: u8::try_from(row + 2).expect("there are fewer rows"),
                    ..Ask::default()
                },
            )
            .await;
            let to_sign_in =
                answer.status == 303 && answer.head.contains("location: /sign-in?to=/");
            let expected = match (may(asking, *about, roles), asking.known) {
                (true, _) => answer.status != 401 && answer.status != 403 && !to_sign_in,
                (false, true) => answer.status == 403,
                (false, false) if is_page => to_sign_in,
                (false, false) => answer.status == 401,
            };
            assert!(
                expected,
                "{} asks {endpoint} {body}: {answer:?}",
                asking.called
            );
            checked += 1;
        }
    }
    assert!(checked > 1_400, "{checked}");
}

#[tokio::test]
async fn a_path_that_leads_to_nothing_says_so_only_to_who_is_known() {
    let served = Served::start().await;
    person(&served, "mia", Some(("viewer", "*"))).await;
    let (_, token) = token(&served, "mia", None, 60_000).await;
    for (path, token, status) in [
        ("/v1/nothing", None, 401),
        ("/nothing", None, 401),
        ("/v1/nothing", Some(token.as_str()), 404),
        (
            "/v1/environments/shop/nowhere/why",
            Some(token.as_str()),
            404,
        ),
        ("/v1/environments/%2e%2e/x/why", Some(token.as_str()), 404),
    ] {
        let answer = ask(
            served.address,
            Ask {
                path,
                token,
                ..Ask::default()
            },
        )
        .await;
        assert_eq!(answer.status, status, "{path}: {answer:?}");
    }
    for method in ["DELETE", "PATCH", "OPTIONS", "TRACE"] {
        let answer = ask(
            served.address,
            Ask {
                method,
                ..Ask::default()
            },
        )
        .await;
        assert_eq!(answer.status, 401, "{method}: {answer:?}");
    }
}

/// What an endpoint needs, in words.
fn needs(needs: Needs) -> (Vec<Act>, &'static str) {
    match needs {
        Needs::Nobody => (Vec::new(), "anybody, known or not"),
        Needs::Known => (Vec::new(), "anybody who is known"),
        Needs::Everything(act) => (vec![act], "everything"),
        Needs::Somewhere(acts) => (acts.to_vec(), "what it is about"),
        Needs::Named(acts) => (acts.to_vec(), "what the path names"),
    }
}

fn marks(allowed: impl Fn(Role) -> bool) -> String {
    let marks = Role::ALL.map(|role| if allowed(role) { "yes" } else { "-" });
    marks.join(" | ")
}

#[test]
fn the_table_in_the_reference_is_made_from_the_code() {
    let mut text = "# Rights\n\n\
        What each role allows, as far as it is granted: for everything, for one application or for one environment.\n\
        Whatever is not listed is denied.\n\
        This page is made by the tests of the crate `leadsman-server`.\n\
        [People and rights](../guide/people.md) says how roles are given.\n\n\
        ## Acts\n\n"
        .to_owned();
    let head = Role::ALL.map(Role::as_str).join(" | ");
    text.push_str(&format!("| act | {head} |\n|---|---|---|---|---|---|\n"));
    for act in Act::ALL {
        text.push_str(&format!("| {act} | {} |\n", marks(|role| role.allows(act))));
    }
    text.push_str(
        "\n## Endpoints\n\n\
         Where several acts are named, the body of the request says which one it is.\n\
         Some answers leave out what one may not see.\n\n",
    );
    text.push_str(&format!(
        "| endpoint | act | for | {head} |\n|---|---|---|---|---|---|---|---|\n"
    ));
    for it in listed() {
        let (acts, about) = needs(it.needs);
        let allowed = |role: Role| acts.is_empty() || acts.iter().any(|act| role.allows(*act));
        let named: Vec<_> = acts.iter().map(|act| act.as_str()).collect();
        text.push_str(&format!(
            "| `{} {}` | {} | {about} | {} |\n",
            it.method,
            it.path,
            if named.is_empty() {
                "-".to_owned()
            } else {
                named.join(", ")
            },
            marks(allowed)
        ));
    }
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/reference/rights.md"
    );
    expect_file![path].assert_eq(&text);
}
