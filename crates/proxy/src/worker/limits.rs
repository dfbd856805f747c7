//! What requests of a rule may be, as a worker looks after it.

use std::sync::Arc;
use std::time::Instant;

use hyper::body::Body as _;

use crate::message::Request;
use crate::rates::{Buckets, Later, Pacer};
use crate::snapshot::Rates;
use crate::table;
use crate::worker::attempt::Outgoing;
use crate::worker::peer::Peer;
use crate::worker::rescue::Failure;
use crate::worker::watched::Bounds;

/// What requests of a rule may be.
pub(super) struct Limits {
    uri_max: Option<u32>,
    body_max: Option<u64>,
    bounds: Option<Bounds>,
    per_client: Option<Pacer>,
    in_all: Option<Pacer>,
    /// Which rule it is, among all that have buckets.
    rule: u64,
    rates: Arc<Rates>,
}

impl Limits {
    /// Makes what `spec` says for the rule with this hash.
    pub(super) fn new(spec: &table::Limits, rule: u64, rates: &Arc<Rates>) -> Self {
        let table::Limits {
            uri_max,
            body_max,
            pace,
            per_client,
            in_all,
        } = spec;
        let is_bounded = body_max.is_some() || pace.is_some();
        Self {
            uri_max: *uri_max,
            body_max: *body_max,
            bounds: is_bounded.then(|| Bounds {
                length_max: body_max.unwrap_or(u64::MAX),
                pace: pace.clone(),
            }),
            per_client: per_client.as_ref().map(Pacer::new),
            in_all: in_all.as_ref().map(Pacer::new),
            rule,
            rates: Arc::clone(rates),
        }
    }

    /// Lets a request in, and has its body watched on its way.
    ///
    /// # Errors
    /// What it exceeds.
    pub(super) fn admit(
        &self,
        request: &mut Request<Outgoing>,
        peer: &Peer,
        now: Instant,
    ) -> Result<(), Failure> {
        let target = request.head.uri.path_and_query();
        let length = target.map_or(0, |target| target.as_str().len());
        if self
            .uri_max
            .is_some_and(|most| length as u64 > u64::from(most))
        {
            return Err(Failure::UriTooLong);
        }
        let body = request.body.size_hint().lower();
        if self.body_max.is_some_and(|most| body > most) {
            return Err(Failure::BodyTooLarge);
        }
        if self.per_client.is_some() || self.in_all.is_some() {
            self.take(request, peer, now)?;
        }
        if let Some(bounds) = &self.bounds
            && let Some(watched) = request.body.watched()
        {
            watched.bound(bounds.clone());
        }
        Ok(())
    }

    /// First from the client's own: who is refused there takes nothing from the others.
    fn take(&self, request: &Request<Outgoing>, peer: &Peer, now: Instant) -> Result<(), Failure> {
        let now = self.rates.clock.at(now);
        if let Some(pacer) = self.per_client {
            let client = peer.client(&request.head.headers);
            let clients = self.rates.clients.get_or_init(Buckets::default);
            let taken = clients.take(self.rule, client, pacer, now);
            taken.map_err(|Later(seconds)| Failure::ClientRate(seconds))?;
        }
        if let (Some(pacer), Some(bucket)) = (self.in_all, self.rates.rules.get(&self.rule)) {
            let taken = bucket.take(pacer, now);
            taken.map_err(|Later(seconds)| Failure::RouteRate(seconds))?;
        }
        Ok(())
    }
}
