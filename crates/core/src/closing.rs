//! Services that a person keeps from their users, and lets them in again.
//!
//! It concerns requests alone: no instance is stopped, no release moves because of it, and what is
//! on its way meanwhile finds the service as closed as what serves.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::environment::Environment;
use crate::event::Event;
use crate::id::ServiceName;
use crate::refusal::Refusal;
use crate::time::Timestamp;

/// What becomes of the requests of a service that is closed. Testers go through all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Closed {
    /// They wait, until the service is open again or they have waited for too long.
    Held,
    /// They get another answer.
    Maintenance,
}

/// That a service is closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closing {
    /// What becomes of its requests.
    pub how: Closed,
    /// Since when.
    pub since: Timestamp,
    /// Who closed it.
    pub by: String,
}

impl fmt::Display for Closed {
    /// Writes it to be put behind "is".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Held => "held",
            Self::Maintenance => "in maintenance",
        })
    }
}

/// Closes `service`, or every one that requests are routed to.
pub(crate) fn close(
    environment: &Environment,
    how: Closed,
    service: Option<&ServiceName>,
    by: &str,
) -> Result<Vec<Event>, Refusal> {
    let meant = meant(environment, service)?;
    let is_closed = |service: &ServiceName| {
        let closing = environment.closed.get(service);
        closing.is_some_and(|closing| closing.how == how)
    };
    let services: BTreeSet<_> = meant.into_iter().filter(|name| !is_closed(name)).collect();
    if services.is_empty() {
        return Err(Refusal::AlreadyClosed { how });
    }
    let by = by.to_owned();
    Ok(vec![Event::ServicesClosed { services, how, by }])
}

/// Opens `service`, or every one that is closed in this way.
pub(crate) fn open(
    environment: &Environment,
    how: Closed,
    service: Option<&ServiceName>,
    by: &str,
) -> Result<Vec<Event>, Refusal> {
    if let Some(service) = service {
        meant(environment, Some(service))?;
    }
    let closed = environment.closed.iter();
    let services: BTreeSet<_> = closed
        .filter(|(name, closing)| closing.how == how && service.is_none_or(|only| only == *name))
        .map(|(name, _)| name.clone())
        .collect();
    if services.is_empty() {
        return Err(Refusal::NotClosed { how });
    }
    let by = by.to_owned();
    Ok(vec![Event::ServicesOpened { services, by }])
}

fn meant(
    environment: &Environment,
    service: Option<&ServiceName>,
) -> Result<BTreeSet<ServiceName>, Refusal> {
    let routing = environment.routing_in_force();
    let rules = routing.into_iter().flat_map(|routing| &routing.rules);
    let routed: BTreeSet<ServiceName> = rules.map(|rule| rule.service.clone()).collect();
    match service {
        Some(service) if routed.contains(service) => Ok(BTreeSet::from([service.clone()])),
        Some(service) if environment.stable.contains_key(service) => {
            Err(Refusal::NothingToClose(service.to_string()))
        }
        Some(service) => Err(Refusal::UnknownService(service.clone())),
        None if routed.is_empty() => Err(Refusal::NothingToClose(environment.id.to_string())),
        None => Ok(routed),
    }
}
