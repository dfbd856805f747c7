//! Signing in over real sockets, at a provider that says what it should not.

use leadsman_api::{
    AuditQuery, BeginSignIn, BegunSignIn, Client, CreatedToken, Error, FinishSignIn, Grant,
    PeopleCommand, Secret,
};
use leadsman_server::Provider as Settings;
use ring::hmac;
use serde_json::{Value, json};

use crate::provider::{Provider, Signer, decoded, encoded};
use crate::raw::{Ask, ask};
use crate::served::Served;

/// A Leadsman with a provider, and somebody who is known by both.
pub(crate) struct World {
    pub(crate) served: Served,
    pub(crate) provider: Provider,
    pub(crate) signer: Signer,
}

/// Where a sign-in has come to: what the provider was told of it.
struct Begun {
    begun: BegunSignIn,
    nonce: String,
}

impl World {
    pub(crate) async fn new(signer: Signer) -> Self {
        let provider = Provider::start().await;
        let grant = leadsman_core::people::Grant {
            role: leadsman_core::people::Role::Operator,
            reach: "shop/production".parse().expect("it is a reach"),
        };
        let settings = Settings {
            issuer: provider.issuer(),
            client: "leadsman".to_owned(),
            secret: Some(Secret("s/cret".to_owned())),
            groups: [("releasers".to_owned(), [grant].into())].into(),
        };
        let served = Served::start_with(Some(settings)).await;
        let add = PeopleCommand::Add {
            person: "mia".to_owned(),
            identities: vec!["email:mia@example.org".to_owned(), "subject:s-1".to_owned()],
            grants: vec![Grant {
                role: "viewer".to_owned(),
                reach: Some("shop".to_owned()),
            }],
        };
        served
            .client
            .about_people(&add)
            .await
            .expect("they are new");
        provider.says().keys = vec![json!("odd"), json!({ "kty": "new" }), signer.public("k1")];
        Self {
            served,
            provider,
            signer,
        }
    }

    async fn begin(&self) -> Begun {
        let begun = self
            .served
            .client
            .begin_sign_in(&BeginSignIn { port: 4711 });
        let begun = begun.await.expect("the provider answers");
        let (endpoint, query) = begun.url.split_once('?').expect("it has a query");
        assert_eq!(endpoint, format!("{}/authorize", self.provider.issuer()));
        let field = |name: &str| {
            let mut fields = query.split('&').filter_map(|field| field.split_once('='));
            let found = fields.find(|(it, _)| *it == name).map(|it| decoded(it.1));
            assert!(found.is_some(), "{name} in {query}");
            found.unwrap_or_default()
        };
        assert_eq!(field("state"), begun.state);
        assert_eq!(field("client_id"), "leadsman");
        assert_eq!(field("response_type"), "code");
        assert_eq!(field("code_challenge_method"), "S256");
        assert_eq!(field("scope"), "openid email");
        assert!(
            !begun.url.contains(&begun.claim.0),
            "the claim is told to nobody"
        );
        let code = (field("code_challenge"), field("redirect_uri"));
        assert_eq!(code.1, "http://127.0.0.1:4711/");
        self.provider.says().codes.insert("code-1".to_owned(), code);
        let nonce = field("nonce");
        Begun { begun, nonce }
    }

    fn now(&self) -> u64 {
        self.served.world.engine.now().as_millis() / 1_000
    }

    pub(crate) fn claims(&self, nonce: &str) -> Value {
        json!({
            "iss": self.provider.issuer(), "sub": "s-1", "aud": "leadsman", "nonce": nonce,
            "iat": self.now(), "exp": self.now() + 60,
            "email": "Mia@example.org", "email_verified": true,
        })
    }

    pub(crate) fn header(&self) -> Value {
        json!({ "alg": self.signer.algorithm(), "typ": "JWT", "kid": "k1" })
    }

    async fn finish(&self, begun: &BegunSignIn, token: String) -> Result<CreatedToken, Error> {
        self.provider.says().token = token;
        let wish = FinishSignIn {
            state: begun.state.clone(),
            claim: begun.claim.clone(),
            code: Secret("code-1".to_owned()),
        };
        self.served.client.finish_sign_in(&wish).await
    }

