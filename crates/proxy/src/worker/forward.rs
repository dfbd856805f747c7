//! The path of a request: find its service, choose an instance, pass it on, pass the answer back.

use std::io;
use std::rc::Rc;
use std::time::Instant;

use http::header::{HOST, HeaderValue};
use http::{Method, StatusCode};
use hyper::body::Body as _;
use rustix::io::Errno;

use crate::message::{Request, Response};
use crate::worker::Worker;
use crate::worker::answer::Answer;
use crate::worker::attempt::{Attempt, Outgoing};
use crate::worker::choice::{Before, Choice, Later};
use crate::worker::connection::{AnswerBody, Connection, Ended, Upgraded};
use crate::worker::door::Entrance;
use crate::worker::door::http1::Upgrade;
use crate::worker::grpc::{is_grpc, timeout as grpc_timeout, translated};
use crate::worker::headers::{prepare_answer, prepare_request};
use crate::worker::host::HostName;
use crate::worker::incoming::Incoming;
use crate::worker::linger::linger;
use crate::worker::note::Seen;
use crate::worker::peer::Peer;
use crate::worker::rescue::{Failure, rescue};
use crate::worker::service::{Asking, Way};
use crate::worker::tally::Tally;
use crate::worker::upstream::{InFlight, Upstream};
use crate::worker::visit::Visit;

/// How often a request is sent again after a connection broke off without an answer.
const RETRIES: usize = 2;

/// A request on its way.
pub(super) struct Forwarding {
    worker: Rc<Worker>,
    /// Where it arrived.
    entrance: Rc<Entrance>,
    peer: Rc<Peer>,
    seen: Seen,
    arrived: Instant,
    host: Option<HostName>,
    /// Where the client's side of the connection will be, if the request asks for an upgrade.
    upgrade: Option<Upgrade>,
    request: Request<Outgoing>,
    /// Whether it does no harm, and is possible, to send the request twice.
    is_repeatable: bool,
    is_grpc: bool,
    /// Until when the client waits, if it says so.
    until: Option<Instant>,
}

/// How an attempt ended without an answer for the client.
enum Missed {
    /// The request can go elsewhere.
    Again(Before, Failure),
    /// The instance left the table before anything was sent to it.
    Moved,
    /// There is nothing more to try.
    Final(Failure),
}

impl Forwarding {
    /// Begins with a request that arrived at `entrance` from `peer`. Where the client's
    /// side of the connection will be if the request asks for an upgrade, and may, is in `upgrade`.
    ///
    /// # Errors
    /// What is answered instead.
    pub(super) fn begin(
        worker: &Rc<Worker>,
        entrance: &Rc<Entrance>,
        peer: Rc<Peer>,
        request: Request<Incoming>,
        upgrade: Option<Upgrade>,
        seen: Seen,
    ) -> Result<Self, Box<(Response<Answer>, Seen)>> {
        let arrived = Instant::now();
        let Request { mut head, body } = request;
        let is_grpc = is_grpc(&head.headers);
        let has_body = !body.is_end_stream();
        let body_length = if has_body {
            body.size_hint().exact()
        } else {
            Some(0)
        };
        let timeout = is_grpc.then(|| grpc_timeout(&head.headers)).flatten();
        let until = timeout.and_then(|timeout| arrived.checked_add(timeout));
        let (host, wants_upgrade) = match prepare_request(&mut head, &peer, body_length) {
            Ok(prepared) => prepared,
            Err(failure) => {
                let own = rescue(failure, &worker.refused);
                return Err(Box::new((in_words_of(is_grpc, own), seen)));
            }
        };
        seen.announce(&mut head.headers);
        let is_idempotent = [
            Method::GET,
            Method::HEAD,
            Method::OPTIONS,
            Method::PUT,
            Method::DELETE,
        ]
        .contains(&head.method);
        let body = Outgoing::new(body);
        seen.has_body(body.progress());
        Ok(Self {
            worker: Rc::clone(worker),
            entrance: Rc::clone(entrance),
            peer,
            seen,
            arrived,
            host,
            upgrade: upgrade.filter(|_| wants_upgrade),
            request: Request { head, body },
            is_repeatable: is_idempotent && !has_body && !wants_upgrade,
            is_grpc,
            until,
        })
    }

    /// Returns what is said to the client, and what is known of the request.
    pub(super) fn end(
        self,
        answered: Result<Response<Answer>, Failure>,
    ) -> (Response<Answer>, Seen) {
        let said = answered.unwrap_or_else(|failure| {
            linger(self.request.body);
            rescue(failure, &self.worker.refused)
        });
        (in_words_of(self.is_grpc, said), self.seen)
    }

