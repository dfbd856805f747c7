//! Webhooks over a real socket, of real repositories of Git.

use std::path::{Path, PathBuf};
use std::process::Command;

use leadsman_api::{AuditQuery, NewWebhook, RunsQuery, Secret};
use ring::hmac;
use serde_json::Value;
use tempfile::TempDir;

use crate::raw::{Answer, Ask, ask};
use crate::served::Served;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

const PROJECT: &str = "application: shop\nservices:\n  web: { run: ./web }\npipeline:\n  start: { \
                       push: [main], tag: [\"v*\"] }\n  jobs:\n    unit: { run: \"true\" }\n";

/// A repository that people push to, and what is told of it.
struct Pushed {
    served: Served,
    folder: TempDir,
}

fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(["-c", "user.name=Mia", "-c", "user.email=mia@shop.example"])
        .args(arguments)
        .output()
        .expect("Git is there");
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    let said = String::from_utf8(output.stdout).expect("it is UTF-8");
    said.trim().to_owned()
}

impl Pushed {
    async fn new() -> Self {
        let served = Served::start().await;
        let folder = tempfile::tempdir().expect("a folder can be made");
        git(
            folder.path(),
            &["init", "--quiet", "--initial-branch=main", "work"],
        );
        let pushed = Self { served, folder };
        pushed.commit("leadsman.yaml", PROJECT);
        pushed
    }

    fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    /// Commits a file and returns the commit.
    fn commit(&self, file: &str, text: &str) -> String {
        std::fs::write(self.work().join(file), text).expect("it can be written");
        git(&self.work(), &["add", "--all"]);
        git(
            &self.work(),
            &[
                "commit",
                "--quiet",
                "--allow-empty",
                "--message",
                "a change",
            ],
        );
        git(&self.work(), &["rev-parse", "HEAD"])
    }

    fn head(&self) -> String {
        git(&self.work(), &["rev-parse", "HEAD"])
    }

    fn wanted(&self, name: &str, sender: &str) -> NewWebhook {
        NewWebhook {
            name: name.to_owned(),
            sender: sender.to_owned(),
            application: "shop".to_owned(),
            repository: None,
            url: Some(format!("file://{}", self.work().display())),
            called: Some("acme/shop".to_owned()),
            project_file: "leadsman.yaml".to_owned(),
            secret: Some(Secret(SECRET.to_owned())),
        }
    }

    async fn add(&self, wanted: &NewWebhook) {
        let added = self.served.client.add_webhook(wanted).await;
        added.expect("it is new");
    }

    /// Delivers as GitHub does, signed with `secret`.
    async fn deliver(&self, id: &str, body: &str, secret: &str) -> Answer {
        let signature = format!("X-Hub-Signature-256: {}", signature(body, secret));
        let id = format!("X-GitHub-Delivery: {id}");
        self.send(&[&signature, &id, "X-GitHub-Event: push"], body)
            .await
    }

    async fn send(&self, headers: &[&str], body: &str) -> Answer {
        ask(
            self.served.address,
            Ask {
                method: "POST",
                path: "/v1/webhooks/github/deliveries",
                body,
                headers,
                ..Ask::default()
            },
        )
        .await
    }

    async fn runs(&self) -> Vec<(u64, String, String)> {
        let runs = self.served.client.runs(&RunsQuery::default()).await;
        let runs = runs.expect("it answers").runs.into_iter();
        runs.map(|run| (run.number, run.commit, run.trigger))
            .collect()
    }

    /// Returns the actors and sentences of the audit of this `kind`, the newest first.
    async fn audit(&self, kind: &str) -> Vec<String> {
        let query = AuditQuery {
            kind: Some(kind.to_owned()),
            ..AuditQuery::default()
        };
        let audit = self.served.client.audit(&query).await.expect("it answers");
        let entries = audit.entries.into_iter();
        entries
            .map(|entry| {
                assert!(entry.from.is_some_and(|from| from.starts_with("127.0.0.")));
                format!("{}: {}", entry.actor, entry.sentence)
            })
            .collect()
    }
}

fn signature(body: &str, secret: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, body.as_bytes());
    let digits = tag.as_ref().iter().map(|byte| format!("{byte:02x}"));
    format!("sha256={}", digits.collect::<String>())
}