    /// Signs in with what `change` makes of a good header and good claims.
    async fn sign_in(
        &self,
        change: impl FnOnce(&mut Value, &mut Value),
    ) -> Result<CreatedToken, Error> {
        let begun = self.begin().await;
        let (mut header, mut claims) = (self.header(), self.claims(&begun.nonce));
        change(&mut header, &mut claims);
        let token = self.signer.token(&header, &claims);
        self.finish(&begun.begun, token).await
    }
}

fn refused(result: Result<CreatedToken, Error>) -> (u16, String, String) {
    match result {
        Err(Error::Refused(problem)) => (problem.status, problem.code, problem.message),
        other => {
            assert!(other.is_err(), "it was not refused: {other:?}");
            (0, String::new(), format!("{other:?}"))
        }
    }
}

#[tokio::test]
async fn whoever_is_known_gets_a_token_that_ends_and_does_what_they_may() {
    for signer in [Signer::rsa(), Signer::ec(), Signer::ed()] {
        let algorithm = signer.algorithm();
        let world = World::new(signer).await;
        let made = world.sign_in(|_, _| {}).await;
        let made = made.unwrap_or_else(|error| panic!("{algorithm}: {error}"));
        assert_eq!(made.person, "mia");
        let life = made.expires_at.0 / 1_000 - world.now();
        assert!((8 * 3_600 - 10..=8 * 3_600).contains(&life), "{life}");
        let to = async |method: &'static str, path: &'static str, body: &'static str| {
            let token = Some(made.token.0.as_str());
            let request = Ask {
                method,
                path,
                token,
                body,
                ..Ask::default()
            };
            ask(world.served.address, request).await.status
        };
        assert_eq!(to("GET", "/v1/runs", "").await, 200);
        assert_eq!(to("GET", "/v1/people", "").await, 403, "{algorithm}");
        let pause = "/v1/environments/shop/production/commands";
        assert_eq!(to("POST", pause, r#"{"command":"pause"}"#).await, 403);
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
                .any(|token| token.sign_in && token.number == made.number)
        );
        world
            .served
            .client
            .revoke_token(made.number)
            .await
            .expect("it lives");
        assert_eq!(to("GET", "/v1/runs", "").await, 401);
    }
}

#[tokio::test]
async fn groups_allow_what_is_set_up_for_them_and_only_to_who_is_known() {
    let world = World::new(Signer::ec()).await;
    for (groups, status) in [
        (json!(["others", "releasers"]), 404),
        (json!(["others"]), 403),
        (json!(["Releasers"]), 403),
        (json!("releasers"), 403),
        (json!([["releasers"], 5, null]), 403),
        (json!({ "releasers": true }), 403),
        (Value::Null, 403),
    ] {
        let made = world
            .sign_in(|_, claims| claims["groups"] = groups.clone())
            .await;
        let made = made.expect("they are known");
        let request = Ask {
            method: "POST",
            path: "/v1/environments/shop/production/commands",
            token: Some(&made.token.0),
            body: r#"{"command":"pause"}"#,
            ..Ask::default()
        };
        // There is no such environment, which only who may pause it is told.
        let answer = ask(world.served.address, request).await;
        assert_eq!(answer.status, status, "{groups}: {answer:?}");
    }
    let made = world.sign_in(|_, claims| {
        claims["sub"] = json!("s-2");
        claims["email"] = json!("eve@example.org");
        claims["groups"] = json!(["releasers"]);
    });
    let (status, code, message) = refused(made.await);
    assert_eq!((status, code.as_str()), (401, "L140"));
    assert!(
        message.contains("nobody here is `email:eve@example.org` or `subject:s-2`"),
        "{message}"
    );
}

type Change = fn(&mut Value, &mut Value, u64);

