//! Subscriptions over a real socket: added, told by real requests, tested, renewed and removed.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use leadsman_api::{
    AuditQuery, Command, CreatedSubscription, Error, NewSubscription, Notice, SubscriptionsQuery,
};
use ring::hmac;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::metrics::page;
use crate::served::{Served, shipment};

const DEADLINE: Duration = Duration::from_secs(60);

/// Who listens for what happens. It ends when this is dropped.
struct Receiver {
    address: SocketAddr,
    got: Arc<Mutex<Vec<(HeaderMap, Bytes)>>>,
    count: watch::Receiver<usize>,
    serving: JoinHandle<()>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Receiver {
    async fn start() -> Self {
        Self::answering(StatusCode::ACCEPTED).await
    }

    async fn answering(status: StatusCode) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let got = Arc::new(Mutex::new(Vec::new()));
        let (sender, count) = watch::channel(0);
        let into = Arc::clone(&got);
        let take = async move |headers: HeaderMap, body: Bytes| {
            let mut got = into.lock().expect("nobody panics with it");
            got.push((headers, body));
            sender.send_replace(got.len());
            (status, "thank you")
        };
        let app = axum::Router::new().fallback(take);
        let serving = tokio::spawn(async move { drop(axum::serve(listener, app).await) });
        Self {
            address,
            got,
            count,
            serving,
        }
    }

    fn wanted(&self, name: &str) -> NewSubscription {
        NewSubscription {
            url: format!("http://{}/T0/secret-path", self.address),
            private_address: true,
            ..wanted(name)
        }
    }

    async fn until(&self, count: usize) -> Vec<(HeaderMap, Bytes)> {
        let mut counted = self.count.clone();
        let there = counted.wait_for(|there| *there >= count);
        let there = tokio::time::timeout(DEADLINE, there).await;
        assert!(there.is_ok(), "{count} were expected");
        self.got.lock().expect("nobody panics with it").clone()
    }
}

fn wanted(name: &str) -> NewSubscription {
    NewSubscription {
        name: name.to_owned(),
        url: "https://hooks.example.org/T0/secret-path".to_owned(),
        format: None,
        only: Vec::new(),
        about: None,
        private_address: false,
        plain_http: false,
    }
}

async fn add(served: &Served, wanted: &NewSubscription) -> CreatedSubscription {
    let added = served.client.add_subscription(wanted).await;
    added.expect("it is new")
}

/// Returns the signatures of a request, and the one that `secret` makes of it.
fn signatures((headers, body): &(HeaderMap, Bytes), secret: &str) -> (Vec<String>, String) {
    let header = |name: &str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.expect("it is there").to_owned()
    };
    let key = secret.strip_prefix("whsec_").expect("it begins so");
    let key = STANDARD.decode(key).expect("the rest is base64");
    assert_eq!(key.len(), 32);
    let (id, at) = (header("webhook-id"), header("webhook-timestamp"));
    let content = [id.as_bytes(), b".", at.as_bytes(), b".", body].concat();
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), &content);
    let all = header("webhook-signature");
    let all = all.split(' ').map(str::to_owned).collect();
    (all, format!("v1,{}", STANDARD.encode(tag)))
}

/// Has something happen.
async fn freeze(served: &Served) {
    let freeze = Command::Freeze {
        from: None,
        until: None,
        maintenance: false,
        why: "the sale of the year".to_owned(),
    };
    let accepted = served.client.command("shop", "production", &freeze).await;
    accepted.expect("it is there");
}

async fn audit(served: &Served) -> Vec<String> {
    let query = AuditQuery {
        kind: Some("acted".to_owned()),
        ..AuditQuery::default()
    };
    let audit = served.client.audit(&query).await.expect("it answers");
    let sentences = audit.entries.into_iter().map(|entry| entry.sentence);
    sentences.collect()
}

