//! Files over real sockets: what clients ask, and what they get.

#![expect(clippy::unwrap_used, reason = "in a test a failure is a panic")]
#![expect(clippy::panic, reason = "what is no answer fails the test")]

mod client;
mod ending;
mod files;
mod pages;
