//! What holds for every log, and what holds for the file it is kept in.
#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, also in its helpers"
)]

mod agreement;
mod contract;
mod durability;
mod opening;
mod snapshot;
mod support;
mod tampering;
