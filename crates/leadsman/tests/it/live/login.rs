//! Signing in with the real program at a provider that nobody here wrote.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::machine::Machine;
use super::people::url;
use crate::program::PROGRAM;

/// Where the provider is, if somebody says so, and why there is none, if somebody says so.
const NAMED: &str = "LEADSMAN_OIDC";
const NONE: &str = "LEADSMAN_WITHOUT_OIDC";

/// A provider of sign-ins. It ends when this is dropped.
struct Provider {
    issuer: String,
    running: Child,
}

impl Drop for Provider {
    fn drop(&mut self) {
        drop(self.running.kill());
        drop(self.running.wait());
    }
}

impl Provider {
    /// Starts one that knows two people; none where there is none, which is said.
    fn start() -> Option<Self> {
        if let Some(why) = std::env::var_os(NONE) {
            println!(
                "skipped, there is no provider of sign-ins: {}",
                why.display()
            );
            return None;
        }
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let mut command = Command::new(program());
        command.args(["--host", "127.0.0.1", "--port", &address.port().to_string()]);
        for claims in [
            r#"{"sub":"s-1","email":"mia@example.org","email_verified":true,"groups":["releasers"]}"#,
            r#"{"sub":"s-2","email":"eve@example.org","email_verified":true}"#,
        ] {
            command.args(["--user-claims", claims]);
        }
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let running = command.spawn().unwrap();
        let provider = Self {
            issuer: format!("http://{address}"),
            running,
        };
        let until = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < until, "the provider does not listen");
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(provider)
    }
}

/// Returns the program: the one that is named, or the one that `./dev test` brought.
fn program() -> PathBuf {
    if let Some(named) = std::env::var_os(NAMED) {
        return PathBuf::from(named);
    }
    let test = std::env::current_exe().unwrap();
    let mut brought = test.ancestors().map(|folder| folder.join("tools/oidc/run"));
    brought
        .find(|program| program.is_file())
        .expect("no provider is here: `./dev test` brings it, or name it in LEADSMAN_OIDC")
}

/// Makes one request as a browser does; returns status, and where it leads to.
fn browse(method: &str, url: &str, body: &str) -> (u16, Option<String>) {
    let (host, path) = url
        .strip_prefix("http://")
        .unwrap()
        .split_once('/')
        .unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let request = format!(
        "{method} /{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-type: \
         application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    let leads = answer.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("location")
            .then(|| value.trim().to_owned())
    });
    (status, leads)
}

fn leadsman(home: &Path, url: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command
        .current_dir(home)
        .env_clear()
        .env("HOME", home)
        .env("TZ", "UTC")
        .args(["--server", url])
        .args(arguments);
    command
}

/// Signs in as `subject`; returns the status of `leadsman login` and what it said.
fn login(home: &Path, server: &str, provider: &Provider, subject: &str) -> (i32, String) {
    let mut command = leadsman(home, server, &["login"]);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut running = command.spawn().unwrap();
    let mut said = BufReader::new(running.stderr.take().unwrap());
    let (mut all, mut line) = (String::new(), String::new());
    while !line.starts_with("http") {
        line.clear();
        let count = said.read_line(&mut line).unwrap();
        all.push_str(&line);
        assert!(count > 0, "no address to sign in at: {all}");
    }
    let address = line.trim();
    assert!(address.starts_with(&provider.issuer), "{address}");
    assert!(address.contains("code_challenge_method=S256"), "{address}");
    assert_eq!(browse("GET", address, "").0, 200, "the form");
    let (status, leads) = browse("POST", address, &format!("sub={subject}"));
    let leads = leads.expect("the provider leads back");
    assert!((300..400).contains(&status), "{status}");
    assert!(leads.starts_with("http://127.0.0.1:"), "{leads}");
    // What belongs to no sign-in is passed over.
    let other = leads.replace("state=", "state=0");
    assert_eq!(browse("GET", &other, "").0, 404);
    assert_eq!(browse("GET", &leads, "").0, 200);
    said.read_to_string(&mut all).unwrap();
    (running.wait().unwrap().code().unwrap(), all)
}

#[test]
fn who_signs_in_at_the_provider_may_what_they_are_granted_and_nobody_else_gets_in() {
    let Some(provider) = Provider::start() else {
        return;
    };
    let home = tempfile::tempdir().unwrap();
    let mut machine = Machine::new();
    let secret = machine.place.path().join("client-secret");
    std::fs::write(&secret, "what-only-we-know\n").unwrap();
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    machine.up_with(&[
        "--api",
        "127.0.0.1:0",
        "--sign-in",
        &provider.issuer,
        "--sign-in-client",
        "leadsman",
        "--sign-in-secret-file",
        secret.to_str().unwrap(),
        "--sign-in-group",
        "releasers=operator",
    ]);
    let server = url(&machine);
    let run = |arguments: &[&str]| {
        let output = leadsman(home.path(), &server, arguments).output().unwrap();
        machine.place.told(output)
    };
    run(&["status"]).fails(1, &["L100"]);
    let add = [
        "people",
        "add",
        "mia",
        "--as",
        "email:mia@example.org",
        "--role",
        "viewer",
    ];
    machine.run(&add).succeeds();

    let (status, said) = login(home.path(), &server, &provider, "s-1");
    assert_eq!(status, 0, "{said}");
    assert!(said.contains("you are mia there until"), "{said}");
    run(&["status"]).succeeds();
    // The group allows what the role does not, and not more than it says.
    run(&["audit", "list"]).succeeds();
    run(&["people", "list"]).fails(1, &["L102"]);
    let tokens = home.path().join(".config/leadsman/tokens");
    let kept: Vec<_> = std::fs::read_dir(&tokens).unwrap().collect();
    assert_eq!(kept.len(), 1);
    let kept = kept[0].as_ref().unwrap();
    assert_eq!(kept.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let token = std::fs::read_to_string(kept.path()).unwrap();
    let audit = machine.run(&["audit", "list"]).succeeds().stdout;
    assert!(audit.contains("`mia` signed in"), "{audit}");
    assert!(!audit.contains(token.trim()));

    let eve = tempfile::tempdir().unwrap();
    let (status, said) = login(eve.path(), &server, &provider, "s-2");
    assert_eq!(status, 1, "{said}");
    assert!(
        said.contains("L140") && said.contains("email:eve@example.org"),
        "{said}"
    );
    assert!(!eve.path().join(".config").exists(), "no token is kept");

    // Who is removed is out at once.
    machine.run(&["people", "remove", "mia"]).succeeds();
    run(&["status"]).fails(1, &["L100"]);
    machine.down();
}
