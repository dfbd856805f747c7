//! The body of an answer on its way to the client.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use crate::worker::choice::{Choice, Later};
use crate::worker::connection::{self, AnswerBody, Connection};
use crate::worker::grpc::ends_in_fault;
use crate::worker::note::Noted;
use crate::worker::tally::Tally;
use crate::worker::upstream::InFlight;

/// The body of an answer.
pub(super) enum Answer {
    /// The proxy's own words; `None` once they are said.
    Own(Option<Bytes>),
    /// An instance's words, passed on as fast as the client takes them.
    Relayed(Relayed),
    /// Either of them, of which is told when it is over.
    Noted(Noted),
}

/// A body that comes from an instance.
pub(super) struct Relayed {
    body: AnswerBody,
    /// Held until the body has ended.
    held: Option<Held>,
    /// Why it breaks off, until that is said.
    broken: Option<Broken>,
}

struct Held {
    in_flight: InFlight,
    connection: Connection,
    tally: Rc<Tally>,
    on_reference: bool,
    is_grpc: bool,
    /// Where it is said what comes of it, if that is not known yet.
    later: Option<Later>,
}

impl Answer {
    pub(super) const EMPTY: Self = Self::Own(None);

    pub(super) fn relayed(
        body: AnswerBody,
        mut in_flight: InFlight,
        connection: Connection,
        choice: &Choice,
        later: Option<Later>,
    ) -> Self {
        in_flight.begin_body();
        let mut relayed = Relayed {
            body,
            held: Some(Held {
                in_flight,
                connection,
                tally: Rc::clone(&choice.tally),
                on_reference: choice.is_reference,
                is_grpc: later.is_some(),
                later,
            }),
            broken: None,
        };
        relayed.settle();
        Self::Relayed(relayed)
    }
}

impl Relayed {
    /// Returns whether the instance was taken away before the body's end: what came so far looks
    /// like an end, and is none.
    fn is_cut_short(&self) -> bool {
        let held = self.held.as_ref();
        held.is_some_and(|held| held.in_flight.upstream().is_cut_short())
    }

    fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        if let Some(broken) = self.broken.take() {
            return Poll::Ready(Some(Err(broken)));
        }
        let polled = Pin::new(&mut self.body).poll_frame(context);
        let broken = match polled {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Some(Ok(frame))) => {
                self.count(&frame);
                self.take_note(&frame);
                self.settle();
                return Poll::Ready(Some(Ok(frame)));
            }
            Poll::Ready(None | Some(Err(_))) if self.is_cut_short() => {
                self.held = None;
                Broken::CutShort
            }
            Poll::Ready(None) => {
                self.end();
                return Poll::Ready(None);
            }
            Poll::Ready(Some(Err(error))) => {
                self.break_off();
                Broken::Instance(error)
            }
        };
        // What came before goes to the client first: were it told of the break at once, the client
        // would get nothing at all, and take the request for one that was never answered.
        self.broken = Some(broken);
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// Looks for what an answer of gRPC says of itself. One that fails does so at its end, mostly
    /// before it has said anything: so what comes first decides what is thought of the instance at
    /// once, and what comes last decides the figures.
    fn take_note(&mut self, frame: &Frame<Bytes>) {
        let Some(held) = self.held.as_mut().filter(|held| held.is_grpc) else {
            return;
        };
        let failed = frame.trailers_ref().is_some_and(ends_in_fault);
        if failed {
            held.tally.failed(held.on_reference);
        }
        held.later
            .take()
            .into_iter()
            .for_each(|later| later.ended(failed));
    }

    fn count(&self, frame: &Frame<Bytes>) {
        if let (Some(held), Some(data)) = (&self.held, frame.data_ref()) {
            held.tally
                .moves(|moved| moved.bytes_out += data.len() as u64);
        }
    }

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
            later,
            ..
        }) = self.held.take()
        {
            later.into_iter().for_each(|later| later.ended(false));
            self.body.let_go();
            in_flight.upstream().give_back(connection);
        }
    }

    /// The instance stopped in the middle of its answer. The head was counted as an answer
    /// before; that it was worth nothing is counted as a failed attempt of its own.
    fn break_off(&mut self) {
        if let Some(held) = self.held.take() {
            held.tally.broke_off(held.on_reference);
            held.later.into_iter().for_each(|later| later.ended(true));
        }
    }
}

/// Why the body of an answer broke off.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    /// The connection to the instance broke.
    #[error("the instance broke off")]
    Instance(#[source] connection::Error),
    /// The instance drained for too long.
    #[error("the time to drain was up")]
    CutShort,
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match self.get_mut() {
            Self::Own(words) => Poll::Ready(words.take().map(|words| Ok(Frame::data(words)))),
            Self::Relayed(relayed) => relayed.poll_frame(context),
            Self::Noted(noted) => Pin::new(noted).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Own(words) => words.is_none(),
            Self::Relayed(relayed) => relayed.body.is_end_stream(),
            Self::Noted(noted) => noted.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Own(words) => {
                SizeHint::with_exact(words.as_ref().map_or(0, |words| words.len() as u64))
            }
            Self::Relayed(relayed) => relayed.body.size_hint(),
            Self::Noted(noted) => noted.size_hint(),
        }
    }
}
