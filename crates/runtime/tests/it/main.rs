//! Tests with real processes: a real shim, and services that behave and misbehave.
#![expect(clippy::unwrap_used, reason = "what cannot be had here fails the test")]

mod adoption;
mod artifacts;
mod errands;
mod jobs;
mod kills;
mod lifecycle;
mod limits;
mod output;
mod readiness;
mod succession;
mod supervised;
mod world;