/// What GitHub sends of a push.
fn push(reference: &str, commit: &str) -> String {
    serde_json::json!({
        "ref": reference,
        "before": "0".repeat(40),
        "after": commit,
        "deleted": false,
        "repository": { "full_name": "Acme/shop", "private": true },
        "pusher": { "name": "mia" },
        "commits": [{ "id": commit, "message": "a change" }],
    })
    .to_string()
}

fn said(answer: &Answer) -> String {
    let value: Value = serde_json::from_str(&answer.body).unwrap_or_default();
    let text = value["sentence"].as_str().or(value["detail"].as_str());
    text.unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_push_and_a_tag_begin_runs_of_what_was_fetched() {
    let pushed = Pushed::new().await;
    pushed.add(&pushed.wanted("github", "github")).await;
    let first = pushed.head();
    let answer = pushed
        .deliver("1", &push("refs/heads/main", &first), SECRET)
        .await;
    assert_eq!(
        (answer.status, said(&answer).as_str()),
        (202, "run 1 of `shop` begins")
    );
    // What came later is fetched when it is told of.
    let second = pushed.commit("more", "more");
    let answer = pushed
        .deliver("2", &push("refs/heads/main", &second), SECRET)
        .await;
    assert_eq!(answer.status, 202, "{answer:?}");
    // A tag with a text of its own is an object of its own, which names the commit.
    git(
        &pushed.work(),
        &["tag", "--annotate", "--message", "one", "v1"],
    );
    let tag = git(&pushed.work(), &["rev-parse", "v1"]);
    assert_ne!(tag, second);
    let answer = pushed
        .deliver("3", &push("refs/tags/v1", &tag), SECRET)
        .await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let told = |what: &str| format!("a {what}, told by webhook github");
    assert_eq!(
        pushed.runs().await,
        [
            (3, second.clone(), told("tag")),
            (2, second, told("push")),
            (1, first, told("push")),
        ]
    );
    let started = pushed.audit("run_started").await;
    assert_eq!(
        started.len(),
        3,
        "from where it was asked is recorded: {started:?}"
    );
    assert!(
        started[0].starts_with("webhook github: run 3"),
        "{started:?}"
    );
}

#[tokio::test]
async fn what_is_not_signed_by_the_webhook_is_denied_and_told_apart_by_nobody() {
    let pushed = Pushed::new().await;
    pushed.add(&pushed.wanted("github", "github")).await;
    let body = push("refs/heads/main", &pushed.head());
    let good = format!("X-Hub-Signature-256: {}", signature(&body, SECRET));
    let event = "X-GitHub-Event: push";
    let other = format!(
        "X-Hub-Signature-256: {}",
        signature(&body, "another secret")
    );
    for (headers, body, why) in [
        (vec![event, "X-GitHub-Delivery: 1"], &body, "no signature"),
        (vec![event, &other], &body, "is not the one"),
        (vec![event, &good], &format!("{body} "), "is not the one"),
        (vec![event, &good, &good], &body, "no signature"),
        (
            vec![event, "X-Gitlab-Token: 0123456789abcdef0123456789abcdef"],
            &body,
            "no signature",
        ),
    ] {
        let answer = pushed.send(&headers, body).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (401, "L130"),
            "{headers:?}"
        );
        assert!(said(&answer).contains(why), "{answer:?}");
    }
    // A webhook that is not there looks like one whose secret one does not know.
    let to = async |path: &'static str| {
        let headers = &[event, good.as_str()];
        let request = Ask {
            method: "POST",
            path,
            body: &body,
            headers,
            from: 9,
            ..Ask::default()
        };
        ask(pushed.served.address, request).await
    };
    let answer = to("/v1/webhooks/nothing/deliveries").await;
    assert_eq!((answer.status, answer.code().as_str()), (401, "L130"));
    assert!(said(&answer).contains("is not the one"), "{answer:?}");
    assert_eq!(
        to("/v1/webhooks/..%2fwebhooks%2fgithub/deliveries")
            .await
            .status,
        401
    );
    assert_eq!(pushed.runs().await, []);
    let denied = pushed.audit("denied").await;
    assert!(
        denied
            .iter()
            .all(|it| it.starts_with("not known: denied POST /v1/webhooks"))
    );
    assert!(denied.iter().all(|it| it.contains("L130")), "{denied:?}");
    assert!(!denied.is_empty());
    // Who keeps trying has to wait, and what is good is let in all the same.
    for _ in 0..20 {
        pushed.send(&[event], &body).await;
    }
    let answer = pushed.send(&[event], &body).await;
    assert_eq!((answer.status, answer.code().as_str()), (429, "L103"));
    assert_eq!(pushed.deliver("1", &body, SECRET).await.status, 202);
}

