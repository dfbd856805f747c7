//! Waiting for many sockets at once, for the backends and the clients that are built in.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};

/// How many sockets are looked at after one wait.
const BATCH: usize = 256;

/// Waits for sockets, each of which has a number.
pub(crate) struct Polling {
    epoll: OwnedFd,
    events: Vec<Event>,
}

impl Polling {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            epoll: epoll::create(CreateFlags::CLOEXEC)?,
            events: Vec::with_capacity(BATCH),
        })
    }

    /// Waits for something to read on `socket`.
    pub(crate) fn add(&self, socket: impl AsFd, number: usize) -> io::Result<()> {
        let data = EventData::new_u64(number as u64);
        Ok(epoll::add(&self.epoll, socket, data, EventFlags::IN)?)
    }

    /// Waits until it can be written, or again until it can be read.
    pub(crate) fn wait_to_write(
        &self,
        socket: impl AsFd,
        number: usize,
        write: bool,
    ) -> io::Result<()> {
        let flags = if write {
            EventFlags::OUT
        } else {
            EventFlags::IN
        };
        let data = EventData::new_u64(number as u64);
        Ok(epoll::modify(&self.epoll, socket, data, flags)?)
    }

    /// Waits until something is ready and puts the numbers into `ready`.
    pub(crate) fn wait(&mut self, ready: &mut Vec<usize>) -> io::Result<()> {
        self.events.clear();
        ready.clear();
        match epoll::wait(&self.epoll, spare_capacity(&mut self.events), None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        ready.extend(self.events.iter().map(|event| {
            let data = event.data;
            data.u64() as usize
        }));
        Ok(())
    }
}