    /// Waits for an answer.
    ///
    /// # Errors
    /// There is none, or it may not be passed on.
    pub(super) async fn run(&mut self) -> Result<Response<Answer>, Failure> {
        let mut visit = Visit::default();
        let mut failure = Failure::NoInstance;
        let mut started = self.arrived;
        loop {
            // Looked up anew for each attempt: the table may have changed meanwhile.
            let routes = self
                .worker
                .routes_at(self.entrance.address)
                .ok_or(Failure::NoRoute)?;
            let head = &self.request.head;
            let host = self.host.map(|host| host.in_headers(&head.headers));
            let (service, limits) = routes.service(host, head).ok_or(Failure::NoRoute)?;
            if let Some(limits) = limits
                && !std::mem::replace(&mut visit.is_admitted, true)
            {
                limits.admit(&mut self.request, &self.peer, self.arrived)?;
            }
            let asking = Asking {
                headers: &self.request.head.headers,
                peer: &self.peer,
                now: started,
            };
            let choice = match service.way(asking, &visit, failure) {
                Way::To(choice) => Ok(choice),
                Way::Refused(why) => return Err(why),
                Way::Instead(sign) => return Ok(sign.answer(&self.worker.refused)),
                Way::Wait(wait) => Err(wait),
            };
            let choice = match choice {
                Ok(choice) => choice,
                Err(wait) => {
                    drop(routes);
                    Box::pin(visit.wait(wait, &self.worker.swapped)).await?;
                    started = Instant::now();
                    continue;
                }
            };
            self.seen.goes_to(service, &choice.upstream);
            if visit.tried.last().is_some() {
                choice.tally.moves(|moved| moved.retries += 1);
            }
            service.mirror(&mut self.request, &choice, &mut visit, &self.worker.config);
            drop(routes);
            match self.attempt(&choice, started).await {
                Ok(answer) => return Ok(answer),
                Err(Missed::Final(failure)) => return Err(failure),
                Err(Missed::Moved) => {}
                Err(Missed::Again(before, why)) => {
                    failure = why;
                    visit.tried.add(choice, before);
                    let is_late = self.arrived.elapsed() >= self.worker.config.answer_timeout;
                    if is_late || visit.tried.broke_off() > RETRIES {
                        return Err(failure);
                    }
                }
            }
            // A side answers for the time that the request spent with it, not for the others'.
            started = Instant::now();
        }
    }

    async fn attempt(
        &mut self,
        choice: &Choice,
        started: Instant,
    ) -> Result<Response<Answer>, Missed> {
        let upstream = &choice.upstream;
        let in_flight = choice.enter();
        let progress = self.request.body.progress();
        let patience = self.worker.config.patience;
        let attempt = Attempt::begin(choice, started, progress.clone(), patience);
        loop {
            let idle = upstream.idle_connection();
            let is_fresh = idle.is_none();
            let connection = match idle {
                Some(connection) => connection,
                // In a room of its own, as all that is rare, so that there is none for it mostly.
                None => match Box::pin(upstream.connect()).await {
                    Ok(connection) => connection,
                    Err(error) if is_exhaustion(&error) => {
                        attempt.not_counted();
                        tracing::warn!(%error, "cannot connect to any instance for a moment");
                        return Err(Missed::Final(Failure::Exhausted));
                    }
                    Err(error) => {
                        attempt.unanswered();
                        mark_unreachable(upstream, &error);
                        return Err(Missed::Again(Before::Unreachable, Failure::Unreachable));
                    }
                },
            };
            if upstream.is_removed() {
                attempt.not_counted();
                return Err(Missed::Moved);
            }
            self.say_host(upstream);
            let limit = self.worker.config.answer_timeout;
            let sending = connection.send(&mut self.request, limit);
            let ended = match self.until {
                None => sending.await,
                Some(until) => Box::pin(tokio::time::timeout_at(until.into(), sending))
                    .await
                    .unwrap_or(Ended::TimedOut),
            };
            match ended {
                // Nobody asked for another protocol.
                Ended::Answered(response, _)
                    if response.head.status == StatusCode::SWITCHING_PROTOCOLS
                        && self.upgrade.is_none() =>
                {
                    attempt.unanswered();
                    return Err(Missed::Final(Failure::Garbled));
                }
                Ended::Answered(response, connection) => {
                    let later = match self.is_grpc {
                        true => {
                            attempt.answered_by_grpc(response.head.status, &response.head.headers)
                        }
                        false => {
                            attempt.answered(response.head.status);
                            None
                        }
                    };
                    let answered = self.answer(response, connection, in_flight, choice, later);
                    return Ok(answered);
                }
                _ if upstream.is_cut_short() => {
                    attempt.timed_out();
                    return Err(match self.is_repeatable {
                        true => Missed::Again(Before::Unreachable, Failure::CutShort),
                        false => Missed::Final(Failure::CutShort),
                    });
                }
                Ended::Unsent => {
                    // An idle connection that was closed meanwhile is nobody's fault.
                    if is_fresh {
                        attempt.unanswered();
                        return Err(Missed::Again(Before::BrokeOff, Failure::BrokeOff));
                    }
                }
                Ended::Refused => {
                    attempt.unanswered();
                    return Err(Missed::Again(Before::BrokeOff, Failure::Overloaded));
                }
                Ended::BrokeOff(error) => {
                    attempt.unanswered();
                    tracing::debug!(instance = upstream.name(), %error, "no answer");
                    return Err(match self.is_repeatable {
                        true => Missed::Again(Before::BrokeOff, Failure::BrokeOff),
                        false => Missed::Final(Failure::BrokeOff),
                    });
                }
                Ended::Garbled(error) => {
                    attempt.unanswered();
                    tracing::debug!(instance = upstream.name(), %error, "garbled answer");
                    return Err(Missed::Final(Failure::Garbled));
                }
                Ended::TimedOut => {
                    attempt.timed_out();
                    return Err(Missed::Final(Failure::TimedOut));
                }
                Ended::ClientBroke => {
                    attempt.not_counted();
                    let refused = progress.and_then(|progress| progress.refused());
                    return Err(Missed::Final(refused.unwrap_or(Failure::BadRequest)));
                }
                Ended::ClientStalled => {
                    attempt.not_counted();
                    return Err(Missed::Final(Failure::ClientStalled));
                }
            }
        }
    }