#[tokio::test]
async fn a_token_that_is_not_what_it_has_to_be_lets_nobody_in() {
    let world = World::new(Signer::rsa()).await;
    let table: &[(&str, Change, &str)] = &[
        (
            "another issuer",
            |_, c, _| c["iss"] = json!("https://evil.example"),
            "another provider",
        ),
        (
            "no issuer",
            |_, c, _| {
                c["iss"].take();
            },
            "no token",
        ),
        (
            "another audience",
            |_, c, _| c["aud"] = json!("other"),
            "somebody else",
        ),
        (
            "an empty audience",
            |_, c, _| c["aud"] = json!([]),
            "somebody else",
        ),
        (
            "several, and no party",
            |_, c, _| c["aud"] = json!(["leadsman", "other"]),
            "somebody else",
        ),
        (
            "another party",
            |_, c, _| c["azp"] = json!("other"),
            "somebody else",
        ),
        ("expired", |_, c, now| c["exp"] = json!(now - 61), "expired"),
        (
            "no end",
            |_, c, _| {
                c["exp"].take();
            },
            "no token",
        ),
        (
            "the end as a text",
            |_, c, _| c["exp"] = json!("9999999999"),
            "no token",
        ),
        ("a negative end", |_, c, _| c["exp"] = json!(-1), "no token"),
        (
            "from the future",
            |_, c, now| c["iat"] = json!(now + 100),
            "not valid yet",
        ),
        (
            "not yet",
            |_, c, now| c["nbf"] = json!(now + 100),
            "not valid yet",
        ),
        (
            "another nonce",
            |_, c, _| c["nonce"] = json!("x"),
            "not the answer",
        ),
        (
            "no nonce",
            |_, c, _| {
                c["nonce"].take();
            },
            "not the answer",
        ),
        ("no subject", |_, c, _| c["sub"] = json!(""), "names nobody"),
        (
            "unknown to us",
            |_, c, _| {
                c["sub"] = json!("s-9");
                c["email"].take();
            },
            "nobody here",
        ),
        (
            "an address that was not verified",
            |_, c, _| {
                c["sub"] = json!("s-9");
                c["email_verified"] = json!(false);
            },
            "nobody here is `subject:s-9`",
        ),
        (
            "an address that nobody says is verified",
            |_, c, _| {
                c["sub"] = json!("s-9");
                c["email_verified"].take();
            },
            "nobody here is `subject:s-9`",
        ),
        (
            "another key",
            |h, _, _| h["kid"] = json!("k2"),
            "not signed by the provider",
        ),
        (
            "another way",
            |h, _, _| h["alg"] = json!("ES256"),
            "not signed by the provider",
        ),
        (
            "a longer hash",
            |h, _, _| h["alg"] = json!("RS512"),
            "not accepted",
        ),
        (
            "no signature at all",
            |h, _, _| h["alg"] = json!("none"),
            "not accepted",
        ),
        ("None", |h, _, _| h["alg"] = json!("None"), "not accepted"),
        (
            "what is not known",
            |h, _, _| h["crit"] = json!(["exp"]),
            "not known here",
        ),
        (
            "a key of its own",
            |h, _, _| {
                h["jwk"] = Signer::ec().public("k1");
                h["alg"] = json!("ES256");
            },
            "not signed by the provider",
        ),
    ];
    for (called, change, why) in table {
        let now = world.now();
        let (status, code, message) = refused(world.sign_in(|h, c| change(h, c, now)).await);
        assert_eq!(
            (status, code.as_str()),
            (401, "L140"),
            "{called}: {message}"
        );
        assert!(message.contains(why), "{called}: {message}");
    }
    // Leeway is for clocks, and not more.
    let now = world.now();
    assert!(
        world
            .sign_in(|_, c| c["exp"] = json!(now - 50))
            .await
            .is_ok()
    );
    assert!(
        world
            .sign_in(|_, c| c["aud"] = json!(["leadsman"]))
            .await
            .is_ok()
    );
    assert!(
        world
            .sign_in(|h, _| {
                h["kid"].take();
            })
            .await
            .is_ok()
    );
    // By the address alone somebody is known, too.
    let by_email = world.sign_in(|_, c| c["sub"] = json!("s-9")).await;
    assert_eq!(by_email.expect("the address is verified").person, "mia");
    let query = AuditQuery {
        kind: Some("denied".to_owned()),
        ..AuditQuery::default()
    };
    let denied = world
        .served
        .client
        .audit(&query)
        .await
        .expect("it answers")
        .entries;
    assert!(
        denied.iter().any(|it| it.sentence.contains("L140")),
        "{denied:?}"
    );
}

