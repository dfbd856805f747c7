//! A client of its own connection, for what `h2load` does not do: idling, and a fixed rate.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::case::SMALL;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection on which one small body at a time is asked for.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    /// What came of the answer so far.
    answer: Vec<u8>,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self {
            stream,
            answer: Vec::new(),
        })
    }

    /// Asks.
    pub(crate) fn ask(&mut self) -> io::Result<()> {
        self.answer.clear();
        let request =
            b"GET /small HTTP/1.1\r\nhost: site\r\nuser-agent: bench\r\naccept: */*\r\n\r\n";
        let written = self.stream.write(request)?;
        if written == request.len() {
            Ok(())
        } else {
            Err(ErrorKind::WriteZero.into())
        }
    }

    /// Reads once, and says whether the whole answer is there. Anything else than status 200 with
    /// the right body is an error.
    pub(crate) fn take(&mut self) -> io::Result<bool> {
        let mut buffer = [0; 4096];
        match self.stream.read(&mut buffer) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(read) => self.answer.extend(&buffer[..read]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        }
        let wrong = || Err(io::Error::other("an answer that no backend gave"));
        let Some(end) = self.answer.windows(4).position(|it| it == b"\r\n\r\n") else {
            return Ok(false);
        };
        let body = &self.answer[end + 4..];
        if !self.answer.starts_with(b"HTTP/1.1 200") || body.len() > SMALL {
            return wrong();
        }
        if body.len() < SMALL {
            return Ok(false);
        }
        if body.iter().any(|byte| *byte != b'x') {
            return wrong();
        }
        Ok(true)
    }

    /// Asks and waits for the answer.
    pub(crate) fn exchange(&mut self) -> io::Result<()> {
        self.ask()?;
        while !self.take()? {}
        Ok(())
    }
}
