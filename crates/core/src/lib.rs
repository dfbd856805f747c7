//! The release domain: what a project file says, what happened, what follows from it.
//!
//! Everything here is pure. There is no clock, no IO, no randomness and nothing asynchronous: the
//! moment is an argument, the world is an observation, and what should be done is a value.
//!
//! Read first: [`spec::EnvironmentSpec`] (what a release is).

pub mod id;
pub mod project;
pub mod route;
pub mod spec;
pub mod time;
pub mod weight;
pub mod workload;
