//! The API over TCP: who is let in, and what becomes of who is not.

use leadsman_api::{AuditQuery, Client, Command, Error, Remote, Secret};
use leadsman_server::{BindError, Network};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::raw::{Ask, ask};
use crate::served::{Served, shipment};

#[test]
fn it_is_not_served_in_the_open() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        let bound = Network::bind(address.parse().unwrap(), None);
        assert!(matches!(bound, Err(BindError::Open(_))), "{address}");
    }
    for address in ["127.0.0.1:0", "[::ffff:127.0.0.1]:0"] {
        let bound = Network::bind(address.parse().unwrap(), None);
        assert!(!matches!(bound, Err(BindError::Open(_))), "{address}");
    }
}

#[tokio::test]
async fn a_client_with_a_token_does_what_its_person_may_and_the_log_says_so() {
    let served = Served::start().await;
    let token = served.token_of("olga", "operator", None).await;
    let url = format!("http://{}", served.address);
    let client = |token: Option<&str>| {
        let token = token.map(|token| Secret(token.to_owned()));
        Client::remote(Remote::new(&url, token).unwrap())
    };
    let olga = client(Some(&token)).with_reason(Some("errors at night, ä".to_owned()));
    olga.ship(&shipment(1)).await.expect("she may");
    assert_eq!(olga.system().await.unwrap().api, Some(url.clone()));
    let refused = olga.command("shop", "production", &Command::Retry {}).await;
    assert!(matches!(refused, Err(Error::Refused(it)) if it.code == "R011"));
    let denied = olga.people().await;
    assert!(matches!(denied, Err(Error::Refused(it)) if it.code == "L102" && it.status == 403));
    for (token, code) in [(None, "L100"), (Some("lmt_wrong"), "L100")] {
        let denied = client(token).system().await;
        assert!(matches!(denied, Err(Error::Refused(it)) if it.code == code && it.status == 401));
    }

    let query = AuditQuery {
        actor: Some("olga".to_owned()),
        ..AuditQuery::default()
    };
    let entries = served.client.audit(&query).await.unwrap().entries;
    for (kind, said) in [
        ("release_created", "release 1 was recorded"),
        ("deployment_started", ""),
        ("refused", "refused retry on shop/production: no release of"),
        (
            "denied",
            "denied people: `olga` may not do this: `people` on everything (L102)",
        ),
    ] {
        let entry = entries.iter().find(|entry| entry.kind == kind);
        let entry = entry.unwrap_or_else(|| panic!("{kind}: {entries:?}"));
        assert!(entry.sentence.contains(said), "{entry:?}");
        assert_eq!(entry.from.as_deref(), Some("127.0.0.1"), "{entry:?}");
        assert_eq!(entry.token.as_deref(), Some("1 laptop"), "{entry:?}");
        assert_eq!(
            entry.why.as_deref(),
            Some("errors at night, ä"),
            "{entry:?}"
        );
    }
    let everything = served.client.audit(&AuditQuery::default()).await.unwrap();
    let text = serde_json::to_string(&everything).unwrap();
    assert!(!text.contains("lmt_"), "no token is ever recorded: {text}");
}

#[tokio::test]
async fn who_keeps_failing_has_to_wait_and_a_good_token_is_let_in_all_the_same() {
    let served = Served::start().await;
    let good = served.token_of("mia", "viewer", None).await;
    let bad = format!("lmt_{}", "a".repeat(64));
    let try_it = async |token: &str, from| {
        ask(
            served.address,
            Ask {
                token: Some(token),
                from,
                ..Ask::default()
            },
        )
        .await
    };
    for attempt in 0..20 {
        let answer = try_it(&bad, 7).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (401, "L100"),
            "{attempt}"
        );
        assert!(
            answer
                .head
                .to_lowercase()
                .contains("www-authenticate: bearer")
        );
    }
    let answer = try_it(&bad, 7).await;
    assert_eq!((answer.status, answer.code().as_str()), (429, "L103"));
    assert!(
        answer.head.to_lowercase().contains("retry-after: 60"),
        "{}",
        answer.head
    );
    assert_eq!(try_it(&bad, 8).await.status, 401);
    assert_eq!(try_it(&good, 7).await.status, 200);

    // A thousand more leave as many traces as one.
    for _ in 0..200 {
        try_it(&bad, 7).await;
    }
    let query = AuditQuery {
        kind: Some("denied".to_owned()),
        ..AuditQuery::default()
    };
    let denied = served.client.audit(&query).await.unwrap().entries;
    assert_eq!(denied.len(), 3, "{denied:?}");
}

#[tokio::test]
async fn a_request_that_a_page_of_somebody_else_made_is_not_let_in() {
    let served = Served::start().await;
    let token = served.token_of("mia", "admin", None).await;
    let own = format!("Origin: http://{}", served.address);
    for (headers, status) in [
        (&["Host: leadsman.evil.example"][..], 421),
        (&["Host: 127.0.0.1.evil.example:80"], 421),
        (&["Origin: https://evil.example"], 421),
        (&["Origin: null"], 421),
        (&["Host: localhost"], 200),
        (&[own.as_str()], 200),
    ] {
        let token = Some(token.as_str());
        let answer = ask(
            served.address,
            Ask {
                token,
                headers,
                ..Ask::default()
            },
        )
        .await;
        assert_eq!(answer.status, status, "{headers:?}: {answer:?}");
    }
}

#[tokio::test]
async fn what_is_no_request_takes_nothing_down() {
    let served = Served::start().await;
    let good = served.token_of("mia", "viewer", None).await;
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"GET /v1/system HTTP/1.1\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\0\0\0\0",
        b"",
    ] {
        let mut stream = tokio::net::TcpStream::connect(served.address)
            .await
            .unwrap();
        drop(stream.write_all(bytes).await);
        drop(stream.shutdown().await);
        let mut rest = Vec::new();
        drop(stream.read_to_end(&mut rest).await);
    }
    let long = "x".repeat(100_000);
    for header in [
        format!("Authorization: Bearer {long}"),
        format!("leadsman-reason: {long}"),
    ] {
        let headers = &[header.as_str()];
        let answer = ask(
            served.address,
            Ask {
                headers,
                ..Ask::default()
            },
        )
        .await;
        assert!((400..500).contains(&answer.status), "{}", answer.head);
    }
    let token = Some(good.as_str());
    assert_eq!(
        ask(
            served.address,
            Ask {
                token,
                ..Ask::default()
            }
        )
        .await
        .status,
        200
    );
}
