//! A listener as one worker sees it: the terms on which connections are let in, and what came of
//! them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;

use crate::control::Arrivals;
use crate::snapshot::Snapshot;

/// A listener as one worker sees it. It outlives tables that still have its address.
pub(in crate::worker) struct Entrance {
    /// The address of the listener in the table.
    pub(super) address: SocketAddr,
    terms: RefCell<Rc<Terms>>,
    arrivals: RefCell<Arrivals>,
}

/// The terms on which connections are let in. Replaced as a whole.
pub(super) struct Terms {
    /// How connections are encrypted, if they are.
    pub(super) tls: Option<TlsAcceptor>,
}

impl Entrance {
    /// Returns the entrances of `snapshot`; those that were there `before` are the same ones.
    pub(in crate::worker) fn of(
        snapshot: &Snapshot,
        before: &HashMap<SocketAddr, Rc<Self>>,
    ) -> HashMap<SocketAddr, Rc<Self>> {
        let addresses = snapshot
            .table
            .listeners
            .iter()
            .map(|listener| listener.address);
        let entrance = |address| {
            let tls = snapshot.encryption.get(&address).map(Arc::clone);
            let terms = Rc::new(Terms {
                tls: tls.map(TlsAcceptor::from),
            });
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
        addresses.map(entrance).collect()
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
