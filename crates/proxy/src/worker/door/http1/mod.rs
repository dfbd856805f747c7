//! HTTP/1.1 with clients: one request after the other on a connection.
//!
//! One task for each connection does all of it: it reads a head, waits for the answer, and writes it.
//! Nothing goes through a channel, no timer is set (see [`Lines`]), and between two requests a
//! connection has no buffers.

mod body;
mod client;
mod head;
mod line;
mod lines;

use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use http::StatusCode;
use hyper::body::Body as _;

use self::head::{Asked, Head, Unreadable};
use self::line::{Heard, Line};
use super::Guest;
use super::speak::answer;
use crate::message::{Request, Response};
use crate::worker::answer::Answer;
use crate::worker::http1::{Outbox, Sending, Stuck};
use crate::worker::incoming::Incoming;
use crate::worker::rescue::{Failure, HEAD_STALLED, rescue};

pub(in crate::worker) use self::body::{Body, Upgrade};
pub(super) use self::client::Client;
pub(in crate::worker) use self::line::Error;
pub(in crate::worker) use self::lines::Lines;

/// How much is thrown away of what a client sends after an answer that makes it useless, in bytes.
const UNWANTED_MAX: usize = 8 * 1024 * 1024;

/// What is next on a connection.
enum Next {
    Request,
    /// Another protocol, which is spoken by somebody else.
    Upgrade,
    Goodbye,
    /// It is broken.
    Nothing,
}

/// Speaks until the connection ends; where it `closes`, until its first request does.
pub(super) async fn speak(guest: Guest, client: Client, closes: bool) {
    let lines = &guest.worker.lines;
    let line = Ending(lines.add(client, &guest.entrance, closes));
    let speaking = Speaking {
        guest: &guest,
        line: &line.0,
    };
    speaking.run().await;
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
    async fn run(&self) {
        let peer = Rc::new(self.guest.as_told());
        loop {
            let head = match self.hear().await {
                Heard::Request(head) => head,
                Heard::Unreadable(why) => return self.refuse(why).await,
                Heard::Nothing { was_begun } => {
                    if was_begun && self.line.is_late() {
                        self.guest.worker.refused.count(HEAD_STALLED);
                    }
                    return;
                }
            };
            let asked = head.asked;
            let (request, upgrade) = self.request(*head);
            let answering = answer(self.guest, &peer, request, upgrade);
            let Some(answer) = self.unless_left(answering).await else {
                return;
            };
            match self.say(answer, asked).await {
                Next::Request => {}
                Next::Goodbye => return self.say_goodbye().await,
                Next::Upgrade => return self.line.hand_over(),
                Next::Nothing => {
                    if self.line.is_late() {
                        let entrance = &self.guest.entrance;
                        entrance.count(|arrivals| &mut arrivals.untaken);
                    }
                    return;
                }
            }
        }
    }

    async fn hear(&self) -> Heard {
        let worker = &self.guest.worker;
        let heard = std::future::poll_fn(|context| {
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
    async fn unless_left(
        &self,
        mut answering: Pin<Box<impl Future<Output = Response<Answer>>>>,
    ) -> Option<Response<Answer>> {
        let answered = std::future::poll_fn(|context| {
            if let Poll::Ready(answer) = answering.as_mut().poll(context) {
                return Poll::Ready(Some(answer));
            }
            let mut room = self.guest.worker.room.borrow_mut();
            match self.line.has_left(context, &mut room) {
                true => Poll::Ready(None),
                false => Poll::Pending,
            }
        });
        answered.await
    }

    /// Writes an answer, and says what is next.
    async fn say(&self, answer: Response<Answer>, asked: Asked) -> Next {
        let (worker, line) = (&self.guest.worker, self.line);
        let is_upgrade = answer.head.status == StatusCode::SWITCHING_PROTOCOLS;
        let mut outbox = Outbox::default();
        let mut begun = Some(answer);
        let mut sending = None;
        let mut goes_on = false;
        let said = std::future::poll_fn(|context| {
            if let Some(answer) = begun.take() {
                let closes =
                    !asked.persists || worker.retires.get() || line.closes() || !line.is_sound();
                let out = outbox.head();
                out.extend_from_slice(line.left_unsaid());
                let Response { head, body } = answer;
                let (length, date) = (body.size_hint().exact(), worker.date.borrow());
                let (outbound, persists) =
                    head::write(&head, length, asked, closes, date.as_bytes(), out);
                goes_on = persists;
                sending = Sending::new(body, outbound);
            }
            let sent = outbox.poll_send(&mut sending, &mut &**line, context);
            if sent.is_pending() && sending.is_some() {
                let mut room = worker.room.borrow_mut();
                if line.has_left(context, &mut room) {
                    return Poll::Ready(Err(Stuck::Body));
                }
            }
            sent
        });
        match said.await {
            Err(_) => Next::Nothing,
            Ok(()) if is_upgrade => Next::Upgrade,
            Ok(()) => {
                // With what is left of the answer: a place at an instance, perhaps.
                drop(sending);
                let mut unwanted = UNWANTED_MAX;
                let rest = std::future::poll_fn(|context| line.poll_rest(context, &mut unwanted));
                let is_over = rest.await;
                match goes_on && is_over && !line.closes() {
                    true => Next::Request,
                    false => Next::Goodbye,
                }
            }
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
        if let Next::Goodbye = self.say(answer, Asked::UNKNOWN).await {
            self.say_goodbye().await;
        }
    }

    /// Ends the connection when its client has taken the last answer.
    async fn say_goodbye(&self) {
        let mut unwanted = UNWANTED_MAX;
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