#[tokio::test]
async fn what_happens_after_it_was_added_is_told_signed_by_the_secret_that_was_shown() {
    let (served, receiver) = (Served::start().await, Receiver::start().await);
    let shipped = served.client.ship(&shipment(1)).await;
    shipped.expect("it is the first");
    let made = add(&served, &receiver.wanted("chat")).await;
    freeze(&served).await;
    let mut there = 1;
    let notice = loop {
        let got = receiver.until(there).await;
        let last = got.last().expect("there is one");
        let (all, expected) = signatures(last, &made.secret.0);
        assert_eq!(all, [expected]);
        let notice: Notice = serde_json::from_slice(&last.1).expect("it is a notice");
        // Whatever came before it was added is not told.
        assert_ne!(notice.kind, "dev.leadsman.deployment_started");
        if notice.kind == "dev.leadsman.freeze_begun" {
            break notice;
        }
        there = got.len() + 1;
    };
    assert_eq!(notice.subject, "shop/production");
    assert!(notice.source.starts_with("urn:leadsman:"), "{notice:?}");
    assert_eq!(notice.source.len(), "urn:leadsman:".len() + 32);
    let sentence = &notice.data.event.sentence;
    assert!(sentence.contains("the sale of the year"), "{sentence}");
    let found = async {
        loop {
            let deliveries = served.client.deliveries("chat").await.expect("it answers");
            if let Some(told) = deliveries.deliveries.iter().find(|it| it.id == notice.id) {
                return (deliveries.position, told.clone());
            }
            tokio::task::yield_now().await;
        }
    };
    let (position, told) = tokio::time::timeout(DEADLINE, found)
        .await
        .expect("it is kept");
    assert_eq!((told.status, told.problem.as_deref()), (Some(202), None));
    assert_eq!(told.kind, "freeze_begun");
    assert!(position >= notice.data.event.position);
}

#[tokio::test]
async fn neither_the_secret_nor_the_path_is_shown_again() {
    let (served, receiver) = (Served::start().await, Receiver::start().await);
    let made = add(&served, &receiver.wanted("chat")).await;
    assert_eq!(made.subscription.url, None);
    let short = SubscriptionsQuery::default();
    let listed = served
        .client
        .subscriptions(&short)
        .await
        .expect("it answers");
    let text = serde_json::to_string(&listed).expect("it is JSON");
    assert!(
        !text.contains("secret-path") && !text.contains(&made.secret.0),
        "{text}"
    );
    assert_eq!(listed.subscriptions, [made.subscription]);
    assert_eq!(listed.subscriptions[0].host, receiver.address.to_string());
    let long = SubscriptionsQuery { urls: Some(true) };
    let listed = served
        .client
        .subscriptions(&long)
        .await
        .expect("it answers");
    let url = listed.subscriptions[0].url.as_deref();
    assert!(
        url.is_some_and(|url| url.ends_with("/T0/secret-path")),
        "{url:?}"
    );
    let audit = audit(&served).await;
    let expected = format!("subscription `chat` to `{}` added", receiver.address);
    assert_eq!(audit, [expected]);
}

#[tokio::test]
async fn a_test_says_what_came_back() {
    let (served, receiver) = (Served::start().await, Receiver::start().await);
    let made = add(&served, &receiver.wanted("chat")).await;
    let tested = served.client.test_subscription("chat").await;
    let tested = tested.expect("it is sent");
    assert_eq!(tested.delivery.status, Some(202));
    assert_eq!(tested.delivery.problem, None);
    assert_eq!(tested.answer.as_deref(), Some("thank you"));
    let got = receiver.until(1).await;
    let (all, expected) = signatures(&got[0], &made.secret.0);
    assert_eq!(all, [expected]);
    // One that nobody has said may be of this machine says so.
    let strict = NewSubscription {
        url: format!("https://localhost:{}/", receiver.address.port()),
        ..wanted("strict")
    };
    add(&served, &strict).await;
    let tested = served.client.test_subscription("strict").await;
    let problem = tested.expect("it is tried").delivery.problem;
    assert!(
        problem
            .as_ref()
            .is_some_and(|it| it.contains("private network")),
        "{problem:?}"
    );
    assert_eq!(receiver.until(1).await.len(), 1);
}

