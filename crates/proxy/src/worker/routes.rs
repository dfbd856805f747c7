//! The table as a worker uses it: listeners, their rules, and the services that these lead to.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;

use crate::message::RequestHead;
use crate::rules::Rules;
use crate::table;
use crate::worker::limits::Limits;
use crate::worker::service::{Making, ServiceRoutes};

/// All listeners. Replaced as a whole.
#[derive(Default)]
pub(super) struct Routes {
    listeners: BTreeMap<SocketAddr, Rc<ListenerRoutes>>,
}

/// One listener.
pub(super) struct ListenerRoutes {
    rules: Rules<Destination>,
    services: Vec<ServiceRoutes>,
}

/// Where a rule leads.
struct Destination {
    /// The position of the service.
    service: usize,
    limits: Option<Limits>,
}

impl Routes {
    /// Builds the routes of the table that `making` has; whose turn it is goes on from `before`
    /// where the sides with weight stay the same.
    pub(super) fn new(mut making: Making<'_>, before: &Self) -> Self {
        let table = &making.snapshot.table;
        let listeners = table.listeners.iter().map(|listener| {
            let before = before.listeners.get(&listener.address);
            let services: Vec<ServiceRoutes> = listener
                .services
                .iter()
                .map(|(name, service)| {
                    let before = before
                        .and_then(|before| before.services.iter().find(|old| old.name == *name));
                    let queue = making
                        .snapshot
                        .queues
                        .get(&(listener.address, name.clone()));
                    ServiceRoutes::new(name, service, queue, &mut making, before)
                })
                .collect();
            let to = |rule: &table::Rule| {
                let is_it = |service: &ServiceRoutes| service.name == rule.service;
                let identity = rule.identity(listener.address);
                let limits = rule.limits.as_ref();
                Some(Destination {
                    service: services.iter().position(is_it)?,
                    limits: limits.map(|spec| Limits::new(spec, identity, &making.snapshot.rates)),
                })
            };
            let rules = Rules::new(&listener.rules, to);
            (
                listener.address,
                Rc::new(ListenerRoutes { rules, services }),
            )
        });
        Self {
            listeners: listeners.collect(),
        }
    }

    pub(super) fn listener(&self, address: SocketAddr) -> Option<Rc<ListenerRoutes>> {
        self.listeners.get(&address).cloned()
    }
}

impl ListenerRoutes {
    /// Returns the service for a request to `host`, and what such requests may be.
    pub(super) fn service(
        &self,
        host: Option<&str>,
        request: &RequestHead,
    ) -> Option<(&ServiceRoutes, Option<&Limits>)> {
        let (path, method) = (request.uri.path(), &request.method);
        let to = self.rules.find(host, path, method, &request.headers)?;
        Some((self.services.get(to.service)?, to.limits.as_ref()))
    }
}
