//! Requests to what is served: single ones, and a stream of them.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long an answer may take before it counts as lost.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long after one request of a stream the next one is sent.
const PACE: Duration = Duration::from_millis(4);

/// What came back of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: String,
}

/// What came back of one request, with its head.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) answer: Answer,
    /// Its status and headers, whose names are in lower case.
    pub(super) head: String,
}

/// Sends one request on a connection of its own.
pub(super) fn get(address: SocketAddr, path: &str) -> Result<Answer, String> {
    tell(address, path, &[]).map(|told| told.answer)
}

/// The same with headers.
pub(super) fn tell(
    address: SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
) -> Result<Told, String> {
    let failed = |error: std::io::Error| error.to_string();
    let stream = TcpStream::connect_timeout(&address, PATIENCE).map_err(failed)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
    tell_over(stream, &address.to_string(), path, headers)
}

/// The same over a connection that is there.
pub(super) fn tell_over(
    mut stream: impl Read + Write,
    host: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> Result<Told, String> {
    let failed = |error: std::io::Error| error.to_string();
    let headers: String = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    let request =
        format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).map_err(failed)?;
    let mut text = Vec::new();
    stream.read_to_end(&mut text).map_err(failed)?;
    let text = String::from_utf8_lossy(&text);
    let (head, body) = text
        .split_once("\r\n\r\n")
        .ok_or_else(|| format!("an answer without end of head: {text:?}"))?;
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .ok_or_else(|| format!("an answer without status: {head:?}"))?;
    let announced = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse::<usize>().ok())?
    });
    if announced.is_some_and(|announced| announced != body.len()) {
        return Err(format!("an answer that breaks off: {head:?}"));
    }
    let answer = Answer {
        status,
        body: body.to_owned(),
    };
    let head = head.to_owned();
    Ok(Told { answer, head })
}

/// One request of a stream, and when its answer was there.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) answered_at: Instant,
    pub(super) answer: Result<Answer, String>,
}

/// Sends one request after the other until it is told to end.
pub(super) struct Traffic {
    end: Arc<AtomicBool>,
    thread: Option<JoinHandle<Vec<Sent>>>,
}

impl Traffic {
    pub(super) fn start(address: SocketAddr) -> Self {
        let end = Arc::new(AtomicBool::new(false));
        let ending = Arc::clone(&end);
        let thread = std::thread::spawn(move || {
            let mut sent = Vec::new();
            while !ending.load(Ordering::Relaxed) {
                let answer = get(address, "/");
                sent.push(Sent {
                    answered_at: Instant::now(),
                    answer,
                });
                std::thread::sleep(PACE);
            }
            sent
        });
        Self {
            end,
            thread: Some(thread),
        }
    }

    /// Ends it, and returns what came of every request.
    pub(super) fn end(mut self) -> Vec<Sent> {
        self.end.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap()
    }

    /// Ends it, checks that every request was answered with 200, and returns the bodies.
    pub(super) fn end_without_failure(self) -> Vec<String> {
        let sent = self.end();
        let failed: Vec<_> = sent
            .iter()
            .filter(|sent| !matches!(&sent.answer, Ok(answer) if answer.status == 200))
            .map(|sent| &sent.answer)
            .collect();
        let (some, all) = (failed.len(), sent.len());
        assert!(failed.is_empty(), "{some} of {all} failed: {failed:?}");
        let bodies = sent.into_iter().filter_map(|sent| sent.answer.ok());
        bodies.map(|answer| answer.body).collect()
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
    }
}