#[tokio::test]
async fn what_was_never_signed_with_the_providers_key_lets_nobody_in() {
    let world = World::new(Signer::rsa()).await;
    let public = world.signer.public("k1");
    let other = Signer::ec();
    for called in [
        "HS256", "none", "stripped", "mixed", "other", "cut", "long", "text", "empty",
    ] {
        let begun = world.begin().await;
        let (header, claims) = (world.header(), world.claims(&begun.nonce));
        let good = world.signer.token(&header, &claims);
        let parts: Vec<&str> = good.split('.').collect();
        let unsigned = |header: &Value| {
            format!(
                "{}.{}",
                encoded(header.to_string()),
                encoded(claims.to_string())
            )
        };
        let token = match called {
            // With what everybody knows of the key as if it were a secret.
            "HS256" => {
                let signed = unsigned(&json!({ "alg": "HS256", "kid": "k1" }));
                let key = public["n"].as_str().expect("it has one");
                let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
                format!("{signed}.{}", encoded(hmac::sign(&key, signed.as_bytes())))
            }
            "none" => format!("{}.", unsigned(&json!({ "alg": "none" }))),
            "stripped" => format!("{}.", unsigned(&header)),
            "mixed" => {
                let mut claims = claims.clone();
                claims["sub"] = json!("s-2");
                format!("{}.{}.{}", parts[0], encoded(claims.to_string()), parts[2])
            }
            "other" => other.token(&json!({ "alg": "ES256", "kid": "k1" }), &claims),
            "cut" => good[..good.len() - 8].to_owned(),
            "long" => format!("{good}{}", "A".repeat(40_000)),
            "text" => "not a token".to_owned(),
            _ => String::new(),
        };
        let (status, code, message) = refused(world.finish(&begun.begun, token).await);
        assert_eq!(
            (status, code.as_str()),
            (401, "L140"),
            "{called}: {message}"
        );
        assert!(
            message.contains("the provider's token is not accepted"),
            "{called}: {message}"
        );
    }
    // A key is only used for its own kind, whatever it says of itself.
    let mut odd = public.clone();
    odd["alg"] = json!("HS256");
    let mut for_secrets = public;
    for_secrets["use"] = json!("enc");
    for key in [odd, for_secrets] {
        let world = World::new(Signer::rsa()).await;
        world.provider.says().keys = vec![key.clone()];
        let (_, code, _) = refused(world.sign_in(|_, _| {}).await);
        assert_eq!(code, "L140", "{key}");
    }
}

#[tokio::test]
async fn keys_that_were_changed_are_asked_for_anew() {
    let mut world = World::new(Signer::ec()).await;
    assert!(world.sign_in(|_, _| {}).await.is_ok());
    let count = |world: &World| {
        let asked = &world.provider.says().asked;
        asked.iter().filter(|path| *path == "/keys").count()
    };
    assert!(world.sign_in(|_, _| {}).await.is_ok());
    assert_eq!(count(&world), 1, "keys are remembered");
    let old = std::mem::replace(&mut world.signer, Signer::ed());
    world.provider.says().keys = vec![world.signer.public("k1")];
    assert!(world.sign_in(|_, _| {}).await.is_ok());
    assert_eq!(count(&world), 2);
    // What was signed by one that was taken back lets nobody in.
    let begun = world.begin().await;
    let header = json!({ "alg": "ES256", "kid": "k1" });
    let token = old.token(&header, &world.claims(&begun.nonce));
    let (_, code, _) = refused(world.finish(&begun.begun, token).await);
    assert_eq!(code, "L140");
}

#[tokio::test]
async fn a_sign_in_is_ended_once_and_by_who_began_it() {
    let world = World::new(Signer::ec()).await;
    let begun = world.begin().await;
    let token = world
        .signer
        .token(&world.header(), &world.claims(&begun.nonce));
    let mut stolen = begun.begun.clone();
    stolen.claim = Secret("guessed".to_owned());
    assert_eq!(
        refused(world.finish(&stolen, token.clone()).await).1,
        "L140"
    );
    stolen.claim = begun.begun.claim.clone();
    stolen.state = "other".to_owned();
    assert_eq!(
        refused(world.finish(&stolen, token.clone()).await).1,
        "L140"
    );
    assert!(world.finish(&begun.begun, token.clone()).await.is_ok());
    assert_eq!(refused(world.finish(&begun.begun, token).await).1, "L140");
    // A code that the provider does not know, or that was made for another verifier, gives nothing.
    let begun = world.begin().await;
    let codes = [(
        "code-1".to_owned(),
        ("x".to_owned(), "http://127.0.0.1:4711/".to_owned()),
    )];
    world.provider.says().codes = codes.into();
    let token = world
        .signer
        .token(&world.header(), &world.claims(&begun.nonce));
    assert_eq!(refused(world.finish(&begun.begun, token).await).1, "L142");
}