    /// HTTP/1.0 needs no host, but the instance is spoken to in HTTP/1.1.
    fn say_host(&mut self, upstream: &Upstream) {
        if self.host.is_none() {
            let address = HeaderValue::from_str(&upstream.instance().address.host()).ok();
            if let Some(address) = address {
                self.request.head.headers.insert(HOST, address);
            }
        }
    }

    fn answer(
        &mut self,
        response: Response<AnswerBody>,
        connection: Connection,
        mut in_flight: InFlight,
        choice: &Choice,
        later: Option<Later>,
    ) -> Response<Answer> {
        let switches = response.head.status == StatusCode::SWITCHING_PROTOCOLS;
        let client = self.upgrade.take().filter(|_| switches);
        let mut answer = match client {
            None => {
                response.map(|body| Answer::relayed(body, in_flight, connection, choice, later))
            }
            Some(client) => {
                in_flight.upgrade();
                if let Some(instance) = connection.upgrade() {
                    let upstream = Rc::clone(in_flight.upstream());
                    upstream.run(tunnel_between(
                        client,
                        instance,
                        in_flight,
                        Rc::clone(&choice.tally),
                    ));
                }
                response.map(|_| Answer::EMPTY)
            }
        };
        prepare_answer(&mut answer.head);
        choice.mark(&mut answer.head);
        answer
    }
}

/// Returns an answer, which the proxy says as clients of gRPC understand it where it has to.
fn in_words_of(is_grpc: bool, answer: Response<Answer>) -> Response<Answer> {
    match answer.body {
        Answer::Own(Some(_)) if is_grpc => translated(answer),
        _ => answer,
    }
}

/// Tells want on this machine, which no instance can be blamed for, from a refusal.
fn is_exhaustion(error: &io::Error) -> bool {
    let wants = [
        Errno::MFILE,
        Errno::NFILE,
        Errno::NOBUFS,
        Errno::NOMEM,
        Errno::ADDRNOTAVAIL,
    ];
    Errno::from_io_error(error).is_some_and(|error| wants.contains(&error))
}

fn mark_unreachable(upstream: &Rc<Upstream>, error: &io::Error) {
    if upstream.instance().set_healthy(false) {
        let address = &upstream.instance().address;
        tracing::warn!(instance = upstream.name(), %address, %error, "instance is unreachable");
    }
}

/// Copies both ways until both sides have ended. It counts as in flight all the while.
async fn tunnel_between(
    client: Upgrade,
    mut instance: Upgraded,
    _in_flight: InFlight,
    tally: Rc<Tally>,
) {
    let copied = async {
        let left = || io::Error::from(io::ErrorKind::ConnectionAborted);
        let mut client = client.wait().await.ok_or_else(left)?;
        tokio::io::copy_bidirectional(&mut client, &mut instance).await
    };
    match copied.await {
        Ok((bytes_in, bytes_out)) => tally.moves(|moved| {
            moved.bytes_in += bytes_in;
            moved.bytes_out += bytes_out;
        }),
        Err(error) => tracing::debug!(%error, "an upgraded connection broke"),
    }
}
