//! What a person, or a script in a person's name, may ask of an environment.

use std::sync::Arc;

use crate::closing::Closed;
use crate::id::{ReleaseNumber, ServiceName};
use crate::release::ReleaseContent;

/// A wish about one environment. [`crate::decide`] grants it as events or refuses it.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Bring this release in.
    Ship {
        /// The release.
        release: ReleaseNumber,
        /// What it is in this environment.
        content: Arc<ReleaseContent>,
    },
    /// Hold the deployment where it is. It is still judged.
    Pause,
    /// Let the deployment go on.
    Resume,
    /// Let the present step pass without waiting for the judge.
    Promote {
        /// Leave out all further steps too.
        all: bool,
    },
    /// Take the deployment back before it is promoted.
    Abort,
    /// Bring a release that failed in again, or try a blocked way back again.
    Retry,
    /// Go back to an earlier release.
    Rollback {
        /// This one, or the previous one.
        to: Option<ReleaseNumber>,
        /// What goes back.
        scope: Scope,
    },
    /// Keep users' requests from services, until they are opened again.
    Close {
        /// What becomes of the requests.
        how: Closed,
        /// This service, or every one that requests are routed to.
        service: Option<ServiceName>,
    },
    /// Let users' requests in again.
    Open {
        /// In which way the services are closed.
        how: Closed,
        /// This service, or every one that is closed in this way.
        service: Option<ServiceName>,
    },
}

/// How much goes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Every service.
    All,
    /// One service.
    Service(ServiceName),
    /// Only what is not promoted yet.
    Canary,
}