#[tokio::test]
async fn a_provider_that_misbehaves_is_given_up_on() {
    let elsewhere = Provider::start().await;
    let redirect = format!(
        "HTTP/1.1 302 x\r\nlocation: {}/keys\r\ncontent-length: 0\r\n\r\n",
        elsewhere.issuer()
    );
    let huge = format!(
        "HTTP/1.1 200 x\r\ncontent-length: 9000000\r\n\r\n{{\"keys\":[{}",
        "0,".repeat(1_000_000)
    );
    let deep = "[".repeat(100_000);
    let deep = format!(
        "HTTP/1.1 200 x\r\ncontent-length: {}\r\n\r\n{deep}",
        deep.len()
    );
    const FOUND: &str = "/.well-known/openid-configuration";
    for path in [FOUND, "/keys", "/token"] {
        for answer in [
            redirect.as_str(),
            &huge,
            &deep,
            "HTTP/1.1 500 x\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 200 x\r\ncontent-length: 2\r\n\r\n[]",
            "HTTP/1.1 200 x\r\ncontent-length: 50\r\n\r\n{}",
            "no HTTP",
        ] {
            let world = World::new(Signer::ec()).await;
            let begun = if path == FOUND {
                world
                    .provider
                    .says()
                    .instead
                    .insert(path, answer.to_owned());
                let begun = world
                    .served
                    .client
                    .begin_sign_in(&BeginSignIn { port: 1 })
                    .await;
                begun.map(|_| CreatedToken {
                    number: 0,
                    person: String::new(),
                    token: Secret(String::new()),
                    expires_at: leadsman_api::Moment(0),
                })
            } else {
                world
                    .provider
                    .says()
                    .instead
                    .insert(path, answer.to_owned());
                world.sign_in(|_, _| {}).await
            };
            let (status, code, message) = refused(begun);
            let shown: String = answer.chars().take(60).collect();
            assert_eq!(
                (status, code.as_str()),
                (502, "L142"),
                "{path} {shown}: {message}"
            );
        }
    }
    assert_eq!(elsewhere.says().asked, [""; 0], "nobody was led there");
    for (name, value) in [
        ("issuer", "https://other.example"),
        ("authorization_endpoint", "http://other.example/authorize"),
        ("authorization_endpoint", "javascript:alert(1)"),
        ("token_endpoint", "http://10.0.0.1/token"),
        ("jwks_uri", "file:///etc/passwd"),
        ("jwks_uri", "http://127.0.0.1@other.example/keys"),
    ] {
        let world = World::new(Signer::ec()).await;
        world.provider.says().discovery.insert(name, json!(value));
        let begun = world
            .served
            .client
            .begin_sign_in(&BeginSignIn { port: 1 })
            .await;
        assert!(
            matches!(&begun, Err(Error::Refused(it)) if it.code == "L142"),
            "{name} {value}: {begun:?}"
        );
    }
}

#[tokio::test]
async fn without_a_provider_nobody_signs_in_and_who_keeps_trying_has_to_wait() {
    let served = Served::start().await;
    let client: &Client = &served.client;
    let begun = client.begin_sign_in(&BeginSignIn { port: 1 }).await;
    assert!(matches!(&begun, Err(Error::Refused(it)) if it.code == "L141" && it.status == 404));
    let request = Ask {
        method: "POST",
        path: "/v1/sign-in",
        body: r#"{"port":1}"#,
        ..Ask::default()
    };
    for _ in 0..20 {
        assert_eq!(ask(served.address, request.clone()).await.status, 404);
    }
    assert_eq!(ask(served.address, request).await.status, 429);
}