#[tokio::test]
async fn another_secret_signs_beside_the_one_before() {
    let (served, receiver) = (Served::start().await, Receiver::start().await);
    let first = add(&served, &receiver.wanted("chat")).await;
    let second = served.client.renew_subscription_secret("chat").await;
    let second = second.expect("it is there");
    assert_ne!(first.secret, second.secret);
    assert!(second.previous_until > Some(first.subscription.added_at));
    let tested = served.client.test_subscription("chat").await;
    assert_eq!(tested.expect("it is sent").delivery.problem, None);
    let got = receiver.until(1).await;
    let (all, by_first) = signatures(&got[0], &first.secret.0);
    let (_, by_second) = signatures(&got[0], &second.secret.0);
    assert_eq!(all, [by_second, by_first]);
}

#[tokio::test]
async fn metrics_say_how_telling_goes() {
    let (served, receiver) = (Served::start().await, Receiver::start().await);
    let gone = Receiver::answering(StatusCode::GONE).await;
    let shipped = served.client.ship(&shipment(1)).await;
    shipped.expect("it is the first");
    add(&served, &receiver.wanted("chat")).await;
    add(&served, &gone.wanted("old-chat")).await;
    freeze(&served).await;
    let all = served.token_of("prometheus", "viewer", None).await;
    let is_ended = "leadsman_subscription_ended";
    let told = async {
        loop {
            let page = page(&served, &all).await;
            if page.sum(is_ended, &[("subscription", "old-chat")]) > 0.5 {
                return page;
            }
            tokio::task::yield_now().await;
        }
    };
    let told = tokio::time::timeout(DEADLINE, told).await;
    let told = told.expect("what is gone has ended");
    for (family, sum) in [
        (is_ended, 1.0),
        ("leadsman_subscription_failing_seconds", 0.0),
        ("leadsman_subscription_given_up_total", 0.0),
    ] {
        let samples = &told.family(family).samples;
        assert_eq!(samples.len(), 2, "{family}: {samples:?}");
        assert!((told.sum(family, &[]) - sum).abs() < 1e-9, "{samples:?}");
    }
    // Who does not see everything does not see whom it is told to.
    let shop = served.token_of("ours", "viewer", Some("shop")).await;
    let shown = page(&served, &shop).await;
    assert!(shown.family(is_ended).samples.is_empty());
}

#[tokio::test]
async fn what_cannot_be_a_subscription_is_refused_without_repeating_its_url() {
    let served = Served::start().await;
    add(&served, &wanted("chat")).await;
    let with_url = |url: &str| NewSubscription {
        url: url.to_owned(),
        ..wanted("other")
    };
    for (wanted, status, part) in [
        (wanted("chat"), 409, "already"),
        (wanted("Chat"), 422, "its name is"),
        (wanted("../chat"), 422, "its name is"),
        (with_url("ftp://example.org/secret"), 422, "a URL such as"),
        (with_url("https://mia:secret@example.org/"), 422, "password"),
        (with_url("http://example.org/secret"), 422, "no TLS"),
        (with_url("https://10.0.0.1/secret"), 422, "private network"),
        (
            with_url("https://169.254.169.254/secret"),
            422,
            "private network",
        ),
        (with_url("https://[::1]/secret"), 422, "private network"),
        (
            NewSubscription {
                format: Some("xml".to_owned()),
                ..wanted("other")
            },
            422,
            "`xml` is no format",
        ),
        (
            NewSubscription {
                only: vec!["person_added".to_owned()],
                ..wanted("other")
            },
            422,
            "`person_added` is no kind",
        ),
        (
            NewSubscription {
                format: Some("cdevents".to_owned()),
                only: vec!["deployment_paused".to_owned()],
                ..wanted("other")
            },
            422,
            "`deployment_paused` is nothing among CDEvents",
        ),
    ] {
        let refused = served.client.add_subscription(&wanted).await;
        let Err(Error::Refused(problem)) = refused else {
            panic!("{wanted:?}: {refused:?}");
        };
        assert_eq!(
            (problem.status, &*problem.code),
            (status, "L150"),
            "{wanted:?}"
        );
        assert!(problem.message.contains(part), "{problem:?}");
        assert!(!problem.message.contains("secret"), "{problem:?}");
    }
    let listed = served
        .client
        .subscriptions(&SubscriptionsQuery::default())
        .await;
    assert_eq!(listed.expect("it answers").subscriptions.len(), 1);
}