#[tokio::test]
async fn the_same_delivery_begins_one_run_also_when_it_comes_many_times_at_once() {
    let pushed = Pushed::new().await;
    pushed.add(&pushed.wanted("github", "github")).await;
    let body = push("refs/heads/main", &pushed.head());
    let at_once = (0..8).map(|_| pushed.deliver("1", &body, SECRET));
    let answers = futures_util::future::join_all(at_once).await;
    let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [202, 409, 409, 409, 409, 409, 409, 409]);
    for (id, body) in [
        ("1", body.clone()),
        // Its name is not signed: who sends the same again under another one gets no further.
        ("2", body.clone()),
        ("1", body.replace("mia", "ben")),
    ] {
        let answer = pushed.deliver(id, &body, SECRET).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (409, "L131"),
            "{id}"
        );
        assert_eq!(
            said(&answer),
            "what was delivered began run 1 of `shop` already"
        );
    }
    assert_eq!(pushed.runs().await.len(), 1);
    let refused = pushed.audit("refused").await;
    assert!(
        refused[0].starts_with("webhook github: refused run on shop: "),
        "{refused:?}"
    );
    // Another webhook knows nothing of it.
    let mut other = pushed.wanted("github-too", "github");
    other.repository = Some(format!("{}/.git", pushed.work().display()));
    other.url = None;
    pushed.add(&other).await;
}

#[tokio::test]
async fn what_begins_nothing_says_so_and_what_cannot_be_used_is_refused() {
    let pushed = Pushed::new().await;
    pushed.add(&pushed.wanted("github", "github")).await;
    let head = pushed.head();
    git(&pushed.work(), &["branch", "side"]);
    let gone = "f".repeat(40);
    let zeros = "0".repeat(40);
    let main = push("refs/heads/main", &head);
    for (body, status, code, part) in [
        (
            push("refs/heads/side", &head),
            200,
            "",
            "says nothing of `refs/heads/side`",
        ),
        (push("refs/heads/side", &zeros), 200, "", "was removed"),
        (push("refs/heads/main", &gone), 422, "L033", "no commit"),
        (
            push("refs/heads/nowhere", &head),
            502,
            "L133",
            "nothing was fetched",
        ),
        (
            main.replace("Acme/shop", "acme/blog"),
            422,
            "L132",
            "not for: `acme/shop` is",
        ),
        (
            main.replace("refs/heads/main", "HEAD"),
            422,
            "L132",
            "neither a branch",
        ),
        ("{".to_owned(), 422, "L132", "what `push` looks like"),
        ("[".repeat(1_000_000), 422, "L132", "what `push` looks like"),
    ] {
        let answer = pushed
            .deliver(&format!("{part}{code}").replace(' ', ""), &body, SECRET)
            .await;
        let shown: String = body.chars().take(200).collect();
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (status, code),
            "{shown}: {answer:?}"
        );
        assert!(said(&answer).contains(part), "{shown}: {answer:?}");
    }
    assert_eq!(pushed.runs().await, []);
    // A delivery that began nothing may come again once there is something to begin.
    let answer = pushed.deliver("again", &main, SECRET).await;
    assert_eq!(answer.status, 202);
    // The branch has gone on since: what was pushed before begins nothing any more.
    pushed.commit("more", "more");
    let late = push("refs/heads/main", &head).replace("mia", "ben");
    let answer = pushed.deliver("late", &late, SECRET).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    pushed.commit(
        "leadsman.yaml",
        &PROJECT.replace("application: shop", "application: blog"),
    );
    let answer = pushed
        .deliver("blog", &push("refs/heads/main", &pushed.head()), SECRET)
        .await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (422, "L132"),
        "{answer:?}"
    );
    assert!(
        said(&answer).contains("the commit is of `blog`"),
        "{answer:?}"
    );
    pushed.commit("leadsman.yaml", "application: shop\n");
    let answer = pushed
        .deliver("none", &push("refs/heads/main", &pushed.head()), SECRET)
        .await;
    assert!(
        matches!(answer.code().as_str(), "L012" | "L034"),
        "{answer:?}"
    );
    assert_eq!(pushed.runs().await.len(), 1);
}

