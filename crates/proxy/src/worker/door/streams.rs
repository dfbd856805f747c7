//! The requests of one connection of HTTP/2 that are under way.

use std::cell::Cell;
use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use hyper::rt::Executor;

use super::{Entrance, Guest};
use crate::message::Response;
use crate::worker::answer::Answer;
use crate::worker::untaken::Untaken;

/// The requests of one connection of HTTP/2 that are under way, and since when there is none.
///
/// Each of them is a task of its own that waits for its instance or for its client, and the library
/// does not say for which. So what comes from the instance is watched on its way into the library:
/// a task that waits, and not for that, waits for a client to take what is there.
#[derive(Clone)]
pub(super) struct Streams(Rc<State>);

struct State {
    open: Cell<usize>,
    idle_since: Cell<Instant>,
    /// What the request that is polled at the moment does.
    at: Cell<At>,
    entrance: Rc<Entrance>,
    take_timeout: Duration,
}

/// What a request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// It waits for its client to take what is there.
    Client,
    /// It got something for its client.
    Moved,
    /// It waits for its instance.
    Instance,
}

impl Streams {
    /// Returns the requests of `guest`, of which none is there yet.
    pub(super) fn new(guest: &Guest) -> Self {
        Self(Rc::new(State {
            open: Cell::new(0),
            idle_since: Cell::new(Instant::now()),
            at: Cell::new(At::Client),
            entrance: Rc::clone(&guest.entrance),
            take_timeout: guest.worker.config.take_timeout,
        }))
    }

    /// Returns since when there has been no request under way; `now` while there is one.
    pub(super) fn idle_since(&self, now: Instant) -> Instant {
        if self.0.open.get() > 0 {
            now
        } else {
            self.0.idle_since.get()
        }
    }

    /// Watches what comes for a client.
    pub(super) async fn watch(
        self,
        answering: impl Future<Output = Response<Answer>>,
    ) -> Result<http::Response<Watched>, Infallible> {
        let mut answering = pin!(answering);
        let answered = std::future::poll_fn(|context| {
            let polled = answering.as_mut().poll(context);
            self.note(&polled);
            polled
        });
        let answer = answered.await;
        let watched = answer.map(|body| Watched {
            body,
            streams: self,
        });
        Ok(watched.into())
    }

    fn note<T>(&self, polled: &Poll<T>) {
        self.0.at.set(match polled {
            Poll::Ready(_) => At::Moved,
            Poll::Pending => At::Instance,
        });
    }
}

impl<F: Future + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        self.0.open.set(self.0.open.get() + 1);
        let open = Open(self.clone());
        tokio::task::spawn_local(async move {
            let state = &open.0.0;
            let mut untaken = Untaken::new(state.take_timeout);
            let mut stream = pin!(stream);
            let ended = std::future::poll_fn(|context| {
                state.at.set(At::Client);
                if stream.as_mut().poll(context).is_ready() {
                    return Poll::Ready(true);
                }
                if state.at.get() != At::Client {
                    untaken.took();
                }
                if state.at.get() == At::Instance {
                    return Poll::Pending;
                }
                ready!(untaken.poll_wait(context));
                Poll::Ready(false)
            });
            if !ended.await {
                state.entrance.count(|arrivals| &mut arrivals.untaken);
            }
        });
    }
}

/// A request that is under way.
struct Open(Streams);

impl Drop for Open {
    fn drop(&mut self) {
        let State {
            open, idle_since, ..
        } = &*self.0.0;
        open.set(open.get() - 1);
        idle_since.set(Instant::now());
    }
}

/// The body of an answer, of which is seen when it waits for the instance.
pub(super) struct Watched {
    body: Answer,
    streams: Streams,
}

impl Body for Watched {
    type Data = Bytes;
    type Error = <Answer as Body>::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.body).poll_frame(context);
        this.streams.note(&polled);
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
