//! Bodies that are longer than what the data plane may hold of them.

use std::convert::Infallible;
use std::fs;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::stream;
use http::header::{CONTENT_LENGTH, HOST};
use http::{Request, Response};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use super::machine::Machine;

/// How much is sent at once, in bytes.
const PIECE: usize = 64 * 1024;

/// What users speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spoken {
    Http1,
    Http2,
}

/// Where a body goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Up,
    Down,
}

/// What it was like for the data plane.
#[derive(Clone, Copy, Debug)]
pub(super) struct Streamed {
    pub(super) took: Duration,
    /// What was resident of the data plane before, in bytes.
    pub(super) before: u64,
    /// The most that was at any time since then.
    pub(super) most: u64,
}

impl Streamed {
    pub(super) fn growth(&self) -> u64 {
        self.most.saturating_sub(self.before)
    }
}

/// Passes a body of `length` bytes, a multiple of 64 KiB, through the data plane of `machine`.
pub(super) fn pass(
    machine: &Machine,
    spoken: Spoken,
    direction: Direction,
    length: u64,
) -> Streamed {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let pid = machine.proxy().pid;
    // What is there for any body is no matter of its length.
    let short = 8 * PIECE as u64;
    let asked = runtime.block_on(ask(machine.address, spoken, direction, short));
    assert_eq!(asked, short);
    forget_the_most(pid);
    let before = resident(pid, "VmRSS:");
    let begun = Instant::now();
    let asked = runtime.block_on(ask(machine.address, spoken, direction, length));
    let took = begun.elapsed();
    assert_eq!(asked, length, "{spoken:?} {direction:?}");
    Streamed {
        took,
        before,
        most: resident(pid, "VmHWM:"),
    }
}

/// Returns a line of what the kernel says about the memory of a process, in bytes.
fn resident(pid: i32, line: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let kib = text.lines().find_map(|found| found.strip_prefix(line));
    let kib = kib.unwrap().trim().strip_suffix(" kB").unwrap();
    kib.parse::<u64>().unwrap() * 1024
}

/// Has the kernel take the most from what is resident now.
fn forget_the_most(pid: i32) {
    fs::write(format!("/proc/{pid}/clear_refs"), "5").unwrap();
}

/// Sends a body of `length` bytes, or asks for one. Returns how long it was at the other end.
async fn ask(address: SocketAddr, spoken: Spoken, direction: Direction, length: u64) -> u64 {
    let (method, path, sent) = match direction {
        Direction::Up => ("POST", "take".to_owned(), length),
        Direction::Down => ("GET", format!("give/{length}"), 0),
    };
    let piece = Bytes::from_static(&[b'x'; PIECE]);
    let pieces = usize::try_from(sent).unwrap() / PIECE;
    let frames =
        std::iter::repeat_n(piece, pieces).map(|piece| Ok::<_, Infallible>(Frame::data(piece)));
    let request = Request::builder()
        .method(method)
        .uri(match spoken {
            Spoken::Http1 => format!("/{path}"),
            Spoken::Http2 => format!("http://{address}/{path}"),
        })
        .header(HOST, address.to_string())
        .header(CONTENT_LENGTH, sent)
        .body(StreamBody::new(stream::iter(frames)))
        .unwrap();
    let stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let stream = TokioIo::new(stream);
    let answer = match spoken {
        Spoken::Http1 => {
            let (mut sender, connection) = http1::handshake(stream).await.unwrap();
            tokio::spawn(connection);
            sender.send_request(request).await
        }
        Spoken::Http2 => {
            let spoken = http2::handshake(TokioExecutor::new(), stream).await;
            let (mut sender, connection) = spoken.unwrap();
            tokio::spawn(connection);
            sender.send_request(request).await
        }
    };
    let answer = answer.unwrap();
    assert_eq!(answer.status(), 200);
    match direction {
        Direction::Up => {
            let words = answer.into_body().collect().await.unwrap().to_bytes();
            std::str::from_utf8(&words).unwrap().parse().unwrap()
        }
        Direction::Down => length_of(answer).await,
    }
}

async fn length_of(answer: Response<Incoming>) -> u64 {
    let mut body = answer.into_body();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        length += frame.unwrap().data_ref().map_or(0, Bytes::len) as u64;
    }
    length
}
