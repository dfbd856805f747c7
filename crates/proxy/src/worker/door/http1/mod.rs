//! HTTP/1.1 with clients: one request after the other on a connection.
//!
//! One task for each connection does all of it: it reads a head, waits for the answer, and writes it.
//! Nothing goes through a channel, no timer is set (see [`Lines`]), between two requests a connection
//! has no buffers, and after a while not even a task (see [`WaitingRoom`]).

mod body;
mod client;
mod head;
mod line;
mod lines;
mod turns;
mod waiting_room;

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Poll, ready};
use std::time::Instant;

use http::StatusCode;
use hyper::body::Body as _;
use tokio::net::TcpStream;

use self::head::{Asked, Head, Unreadable};
use self::line::Heard;
use super::Guest;
use super::speak::answer;
use crate::message::{Request, Response};
use crate::worker::answer::Answer;
use crate::worker::http1::{Outbox, Sending, Stuck};
use crate::worker::incoming::Incoming;
use crate::worker::linger;
use crate::worker::rescue::{Failure, HEAD_STALLED, rescue};

pub(in crate::worker) use self::body::{Body, Upgrade};
pub(super) use self::client::Client;
pub(in crate::worker) use self::line::Error;
pub(super) use self::line::{Line, Waits};
pub(in crate::worker) use self::lines::Lines;
pub(in crate::worker) use self::turns::Turns;
pub(in crate::worker) use self::waiting_room::{WaitingRoom, call_in, watch};

/// An answer that is being written.
struct Saying {
    outbox: Outbox,
    sending: Option<Sending<Answer>>,
    is_upgrade: bool,
    /// Whether the connection can be used again after it.
    persists: bool,
}

/// What is next on a connection.
enum Next {
    Request,
    /// Another protocol, which is spoken by somebody else.
    Upgrade,
    Goodbye,
    /// It is broken.
    Nothing,
}

/// Speaks on `line` until it ends, or has nothing to do for a while.
pub(super) async fn speak(guest: Guest, line: Rc<Line>) {
    let ending = Ending(line);
    let speaking = Speaking {
        guest: &guest,
        line: &ending.0,
    };
    if let Some(since) = speaking.run().await {
        wait(guest, ending, since);
    }
}

/// Has a connection wait until it is spoken on again.
fn wait(guest: Guest, ending: Ending, since: Instant) {
    let line = Rc::clone(&ending.0);
    drop(ending);
    let socket = Rc::into_inner(line).and_then(Line::into_socket);
    let Some(Ok(socket)) = socket.map(TcpStream::into_std) else {
        return;
    };
    let worker = Rc::clone(&guest.worker);
    if let Err(error) = worker.waiting_room.enter(guest, socket, since) {
        tracing::warn!(%error, "a connection is closed that cannot be watched");
    }
}

/// Says that nothing more is said on a connection, however its task ends.
struct Ending(Rc<Line>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.end();
    }
}

struct Speaking<'a> {
    guest: &'a Guest,
    line: &'a Rc<Line>,
}

