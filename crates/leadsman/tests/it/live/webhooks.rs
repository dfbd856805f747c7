//! Webhooks with the real program: signed as GitHub does it, fetched by Git, and once only, also
//! when control was killed in between.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use ring::hmac;
use serde_json::{Value, json};

use super::machine::Machine;
use super::people::with_api;
use super::pipeline::git;

/// A repository elsewhere, as GitHub would have it.
struct Elsewhere(tempfile::TempDir);

impl Elsewhere {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        git(folder.path(), &["init", "--quiet", "--initial-branch=main"]);
        Self(folder)
    }

    fn commit(&self, job: &str) -> String {
        let text = format!(
            "application: quay\nservices: {{ web: {{ run: ./web }} }}\npipeline:\n  start: {{ push: \
             [main] }}\n  jobs:\n    unit: {{ script: \"{job}\" }}\n"
        );
        std::fs::write(self.0.path().join("leadsman.yaml"), text).unwrap();
        git(self.0.path(), &["add", "--all"]);
        git(self.0.path(), &["commit", "--quiet", "-m", "a change"]);
        git(self.0.path(), &["rev-parse", "HEAD"])
    }
}

fn deliver(address: &str, id: &str, body: &str, secret: &str) -> (u16, Value) {
    let (host, path) = address
        .strip_prefix("http://")
        .unwrap()
        .split_once('/')
        .unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, body.as_bytes());
    let digits: String = tag
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let signature = format!("sha256={digits}");
    let mut stream = TcpStream::connect(host).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    let request = format!(
        "POST /{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-type: \
         application/json\r\ncontent-length: {}\r\nx-github-event: push\r\nx-github-delivery: \
         {id}\r\nx-hub-signature-256: {signature}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap())
}

#[test]
fn a_push_elsewhere_begins_one_run_also_when_it_is_told_again_to_the_next_control() {
    let elsewhere = Elsewhere::new();
    let commit = elsewhere.commit("echo from elsewhere");
    let mut machine = Machine::new();
    with_api(&mut machine);
    let url = format!("file://{}", elsewhere.0.path().display());
    let arguments = [
        "--json",
        "webhook",
        "add",
        "hub",
        "--from",
        "github",
        "--for",
        "quay",
        "--url",
        &url,
        "--called",
        "acme/quay",
    ];
    let made: Value = serde_json::from_str(&machine.run(&arguments).succeeds().stdout).unwrap();
    let (secret, address) = (
        made["secret"].as_str().unwrap(),
        made["webhook"]["address"].as_str().unwrap(),
    );
    let kept = machine.state().join("webhooks/hub.json");
    let mode = std::fs::metadata(&kept).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let body = json!({ "ref": "refs/heads/main", "after": commit, "repository": { "full_name": "acme/quay" } });
    let body = body.to_string();
    let (status, said) = deliver(address, "one", &body, secret);
    assert_eq!((status, &said["run"]), (202, &json!(1)), "{said}");
    let run = machine.wait_for("the end of the run", || {
        let run = machine.json(&["run", "show", "1"]);
        run["ended_at"].is_u64().then_some(run)
    });
    assert_eq!(run["state"], "passed", "{run}");
    assert_eq!(run["commit"], commit.as_str(), "{run}");
    assert_eq!(run["trigger"], "a push, told by webhook hub", "{run}");
    let log = machine.run(&["run", "logs", "1", "unit"]).succeeds().stdout;
    assert!(log.contains("from elsewhere"), "{log}");

    machine.kill_control();
    with_api(&mut machine);
    let listed = machine.run(&["webhook", "list"]).succeeds().stdout;
    assert!(
        listed.contains("acme/quay of github") && !listed.contains(secret),
        "{listed}"
    );
    let listed = machine.json(&["webhook", "list"]);
    let address = listed["webhooks"][0]["address"].as_str().unwrap();
    for id in ["one", "another-name"] {
        let (status, said) = deliver(address, id, &body, secret);
        assert_eq!((status, &said["code"]), (409, &json!("L131")), "{said}");
    }
    let next = elsewhere.commit("echo once more");
    let (status, said) = deliver(address, "two", &body.replace(&commit, &next), secret);
    assert_eq!((status, &said["run"]), (202, &json!(2)), "{said}");
    let audit = machine.run(&["audit", "list"]).succeeds().stdout;
    assert!(
        audit.contains("webhook hub: refused run on quay"),
        "{audit}"
    );
    assert!(!audit.contains(secret));
    machine.run(&["webhook", "remove", "hub"]).succeeds();
    assert!(!kept.exists());
    let (status, said) = deliver(address, "three", &body, secret);
    assert_eq!((status, &said["code"]), (401, &json!("L130")), "{said}");
    machine.down();
}
