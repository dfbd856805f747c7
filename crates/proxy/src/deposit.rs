//! The proxy's end of the line to its shim, with which it deposits its sockets: whatever becomes of
//! this process, the next one fetches them, and nobody who connects meanwhile is refused.
//!
//! A proxy that was started by nobody has no line, and then all of this does nothing.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use leadsman_deposit::{Line, Said, Told};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::{Notify, watch};

/// How long the shim may take to answer. It does nothing that takes long.
const PATIENCE: Duration = Duration::from_secs(5);

/// What was deposited by the processes before this one.
#[derive(Debug, Default)]
pub(crate) struct Fetched {
    /// The sockets by name.
    pub(crate) sockets: BTreeMap<String, OwnedFd>,
    /// Whether another process serves, which this one is to succeed.
    pub(crate) predecessor: bool,
}

/// Fetches what was deposited. Waits for the shim.
///
/// # Errors
/// The shim does not answer.
pub(crate) fn fetch(line: &Line) -> io::Result<Fetched> {
    let deadline = Instant::now() + PATIENCE;
    let mut fetched = Fetched::default();
    line.send(&Said::Fetch, &[])?;
    loop {
        match line.receive::<Told>() {
            Ok(Some((Told::Deposits(names), sockets))) => {
                fetched.sockets.extend(names.into_iter().zip(sockets));
            }
            Ok(Some((Told::Complete { predecessor }, _))) => {
                fetched.predecessor = predecessor;
                return Ok(fetched);
            }
            Ok(Some(_)) => {}
            Ok(None) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => wait(line, deadline)?,
            Err(error) => return Err(error),
        }
    }
}

fn wait(line: &Line, deadline: Instant) -> io::Result<()> {
    let rest = deadline.saturating_duration_since(Instant::now());
    if rest.is_zero() {
        return Err(io::ErrorKind::TimedOut.into());
    }
    let rest = Timespec {
        tv_sec: i64::try_from(rest.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: rest.subsec_nanos().into(),
    };
    let mut ends = [PollFd::from_borrowed_fd(line.as_fd(), PollFlags::IN)];
    match poll(&mut ends, Some(&rest)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// What the shim has decided about this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It serves, or is about to.
    #[default]
    Serves,
    /// If it ends, nobody takes over.
    Alone,
    /// Another one serves.
    Retired,
}

/// The line while the proxy runs.
pub(crate) struct Deposit {
    line: Option<AsyncFd<Line>>,
    fate: watch::Sender<Fate>,
    yours: Notify,
    withdrawn: Notify,
}

impl Deposit {
    /// To be called in the runtime that it is used in.
    ///
    /// # Errors
    /// The system refuses to watch over the line.
    pub(crate) fn new(line: Option<Line>) -> io::Result<Self> {
        #[expect(
            unsafe_code,
            reason = "the runtime watches over the line by its number"
        )]
        // SAFETY: a line owns its descriptor, and the runtime owns the line: nobody can close or
        // exchange it meanwhile.
        let line = line
            .map(|line| unsafe { AsyncFd::register(line) })
            .transpose()?;
        Ok(Self {
            line,
            fate: watch::Sender::default(),
            yours: Notify::new(),
            withdrawn: Notify::new(),
        })
    }

    /// Says whether there is a shim at all.
    pub(crate) fn is_there(&self) -> bool {
        self.line.is_some()
    }

    /// Returns what the shim decides.
    pub(crate) fn fate(&self) -> watch::Receiver<Fate> {
        self.fate.subscribe()
    }

    /// Listens to the shim until it is gone.
    pub(crate) async fn listen(&self) {
        let Some(line) = &self.line else {
            return;
        };
        loop {
            let next = |line: &Line| line.receive::<Told>();
            match line.async_io(Interest::READABLE, next).await {
                Ok(Some((told, _))) => self.hear(&told),
                Ok(None) => return,
                Err(error) => {
                    tracing::error!(%error, "the line to the shim is broken");
                    return;
                }
            }
        }
    }

    fn hear(&self, told: &Told) {
        match told {
            Told::Yours => self.yours.notify_one(),
            Told::Withdrawn => self.withdrawn.notify_one(),
            Told::Retire => drop(self.fate.send_replace(Fate::Retired)),
            Told::Alone => drop(self.fate.send_replace(Fate::Alone)),
            // Nothing was fetched.
            Told::Deposits(_) | Told::Complete { .. } => {}
        }
    }

    /// Deposits a socket.
    pub(crate) async fn put(&self, name: &str, socket: BorrowedFd<'_>) {
        self.say(&Said::Deposit(name.to_owned()), &[socket]).await;
    }

    /// Has deposited sockets closed. Returns when they are.
    pub(crate) async fn withdraw(&self, names: Vec<String>) {
        if self.say(&Said::Withdraw(names), &[]).await {
            let withdrawn = tokio::time::timeout(PATIENCE, self.withdrawn.notified());
            if withdrawn.await.is_err() {
                tracing::error!("the shim does not close a socket: a port stays in use");
            }
        }
    }

    /// Says that this process serves. Returns when it is the one that does.
    ///
    /// # Errors
    /// The shim does not say so.
    pub(crate) async fn serving(&self) -> io::Result<()> {
        if !self.say(&Said::Serving, &[]).await {
            return Ok(());
        }
        let yours = tokio::time::timeout(PATIENCE, self.yours.notified());
        yours.await.map_err(|_| io::ErrorKind::TimedOut.into())
    }

    /// Says that somebody asked this process to end.
    pub(crate) async fn leaving(&self) {
        self.say(&Said::Leaving, &[]).await;
    }

    /// Has the processes killed that came before this one.
    pub(crate) async fn kill_predecessors(&self) {
        self.say(&Said::Kill, &[]).await;
    }

    /// Returns whether there is somebody who was told.
    async fn say(&self, said: &Said, sockets: &[BorrowedFd<'_>]) -> bool {
        let Some(line) = &self.line else {
            return false;
        };
        let send = |line: &Line| line.send(said, sockets);
        match line.async_io(Interest::WRITABLE, send).await {
            Ok(()) => true,
            Err(error) => {
                tracing::error!(%error, "cannot talk to the shim");
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fetches_what_there_is() {
        let (shim, given) = Line::pair().unwrap();
        let line = Line::given(given).unwrap();
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let two = [shim.as_fd(), shim.as_fd()];
        shim.send(&Told::Deposits(names(&["a", "b"])), &two)
            .unwrap();
        shim.send(&Told::Deposits(names(&["c"])), &two[..1])
            .unwrap();
        shim.send(&Told::Complete { predecessor: true }, &[])
            .unwrap();
        let fetched = fetch(&line).unwrap();
        assert!(fetched.predecessor);
        assert_eq!(fetched.sockets.keys().collect::<Vec<_>>(), ["a", "b", "c"]);
        let (said, _) = shim.receive::<Said>().unwrap().unwrap();
        assert_eq!(said, Said::Fetch);
        drop(shim);
        assert!(fetch(&line).is_err());
    }
}
