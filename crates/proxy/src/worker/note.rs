//! What is known of a request from its head on: its name, its place in a trace, and, where requests
//! are written down, all that a line of the access log has.

use std::cell::{Cell, RefCell};
use std::net::IpAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{HOST, HeaderValue, USER_AGENT, VIA};
use http::{Method, Uri, Version};
use hyper::body::{Body, Frame, SizeHint};

use crate::config::Config;
use crate::journal::{BATCH, BATCH_AFTER, End, Entry, Inlet, Trace, now_ns};
use crate::message::{Headers, RequestHead, Response, Said as _};
use crate::observe::AccessLog;
use crate::worker::answer::{Answer, Broken};
use crate::worker::attempt::Progress;
use crate::worker::peer::{Peer, via};
use crate::worker::random::Random;
use crate::worker::request_id::{self, REQUEST_ID, RequestId};
use crate::worker::rescue::REASON;
use crate::worker::service::ServiceRoutes;
use crate::worker::trace;
use crate::worker::upstream::Upstream;

/// Looks at all requests of a worker.
pub(super) struct Observer {
    /// Whether requests are given names.
    names: bool,
    random: Random,
    log: Option<AccessLog>,
    /// The share of traces that is sampled, if requests are told of as spans.
    traces: Option<f64>,
    /// Where requests are told of, if they are.
    inlet: RefCell<Option<Inlet>>,
    batch: RefCell<Vec<Entry>>,
}

/// What is known of a request from its head on.
pub(super) struct Seen {
    id: Option<RequestId>,
    /// Its place in a trace, where it has one of its own.
    trace: Option<Box<Trace>>,
    /// Whether what others have noted of the trace is passed on.
    keeps_state: bool,
    version: Version,
    /// Where it is to be told of.
    note: Option<Box<Note>>,
}

/// What is told of a request once this is dropped.
struct Note {
    observer: Rc<Observer>,
    arrived_ns: u64,
    arrived: Instant,
    id: Option<RequestId>,
    client: IpAddr,
    method: Method,
    uri: Uri,
    host: Option<HeaderValue>,
    agent: Option<HeaderValue>,
    version: Version,
    is_encrypted: bool,
    trace: Option<Trace>,
    progress: RefCell<Option<Rc<Progress>>>,
    gone_to: RefCell<Option<GoneTo>>,
    attempts: Cell<u32>,
    status: Cell<Option<u16>>,
    reason: Option<HeaderValue>,
    first_byte: Cell<Option<Duration>>,
    bytes_out: Cell<u64>,
    end: Cell<End>,
}

/// Where a request went last.
struct GoneTo {
    service: String,
    side: String,
    upstream: Rc<Upstream>,
}

impl Observer {
    pub(super) fn new(config: &Config, inlet: Option<Inlet>) -> Rc<Self> {
        Rc::new(Self {
            names: config.request_ids,
            random: Random::new(),
            log: config.access_log.clone().filter(|_| inlet.is_some()),
            traces: config.traces.as_ref().map(|traces| traces.share),
            inlet: RefCell::new(inlet),
            batch: RefCell::default(),
        })
    }

    /// Hands over what is known, now and then, for ever. Ends at once where nothing is told.
    pub(super) async fn hand_over(self: Rc<Self>) {
        while self.log.is_some() || self.traces.is_some() {
            tokio::time::sleep(BATCH_AFTER).await;
            self.flush();
        }
    }

    /// Hands over what is known by now.
    pub(super) fn flush(&self) {
        let batch = self.batch.take();
        if let Some(inlet) = &*self.inlet.borrow()
            && !batch.is_empty()
        {
            inlet.put(batch);
        }
    }

    /// Hands over what is known, and tells nothing from here on.
    pub(super) fn close(&self) {
        self.flush();
        self.inlet.take();
    }

