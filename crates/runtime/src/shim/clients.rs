//! Those who talk to the shim: one word a line in, one status a line out.

use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};

use serde::Serialize;

use super::{Outcome, Status};

/// More than anybody needs; a flood of connections must not use up the shim's files.
const CLIENTS_MAX: usize = 16;
const WORD_BYTES_MAX: usize = 64;

/// What a client asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// To stop the command.
    Stop,
    /// To start a successor beside the process that serves, and to be told what came of it.
    Succeed,
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
    /// Whether it waits for the outcome of a succession.
    waits: bool,
}

/// What the shim is to do for clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Wishes {
    pub(super) stop: bool,
    pub(super) succeed: bool,
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
                    waits: false,
                });
            }
        }
    }

    /// Reads what the client has to say. Returns what it asked for; a client that left or talks
    /// nonsense is forgotten.
    pub(super) fn serve(&mut self, index: usize, status: &Status) -> Wishes {
        let mut wishes = Wishes::default();
        let client = &mut self.all[index];
        let keep = match client.read() {
            Err(_) => false,
            Ok(requests) => requests.into_iter().all(|request| match request {
                Request::Stop => {
                    wishes.stop = true;
                    true
                }
                Request::Succeed => {
                    wishes.succeed = true;
                    client.waits = true;
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
        wishes
    }

    /// Tells those who wait for it what came of a succession.
    pub(super) fn say_outcome(&mut self, outcome: &Outcome) {
        self.all.retain_mut(|client| {
            let waited = std::mem::take(&mut client.waits);
            !waited || client.say(outcome)
        });
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
                b"succeed" => Request::Succeed,
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
        self.say(status)
    }

    fn say(&mut self, what: &impl Serialize) -> bool {
        let Ok(mut line) = serde_json::to_vec(what) else {
            return false;
        };
        line.push(b'\n');
        self.stream.write_all(&line).is_ok()
    }
}
