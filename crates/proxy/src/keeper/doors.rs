//! What the keeper does about doors: where requests are accepted.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd as _, OwnedFd};

use super::{Keeper, State};
use crate::certificates::mute;
use crate::listen::{listen, listen_too};
use crate::worker::Message;

/// Listening sockets that were fetched, by the address in the table, each with its number there.
pub(crate) type Sockets = BTreeMap<SocketAddr, BTreeMap<usize, TcpListener>>;

/// Returns those sockets that are of doors.
pub(crate) fn sockets_of_doors(fetched: BTreeMap<String, OwnedFd>) -> Sockets {
    let mut sockets = Sockets::new();
    for (name, socket) in fetched {
        if let Some((address, number)) = read_name(&name) {
            let of_address = sockets.entry(address).or_default();
            of_address.insert(number, socket.into());
        }
    }
    sockets
}

/// Returns what a socket is deposited as.
fn name(address: SocketAddr, number: usize) -> String {
    format!("door {address} {number}")
}

fn read_name(name: &str) -> Option<(SocketAddr, usize)> {
    let (address, number) = name.strip_prefix("door ")?.split_once(' ')?;
    Some((address.parse().ok()?, number.parse().ok()?))
}

impl Keeper {
    /// Opens the doors of the table that are not open, or says why not.
    pub(super) async fn open_doors(&self) {
        let closed: Vec<SocketAddr> = {
            let state = self.state.borrow();
            let addresses = state.snapshot.table.listeners.iter().map(|l| l.address);
            addresses
                .filter(|address| !matches!(state.doors.get(address), Some(Ok(_))))
                .collect()
        };
        for address in closed {
            let opened = match self.sockets(address) {
                Ok((sockets, bound)) => {
                    self.deposit_door(address, &sockets).await;
                    self.open_door(address, sockets.into_values()).await;
                    tracing::info!(%address, %bound, "accepting requests");
                    Ok(bound)
                }
                Err(why) => Err(why),
            };
            let mut state = self.state.borrow_mut();
            if let Err(why) = &opened
                && state.doors.get(&address) != Some(&opened)
            {
                tracing::error!("{why}");
            }
            state.doors.insert(address, opened);
        }
    }

    /// Returns the sockets for `address`: those that were fetched, and as many more as make one for
    /// each worker.
    fn sockets(
        &self,
        address: SocketAddr,
    ) -> Result<(BTreeMap<usize, TcpListener>, SocketAddr), String> {
        let workers = self.workers.len();
        let fetched = self.state.borrow_mut().fetched.remove(&address);
        let mut sockets = fetched.unwrap_or_default();
        let Some((_, first)) = sockets.first_key_value() else {
            let (sockets, bound) = listen(address, workers)?;
            return Ok((sockets.into_iter().enumerate().collect(), bound));
        };
        let bound = first.local_addr().map_err(|error| error.to_string())?;
        let missing = workers.saturating_sub(sockets.len());
        match listen_too(bound, missing) {
            Ok(more) => {
                let free: Vec<usize> = (0..)
                    .filter(|n| !sockets.contains_key(n))
                    .take(missing)
                    .collect();
                sockets.extend(free.into_iter().zip(more));
            }
            // Those that are there do, for as many workers.
            Err(why) => tracing::error!("{why}"),
        }
        Ok((sockets, bound))
    }

    /// Deposits the sockets of a door, before anybody can be in a queue of theirs. Those that were
    /// fetched are deposited already, by the same names.
    async fn deposit_door(&self, address: SocketAddr, sockets: &BTreeMap<usize, TcpListener>) {
        let known = self.state.borrow_mut().deposited.remove(&address);
        let mut known = known.unwrap_or_default();
        for (number, socket) in sockets {
            if known.insert(*number) {
                self.deposit
                    .put(&name(address, *number), socket.as_fd())
                    .await;
            }
        }
        self.state.borrow_mut().deposited.insert(address, known);
    }

    /// Gives each worker its part of the sockets. There may be more than workers: each was somebody's
    /// queue, and none may be left alone.
    async fn open_door(&self, address: SocketAddr, sockets: impl Iterator<Item = TcpListener>) {
        let mut parts: Vec<Vec<TcpListener>> = self.workers.iter().map(|_| Vec::new()).collect();
        let count = parts.len();
        for (number, socket) in sockets.enumerate() {
            parts[number % count].push(socket);
        }
        let mut parts = parts.into_iter();
        self.ask_each(|done| Some(Message::Open(address, parts.next()?, done)))
            .await;
    }

    /// Has the shim let go of the sockets of doors that are about to close. Otherwise these would
    /// go on to let in whoever connects, and nobody would come for them.
    pub(super) async fn withdraw_doors(&self, stays: impl Fn(&SocketAddr) -> bool) {
        let mut names = Vec::new();
        self.state
            .borrow_mut()
            .deposited
            .retain(|address, numbers| {
                let stays = stays(address);
                if !stays {
                    names.extend(numbers.iter().map(|number| name(*address, *number)));
                }
                stays
            });
        if !names.is_empty() {
            self.deposit.withdraw(names).await;
        }
    }

    /// Closes what was fetched for addresses that the table does not have.
    pub(crate) async fn drop_what_is_left(&self) {
        let left = std::mem::take(&mut self.state.borrow_mut().fetched);
        self.withdraw_doors(|address| !left.contains_key(address))
            .await;
    }
}

impl Keeper {
    /// Says why listeners answer nobody.
    pub(super) fn problems(&self, state: &State) -> BTreeMap<SocketAddr, String> {
        let failed = |(address, door): (&SocketAddr, &Result<SocketAddr, String>)| {
            Some((*address, door.as_ref().err()?.clone()))
        };
        // What could not be opened at all is the first thing to know.
        let mut problems = mute(&self.certificates(state));
        problems.extend(state.doors.iter().filter_map(failed));
        problems
    }
}