    /// Looks at the head of a request that has just come.
    pub(super) fn meet(self: &Rc<Self>, head: &RequestHead, peer: &Peer) -> Seen {
        let headers = &head.headers;
        let carried = || {
            let is_believed = peer.is_trusted();
            is_believed.then(|| request_id::carried(headers)).flatten()
        };
        let id = self
            .names
            .then(|| carried().unwrap_or_else(|| RequestId::make(&self.random)));
        let (trace, keeps_state) = self.traces.map_or((None, true), |share| {
            let carried = trace::carried(headers);
            let keeps_state = carried.is_some() && trace::is_state(headers);
            (
                Some(Box::new(self.place(carried, peer, share))),
                keeps_state,
            )
        });
        let is_sampled = trace.as_ref().is_some_and(|trace| trace.is_sampled);
        let is_told = self.log.is_some() || is_sampled;
        let note = is_told.then(|| {
            Box::new(Note::new(
                self,
                head,
                peer,
                id.clone(),
                trace.as_deref().copied(),
            ))
        });
        Seen {
            id,
            trace,
            keeps_state,
            version: head.version,
            note,
        }
    }

    /// Makes the proxy's own answer to what is no request say whose it is, and gives it a name.
    pub(super) fn sign(&self, answer: &mut Response<Answer>) {
        let headers = &mut answer.head.headers;
        headers.insert(VIA, via(Version::HTTP_11));
        if self.names {
            headers.insert(REQUEST_ID, RequestId::make(&self.random));
        }
    }

    fn tell(&self, note: &mut Note) {
        let is_logged = self
            .log
            .as_ref()
            .is_some_and(|log| (log.failures && note.has_failed()) || self.has_turn(log.share));
        let is_sampled = note.trace.is_some_and(|trace| trace.is_sampled);
        if is_logged || is_sampled {
            let mut entry = note.entry();
            entry.is_logged = is_logged;
            let mut batch = self.batch.borrow_mut();
            batch.push(entry);
            if batch.len() >= BATCH {
                drop(batch);
                self.flush();
            }
        }
    }

    /// Returns the place in a trace of a request that came with `carried`.
    fn place(&self, carried: Option<trace::Carried>, peer: &Peer, share: f64) -> Trace {
        let random = || loop {
            // Zero would be none.
            if let number @ 1.. = self.random.next() {
                break number;
            }
        };
        let anew = || u128::from(random()) << 64 | u128::from(random());
        let trace = carried.map_or_else(anew, |carried| carried.trace);
        // A stranger may belong to a trace, but not fill the collector.
        let said = carried.filter(|_| peer.is_trusted());
        let is_sampled = said.map_or_else(
            || trace::is_in_share(trace, share),
            |carried| carried.is_sampled,
        );
        Trace {
            trace,
            span: random(),
            parent: carried.map(|carried| carried.parent),
            is_sampled,
        }
    }

    /// Draws a lot.
    fn has_turn(&self, share: f64) -> bool {
        // 53 bits are as many as such a number has.
        let drawn = (self.random.next() >> 11) as f64 / (1_u64 << 53) as f64;
        drawn < share
    }
}

impl Seen {
    /// Tells the instance the name of the request, and its place in a trace.
    pub(super) fn announce(&self, headers: &mut Headers) {
        if let Some(id) = &self.id {
            headers.insert(REQUEST_ID, id);
        }
        if let Some(trace) = &self.trace {
            headers.insert(trace::TRACEPARENT, trace::traceparent(trace));
            if !self.keeps_state {
                headers.remove(trace::TRACESTATE);
            }
        }
    }

    /// Takes note of what is known of the body's way.
    pub(super) fn has_body(&self, progress: Option<Rc<Progress>>) {
        if let Some(note) = &self.note {
            note.progress.replace(progress);
        }
    }

    /// Takes note of where the request goes.
    pub(super) fn goes_to(&self, service: &ServiceRoutes, upstream: &Rc<Upstream>) {
        if let Some(note) = &self.note {
            note.attempts.set(note.attempts.get() + 1);
            note.gone_to.replace(Some(GoneTo {
                service: service.name.clone(),
                side: service.side_of(upstream).unwrap_or_default().to_owned(),
                upstream: Rc::clone(upstream),
            }));
        }
    }

    /// Makes an answer say which request it is for, and, if it is the proxy's own, whose it is. What
    /// is told of the request is told when its body is over.
    pub(super) fn dress(self, mut response: Response<Answer>) -> Response<Answer> {
        let is_refusal =
            matches!(response.body, Answer::Own(_)) && response.head.headers.contains(REASON);
        let headers = &mut response.head.headers;
        if is_refusal {
            headers.insert(VIA, via(self.version));
        }
        if let Some(id) = self.id {
            headers.insert(REQUEST_ID, &id);
        }
        let Some(mut note) = self.note else {
            return response;
        };
        if is_refusal {
            note.reason = headers.get_kept(REASON);
        }
        note.status.set(Some(response.head.status.as_u16()));
        note.first_byte.set(Some(note.arrived.elapsed()));
        response.map(|body| {
            Answer::Noted(Noted {
                body: Box::new(body),
                note,
            })
        })
    }
}