impl Speaking<'_> {
    /// Returns since when there is nothing to do, if the connection has not ended.
    async fn run(&self) -> Option<Instant> {
        let peer = Rc::new(self.guest.as_told());
        loop {
            let head = match self.hear().await {
                Heard::Request(head) => head,
                Heard::Unreadable(why) => {
                    Box::pin(self.refuse(why)).await;
                    return None;
                }
                Heard::Silence(since) => return Some(since),
                Heard::Nothing { was_begun } => {
                    if was_begun && self.line.is_late() {
                        self.guest.worker.refused.count(HEAD_STALLED);
                    }
                    return None;
                }
            };
            let asked = head.asked;
            let (request, upgrade) = self.request(*head);
            let answering = answer(self.guest, &peer, request, upgrade);
            let under_way = self.guest.worker.turns.begin();
            let answer = self.unless_left(answering).await?;
            drop(under_way);
            // Outside of what is waited for, or there would be room for it twice.
            let mut saying = self.begin(answer, asked);
            match self.say(&mut saying).await {
                Next::Request => continue,
                Next::Goodbye => self.say_goodbye().await,
                Next::Upgrade => self.line.hand_over(),
                Next::Nothing if self.line.is_late() => {
                    let entrance = &self.guest.entrance;
                    entrance.count(|arrivals| &mut arrivals.untaken);
                }
                Next::Nothing => {}
            }
            return None;
        }
    }

    async fn hear(&self) -> Heard {
        let worker = &self.guest.worker;
        let heard = std::future::poll_fn(|context| {
            ready!(self.line.turn().poll(context, &worker.turns));
            let bytes_max = worker.config.head_bytes_max;
            let mut room = worker.room.borrow_mut();
            self.line.poll_head(context, &mut room, bytes_max)
        });
        heard.await
    }

    /// Makes a request of its head.
    fn request(&self, head: Head) -> (Request<Incoming>, Option<Upgrade>) {
        let body = match self.line.left() {
            Some(0) => Incoming::Empty,
            _ => Incoming::Http1(Body::new(self.line)),
        };
        let upgrade = head.names_protocol.then(|| Upgrade::new(self.line));
        let request = Request {
            head: head.said,
            body,
        };
        (request, upgrade)
    }

    /// Waits for an answer as long as its client does.
    // What an `async fn` is given it has room for twice.
    fn unless_left(
        &self,
        mut answering: impl Future<Output = Response<Answer>> + Unpin,
    ) -> impl Future<Output = Option<Response<Answer>>> {
        std::future::poll_fn(move |context| {
            if let Poll::Ready(answer) = Pin::new(&mut answering).poll(context) {
                return Poll::Ready(Some(answer));
            }
            let mut room = self.guest.worker.room.borrow_mut();
            match self.line.has_left(context, &mut room) {
                true => Poll::Ready(None),
                false => Poll::Pending,
            }
        })
    }

    /// Puts an answer where it is written from.
    fn begin(&self, answer: Response<Answer>, asked: Asked) -> Saying {
        let (worker, line) = (&self.guest.worker, self.line);
        let closes = !asked.persists || worker.retires.get() || line.closes() || !line.is_sound();
        let Response { head, body } = answer;
        let (length, date) = (body.size_hint().exact(), worker.date.borrow());
        let mut outbox = Outbox::default();
        let out = outbox.head();
        out.extend_from_slice(line.left_unsaid());
        let (outbound, persists) =
            head::write(&head, length, asked, closes, date.value().as_bytes(), out);
        Saying {
            outbox,
            sending: Sending::new(body, outbound),
            is_upgrade: head.status == StatusCode::SWITCHING_PROTOCOLS,
            persists,
        }
    }

    /// Writes an answer, and says what is next.
    async fn say(&self, saying: &mut Saying) -> Next {
        let (worker, line) = (&self.guest.worker, self.line);
        let Saying {
            outbox, sending, ..
        } = saying;
        let said = std::future::poll_fn(|context| {
            let sent = outbox.poll_send(sending, &mut &**line, context);
            if sent.is_pending() && sending.is_some() {
                let mut room = worker.room.borrow_mut();
                if line.has_left(context, &mut room) {
                    return Poll::Ready(Err(Stuck::Body));
                }
            }
            sent
        });
        if said.await.is_err() {
            return Next::Nothing;
        }
        if saying.is_upgrade {
            return Next::Upgrade;
        }
        let mut unwanted = linger::MOST;
        let rest = std::future::poll_fn(|context| line.poll_rest(context, &mut unwanted));
        let is_over = rest.await;
        match saying.persists && is_over && !line.closes() {
            true => Next::Request,
            false => Next::Goodbye,
        }
    }

    /// Refuses what is no request.
    async fn refuse(&self, why: Unreadable) {
        let failure = match why {
            Unreadable::Garbled => Failure::BadRequest,
            Unreadable::TooLarge => Failure::HeadTooLarge,
            Unreadable::TargetTooLong => Failure::UriTooLong,
        };
        let Guest {
            worker, entrance, ..
        } = self.guest;
        let mut answer = rescue(failure, &worker.refused);
        worker.observer.sign(&mut answer);
        entrance.terms().dress(&mut answer.head.headers);
        let mut saying = self.begin(answer, Asked::UNKNOWN);
        if let Next::Goodbye = self.say(&mut saying).await {
            self.say_goodbye().await;
        }
    }

    /// Ends the connection when its client has taken the last answer.
    async fn say_goodbye(&self) {
        let mut unwanted = linger::MOST;
        let over = std::future::poll_fn(|context| {
            let mut room = self.guest.worker.room.borrow_mut();
            self.line.poll_goodbye(context, &mut room, &mut unwanted)
        });
        over.await;
    }
}

/// Reads the head of a request, as it is read of a client; what is to be passed on of it, and what
/// follows.
#[cfg(test)]
pub(in crate::worker) fn read_request(
    text: &[u8],
) -> Option<(crate::message::RequestHead, crate::worker::http1::Inbound)> {
    let head = head::read(&mut bytes::BytesMut::from(text)).ok()??;
    Some((head.said, head.body))
}
