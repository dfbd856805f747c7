//! Stands in for control: answers one connection with given bytes, and keeps what it was sent.

use std::path::PathBuf;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;

/// A socket that answers one request, or some in turn.
pub(crate) struct Control {
    folder: TempDir,
    requests: JoinHandle<Vec<String>>,
}

impl Control {
    /// Answers the first request with `parts`, one write each, and closes the connection.
    pub(crate) fn answering(parts: &[&str]) -> Self {
        Self::answering_in_turn(&[parts])
    }

    /// Answers each request with its parts, and closes the connection.
    pub(crate) fn answering_in_turn(answers: &[&[&str]]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("control.sock")).unwrap();
        let owned = |parts: &&[&str]| parts.iter().map(|part| (*part).to_owned()).collect();
        let answers: Vec<Vec<String>> = answers.iter().map(owned).collect();
        let requests = tokio::spawn(async move {
            let mut requests = Vec::new();
            for parts in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                requests.push(read_request(&mut stream).await);
                for part in parts {
                    stream.write_all(part.as_bytes()).await.unwrap();
                    stream.flush().await.unwrap();
                }
            }
            requests
        });
        Self { folder, requests }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("control.sock")
    }

    /// Returns the request that it got.
    pub(crate) async fn request(self) -> String {
        self.requests().await.remove(0)
    }

    /// Returns every request that it got.
    pub(crate) async fn requests(self) -> Vec<String> {
        self.requests.await.unwrap()
    }
}

/// Reads one request with the body that its length announces.
async fn read_request(stream: &mut UnixStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))
                .map_or(0, |length| length.parse::<usize>().unwrap());
            if body.len() >= length {
                return text;
            }
        }
        if stream.read_buf(&mut bytes).await.unwrap() == 0 {
            return text;
        }
    }
}

/// Returns a whole answer.
pub(crate) fn answer(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nleadsman-api: 1\r\nleadsman-request-id: 7\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
}
