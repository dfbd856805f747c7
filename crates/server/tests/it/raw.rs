//! Requests over TCP as anybody could make them.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;

/// An answer: status, head and body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    /// Returns the code of the problem that it tells of.
    pub(crate) fn code(&self) -> String {
        let value: serde_json::Value = serde_json::from_str(&self.body).unwrap_or_default();
        value["code"].as_str().unwrap_or_default().to_owned()
    }
}

/// What is asked.
#[derive(Clone, Debug)]
pub(crate) struct Ask<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) token: Option<&'a str>,
    pub(crate) body: &'a str,
    /// Lines of the head beside those that each request has; one of them may be `Host`.
    pub(crate) headers: &'a [&'a str],
    /// The last number of the loopback address that it comes from.
    pub(crate) from: u8,
}

impl Default for Ask<'_> {
    fn default() -> Self {
        Self {
            method: "GET",
            path: "/v1/system",
            token: None,
            body: "",
            headers: &[],
            from: 1,
        }
    }
}

/// Sends a request and returns its answer.
pub(crate) async fn ask(address: SocketAddr, ask: Ask<'_>) -> Answer {
    let socket = TcpSocket::new_v4().expect("sockets can be made");
    socket
        .bind(([127, 0, 0, ask.from], 0).into())
        .expect("loopback addresses can be bound");
    let mut stream = socket.connect(address).await.expect("it listens");
    let mut head = format!(
        "{} {} HTTP/1.1\r\nConnection: close\r\n",
        ask.method, ask.path
    );
    if !ask
        .headers
        .iter()
        .any(|it| it.to_lowercase().starts_with("host:"))
    {
        head.push_str(&format!("Host: {address}\r\n"));
    }
    for line in ask.headers {
        head.push_str(&format!("{line}\r\n"));
    }
    if let Some(token) = ask.token {
        head.push_str(&format!("Authorization: Bearer {token}\r\n"));
    }
    let says = |name: &str| {
        let mut headers = ask.headers.iter();
        headers.any(|it| it.to_lowercase().starts_with(name))
    };
    if !says("content-type:") {
        head.push_str("Content-Type: application/json\r\n");
    }
    if !says("content-length:") && !says("transfer-encoding:") {
        head.push_str(&format!("Content-Length: {}\r\n", ask.body.len()));
    }
    head.push_str("\r\n");
    head.push_str(ask.body);
    // What is not wanted is answered before it is taken.
    drop(stream.write_all(head.as_bytes()).await);
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("it answers");
    let text = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").expect("an answer has a head");
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    Answer {
        status: status.expect("an answer has a status"),
        head: head.to_owned(),
        body: body.to_owned(),
    }
}