#[tokio::test]
async fn other_kinds_forms_and_sizes_are_answered_before_they_cost_anything() {
    let pushed = Pushed::new().await;
    pushed.add(&pushed.wanted("github", "github")).await;
    let body = push("refs/heads/main", &pushed.head());
    let good = format!("X-Hub-Signature-256: {}", signature(&body, SECRET));
    let push = "X-GitHub-Event: push";
    for (headers, status, code) in [
        (vec![good.as_str(), "X-GitHub-Event: ping"], 200, ""),
        (vec![&good, "X-GitHub-Event: issues"], 200, ""),
        (vec![&good], 422, "L132"),
        (
            vec![
                &good,
                push,
                "Content-Type: application/x-www-form-urlencoded",
            ],
            415,
            "L132",
        ),
        (vec![&good, push, "Content-Length: 26214401"], 413, "L132"),
        (
            vec![&good, push, "Content-Length: 99999999999999999999"],
            0,
            "",
        ),
        (vec![&good, push, "Transfer-Encoding: chunked"], 411, "L132"),
    ] {
        let answer = pushed.send(&headers, &body).await;
        if status == 0 {
            assert!(
                (400..500).contains(&answer.status),
                "{headers:?}: {answer:?}"
            );
            continue;
        }
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (status, code),
            "{headers:?}: {answer:?}"
        );
    }
    assert_eq!(pushed.runs().await, []);
}

#[tokio::test]
async fn gitlab_tells_by_its_token_and_by_what_it_signs() {
    let pushed = Pushed::new().await;
    let mut wanted = pushed.wanted("github", "gitlab");
    wanted.secret = None;
    let made = pushed
        .served
        .client
        .add_webhook(&wanted)
        .await
        .expect("it is new");
    let secret = made.secret.expect("it was made").0;
    let encoded = secret
        .strip_prefix("whsec_")
        .expect("a form that GitLab takes");
    let tell = |commit: &str| {
        serde_json::json!({
            "object_kind": "push", "ref": "refs/heads/main", "after": commit, "checkout_sha": commit,
            "project": { "path_with_namespace": "acme/shop" }, "user_username": "mia",
        })
        .to_string()
    };
    let event = "X-Gitlab-Event: Push Hook";
    let token = format!("X-Gitlab-Token: {secret}");
    let body = tell(&pushed.head());
    let uuid = "X-Gitlab-Event-UUID: 13792a34-cac6-4fda-95a8-c58e00a3954e";
    let answer = pushed.send(&[event, &token, uuid], &body).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    assert_eq!(
        pushed.send(&[event, &token, uuid], &body).await.code(),
        "L131"
    );
    for bad in ["X-Gitlab-Token: ", "X-Gitlab-Token: whsec_", "X-Other: 1"] {
        let answer = pushed.send(&[event, bad, uuid], &body).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (401, "L130"),
            "{bad}"
        );
    }

    let body = tell(&pushed.commit("more", "more"));
    let key = decode(encoded);
    let now = pushed.served.world.engine.now().as_millis() / 1_000;
    let signed = |id: &str, at: u64| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
        let tag = hmac::sign(&key, format!("{id}.{at}.{body}").as_bytes());
        [
            format!("webhook-id: {id}"),
            format!("webhook-timestamp: {at}"),
            format!("webhook-signature: v1,{}", encode(tag.as_ref())),
        ]
    };
    for (at, status) in [(now - 400, 401), (now + 400, 401), (now, 202), (now, 409)] {
        let signed = signed("msg_1", at);
        let [id, at, signature] = signed.each_ref().map(String::as_str);
        let answer = pushed.send(&[event, id, at, signature], &body).await;
        assert_eq!(answer.status, status, "{answer:?}");
    }
    assert_eq!(pushed.runs().await.len(), 2);
}

