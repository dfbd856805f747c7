//! The service that these tests ship: the test program itself, started once more with
//! `TIDEWATER` in its environment.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::client;

/// The environment variable that makes the test program the service. Its value names the version
/// and, after a blank, how it behaves.
const TIDEWATER: &str = "TIDEWATER";

/// How long an answer of what is slow takes.
const SLOW: Duration = Duration::from_millis(50);

/// How much is hoarded, in MiB.
const HOARD_MAX: usize = 256;

/// The test that is the service.
const NAME: &str = "live::service::the_service_answers_with_its_name";

/// Returns the lines of a project file that run the service. `version` may say after a blank how
/// it behaves: `errors` answers 500, `ailing` does so until there is a file `cured` in its working
/// folder, `frail` does so once there is a file `sick`, `slow` takes its time, `unhealthy` is never
/// ready, `mute` never answers `/health`, and `brood` has a child in a session of its own. `/give/N`
/// is answered with so many bytes, `/take` with how many came, and `/wait/N` after so many
/// milliseconds; `/hoard` takes memory and is never answered. What `/metrics` shows is in the file
/// `metrics-VERSION` of its working folder, if it is there.
pub(super) fn lines(version: &str) -> String {
    let program = std::env::current_exe().unwrap();
    let program = program.display();
    format!(
        "    run: [\"{program}\", \"--exact\", \"{NAME}\", \"--nocapture\"]\n    \
         env: {{ {TIDEWATER}: \"{version}\" }}\n"
    )
}

#[test]
fn the_service_answers_with_its_name() {
    serve_if_told();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    drop(taken);
    let mut service = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", NAME, "--nocapture"])
        .env(TIDEWATER, "one")
        .env("PORT", port.to_string())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let answer = loop {
        match client::get(address, "/") {
            Ok(answer) => break Some(answer),
            Err(_) if begun.elapsed() > Duration::from_secs(60) => break None,
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    service.kill().unwrap();
    service.wait().unwrap();
    let answer = answer.unwrap();
    assert_eq!((answer.status, answer.body.as_str()), (200, "one"));
}

/// Is the service from here on, where the environment says so.
pub(super) fn serve_if_told() {
    if let Ok(told) = std::env::var(TIDEWATER) {
        serve(&told);
    }
}

/// Serves for ever.
fn serve(told: &str) -> ! {
    let port: u16 = std::env::var("PORT").unwrap().parse().unwrap();
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    println!("{told} listens");
    if told.ends_with(" brood") {
        // Nobody tells it to end: that is for who supervises.
        let mut child = Command::new("setsid");
        let mut child = child.args(["sleep", "1000000"]).spawn().unwrap();
        std::thread::spawn(move || child.wait());
    }
    loop {
        let (stream, _) = listener.accept().unwrap();
        let told = told.to_owned();
        std::thread::spawn(move || drop(answer_all(stream, &told)));
    }
}

/// Answers every request of one connection.
fn answer_all(stream: TcpStream, told: &str) -> std::io::Result<()> {
    let (name, behaviour) = told.split_once(' ').unwrap_or((told, ""));
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut stream = stream;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let path = line.split(' ').nth(1).unwrap_or("/").to_owned();
        // The head ends with an empty line.
        let (mut is_last, mut length) = (false, 0);
        while !line.trim_end().is_empty() {
            line.clear();
            reader.read_line(&mut line)?;
            let (header, value) = line.split_once(": ").unwrap_or_default();
            match header.to_ascii_lowercase().as_str() {
                "connection" => is_last |= value.trim_end() == "close",
                "content-length" => length = value.trim_end().parse().unwrap(),
                _ => {}
            }
        }
        let status = match (path.as_str(), behaviour) {
            ("/health", "unhealthy") => "404 Not Found",
            ("/health", "mute") => loop {
                std::thread::park();
            },
            ("/health", _) => "200 OK",
            (_, "errors") => "500 Internal Server Error",
            (_, "ailing") if !Path::new("cured").exists() => "500 Internal Server Error",
            (_, "frail") if Path::new("sick").exists() => "500 Internal Server Error",
            _ => "200 OK",
        };
        let taken = std::io::copy(&mut reader.by_ref().take(length), &mut std::io::sink())?;
        if let Some(length) = path.strip_prefix("/give/") {
            give(&mut stream, length.parse().unwrap())?;
            continue;
        }
        if let Some(millis) = path.strip_prefix("/wait/") {
            std::thread::sleep(Duration::from_millis(millis.parse().unwrap()));
        }
        if behaviour == "slow" && path != "/health" {
            std::thread::sleep(SLOW);
        }
        if path == "/hoard" {
            hoard();
        }
        if path == "/say" {
            println!("{name} was asked to say something");
        }
        let body = match path.as_str() {
            "/metrics" => std::fs::read_to_string(format!("metrics-{name}")).unwrap_or_default(),
            "/take" => taken.to_string(),
            _ => name.to_owned(),
        };
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: text/plain; version=0.0.4\r\n\
             content-length: {length}\r\n\r\n"
        );
        stream.write_all(format!("{head}{body}").as_bytes())?;
        if is_last {
            return Ok(());
        }
    }
}

/// Takes memory that is in use, up to a bound at which a machine still lives.
fn hoard() -> ! {
    let mut hoarded = Vec::new();
    for _ in 0..HOARD_MAX {
        hoarded.push(vec![1_u8; 1 << 20]);
    }
    loop {
        std::thread::park();
        std::hint::black_box(&hoarded);
    }
}

/// Answers with `length` bytes.
fn give(stream: &mut TcpStream, length: u64) -> std::io::Result<()> {
    write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n"
    )?;
    let bytes = std::io::repeat(b'x').take(length);
    // In large pieces: what is measured is not this.
    std::io::copy(&mut BufReader::with_capacity(64 * 1024, bytes), stream)?;
    Ok(())
}
