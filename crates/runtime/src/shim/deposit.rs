//! The sockets that the command has deposited: they stay open whatever becomes of its processes.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};

use leadsman_deposit::{BATCH, DEPOSITS_MAX, Line, NAME_BYTES_MAX, Told};

/// The sockets that are kept, by name.
#[derive(Debug, Default)]
pub(super) struct Deposit(BTreeMap<String, OwnedFd>);

impl Deposit {
    /// Keeps `socket`. One too many is not kept: it closes with its process, as it always did.
    pub(super) fn put(&mut self, name: String, socket: OwnedFd) {
        let has_room = self.0.len() < DEPOSITS_MAX || self.0.contains_key(&name);
        if has_room && name.len() <= NAME_BYTES_MAX {
            self.0.insert(name, socket);
        }
    }

    pub(super) fn withdraw(&mut self, names: &[String]) {
        self.0.retain(|name, _| !names.contains(name));
    }

    /// Adds what another one keeps.
    pub(super) fn add(&mut self, other: Self) {
        for (name, socket) in other.0 {
            self.put(name, socket);
        }
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Sends all to a process, which is to succeed another one if there is a `predecessor`.
    pub(super) fn send(&self, line: &Line, predecessor: bool) -> io::Result<()> {
        let all: Vec<(&String, &OwnedFd)> = self.0.iter().collect();
        for batch in all.chunks(BATCH) {
            let names = batch.iter().map(|(name, _)| (*name).clone()).collect();
            let sockets: Vec<_> = batch.iter().map(|(_, socket)| socket.as_fd()).collect();
            line.send(&Told::Deposits(names), &sockets)?;
        }
        line.send(&Told::Complete { predecessor }, &[])
    }
}
