//! Subscriptions with the real program: who listens is told everything in order, signed by the
//! secret that was shown once, also when control is killed again and again.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use serde_json::Value;

use super::machine::{DEADLINE, Machine};
use super::random::Random;

/// What was sent to a receiver.
#[derive(Clone, Debug)]
struct Got {
    headers: BTreeMap<String, String>,
    body: String,
}

#[derive(Default)]
struct Shared {
    got: Vec<Got>,
    /// What it answers.
    status: u16,
}

/// Who listens. It lives as long as the test does.
struct Receiver {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
}

impl Receiver {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Mutex::new(Shared {
            status: 204,
            ..Shared::default()
        }));
        let into = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                // Who was killed in the middle of a request sent none.
                answer(stream.unwrap(), &into).unwrap_or_default();
            }
        });
        Self { address, shared }
    }

    fn answers(&self, status: u16) {
        self.shared.lock().unwrap().status = status;
    }

    fn got(&self) -> Vec<Got> {
        self.shared.lock().unwrap().got.clone()
    }
}

fn answer(mut stream: TcpStream, shared: &Mutex<Shared>) -> Option<()> {
    stream.set_read_timeout(Some(DEADLINE)).ok()?;
    let mut text = String::new();
    let mut part = [0; 8192];
    loop {
        let count = stream.read(&mut part).ok().filter(|count| *count > 0)?;
        text.push_str(std::str::from_utf8(part.get(..count)?).ok()?);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let headers: BTreeMap<String, String> = head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        if body.len() < headers.get("content-length")?.parse().ok()? {
            continue;
        }
        let mut shared = shared.lock().unwrap();
        let body = body.to_owned();
        shared.got.push(Got { headers, body });
        let status = shared.status;
        drop(shared);
        let text = format!("HTTP/1.1 {status} x\r\ncontent-length: 5\r\n\r\nwords");
        return stream.write_all(text.as_bytes()).ok();
    }
}

impl Got {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    fn id(&self) -> String {
        self.json()["id"].as_str().unwrap().to_owned()
    }

    fn kind(&self) -> String {
        self.json()["type"].as_str().unwrap().to_owned()
    }

    fn is_signed_by(&self, secret: &str) -> bool {
        let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap());
        let (id, at) = (
            &self.headers["webhook-id"],
            &self.headers["webhook-timestamp"],
        );
        let content = format!("{id}.{at}.{}", self.body);
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key.unwrap());
        let tag = hmac::sign(&key, content.as_bytes());
        let expected = format!("v1,{}", STANDARD.encode(tag));
        let signatures = &self.headers["webhook-signature"];
        *id == self.id() && signatures.split(' ').any(|one| one == expected)
    }
}

/// Adds a subscription whose path is a secret, and returns the secret that signs.
fn add(machine: &Machine, receiver: &Receiver) -> String {
    let url = format!("http://{}/T0/secret-path\n", receiver.address);
    machine.place.write("url", url);
    let file = machine.place.path().join("url");
    let owner_alone = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(&file, owner_alone).unwrap();
    let made = machine.json(&[
        "subscription",
        "add",
        "chat",
        "--url-file",
        "url",
        "--private-address",
        "--for",
        "quay/production",
    ]);
    made["secret"].as_str().unwrap().to_owned()
}

/// Returns the versions of the events of the environment that were told.
fn versions(got: &[Got]) -> Vec<u64> {
    let ids = got.iter().map(Got::id);
    ids.filter_map(|id| id.strip_prefix("quay/production/")?.parse().ok())
        .collect()
}