impl Note {
    fn new(
        observer: &Rc<Observer>,
        head: &RequestHead,
        peer: &Peer,
        id: Option<RequestId>,
        trace: Option<Trace>,
    ) -> Self {
        let headers = &head.headers;
        // Without a place of its own it is written down under the trace that it came with.
        let carried = || {
            trace::carried(headers).map(|carried| Trace {
                trace: carried.trace,
                span: 0,
                parent: Some(carried.parent),
                is_sampled: false,
            })
        };
        Self {
            observer: Rc::clone(observer),
            arrived_ns: now_ns(),
            arrived: Instant::now(),
            id,
            client: peer.client(headers),
            method: head.method.clone(),
            uri: head.uri.clone(),
            host: headers.get_kept(HOST),
            agent: headers.get_kept(USER_AGENT),
            version: head.version,
            is_encrypted: peer.asked_by_https(headers),
            trace: trace.or_else(carried),
            progress: RefCell::default(),
            gone_to: RefCell::default(),
            attempts: Cell::new(0),
            status: Cell::new(None),
            reason: None,
            first_byte: Cell::new(None),
            bytes_out: Cell::new(0),
            end: Cell::new(End::ClientLeft),
        }
    }

    fn has_failed(&self) -> bool {
        self.status.get().is_none_or(|status| status >= 500)
            || self.reason.is_some()
            || self.end.get() != End::Complete
    }

    fn entry(&self) -> Entry {
        let id = self.id.as_ref().map_or(&b""[..], RequestId::bytes);
        let [host, agent, reason] = [&self.host, &self.agent, &self.reason]
            .map(|value| value.as_ref().map_or(&b""[..], HeaderValue::as_bytes));
        // In HTTP/2 the host stands in the target.
        let target = self.uri.authority().map(|authority| authority.as_str());
        let gone_to = self.gone_to.borrow();
        let [service, side, instance] = match &*gone_to {
            Some(gone_to) => [&*gone_to.service, &*gone_to.side, gone_to.upstream.name()],
            None => [""; 3],
        };
        let said = [
            id,
            self.method.as_str().as_bytes(),
            target.map_or(host, str::as_bytes),
            self.uri.path().as_bytes(),
            self.uri.query().unwrap_or_default().as_bytes(),
            agent,
            reason,
            service.as_bytes(),
            side.as_bytes(),
            instance.as_bytes(),
        ];
        let mut entry = Entry::new(self.client, said);
        entry.arrived_ns = self.arrived_ns;
        entry.first_byte = self.first_byte.get();
        entry.duration = self.arrived.elapsed();
        entry.status = self.status.get();
        entry.end = self.end.get();
        entry.version = self.version;
        entry.is_encrypted = self.is_encrypted;
        entry.attempts = self.attempts.get();
        let progress = self.progress.borrow();
        entry.bytes_in = progress.as_ref().map_or(0, |progress| progress.bytes());
        entry.bytes_out = self.bytes_out.get();
        entry.trace = self.trace;
        entry
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        let observer = Rc::clone(&self.observer);
        observer.tell(self);
    }
}

/// The body of an answer to a request that is told of when it is over.
pub(super) struct Noted {
    body: Box<Answer>,
    note: Box<Note>,
}

impl Body for Noted {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut *this.body).poll_frame(context);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                let length = frame.data_ref().map_or(0, Bytes::len) as u64;
                this.note.bytes_out.set(this.note.bytes_out.get() + length);
            }
            Poll::Ready(None) => this.note.end.set(End::Complete),
            Poll::Ready(Some(Err(_))) => this.note.end.set(End::BrokeOff),
            Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Noted {
    fn drop(&mut self) {
        // Who knows that a body has ended may not ask for more of it.
        if self.note.end.get() == End::ClientLeft && self.body.is_end_stream() {
            self.note.end.set(End::Complete);
        }
    }
}
