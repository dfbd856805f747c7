//! The service as a process: what deploys it sees no more of it than this.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How long anything may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running service; killed when it goes out of scope.
struct Tide {
    child: Child,
    address: SocketAddr,
}

impl Tide {
    /// Starts it in `folder` and waits until it listens.
    fn start(folder: &Path, environment: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tide"))
            .current_dir(folder)
            .env_clear()
            .env("PORT", "0")
            .envs(environment.iter().copied())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the service can be started");
        let mut line = String::new();
        let stderr = child.stderr.as_mut().expect("its output is piped");
        BufReader::new(stderr)
            .read_line(&mut line)
            .expect("it says where it listens");
        let address = line
            .split_whitespace()
            .next_back()
            .and_then(|word| word.parse().ok());
        let address = address.unwrap_or_else(|| unreachable!("it said {line:?}"));
        Self { child, address }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("it accepts connections");
        stream
            .set_read_timeout(Some(PATIENCE))
            .expect("a time limit can be set");
        stream
    }

    /// Returns the answer to one request on a connection of its own.
    fn get(&self, path: &str) -> String {
        let mut stream = self.connect();
        ask(&mut stream, path);
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        answer
    }

    fn terminate(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).expect("it can be signalled");
    }

    fn wait(&mut self) -> ExitStatus {
        self.child.wait().expect("its end can be waited for")
    }
}

impl Drop for Tide {
    fn drop(&mut self) {
        // It may have ended by itself already, which is as good.
        let _killed = self.child.kill();
        let _status = self.child.wait();
    }
}

fn ask(stream: &mut TcpStream, path: &str) {
    let request = format!("GET {path} HTTP/1.1\r\nhost: quay\r\nconnection: close\r\n\r\n");
    stream
        .write_all(request.as_bytes())
        .expect("a request can be sent");
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a scratch folder can be made")
}

#[test]
fn every_answer_names_the_release() {
    let folder = folder();
    let tide = Tide::start(
        folder.path(),
        &[("RELEASE", "old"), ("LEADSMAN_RELEASE", "r7")],
    );
    for (path, status, body) in [
        ("/", "200 OK", "\"trend\":\""),
        ("/health", "200 OK", "ready"),
        ("/version", "200 OK", "r7"),
        ("/table", "200 OK", "\n20150,"),
        ("/nothing", "404 Not Found", "no such page"),
    ] {
        let answer = tide.get(path);
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}\r\n")),
            "{path}: {answer}"
        );
        assert!(answer.contains("\r\nx-release: r7\r\n"), "{path}: {answer}");
        assert!(answer.contains(body), "{path}: {answer}");
    }
}

#[test]
fn readings_are_counted_and_too_many_at_once_are_refused() {
    let folder = folder();
    let tide = Tide::start(folder.path(), &[]);
    for (body, expected) in [
        ("1.2\n1.3\n".to_owned(), "{\"readings\":2}"),
        ("1.2\n".repeat(300_000), " 413 "),
    ] {
        let mut stream = tide.connect();
        let length = body.len();
        let head = format!(
            "POST /readings HTTP/1.1\r\nhost: quay\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
        );
        // It may answer, and close, before it has read everything.
        let _sent = stream.write_all((head + &body).as_bytes());
        let mut answer = Vec::new();
        let _read = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.contains(expected), "{length}: {answer}");
    }
}

#[test]
fn a_file_beside_it_makes_one_answer_in_twenty_an_error() {
    let folder = folder();
    std::fs::write(folder.path().join("behaviour"), "errors=5%\n").expect("a file can be written");
    let tide = Tide::start(folder.path(), &[]);
    let answers: Vec<String> = (0..40).map(|_| tide.get("/version")).collect();
    let errors = answers
        .iter()
        .filter(|answer| answer.starts_with("HTTP/1.1 500 "));
    assert_eq!(errors.count(), 2);
}

#[test]
fn it_can_be_told_never_to_be_ready() {
    let folder = folder();
    let tide = Tide::start(folder.path(), &[("BEHAVIOUR", "ready=never")]);
    assert!(tide.get("/health").starts_with("HTTP/1.1 503 "));
    assert!(tide.get("/").starts_with("HTTP/1.1 200 "));
}

#[test]
fn it_crashes_after_its_first_request_but_not_for_being_asked_how_it_is() {
    let folder = folder();
    let mut tide = Tide::start(folder.path(), &[("BEHAVIOUR", "crash_after=0s")]);
    for _ in 0..5 {
        assert!(tide.get("/health").starts_with("HTTP/1.1 200 "));
    }
    // The answer itself may be lost in the crash. The connection is held until then: a request
    // whose client has already left may be dropped before it counts as the first.
    let mut asking = tide.connect();
    ask(&mut asking, "/version");
    assert_eq!(tide.wait().code(), Some(1));
    drop(asking);
}

#[test]
fn it_crashes_in_time_however_busy_it_is() {
    let folder = folder();
    let mut tide = Tide::start(folder.path(), &[("BEHAVIOUR", "crash_after=200ms")]);
    let begun = Instant::now();
    // Requests without a pause, until one is no longer answered.
    while TcpStream::connect(tide.address).is_ok_and(|mut stream| {
        let sent = stream.write_all(b"GET /version HTTP/1.1\r\nhost: quay\r\n\r\n");
        sent.is_ok() && stream.read(&mut [0; 16]).is_ok_and(|count| count > 0)
    }) {
        assert!(begun.elapsed() < PATIENCE, "it still answers");
    }
    assert!(begun.elapsed() >= Duration::from_millis(200));
    assert_eq!(tide.wait().code(), Some(1));
}

#[test]
fn a_request_under_way_is_finished_when_it_is_asked_to_end() {
    let folder = folder();
    // About a second of work: long enough to be under way when the signal comes.
    let mut tide = Tide::start(folder.path(), &[("BEHAVIOUR", "slow=250x")]);
    let mut busy = tide.connect();
    ask(&mut busy, "/");
    // Answered on the same thread, later: the request before it has been taken up by now.
    assert!(tide.get("/health").starts_with("HTTP/1.1 200 "));
    tide.terminate();
    let mut answer = String::new();
    busy.read_to_string(&mut answer).expect("it answers");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(tide.wait().success());
    assert!(TcpStream::connect(tide.address).is_err());
}

#[test]
fn an_idle_connection_does_not_keep_it_from_ending() {
    let folder = folder();
    let mut tide = Tide::start(folder.path(), &[]);
    let idle = tide.connect();
    assert!(tide.get("/health").starts_with("HTTP/1.1 200 "));
    tide.terminate();
    assert!(tide.wait().success());
    drop(idle);
}

#[test]
fn nonsense_is_refused_at_the_start() {
    for (name, value) in [
        ("PORT", "sea"),
        ("BEHAVIOUR", "mood=bad"),
        ("RELEASE", "a\nb"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_tide"))
            .env_clear()
            .env(name, value)
            .output()
            .expect("the service can be started");
        assert_eq!(output.status.code(), Some(1), "{name}");
        assert!(
            String::from_utf8_lossy(&output.stderr).contains("tide: error: "),
            "{name}"
        );
    }
}
