//! Who asks, and whether they may: everything passes through here before a handler sees it.
//!
//! [`Endpoint`](crate::endpoints::Endpoint) says what each route needs; there is no way to add a
//! route without. [`guard`](guard::guard) finds out who asks, denies what is not allowed and
//! records what was denied. A handler has a [`Caller`], and cannot change anything in somebody's
//! name without a [`Permit`](caller::Permit) for just that act.

pub(crate) mod attempts;
pub(crate) mod caller;
pub(crate) mod guard;
pub(crate) mod hosts;
pub(crate) mod keys;
pub(crate) mod looking;
pub(crate) mod peer;
pub(crate) mod session;
pub(crate) mod token;
pub(crate) mod why;

pub(crate) use caller::Caller;
pub(crate) use looking::Looking;
pub(crate) use peer::Peer;
