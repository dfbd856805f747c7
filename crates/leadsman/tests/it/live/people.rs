//! People, tokens and the API over the network, with the real program.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use serde_json::Value;

use super::machine::Machine;
use crate::program::{PROGRAM, Ran};

/// Starts control with the API on a free port, and returns its URL.
pub(super) fn with_api(machine: &mut Machine) -> String {
    machine.up_with(&["--api", "127.0.0.1:0"]);
    url(machine)
}

/// Returns where control has said that it serves the API.
pub(super) fn url(machine: &Machine) -> String {
    let said = machine.said();
    let line = said
        .lines()
        .find_map(|line| line.strip_prefix("the API is served on "));
    line.unwrap_or_else(|| panic!("{said}"))
        .split(',')
        .next()
        .unwrap()
        .to_owned()
}

/// Runs a command as somebody who has nothing but a URL and perhaps a token.
pub(super) fn elsewhere(
    machine: &Machine,
    url: &str,
    token: Option<&str>,
    arguments: &[&str],
) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(PROGRAM);
    command
        .current_dir(folder.path())
        .env_clear()
        .env("HOME", folder.path())
        .env("TZ", "UTC")
        .args(["--server", url])
        .args(arguments);
    if let Some(token) = token {
        command.env("LEADSMAN_TOKEN", token);
    }
    machine.place.told(command.output().unwrap())
}

#[test]
fn a_person_with_a_token_does_what_their_role_allows_from_elsewhere() {
    let mut machine = Machine::new();
    let url = with_api(&mut machine);
    machine.project("one", "");
    machine.ship();
    for arguments in [
        &["people", "add", "olga", "--as", "email:olga@example.org"][..],
        &[
            "people",
            "grant",
            "olga",
            "operator",
            "--for",
            "quay/production",
        ],
    ] {
        let ran = machine.run(arguments);
        assert_eq!(ran.status, 0, "{}", ran.whole());
    }
    let made = machine.run(&[
        "token",
        "create",
        "laptop",
        "--person",
        "olga",
        "--expires",
        "2h",
    ]);
    let token = made.stdout.trim().to_owned();
    assert!(token.starts_with("lmt_"), "{}", made.whole());

    let status = elsewhere(&machine, &url, Some(&token), &["status"]);
    assert!(
        status.stdout.contains("quay/production"),
        "{}",
        status.whole()
    );
    elsewhere(&machine, &url, None, &["status"]).fails(1, &["error[L100]"]);
    let wrong = format!("lmt_{}", "0".repeat(64));
    elsewhere(&machine, &url, Some(&wrong), &["status"]).fails(1, &["error[L100]"]);
    elsewhere(&machine, &url, Some(&token), &["people", "list"])
        .fails(1, &["error[L102]", "`olga`"]);
    let why = "traffic looks odd";
    let paused = ["hold", "on", "--reason", why];
    let ran = elsewhere(&machine, &url, Some(&token), &paused);
    assert_eq!(ran.status, 0, "{}", ran.whole());
    elsewhere(&machine, &url, Some(&token), &["down"]).fails(1, &["error[L102]"]);

    // A file does as well, as long as it is nobody else's.
    let file = machine.place.path().join("token");
    fs::write(&file, &token).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let with_file = ["--token-file", file.to_str().unwrap(), "status"];
    elsewhere(&machine, &url, None, &with_file).fails(1, &["error[L106]", "others may read it"]);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(elsewhere(&machine, &url, None, &with_file).status, 0);

    let audit = machine.run(&["audit", "list", "--actor", "olga", "--json"]);
    let audit: Value = serde_json::from_str(&audit.stdout).unwrap();
    let entries = audit["entries"].as_array().unwrap();
    let kinds: Vec<_> = entries
        .iter()
        .map(|entry| entry["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["denied", "services_closed", "denied"]);
    assert_eq!(entries[1]["why"], why);
    assert_eq!(entries[1]["from"], "127.0.0.1");
    assert_eq!(entries[1]["token"], "1 laptop");

    let ran = machine.run(&["token", "revoke", "1"]);
    assert_eq!(ran.status, 0, "{}", ran.whole());
    elsewhere(&machine, &url, Some(&token), &["status"]).fails(1, &["error[L101]", "was revoked"]);
    let listed = machine.run(&["token", "list"]).stdout;
    assert!(
        listed.contains("revoked") && !listed.contains(&token[4..]),
        "{listed}"
    );

    // Nothing of the token is anywhere in the state.
    machine.down();
    let log = fs::read(machine.state().join("events.db")).unwrap();
    let digits = &token.as_bytes()[4..];
    assert!(!log.windows(digits.len()).any(|window| window == digits));
    let export = machine.run(&["audit", "export", "log.jsonl"]);
    assert_eq!(export.status, 0, "{}", export.whole());
    let text = fs::read_to_string(machine.place.path().join("log.jsonl")).unwrap();
    assert!(text.contains(why) && !text.contains(&token[4..]));
    let stop = text
        .lines()
        .filter(|line| line.contains(r#"\"event\":\"acted\",\"act\":\"stop\""#));
    assert_eq!(stop.count(), 1);
}

#[test]
fn the_api_is_not_served_in_the_open() {
    let machine = Machine::new();
    let ran = machine.run(&["up", "--api", "0.0.0.0:0"]);
    ran.fails(1, &["error[L107]", "without TLS", "--api-tls"]);
    assert!(!machine.state().join("control.sock").exists());
    let missing = [
        "up",
        "--api",
        "127.0.0.1:0",
        "--api-tls",
        "none.pem,none.key",
    ];
    machine.run(&missing).fails(1, &["error[L107]", "none.pem"]);
}

#[test]
fn the_api_is_served_with_tls_and_only_to_who_trusts_it() {
    let mut machine = Machine::new();
    let certified = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    machine.place.write("chain.pem", certified.cert.pem());
    machine
        .place
        .write("key.pem", certified.signing_key.serialize_pem());
    machine.up_with(&["--api", "127.0.0.1:0", "--api-tls", "chain.pem,key.pem"]);
    let url = url(&machine).replace("127.0.0.1", "localhost");
    assert!(url.starts_with("https://"), "{url}");
    for arguments in [
        &["people", "add", "mia", "--role", "viewer"][..],
        &["token", "create", "ci", "--person", "mia"],
    ] {
        assert_eq!(machine.run(arguments).status, 0);
    }
    let made = machine.run(&["token", "create", "cd", "--person", "mia"]);
    let token = made.stdout.trim();
    let ask = |chain: &str| {
        let mut command = Command::new(PROGRAM);
        command
            .current_dir(machine.place.path())
            .env_clear()
            .env("SSL_CERT_FILE", machine.place.path().join(chain))
            .env("LEADSMAN_TOKEN", token)
            .args(["--server", &url, "status"]);
        machine.place.told(command.output().unwrap())
    };
    let answered = ask("chain.pem");
    assert_eq!(answered.status, 0, "{}", answered.whole());
    let other = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    machine.place.write("other.pem", other.cert.pem());
    ask("other.pem").fails(3, &["error[L003]", "certificate"]);
    machine.down();
}