#[tokio::test]
async fn one_that_was_removed_is_not_there() {
    let (served, receiver) = (Served::start().await, Receiver::start().await);
    add(&served, &receiver.wanted("chat")).await;
    let removed = served.client.remove_subscription("chat").await;
    assert_eq!(
        removed.expect("it is there").sentence,
        "subscription `chat` was removed"
    );
    let shipped = served.client.ship(&shipment(1)).await;
    shipped.expect("it is the first");
    let not_there = [
        served.client.remove_subscription("chat").await.err(),
        served.client.test_subscription("chat").await.err(),
        served.client.deliveries("chat").await.err(),
        served.client.renew_subscription_secret("chat").await.err(),
    ];
    for error in not_there {
        assert!(
            matches!(&error, Some(Error::Refused(it)) if it.status == 404 && it.code == "L081"),
            "{error:?}"
        );
    }
    // Another one, which is told what comes then, was told nothing of the first.
    add(&served, &receiver.wanted("again")).await;
    freeze(&served).await;
    for (_, body) in receiver.until(1).await {
        let notice: Notice = serde_json::from_slice(&body).expect("it is a notice");
        assert_ne!(notice.kind, "dev.leadsman.deployment_started");
    }
    let audit = audit(&served).await;
    assert!(
        audit.contains(&"subscription `chat` removed".to_owned()),
        "{audit:?}"
    );
}

#[tokio::test]
async fn one_whose_address_is_gone_has_ended_which_the_audit_says() {
    let served = Served::start().await;
    let gone = Receiver::answering(StatusCode::GONE).await;
    let there = Receiver::start().await;
    let shipped = served.client.ship(&shipment(1)).await;
    shipped.expect("it is the first");
    add(&served, &gone.wanted("gone")).await;
    add(&served, &there.wanted("there")).await;
    freeze(&served).await;
    let ended = async {
        loop {
            let deliveries = served.client.deliveries("gone").await.expect("it answers");
            if let Some(at) = deliveries.ended_at {
                return at;
            }
            tokio::task::yield_now().await;
        }
    };
    let ended = tokio::time::timeout(DEADLINE, ended).await;
    let ended = ended.expect("it ends");
    // What happens then is told to the other alone, also after tellers were counted anew.
    let told = there.until(1).await.len();
    let another = Receiver::start().await;
    add(&served, &another.wanted("another")).await;
    freeze(&served).await;
    there.until(told + 1).await;
    another.until(1).await;
    assert_eq!(gone.until(1).await.len(), 1);
    let query = SubscriptionsQuery::default();
    let listed = served.client.subscriptions(&query).await;
    let listed = listed.expect("it answers").subscriptions;
    let ends: Vec<_> = listed.iter().map(|it| (&*it.name, it.ended_at)).collect();
    assert_eq!(
        ends,
        [("another", None), ("gone", Some(ended)), ("there", None)]
    );
    let sentence = "subscription `gone` ended: its address answered with 410";
    assert!(audit(&served).await.iter().any(|it| it == sentence));
}
