//! A server that behaves as a test wants it to.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// A request as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Method and path.
    pub(crate) line: String,
    /// `name: value`, the name in lower case.
    pub(crate) headers: Vec<String>,
    pub(crate) body: String,
}

/// What is done with a request.
pub(crate) enum Act {
    /// This is answered, and the connection kept.
    Answer(Vec<u8>),
    /// This is sent, and the connection closed.
    Close(Vec<u8>),
    /// This is sent again and again, until the other end has had enough.
    Endless(Vec<u8>),
}

/// A server on a port of its own. Its threads end with their connections.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) asked: Arc<Mutex<Vec<Asked>>>,
    /// Connections that were accepted.
    pub(crate) connections: Arc<AtomicUsize>,
}

/// Returns a plain answer.
pub(crate) fn answer(status: u16, body: &str) -> Act {
    let length = body.len();
    Act::Answer(
        format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n\r\n{body}").into_bytes(),
    )
}

impl Server {
    pub(crate) fn start(act: impl Fn(&Asked) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let connections: Arc<AtomicUsize> = Arc::default();
        let act: Arc<dyn Fn(&Asked) -> Act + Send + Sync> = Arc::new(act);
        let (all, counted) = (Arc::clone(&asked), Arc::clone(&connections));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (Ok(stream), all, act) = (stream, Arc::clone(&all), Arc::clone(&act)) else {
                    return;
                };
                counted.fetch_add(1, Ordering::Relaxed);
                // The other end may go away at any time.
                thread::spawn(move || drop(serve(stream, &all, &*act)));
            }
        });
        Self {
            address,
            asked,
            connections,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

fn serve(
    mut stream: TcpStream,
    all: &Mutex<Vec<Asked>>,
    act: &dyn Fn(&Asked) -> Act,
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let line = line.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
        let mut headers = Vec::new();
        let mut length = 0;
        loop {
            let mut header = String::new();
            reader.read_line(&mut header)?;
            let header = header.trim_end().to_owned();
            if header.is_empty() {
                break;
            }
            if let Some(value) = header.strip_prefix("content-length: ") {
                length = value.parse().unwrap();
            }
            headers.push(header);
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let asked = Asked {
            line,
            headers,
            body: String::from_utf8(body).unwrap(),
        };
        all.lock().unwrap().push(asked.clone());
        match act(&asked) {
            Act::Answer(bytes) => stream.write_all(&bytes)?,
            Act::Close(bytes) => return stream.write_all(&bytes),
            Act::Endless(bytes) => loop {
                stream.write_all(&bytes)?;
            },
        }
    }
}
