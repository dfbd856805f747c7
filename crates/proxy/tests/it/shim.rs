//! A shim for proxies on threads of this process: it keeps sockets, and has one succeed another.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::{Arc, Mutex};

use leadsman_deposit::{Line, Said, Told};
use rustix::event::{PollFd, PollFlags, poll};

/// A shim.
#[derive(Clone, Default)]
pub(crate) struct Shim(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    sockets: BTreeMap<String, OwnedFd>,
    /// The line to the proxy that serves.
    main: Option<Arc<Line>>,
}

impl Shim {
    /// Returns the line for a proxy to be started with. It succeeds the one that serves, if there is
    /// one.
    pub(crate) fn line(&self) -> Arc<OwnedFd> {
        let (ours, theirs) = Line::pair().unwrap();
        let (shim, line) = (self.clone(), Arc::new(ours));
        std::thread::spawn(move || shim.serve(&line));
        Arc::new(theirs)
    }

    /// Returns the names of all that is kept.
    pub(crate) fn names(&self) -> Vec<String> {
        self.0.lock().unwrap().sockets.keys().cloned().collect()
    }

    fn serve(&self, line: &Arc<Line>) {
        loop {
            let mut ends = [PollFd::from_borrowed_fd(line.as_fd(), PollFlags::IN)];
            poll(&mut ends, None).unwrap();
            match line.receive::<Said>() {
                Ok(Some((said, sockets))) => self.hear(line, said, sockets),
                Ok(None) => return,
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
        }
    }

    fn hear(&self, line: &Arc<Line>, said: Said, mut sockets: Vec<OwnedFd>) {
        let mut state = self.0.lock().unwrap();
        let tell = |told: Told| line.send(&told, &[]).unwrap();
        match said {
            Said::Fetch => {
                for (name, socket) in &state.sockets {
                    let told = Told::Deposits(vec![name.clone()]);
                    line.send(&told, &[socket.as_fd()]).unwrap();
                }
                let predecessor = state.main.is_some();
                tell(Told::Complete { predecessor });
            }
            Said::Deposit(name) => drop(state.sockets.insert(name, sockets.remove(0))),
            Said::Withdraw(names) => {
                state.sockets.retain(|name, _| !names.contains(name));
                tell(Told::Withdrawn);
            }
            Said::Serving => {
                let before = state.main.replace(Arc::clone(line));
                tell(Told::Yours);
                if let Some(before) = before {
                    before.send(&Told::Retire, &[]).unwrap();
                }
            }
            Said::Leaving => {
                state.sockets.clear();
                state.main = None;
                tell(Told::Alone);
            }
            Said::Kill => unreachable!("threads cannot be killed"),
        }
    }
}
