//! A listener as one worker sees it: the terms on which connections are let in, and what came of
//! them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;

use http::header::{HeaderName, HeaderValue};
use tokio_rustls::TlsAcceptor;

use crate::certificates::Shown;
use crate::certificates::acme::Challenges;
use crate::control::Arrivals;
use crate::message::Headers;
use crate::snapshot::Snapshot;
use crate::table::{Listener, Network};

/// A listener as one worker sees it. It outlives tables that still have its address.
pub(in crate::worker) struct Entrance {
    /// The address of the listener in the table.
    pub(in crate::worker) address: SocketAddr,
    terms: RefCell<Rc<Terms>>,
    arrivals: RefCell<Arrivals>,
}

/// The terms on which connections are let in. Replaced as a whole.
pub(super) struct Terms {
    /// How connections are encrypted, if they are.
    pub(super) tls: Option<TlsAcceptor>,
    /// The port that clients are led to, if they are.
    pub(super) to_https: Option<u16>,
    /// Who is believed what it says of others.
    pub(super) trusted: Rc<[Network]>,
    /// Who begins with the PROXY protocol.
    announced_by: Vec<Network>,
    answer_headers: Vec<(HeaderName, HeaderValue)>,
    /// What is asked by who wants to know whether a host is here.
    challenges: Arc<Challenges>,
}

impl Terms {
    fn new(listener: &Listener, shown: &Shown) -> Self {
        let tls = shown.encryption.get(&listener.address);
        let headers = listener.answer_headers.iter();
        // A table with a header that is none is refused.
        let header = |(name, value): (&String, &String)| {
            let name = HeaderName::try_from(name).ok()?;
            Some((name, HeaderValue::try_from(value).ok()?))
        };
        Self {
            tls: tls.cloned().map(TlsAcceptor::from),
            to_https: listener.to_https,
            trusted: listener.trusted.as_slice().into(),
            announced_by: listener.proxy_protocol_from.clone(),
            answer_headers: headers.filter_map(header).collect(),
            challenges: Arc::clone(&shown.challenges),
        }
    }

    /// Says whether a connection from `peer` has to begin with the PROXY protocol.
    pub(super) fn is_announced(&self, peer: IpAddr) -> bool {
        self.announced_by
            .iter()
            .any(|network| network.contains(peer))
    }

    /// Returns the answer to the challenge at `path`, if it is one.
    pub(super) fn challenge(&self, path: &str) -> Option<&str> {
        self.challenges.at(path)
    }

    /// Gives an answer the headers that each one has.
    pub(super) fn dress(&self, headers: &mut Headers) {
        for (name, value) in &self.answer_headers {
            if !headers.contains(name) {
                headers.append(name.clone(), value);
            }
        }
    }
}

impl Entrance {
    /// Returns the entrances of `snapshot`; those that were there `before` are the same ones.
    pub(in crate::worker) fn of(
        snapshot: &Snapshot,
        before: &HashMap<SocketAddr, Rc<Self>>,
    ) -> HashMap<SocketAddr, Rc<Self>> {
        let entrance = |listener: &Listener| {
            let address = listener.address;
            let terms = Rc::new(Terms::new(listener, &snapshot.shown));
            let entrance = match before.get(&address) {
                Some(same) => {
                    same.terms.replace(terms);
                    Rc::clone(same)
                }
                None => Rc::new(Self {
                    address,
                    terms: RefCell::new(terms),
                    arrivals: RefCell::default(),
                }),
            };
            (address, entrance)
        };
        snapshot.table.listeners.iter().map(entrance).collect()
    }

    pub(super) fn terms(&self) -> Rc<Terms> {
        Rc::clone(&self.terms.borrow())
    }

    pub(in crate::worker) fn arrivals(&self) -> Arrivals {
        *self.arrivals.borrow()
    }

    /// Counts something that came of a connection.
    pub(super) fn count(&self, count: impl FnOnce(&mut Arrivals) -> &mut u64) {
        *count(&mut self.arrivals.borrow_mut()) += 1;
    }
}
