//! The data plane as its users see it: real sockets, a whole proxy on its own threads.

#![expect(clippy::unwrap_used, reason = "in a test a failure is a panic")]

mod split;
mod world;
