//! Those who talk to the shim: one word a line in, one status a line out.

use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};

use super::Status;

/// More than anybody needs; a flood of connections must not use up the shim's files.
const CLIENTS_MAX: usize = 16;
const WORD_BYTES_MAX: usize = 64;

/// What a client asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// To stop the command.
    Stop,
    /// To be told each status from now on, beginning with the present one.
    Watch,
    /// To be answered.
    Ping,
}

#[derive(Debug)]
pub(super) struct Client {
    stream: UnixStream,
    partial: Vec<u8>,
    watches: bool,
}

impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// All clients, and the socket by which they come.
#[derive(Debug)]
pub(super) struct Clients {
    pub(super) listener: UnixListener,
    pub(super) all: Vec<Client>,
}

impl Clients {
    pub(super) fn new(listener: UnixListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Self {
            listener,
            all: Vec::new(),
        })
    }

    pub(super) fn accept(&mut self) {
        while let Ok((stream, _)) = self.listener.accept() {
            if self.all.len() < CLIENTS_MAX && stream.set_nonblocking(true).is_ok() {
                self.all.push(Client {
                    stream,
                    partial: Vec::new(),
                    watches: false,
                });
            }
        }
    }

    /// Reads what the client has to say. Returns whether it stop was asked for; a client that left
    /// or talks nonsense is forgotten.
    pub(super) fn serve(&mut self, index: usize, status: &Status) -> bool {
        let mut stop = false;
        let client = &mut self.all[index];
        let keep = match client.read() {
            Err(_) => false,
            Ok(requests) => requests.into_iter().all(|request| match request {
                Request::Stop => {
                    stop = true;
                    true
                }
                Request::Watch => {
                    client.watches = true;
                    client.tell(status)
                }
                Request::Ping => client.stream.write_all(b"pong\n").is_ok(),
            }),
        };
        if !keep {
            self.all.remove(index);
        }
        stop
    }

    /// Tells all who watch. One that does not read what it is told is forgotten: it is waited for
    /// by nobody.
    pub(super) fn tell(&mut self, status: &Status) {
        self.all
            .retain_mut(|client| !client.watches || client.tell(status));
    }
}

impl Client {
    fn read(&mut self) -> io::Result<Vec<Request>> {
        let mut buffer = [0; WORD_BYTES_MAX];
        match self.stream.read(&mut buffer) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => self.partial.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        let mut requests = Vec::new();
        while let Some(end) = self.partial.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.partial.drain(..=end).collect();
            requests.push(match line.trim_ascii() {
                b"stop" => Request::Stop,
                b"watch" => Request::Watch,
                b"ping" => Request::Ping,
                _ => return Err(io::ErrorKind::InvalidData.into()),
            });
        }
        if self.partial.len() > WORD_BYTES_MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(requests)
    }

    fn tell(&mut self, status: &Status) -> bool {
        let Ok(mut line) = serde_json::to_vec(status) else {
            return false;
        };
        line.push(b'\n');
        self.stream.write_all(&line).is_ok()
    }
}
