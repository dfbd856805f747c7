//! The requests of one connection of HTTP/2 that are under way.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Instant;

use hyper::rt::Executor;

/// The requests of one connection of HTTP/2 that are under way, and since when there is none.
#[derive(Clone)]
pub(super) struct Streams(Rc<State>);

struct State {
    open: Cell<usize>,
    idle_since: Cell<Instant>,
}

impl Default for Streams {
    fn default() -> Self {
        Self(Rc::new(State {
            open: Cell::new(0),
            idle_since: Cell::new(Instant::now()),
        }))
    }
}

impl Streams {
    /// Returns since when there has been no request under way; `now` while there is one.
    pub(super) fn idle_since(&self, now: Instant) -> Instant {
        if self.0.open.get() > 0 {
            now
        } else {
            self.0.idle_since.get()
        }
    }
}

impl<F: Future + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        self.0.open.set(self.0.open.get() + 1);
        let open = Open(self.clone());
        tokio::task::spawn_local(async move {
            let _open = open;
            stream.await;
        });
    }
}

/// A request that is under way.
struct Open(Streams);

impl Drop for Open {
    fn drop(&mut self) {
        let State { open, idle_since } = &*self.0.0;
        open.set(open.get() - 1);
        idle_since.set(Instant::now());
    }
}
