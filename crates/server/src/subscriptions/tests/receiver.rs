//! A receiver on a socket of its own, which can be made to answer anything.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// For how long a test waits for what should come.
const DEADLINE: Duration = Duration::from_secs(60);

/// What it does with a request.
#[derive(Clone, Debug)]
pub(super) enum Says {
    Status(u16),
    /// It leads elsewhere.
    Redirect(SocketAddr),
    /// It asks to be left alone for so many seconds.
    Later(u64),
    /// It never answers.
    Nothing,
    /// It closes the connection.
    Cut,
    /// It answers with a head that has no end.
    Endless,
}

/// What it was sent.
#[derive(Clone, Debug)]
pub(super) struct Got {
    pub(super) path: String,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Vec<u8>,
}

/// A receiver. It ends when this is dropped.
pub(super) struct Receiver {
    pub(super) address: SocketAddr,
    got: Arc<Mutex<Vec<Got>>>,
    says: Arc<Mutex<VecDeque<Says>>>,
    count: watch::Receiver<usize>,
    serving: JoinHandle<()>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// An address at which nobody listens yet.
pub(super) struct Silent(TcpSocket);

impl Silent {
    pub(super) fn new() -> Self {
        let socket = TcpSocket::new_v4().expect("there are sockets");
        let any = "127.0.0.1:0".parse().expect("it is an address");
        socket.bind(any).expect("a port is free");
        Self(socket)
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.0.local_addr().expect("it is bound")
    }

    pub(super) fn listen(self) -> Receiver {
        Receiver::on(self.0.listen(16).expect("it can listen"), &[])
    }
}

impl Receiver {
    /// Starts one that answers so, and then with success.
    pub(super) async fn start(says: &[Says]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        Self::on(listener.expect("a port is free"), says)
    }

    fn on(listener: TcpListener, says: &[Says]) -> Self {
        let address = listener.local_addr().expect("it is bound");
        let got = Arc::new(Mutex::new(Vec::new()));
        let says = Arc::new(Mutex::new(says.iter().cloned().collect::<VecDeque<_>>()));
        let (sender, count) = watch::channel(0);
        let (into, answers) = (Arc::clone(&got), Arc::clone(&says));
        let serving = tokio::spawn(async move {
            // They stay open where nothing is answered.
            let mut open = Vec::new();
            loop {
                let (mut stream, _) = listener.accept().await.expect("it listens");
                let Some(request) = read(&mut stream).await else {
                    continue;
                };
                into.lock().expect("nobody panics with it").push(request);
                let answer = answers.lock().expect("nobody panics with it").pop_front();
                if let Some(stream) = answer_with(stream, answer).await {
                    open.push(stream);
                }
                sender.send_modify(|count| *count += 1);
            }
        });
        Self {
            address,
            got,
            says,
            count,
            serving,
        }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/hook?key=secret", self.address)
    }

    pub(super) fn says(&self, says: Says) {
        let mut queue = self.says.lock().expect("nobody panics with it");
        queue.push_back(says);
    }

    /// Waits until it was sent so many, and returns them.
    pub(super) async fn until(&self, count: usize) -> Vec<Got> {
        let mut counted = self.count.clone();
        let there = counted.wait_for(|there| *there >= count);
        let there = tokio::time::timeout(DEADLINE, there).await;
        assert!(there.is_ok(), "{count} were expected: {:?}", self.got());
        self.got()
    }

    pub(super) fn got(&self) -> Vec<Got> {
        self.got.lock().expect("nobody panics with it").clone()
    }
}

impl Got {
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("it is JSON")
    }

    /// Returns the id, which the body and the header have to agree on.
    pub(super) fn id(&self) -> String {
        let id = self.json()["id"].as_str().expect("it has one").to_owned();
        assert_eq!(self.headers["webhook-id"], id);
        id
    }

    /// Whether it is signed by `secret`, reckoned as the specification says it and with nothing of
    /// what signs.
    pub(super) fn is_signed_by(&self, secret: &str) -> bool {
        let key = secret.strip_prefix("whsec_").expect("it begins so");
        let key = STANDARD.decode(key).expect("the rest is base64");
        let mut content = Vec::new();
        content.extend_from_slice(self.headers["webhook-id"].as_bytes());
        content.push(b'.');
        content.extend_from_slice(self.headers["webhook-timestamp"].as_bytes());
        content.push(b'.');
        content.extend_from_slice(&self.body);
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), &content);
        let expected = format!("v1,{}", STANDARD.encode(tag));
        let signatures = &self.headers["webhook-signature"];
        signatures.split(' ').any(|one| one == expected)
    }
}

async fn read(stream: &mut TcpStream) -> Option<Got> {
    let mut bytes = Vec::new();
    let mut part = [0; 4096];
    loop {
        let count = stream.read(&mut part).await.ok()?;
        if count == 0 {
            return None;
        }
        bytes.extend_from_slice(part.get(..count)?);
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
            continue;
        };
        let head = String::from_utf8(bytes.get(..end)?.to_vec()).ok()?;
        let mut lines = head.lines();
        let path = lines.next()?.split(' ').nth(1)?.to_owned();
        let headers: BTreeMap<String, String> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let length: usize = headers.get("content-length")?.parse().ok()?;
        let body = bytes.get(end + 4..)?;
        if body.len() >= length {
            let body = body.to_vec();
            return Some(Got {
                path,
                headers,
                body,
            });
        }
    }
}

/// Answers; returns the connection where it stays open.
async fn answer_with(mut stream: TcpStream, says: Option<Says>) -> Option<TcpStream> {
    let answer = match says {
        None => "HTTP/1.1 204 x\r\n\r\n".to_owned(),
        Some(Says::Status(status)) => {
            format!("HTTP/1.1 {status} x\r\ncontent-length: 5\r\n\r\nwords")
        }
        Some(Says::Redirect(to)) => {
            format!("HTTP/1.1 307 x\r\nlocation: http://{to}/\r\ncontent-length: 0\r\n\r\n")
        }
        Some(Says::Later(seconds)) => {
            format!("HTTP/1.1 503 x\r\nretry-after: {seconds}\r\ncontent-length: 0\r\n\r\n")
        }
        Some(Says::Nothing) => return Some(stream),
        Some(Says::Cut) => return None,
        Some(Says::Endless) => format!("HTTP/1.1 200 x\r\nx: {}", "a".repeat(1 << 20)),
    };
    drop(stream.write_all(answer.as_bytes()).await);
    drop(stream.shutdown().await);
    None
}
