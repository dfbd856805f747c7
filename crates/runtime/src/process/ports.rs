//! Ports for instances.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::{Ipv4Addr, TcpListener};
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Above the ports of well-known services, and below 32768, where the kernel by default begins to
/// take ports for outgoing connections: one of those could take an instance's port while it is
/// being restarted.
const RANGE: RangeInclusive<u16> = 20_000..=32_767;

/// The ports that instances of this state folder have.
#[derive(Debug)]
pub(super) struct Ports {
    taken: Mutex<BTreeSet<u16>>,
    /// Where to begin looking: two state folders of one machine rarely look at the same ports.
    begin: u16,
}

impl Ports {
    pub(super) fn new(state: &Path, taken: impl Iterator<Item = u16>) -> Self {
        let mut hasher = DefaultHasher::new();
        state.hash(&mut hasher);
        let size = u64::from(RANGE.end() - RANGE.start()) + 1;
        let offset = u16::try_from(hasher.finish() % size).expect("it is less than the range");
        Self {
            taken: Mutex::new(taken.collect()),
            begin: RANGE.start() + offset,
        }
    }

    /// Takes a port that nobody listens on; `None` where there is none.
    pub(super) fn take(&self) -> Option<u16> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let port = (self.begin..=*RANGE.end())
            .chain(*RANGE.start()..self.begin)
            .find(|port| !taken.contains(port) && is_free(*port))?;
        taken.insert(port);
        Some(port)
    }

    pub(super) fn give_back(&self, port: u16) {
        self.taken
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&port);
    }
}

/// Whether a service could listen on `port`, on this machine's own address or on all.
pub(super) fn is_free(port: u16) -> bool {
    [Ipv4Addr::LOCALHOST, Ipv4Addr::UNSPECIFIED]
        .into_iter()
        .all(|address| TcpListener::bind((address, port)).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hands_out_each_port_once_and_none_that_is_in_use() {
        let ports = Ports::new(Path::new("/one"), std::iter::empty());
        let first = ports.take().unwrap();
        let occupied = TcpListener::bind(("127.0.0.1", first)).unwrap();
        ports.give_back(first);
        let second = ports.take().unwrap();
        let third = ports.take().unwrap();
        assert!(first != second && second != third && first != third);
        assert!(
            [first, second, third]
                .iter()
                .all(|port| RANGE.contains(port))
        );
        drop(occupied);
    }

    #[test]
    fn other_folders_begin_elsewhere() {
        let begins: BTreeSet<u16> = (0..50)
            .map(|n| Ports::new(Path::new(&format!("/state/{n}")), std::iter::empty()).begin)
            .collect();
        assert!(begins.len() > 40);
    }
}
