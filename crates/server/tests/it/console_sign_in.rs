//! Signing in to the pages by a provider, as a browser does it.

use serde_json::json;

use crate::browser::{PAGE, header};
use crate::provider::{Signer, decoded};
use crate::raw::{Answer, Ask, ask};
use crate::sign_in::World;

/// A sign-in that has begun in a browser.
struct Begun {
    /// The cookie that this browser has of it.
    cookie: String,
    state: String,
    nonce: String,
    scope: String,
}

async fn get(world: &World, path: &str, cookies: &[&str]) -> Answer {
    let lines: Vec<String> = cookies.iter().map(|it| format!("Cookie: {it}")).collect();
    let headers: Vec<&str> = lines.iter().map(String::as_str).collect();
    let asked = Ask {
        path,
        headers: &headers,
        ..Ask::default()
    };
    ask(world.served.address, asked).await
}

/// Begins a sign-in that is to lead to `to`, and has the provider know a code for it.
async fn begin(world: &World, to: &str) -> Begun {
    let answer = get(world, &format!("/sign-in/provider?to={to}"), &[]).await;
    assert_eq!(answer.status, 303, "{answer:?}");
    let address = header(&answer, "location");
    let (endpoint, query) = address.split_once('?').expect("it has a query");
    assert_eq!(endpoint, format!("{}/authorize", world.provider.issuer()));
    let field = |name: &str| {
        let mut fields = query.split('&').filter_map(|field| field.split_once('='));
        let found = fields.find(|(it, _)| *it == name).map(|it| decoded(it.1));
        found.unwrap_or_default()
    };
    let redirect = format!("http://{}/sign-in/back", world.served.address);
    assert_eq!(field("redirect_uri"), redirect);
    assert_eq!(field("code_challenge_method"), "S256");
    let cookie = header(&answer, "set-cookie");
    assert!(
        cookie.starts_with("leadsman-sign-in=")
            && cookie.ends_with("; Path=/sign-in; Max-Age=600; HttpOnly; SameSite=Lax"),
        "{cookie}"
    );
    let cookie = cookie.split(';').next().expect("it has a value").to_owned();
    let claim = cookie.split_once('=').expect("it has a value").1;
    assert!(!address.contains(claim), "the claim is told to nobody else");
    let code = (field("code_challenge"), field("redirect_uri"));
    let codes = [("code-1".to_owned(), code)];
    world.provider.says().codes = codes.into();
    Begun {
        cookie,
        state: field("state"),
        nonce: field("nonce"),
        scope: field("scope"),
    }
}

/// Has the provider say of a sign-in that it was Mia, who is known here.
fn says_mia(world: &World, begun: &Begun) {
    let token = world
        .signer
        .token(&world.header(), &world.claims(&begun.nonce));
    world.provider.says().token = token;
}

fn back(begun: &Begun) -> String {
    format!("/sign-in/back?code=code-1&state={}", begun.state)
}

/// How often the provider was asked for a token.
fn exchanges(world: &World) -> usize {
    let asked = &world.provider.says().asked;
    asked.iter().filter(|path| *path == "/token").count()
}

#[tokio::test]
async fn whoever_the_provider_names_has_a_session_and_sees_what_they_wanted() {
    let world = World::new(Signer::ec()).await;
    let page = get(&world, &format!("/sign-in?to={PAGE}"), &[]).await;
    assert!(
        page.body
            .contains("href=\"/sign-in/provider?to=%2Fenvironments%2Fshop%2Fproduction\""),
        "{}",
        page.body
    );
    let begun = begin(&world, PAGE).await;
    assert_eq!(begun.scope, "openid email");
    says_mia(&world, &begun);
    let answer = get(&world, &back(&begun), &[&begun.cookie]).await;
    assert_eq!(answer.status, 303, "{answer:?}");
    assert_eq!(header(&answer, "location"), PAGE);
    let cookies: Vec<&str> = answer
        .head
        .lines()
        .filter_map(|line| line.strip_prefix("set-cookie: "))
        .collect();
    let [ended, session] = cookies.as_slice() else {
        unreachable!("one ends and one begins: {cookies:?}");
    };
    assert!(ended.starts_with("leadsman-sign-in=; ") && ended.contains("Max-Age=0"));
    assert!(session.starts_with("leadsman=lmt_") && session.contains("Max-Age=28800"));
    let session = session.split(';').next().expect("it has a value");
    let page = get(&world, "/settings", &[session]).await;
    assert_eq!(page.status, 200, "{page:?}");
    assert!(page.body.contains("You are mia"), "{}", page.body);
    let tokens = world
        .served
        .client
        .tokens()
        .await
        .expect("it answers")
        .tokens;
    assert!(
        tokens
            .iter()
            .any(|it| it.sign_in && it.name.starts_with("console-"))
    );

    // It was used, and is of nobody any more.
    let again = get(&world, &back(&begun), &[&begun.cookie]).await;
    assert_eq!(again.status, 401, "{again:?}");
    assert_eq!(exchanges(&world), 1);
}