#[test]
fn what_happens_is_told_in_order_and_without_a_gap_however_often_control_is_killed() {
    let receiver = Receiver::start();
    let mut machine = Machine::with_first_release();
    let secret = add(&machine, &receiver);
    let first = machine.environment()["version"].as_u64().unwrap() + 1;
    // Nobody takes what is told while control is killed and comes back.
    receiver.answers(500);
    machine.run(&["freeze", "-m", "the sale"]).succeeds();
    machine.wait_until("it is told of", || !receiver.got().is_empty());
    machine.kill_control();
    machine.up();
    let before = receiver.got().len();
    machine.wait_until("it is told of again", || receiver.got().len() > before);
    let failing = machine.json(&["subscription", "deliveries", "chat"]);
    assert_eq!(failing["deliveries"][0]["status"], 500, "{failing}");
    assert!(failing["next_at"].is_u64() && failing["failing_since"].is_u64());
    receiver.answers(204);
    // And now while it is taken.
    let mut random = Random::new(0x5ab5);
    for _ in 0..8 {
        machine.run(&["thaw"]).succeeds();
        machine.run(&["freeze", "-m", "the sale"]).succeeds();
        // Nothing is waited for, because it should be killed wherever it happens to be.
        std::thread::sleep(Duration::from_millis(random.below(300)));
        machine.kill_control();
        machine.up();
    }
    machine.run(&["thaw"]).succeeds();
    let last = machine.environment()["version"].as_u64().unwrap();
    machine.wait_until("everything is told", || {
        versions(&receiver.got()).last() == Some(&last)
    });
    let got = receiver.got();
    assert!(got.iter().all(|one| one.is_signed_by(&secret)));
    let told = versions(&got);
    assert!(told.is_sorted(), "what is told again is the last: {told:?}");
    let once: BTreeSet<u64> = told.iter().copied().collect();
    assert_eq!(once, (first..=last).collect(), "{told:?}");
    // The same event is told in the same words.
    let mut bodies = BTreeMap::new();
    for one in &got {
        let known = bodies.entry(one.id()).or_insert_with(|| one.body.clone());
        assert_eq!(*known, one.body);
    }
    let frozen = got
        .iter()
        .filter(|one| one.kind() == "dev.leadsman.freeze_begun");
    let frozen: BTreeSet<String> = frozen.map(Got::id).collect();
    assert_eq!(frozen.len(), 9);
    machine.down();
}

#[test]
fn no_secret_is_shown_and_what_came_back_is() {
    let receiver = Receiver::start();
    let mut machine = Machine::with_first_release();
    let secret = add(&machine, &receiver);
    let kept = machine.state().join("subscriptions/chat.json");
    let mode =
        |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&kept), 0o600);
    let tested = machine
        .run(&["subscription", "test", "chat"])
        .succeeds()
        .stdout;
    assert!(tested.starts_with("answered with 204 after "), "{tested}");
    let got = receiver.got();
    assert_eq!(got.len(), 1);
    assert!(got[0].is_signed_by(&secret), "{got:?}");
    receiver.answers(403);
    let tested = machine.run(&["subscription", "test", "chat"]);
    assert!(
        tested.stdout.contains("answered with 403"),
        "{}",
        tested.whole()
    );
    assert!(tested.stdout.contains("  words"), "{}", tested.whole());
    tested.fails(
        1,
        &["error[L151]", "`chat` was not told: it answered with 403"],
    );
    receiver.answers(204);
    let renewed = machine
        .run(&["subscription", "secret", "chat"])
        .succeeds()
        .stdout;
    machine.run(&["subscription", "test", "chat"]).succeeds();
    let last = receiver.got().pop().unwrap();
    assert!(last.is_signed_by(&secret) && last.is_signed_by(renewed.trim()));
    machine.run(&["freeze", "-m", "the sale"]).succeeds();
    machine.wait_until("it is told of", || {
        let deliveries = machine.run(&["subscription", "deliveries", "chat"]);
        deliveries.succeeds().stdout.contains("freeze_begun")
    });
    let listed = machine.run(&["subscription", "list"]).succeeds().stdout;
    assert!(
        listed.starts_with("chat") && listed.contains(&receiver.address.to_string()),
        "{listed}"
    );
    let urls = machine.run(&["subscription", "list", "--urls"]).succeeds();
    assert!(urls.stdout.contains("/T0/secret-path"), "{}", urls.stdout);
    let audit = machine.run(&["audit", "list"]).succeeds().stdout;
    assert!(audit.contains("subscription `chat` tested"), "{audit}");
    let export = machine.place.path().join("audit.jsonl");
    machine.run(&["audit", "export", "audit.jsonl"]).succeeds();
    let export = std::fs::read_to_string(export).unwrap();
    assert!(
        export.contains("subscription `chat` to `127.0.0.1:"),
        "{export}"
    );
    for text in [machine.said(), listed, audit, export] {
        for secret in [secret.as_str(), renewed.trim(), "secret-path"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
    machine.run(&["subscription", "remove", "chat"]).succeeds();
    let folder = kept.parent().unwrap();
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 0);
    machine.down();
}