#[tokio::test]
async fn a_webhook_is_added_listed_and_removed_and_its_secret_shown_once() {
    let pushed = Pushed::new().await;
    let mut wanted = pushed.wanted("github", "github");
    wanted.secret = None;
    let client = &pushed.served.client;
    let made = client.add_webhook(&wanted).await.expect("it is new");
    let secret = made.secret.expect("it was made").0;
    let listed = client.webhooks().await.expect("it answers");
    assert_eq!(listed.webhooks, std::slice::from_ref(&made.webhook));
    assert!(
        made.webhook
            .address
            .ends_with("/v1/webhooks/github/deliveries")
    );
    assert!(made.webhook.address.starts_with("http://127.0.0.1:"));
    assert!(
        client.add_webhook(&wanted).await.is_err(),
        "there is one of this name"
    );
    for change in [
        |it: &mut NewWebhook| it.name = "../x".to_owned(),
        |it: &mut NewWebhook| it.sender = "sourceforge".to_owned(),
        |it: &mut NewWebhook| it.application = "No Name".to_owned(),
        |it: &mut NewWebhook| it.url = None,
        |it: &mut NewWebhook| it.repository = Some("/srv".to_owned()),
        |it: &mut NewWebhook| it.url = Some("ext::sh -c true".to_owned()),
        |it: &mut NewWebhook| it.called = None,
        |it: &mut NewWebhook| it.secret = Some(Secret("short".to_owned())),
    ] {
        let mut bad = pushed.wanted("other", "github");
        change(&mut bad);
        assert!(client.add_webhook(&bad).await.is_err(), "{bad:?}");
    }
    let body = push("refs/heads/main", &pushed.head());
    client.remove_webhook("github").await.expect("it is there");
    assert_eq!(pushed.deliver("1", &body, &secret).await.status, 401);
    assert!(client.remove_webhook("github").await.is_err());
    let query = AuditQuery::default();
    let audit = client.audit(&query).await.expect("it answers");
    let text = serde_json::to_string(&audit).expect("it has only text keys");
    assert!(text.contains("webhook `github` added on shop"), "{text}");
    assert!(text.contains("webhook `github` removed on shop"), "{text}");
    assert!(!text.contains(&secret), "a secret is never recorded");
}

#[tokio::test]
async fn who_asks_from_elsewhere_begins_runs_of_repositories_that_had_some() {
    let pushed = Pushed::new().await;
    let mut tokens = Vec::new();
    for (name, role, reach) in [
        ("mia", "developer", Some("shop")),
        ("ben", "developer", Some("blog")),
        ("ada", "admin", None),
    ] {
        tokens.push(pushed.served.token_of(name, role, reach).await);
    }
    let (mia, ben, ada) = (&tokens[0], &tokens[1], &tokens[2]);
    let repository = format!("{}/.git", pushed.work().display());
    let run = async |token: &str, repository: &str| {
        let body = serde_json::json!({
            "repository": repository, "commit": "main", "ref": "refs/heads/main",
            "project_file": "leadsman.yaml",
        })
        .to_string();
        let request = Ask {
            method: "POST",
            path: "/v1/runs",
            token: Some(token),
            body: &body,
            ..Ask::default()
        };
        let answer = ask(pushed.served.address, request).await;
        (answer.status, answer.code())
    };
    let unknown = (404, "L135".to_owned());
    // Whether there is a repository is not told either.
    assert_eq!(run(mia, &repository).await, unknown);
    assert_eq!(run(mia, "/nowhere").await, unknown);
    assert_eq!(run(ada, &repository).await, (200, String::new()));
    assert_eq!(run(mia, &repository).await, (200, String::new()));
    assert_eq!(run(mia, "/nowhere").await, unknown);
    assert_eq!(run(ben, &repository).await, unknown);
    // It was a repository of `shop`, which does not make it one of whatever a commit names.
    pushed.commit(
        "leadsman.yaml",
        &PROJECT.replace("application: shop", "application: blog"),
    );
    assert_eq!(run(ben, &repository).await, unknown);
    assert_eq!(run(mia, &repository).await, (403, "L102".to_owned()));
    let denied = pushed.audit("denied").await;
    assert!(denied.iter().any(|it| it.contains("L135")), "{denied:?}");
}

const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Base64, written a second time.
fn encode(bytes: &[u8]) -> String {
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let mut bits = 0_usize;
        for at in 0..3 {
            bits = bits << 8 | usize::from(three.get(at).copied().unwrap_or(0));
        }
        for at in 0..4 {
            if at <= three.len() {
                text.push(char::from(LETTERS[bits >> (18 - 6 * at) & 63]));
            } else {
                text.push('=');
            }
        }
    }
    text
}

fn decode(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0_usize, 0);
    for letter in text.bytes().filter(|letter| *letter != b'=') {
        let value = LETTERS
            .iter()
            .position(|it| *it == letter)
            .expect("it is base64");
        bits = bits << 6 | value;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 255).expect("eight bits"));
        }
    }
    bytes
}