#[tokio::test]
async fn what_another_browser_has_begun_is_ended_by_none_but_that_one() {
    let world = World::new(Signer::ec()).await;
    let theirs = begin(&world, "/").await;
    let mine = begin(&world, "/").await;
    says_mia(&world, &mine);
    let claim = mine.cookie.clone();
    for (cookies, path) in [
        // Somebody has had this browser open the way back of their own sign-in.
        (vec![], back(&mine)),
        (vec![theirs.cookie.as_str()], back(&mine)),
        (vec![claim.as_str()], back(&theirs)),
        (vec!["leadsman-sign-in="], back(&mine)),
        (vec![claim.as_str()], "/sign-in/back".to_owned()),
        (vec![claim.as_str()], "/sign-in/back?code=code-1".to_owned()),
        (
            vec![claim.as_str()],
            format!("/sign-in/back?state={}", mine.state),
        ),
    ] {
        let answer = get(&world, &path, &cookies).await;
        assert_eq!(answer.status, 401, "{path}: {answer:?}");
        assert!(!answer.head.contains("leadsman=lmt_"), "{answer:?}");
        assert!(answer.body.contains("Sign in"), "{}", answer.body);
    }
    assert_eq!(exchanges(&world), 0, "no code was ever exchanged");
    let answer = get(&world, &back(&mine), &[&mine.cookie]).await;
    assert_eq!(answer.status, 303, "it is there still: {answer:?}");
}

#[tokio::test]
async fn nobody_is_led_elsewhere_by_signing_in() {
    for to in [
        "//evil.example",
        "https://evil.example",
        "%2F%5Cevil.example",
        "/%0d%0ax:y",
    ] {
        let world = World::new(Signer::ec()).await;
        let begun = begin(&world, to).await;
        says_mia(&world, &begun);
        let answer = get(&world, &back(&begun), &[&begun.cookie]).await;
        assert_eq!(
            (answer.status, &*header(&answer, "location")),
            (303, "/"),
            "{to}"
        );
    }
    // Where a request says it goes to is this machine, or nothing begins.
    let world = World::new(Signer::ec()).await;
    let asked = Ask {
        path: "/sign-in/provider?to=/",
        headers: &["Host: evil.example"],
        ..Ask::default()
    };
    let answer = ask(world.served.address, asked).await;
    assert_eq!(answer.status, 421, "{answer:?}");
}

#[tokio::test]
async fn who_is_not_let_in_reads_why_and_it_is_recorded() {
    let world = World::new(Signer::ec()).await;
    let begun = begin(&world, "/").await;
    let path = format!(
        "/sign-in/back?error=access_denied%3Cb%3E&error_description=no&state={}",
        begun.state
    );
    let answer = get(&world, &path, &[&begun.cookie]).await;
    assert_eq!(answer.status, 401, "{answer:?}");
    assert!(
        answer.body.contains("access_denied&#60;b&#62;"),
        "{}",
        answer.body
    );

    let begun = begin(&world, "/").await;
    let mut claims = world.claims(&begun.nonce);
    claims["sub"] = json!("s-9");
    claims["email"] = json!("eve@example.org");
    let token = world.signer.token(&world.header(), &claims);
    world.provider.says().token = token;
    let answer = get(&world, &back(&begun), &[&begun.cookie]).await;
    assert_eq!(answer.status, 401, "{answer:?}");
    assert!(answer.body.contains("eve@example.org"), "{}", answer.body);
    assert!(
        answer.head.contains("content-security-policy"),
        "{answer:?}"
    );

    let begun = begin(&world, "/").await;
    let mut claims = world.claims("another nonce");
    claims["sub"] = json!("s-1");
    let token = world.signer.token(&world.header(), &claims);
    world.provider.says().token = token;
    let answer = get(&world, &back(&begun), &[&begun.cookie]).await;
    assert_eq!(answer.status, 401, "{answer:?}");

    let query = leadsman_api::AuditQuery {
        kind: Some("denied".to_owned()),
        ..leadsman_api::AuditQuery::default()
    };
    let denied = world.served.client.audit(&query).await;
    let denied = denied.expect("it answers").entries;
    assert!(
        denied.iter().any(|it| it.sentence.contains("L140")),
        "{denied:?}"
    );
}

#[tokio::test]
async fn a_provider_that_is_gone_lets_nobody_in_and_who_keeps_trying_has_to_wait() {
    let world = World::new(Signer::ec()).await;
    const FOUND: &str = "/.well-known/openid-configuration";
    let gone = "HTTP/1.1 500 x\r\ncontent-length: 0\r\n\r\n".to_owned();
    world.provider.says().instead.insert(FOUND, gone);
    for _ in 0..20 {
        let answer = get(&world, "/sign-in/provider", &[]).await;
        assert_eq!(answer.status, 502, "{answer:?}");
        assert!(answer.body.contains("L142"), "{}", answer.body);
    }
    for path in ["/sign-in/provider", "/sign-in/back?code=x&state=y"] {
        let answer = get(&world, path, &[]).await;
        assert_eq!(answer.status, 429, "{path}: {answer:?}");
    }
}

#[tokio::test]
async fn without_a_provider_there_is_no_such_way() {
    let served = crate::served::Served::start().await;
    let of = async |path: &'static str| {
        let asked = Ask {
            path,
            ..Ask::default()
        };
        ask(served.address, asked).await
    };
    let page = of("/sign-in").await;
    assert!(!page.body.contains("/sign-in/provider"), "{}", page.body);
    assert_eq!(of("/sign-in/provider").await.status, 404);
    assert_eq!(of("/sign-in/back?code=x&state=y").await.status, 404);
}
