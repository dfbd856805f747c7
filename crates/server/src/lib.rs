//! The API: what control answers to its clients, over its Unix socket and over the network.
//!
//! It turns the engine's views into wire types, requests into commands and refusals into
//! problems. It decides nothing, and it knows no runtime: what it needs of one (artifacts, logs)
//! is a narrow contract that the binary fills in.
//!
//! Read first: [`Setup`] (what is served), [`Shelf`] (what it needs beside an engine),
//! `endpoints.rs` (everything that can be asked for, and what it needs) and `problem.rs` (the one
//! place where an error becomes an answer).

mod access;
mod again;
mod console;
mod endpoints;
mod extract;
mod handlers;
mod metrics;
mod network;
mod openapi;
mod outward;
mod problem;
mod recorded;
mod run_status;
mod serve;
mod shelf;
mod sight;
mod sign_in;
mod state_file;
mod subscriptions;
mod tag;
mod webhooks;
mod wire;

pub use endpoints::{Listed, Needs, listed};
pub use network::{Beside, BindError, Network};
pub use openapi::description;
pub use problem::CODES;
pub use serve::{Error, Setup};
pub use shelf::{BoxFuture, Line, Lines, Shelf, ShelfError};
pub use sign_in::Provider;
