//! A client of its own connection, for what is not left to `h2load`.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::case::Body;
use crate::polling::Polling;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How much is read at once, in bytes.
pub(crate) const ROOM: usize = 64 * 1024;

/// What every body consists of.
static BODY: [u8; ROOM] = [b'x'; ROOM];

/// No head is longer, in bytes.
const HEAD_MAX: usize = 1024;

/// A connection on which one body at a time is asked for.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    request: Vec<u8>,
    body: Body,
    /// What came of the head of the answer so far.
    head: Vec<u8>,
    /// How much is to come of its body, once its head is there.
    left: Option<usize>,
}

/// Makes so many that wait for nothing themselves: `polling` does, where each has its number.
pub(crate) fn connect_all(
    address: SocketAddr,
    count: usize,
    body: Body,
    polling: &Polling,
) -> io::Result<Vec<Client>> {
    let connect = |number| {
        let client = Client::connect(address, body)?;
        client.stream.set_nonblocking(true)?;
        polling.add(&client.stream, number)?;
        Ok(client)
    };
    (0..count).map(connect).collect()
}

impl Client {
    pub(crate) fn connect(address: SocketAddr, body: Body) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let path = body.path();
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: site\r\nuser-agent: bench\r\naccept: */*\r\n\r\n"
        );
        Ok(Self {
            stream,
            request: request.into_bytes(),
            body,
            head: Vec::new(),
            left: None,
        })
    }

    /// Asks.
    pub(crate) fn ask(&mut self) -> io::Result<()> {
        self.head.clear();
        self.left = None;
        let written = self.stream.write(&self.request)?;
        if written == self.request.len() {
            Ok(())
        } else {
            Err(ErrorKind::WriteZero.into())
        }
    }

    /// Reads once, by way of `room`, and says whether the whole answer is there. Anything else than
    /// status 200 with the right body is an error.
    pub(crate) fn take(&mut self, room: &mut [u8]) -> io::Result<bool> {
        let mut came = match self.stream.read(room) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(read) => &room[..read],
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        };
        let wrong = || io::Error::other("an answer that no backend gave");
        let left = match self.left {
            Some(left) => left,
            None => {
                let before = self.head.len();
                self.head.extend(came.iter().take(HEAD_MAX));
                let Some(end) = self.head.windows(4).position(|it| it == b"\r\n\r\n") else {
                    return match self.head.len() < HEAD_MAX {
                        true => Ok(false),
                        false => Err(wrong()),
                    };
                };
                if !self.head.starts_with(b"HTTP/1.1 200") {
                    return Err(wrong());
                }
                came = &came[end + 4 - before..];
                self.body.bytes()
            }
        };
        let left = left.checked_sub(came.len()).ok_or_else(wrong)?;
        if !BODY.starts_with(came) {
            return Err(wrong());
        }
        self.left = Some(left);
        Ok(left == 0)
    }

    /// Asks and waits for the answer.
    pub(crate) fn exchange(&mut self) -> io::Result<()> {
        self.ask()?;
        let mut room = [0; HEAD_MAX];
        while !self.take(&mut room)? {}
        Ok(())
    }
}
