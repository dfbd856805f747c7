//! Subscriptions: addresses that a team named are told what happens here, signed and in order.
//!
//! [`kept`] keeps what an admin has set and how far each was told, [`reading`] says what an event
//! is about, [`notice`] and [`cdevents`] in which words it is told, [`post`] sends it to where
//! [`address`] allows, and [`teller`] does so until it is answered. [`owner`] has one teller for
//! each. Nothing of the engine waits for any of it: they read the log as everybody else does.

mod about;
pub(crate) mod address;
mod cdevents;
pub(crate) mod kept;
pub(crate) mod kinds;
pub(crate) mod notice;
pub(crate) mod owner;
mod pace;
mod post;
mod progress;
mod reading;
pub(crate) mod teller;

#[cfg(test)]
mod tests;

pub(crate) use kept::{Format, Kept, Subscriptions};
pub(crate) use owner::Owner;
pub(crate) use progress::{Delivery, Progress};
