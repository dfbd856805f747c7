//! What must hold before a release enters an environment, and the releases that wait for it.
//!
//! A release that is shipped enters at once where nothing is asked of it. Elsewhere it waits as a
//! request, and enters by itself as soon as nothing is missing any more. The way back is never
//! asked for anything.

mod calendar;
mod consent;
mod freeze;
mod judged;
mod pattern;
mod request;
mod rules;
mod watch;
mod wish;

pub use calendar::{Calendar, InvalidWindow, Opening, UnknownTimeZone, Window, is_time_zone};
pub use consent::{ApprovalRule, Need, Voters};
pub use freeze::{Freeze, Works};
pub use judged::KnownFacts;
pub use pattern::RefPattern;
pub use request::{Approval, Identity, Missing, Reference, Request, Source};
pub use rules::{EntryRules, Expedited};

pub(crate) use freeze::{turns, works};
pub(crate) use judged::gates_of;
pub(crate) use request::{rules, soak_at_most};
pub(crate) use watch::{facts, reasons};
pub(crate) use wish::{
    Asked, Consenting, approve, ask, asks_nothing, except, freeze, reject, thaw,
};
