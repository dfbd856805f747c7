//! The body of an answer on its way to the client.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use crate::worker::routes::Choice;
use crate::worker::tally::Tally;
use crate::worker::upstream::{Connection, InFlight};

/// The body of an answer.
pub(super) enum Answer {
    /// The proxy's own words; `None` once they are said.
    Own(Option<Bytes>),
    /// An instance's words, passed on as fast as the client takes them.
    Relayed(Relayed),
}

/// A body that comes from an instance.
pub(super) struct Relayed {
    body: Incoming,
    /// Held until the body has ended.
    held: Option<Held>,
}

struct Held {
    in_flight: InFlight,
    connection: Connection,
    tally: Rc<Tally>,
    on_reference: bool,
}

impl Answer {
    pub(super) const EMPTY: Self = Self::Own(None);

    pub(super) fn relayed(
        body: Incoming,
        in_flight: InFlight,
        connection: Connection,
        choice: &Choice,
    ) -> Self {
        let mut relayed = Relayed {
            body,
            held: Some(Held {
                in_flight,
                connection,
                tally: Rc::clone(&choice.tally),
                on_reference: choice.is_reference,
            }),
        };
        relayed.settle();
        Self::Relayed(relayed)
    }
}

impl Relayed {
    /// Once the body has ended, the request is over and its connection is free for the next one.
    fn settle(&mut self) {
        if self.body.is_end_stream() {
            self.end();
        }
    }

    fn end(&mut self) {
        if let Some(Held {
            in_flight,
            connection,
            ..
        }) = self.held.take()
        {
            in_flight.upstream().give_back(connection);
        }
    }

    /// The instance stopped in the middle of its answer. The head was counted as an answer
    /// before; that it was worth nothing is counted as a failed attempt of its own.
    fn break_off(&mut self) {
        if let Some(held) = self.held.take() {
            held.tally.broke_off(held.on_reference);
        }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self.get_mut() {
            Self::Own(words) => Poll::Ready(words.take().map(|words| Ok(Frame::data(words)))),
            Self::Relayed(relayed) => {
                let polled = Pin::new(&mut relayed.body).poll_frame(context);
                match &polled {
                    Poll::Ready(None) => relayed.end(),
                    Poll::Ready(Some(Err(_))) => relayed.break_off(),
                    Poll::Ready(Some(Ok(_))) => relayed.settle(),
                    Poll::Pending => {}
                }
                polled
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Own(words) => words.is_none(),
            Self::Relayed(relayed) => relayed.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Own(words) => {
                SizeHint::with_exact(words.as_ref().map_or(0, |words| words.len() as u64))
            }
            Self::Relayed(relayed) => relayed.body.size_hint(),
        }
    }
}
