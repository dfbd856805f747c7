//! What a person, or a script in a person's name, may ask of an environment.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::checklist::When;
use crate::closing::Closed;
use crate::entry::Identity;
use crate::id::{Digest, ItemName, ReleaseNumber, ServiceName};
use crate::people::Role;
use crate::release::ReleaseContent;
use crate::time::Timestamp;

/// A wish about one environment. [`crate::decide`] grants it as events or refuses it.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Bring this release in.
    Ship {
        /// The release.
        release: ReleaseNumber,
        /// What it is in this environment.
        content: Arc<ReleaseContent>,
        /// What exactly that is, and where it comes from.
        identity: Identity,
        /// Why it cannot wait, if it should take the expedited way.
        expedited: Option<String>,
        /// Why it comes in although its migration leaves no way back, if it should.
        one_way: Option<String>,
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
        /// Whether the schema of the database is brought back for it, too.
        migrate_back: bool,
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
    /// Consent to a release that waits to enter.
    Approve {
        /// The release.
        release: ReleaseNumber,
        /// What was looked at; refused if it is not what waits.
        digest: Option<Digest>,
        /// What else who consents is called, such as a mail address.
        known_as: BTreeSet<String>,
        /// Whether they own the state folder, and so may approve without being a person.
        owner: bool,
        /// What they say about it.
        note: Option<String>,
    },
    /// Say that an item of a checklist is so.
    Confirm {
        /// The item.
        item: ItemName,
        /// The list; the only one that has it, if it is not said.
        when: Option<When>,
        /// The release that the list is about; likewise.
        release: Option<ReleaseNumber>,
        /// What was looked at; refused if the list is about something else.
        digest: Option<Digest>,
        /// What who confirms it is here.
        roles: BTreeSet<Role>,
        /// What they say about it.
        said: String,
    },
    /// Refuse a release that waits to enter.
    Reject {
        /// The release.
        release: ReleaseNumber,
        /// Why.
        why: String,
    },
    /// Let nothing enter for a time.
    Freeze {
        /// From when on; at once, if it is not said.
        from: Option<Timestamp>,
        /// Until when; until somebody ends it, if it is not said.
        until: Option<Timestamp>,
        /// Whether what is on its way goes no further either: a maintenance window.
        maintenance: bool,
        /// Why.
        why: String,
    },
    /// Let one release in although nothing else enters.
    Except {
        /// The number of the freeze; the only one, if it is not said.
        freeze: Option<u64>,
        /// The release.
        release: ReleaseNumber,
        /// Why.
        why: String,
    },
    /// End a freeze.
    Thaw {
        /// Its number; the only one, if it is not said.
        freeze: Option<u64>,
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
