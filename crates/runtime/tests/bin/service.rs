//! Test support: a small HTTP service that behaves, or misbehaves as its flags say.
//!
//! It answers `GET /health` with 200 (or with 503 while the file named by `--sick` exists), and any
//! other path with its process number and what its environment says.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

#[derive(Default)]
struct Flags {
    never_ready: bool,
    crash_after_ms: Option<u64>,
    ignore_term: bool,
    stubborn_children: u32,
    escaping_child: bool,
    eat_mib: usize,
    print_lines: u64,
    open_files: u64,
    sick: Option<PathBuf>,
}

fn main() -> ExitCode {
    let mut flags = Flags::default();
    let mut arguments = std::env::args().skip(1);
    while let Some(flag) = arguments.next() {
        let mut number = || {
            arguments
                .next()
                .and_then(|text| text.parse::<u64>().ok())
                .unwrap_or(0)
        };
        match flag.as_str() {
            "--never-ready" => flags.never_ready = true,
            "--crash-after-ms" => flags.crash_after_ms = Some(number()),
            "--ignore-term" => flags.ignore_term = true,
            "--stubborn-children" => flags.stubborn_children = number() as u32,
            "--escaping-child" => flags.escaping_child = true,
            "--eat-mib" => flags.eat_mib = number() as usize,
            "--print-lines" => flags.print_lines = number(),
            "--open-files" => flags.open_files = number(),
            "--sick" => flags.sick = arguments.next().map(PathBuf::from),
            other => {
                say(&format!("unknown flag {other}"));
                return ExitCode::from(2);
            }
        }
    }
    run(flags)
}

fn run(flags: Flags) -> ExitCode {
    let term = Arc::new(AtomicBool::new(false));
    let asked = signal_hook::flag::register(signal_hook::consts::SIGTERM, Arc::clone(&term));
    if asked.is_err() {
        return ExitCode::FAILURE;
    }
    // Children that ignore signals, with children of their own that outlive them.
    for _ in 0..flags.stubborn_children {
        let script = "trap '' TERM INT; (trap '' TERM INT; while :; do sleep 1; done) & wait; \
                      while :; do sleep 1; done";
        spawn(Command::new("/bin/sh").args(["-c", script]));
    }
    if flags.escaping_child {
        // In a session of its own, and without a parent.
        spawn(Command::new("setsid").args(["--fork", "sh", "-c", "while :; do sleep 1; done"]));
    }
    for line in 0..flags.print_lines {
        say(&format!("line {line:08} {}", "x".repeat(80)));
    }
    let memory = vec![1_u8; flags.eat_mib << 20];
    let files: Vec<_> = (0..flags.open_files)
        .map(|_| std::fs::File::open("/dev/null"))
        .collect();
    let opened = files.iter().filter(|file| file.is_ok()).count();
    say(&format!(
        "opened {opened} files, ate {} MiB",
        memory.len() >> 20
    ));
    drop(files);
    if let Some(after) = flags.crash_after_ms {
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(after));
            say("about to crash");
            std::process::abort();
        });
    }
    if !flags.never_ready {
        let port = std::env::var("PORT")
            .ok()
            .and_then(|port| port.parse::<u16>().ok());
        let Ok(listener) = TcpListener::bind(("127.0.0.1", port.unwrap_or(0))) else {
            say("the port is taken");
            return ExitCode::FAILURE;
        };
        let sick = flags.sick.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                answer(stream, sick.as_deref());
            }
        });
    }
    loop {
        if term.load(std::sync::atomic::Ordering::Relaxed) && !flags.ignore_term {
            say("asked to end");
            return ExitCode::SUCCESS;
        }
        thread::sleep(Duration::from_millis(5));
    }
}

fn answer(stream: TcpStream, sick: Option<&std::path::Path>) {
    let Ok(reading) = stream.try_clone() else {
        return;
    };
    let mut lines = BufReader::new(reading).lines();
    let Some(Ok(request)) = lines.next() else {
        return;
    };
    while lines
        .next()
        .is_some_and(|line| line.is_ok_and(|line| !line.is_empty()))
    {}
    let status = match sick {
        Some(file) if request.starts_with("GET /health") && file.exists() => "503 Sick",
        _ => "200 OK",
    };
    let mut body = format!("pid {}\n", std::process::id());
    for (name, value) in std::env::vars() {
        body.push_str(&format!("{name}={value}\n"));
    }
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
    let mut stream = stream;
    let _client_left = stream.write_all((head + &body).as_bytes());
}

fn spawn(command: &mut Command) {
    if command.spawn().is_err() {
        say("a child could not be started");
    }
}

fn say(line: &str) {
    let _nobody_listens = writeln!(std::io::stdout(), "{line}");
}
