//! Where connections wait that have been silent for a while.
//!
//! There may be ten thousand of them. A task, and what the runtime notes of a socket, take ten times
//! as much memory as it takes to remember that there is one. So they are taken out of both, and an
//! `epoll` of their own says which of them is spoken on again.

use std::cell::RefCell;
use std::io;
use std::mem::MaybeUninit;
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::{Duration, Instant};

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::time::Timespec;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::client::Client;
use super::line::Waits;
use super::speak;
use crate::worker::Worker;
use crate::worker::door::{Entrance, Guest};

/// How many of them are taken out at a time.
const AT_A_TIME: usize = 64;

/// The connections that have been silent for a while.
pub(in crate::worker) struct WaitingRoom {
    epoll: OwnedFd,
    places: RefCell<Places>,
}

#[derive(Default)]
struct Places {
    all: Vec<Option<Waiting>>,
    free: Vec<usize>,
}

struct Waiting {
    socket: TcpStream,
    guest: Guest,
    since: Instant,
}

/// Returns what a waiting room is watched by.
///
/// # Errors
/// The system refuses it.
pub(in crate::worker) fn watch() -> io::Result<OwnedFd> {
    Ok(epoll::create(CreateFlags::CLOEXEC)?)
}

impl WaitingRoom {
    pub(in crate::worker) fn new(epoll: OwnedFd) -> Self {
        Self {
            epoll,
            places: RefCell::default(),
        }
    }

    /// Takes in a connection that has been silent since the moment given.
    ///
    /// # Errors
    /// The system cannot watch it.
    pub(super) fn enter(&self, guest: Guest, socket: TcpStream, since: Instant) -> io::Result<()> {
        let mut places = self.places.borrow_mut();
        let Places { all, free } = &mut *places;
        let place = free.pop().unwrap_or_else(|| {
            all.push(None);
            all.len() - 1
        });
        let events = EventFlags::IN | EventFlags::RDHUP;
        let watched = epoll::add(
            &self.epoll,
            &socket,
            EventData::new_u64(place as u64),
            events,
        );
        if let Err(error) = watched {
            free.push(place);
            return Err(error.into());
        }
        all[place] = Some(Waiting {
            socket,
            guest,
            since,
        });
        Ok(())
    }

    /// Closes those that have been silent for longer than `limit` at `now`.
    pub(in crate::worker) fn look(&self, now: Instant, limit: Duration) {
        self.close_where(|waiting| now.saturating_duration_since(waiting.since) >= limit);
    }

    /// Closes those that came in by `entrance`.
    pub(in crate::worker::door) fn close(&self, entrance: &Rc<Entrance>) {
        self.close_where(|waiting| Rc::ptr_eq(&waiting.guest.entrance, entrance));
    }

    fn close_where(&self, is_meant: impl Fn(&Waiting) -> bool) {
        let Places { all, free } = &mut *self.places.borrow_mut();
        for (place, waiting) in all.iter_mut().enumerate() {
            if waiting.as_ref().is_some_and(&is_meant) {
                // The system forgets to watch what is closed.
                *waiting = None;
                free.push(place);
            }
        }
    }

    /// Takes out those that are spoken on; returns nothing when there are no more.
    fn leave(&self) -> io::Result<Vec<Waiting>> {
        let mut room = [const { MaybeUninit::uninit() }; AT_A_TIME];
        let at_once = Timespec::default();
        let (events, _) = epoll::wait(&self.epoll, &mut room, Some(&at_once))?;
        let mut places = self.places.borrow_mut();
        let Places { all, free } = &mut *places;
        let taken = events.iter().filter_map(|event| {
            let place = usize::try_from(event.data.u64()).ok()?;
            let waiting = all.get_mut(place)?.take()?;
            free.push(place);
            // Who watches it from now on is the runtime.
            epoll::delete(&self.epoll, &waiting.socket).ok();
            Some(waiting)
        });
        Ok(taken.collect())
    }
}

/// Calls in those that are spoken on, for ever.
///
/// # Errors
/// The system cannot say who it is.
pub(in crate::worker) async fn call_in(worker: Rc<Worker>) -> io::Result<()> {
    let room = &worker.waiting_room;
    let watch = room.epoll.try_clone()?;
    #[expect(
        unsafe_code,
        reason = "the runtime watches over the watch by its number"
    )]
    // SAFETY: the descriptor is owned, and the runtime owns its owner: nobody can close or exchange
    // it for as long as it is watched.
    let watch = unsafe { AsyncFd::register_with_interest(watch, Interest::READABLE) }?;
    loop {
        let mut ready = watch.readable().await?;
        let called = room.leave()?;
        if called.is_empty() {
            ready.clear_ready();
        }
        for Waiting {
            socket,
            guest,
            since,
        } in called
        {
            match tokio::net::TcpStream::from_std(socket) {
                Ok(socket) => {
                    let client = Client::Plain(socket);
                    let line = worker
                        .lines
                        .add(client, &guest.entrance, Waits::Next(since));
                    tokio::task::spawn_local(speak(guest, line));
                }
                Err(error) => tracing::warn!(%error, "a connection is lost that was spoken on"),
            }
        }
    }
}
