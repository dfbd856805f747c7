//! The API: what control answers to its clients over its Unix socket.
//!
//! It turns the engine's views into wire types, requests into commands and refusals into
//! problems. It decides nothing, and it knows no runtime: what it needs of one (artifacts, logs)
//! is a narrow contract that the binary fills in.
//!
//! Read first: [`Server`] (what is served), [`Shelf`] (what it needs beside an engine) and
//! `problem.rs` (the one place where an error becomes an answer).

mod again;
mod handlers;
mod peer;
mod problem;
mod recorded;
mod run_status;
mod serve;
mod shelf;
mod sight;
mod wire;

pub use problem::CODES;
pub use serve::{Error, Server};
pub use shelf::{BoxFuture, Line, Lines, Shelf, ShelfError};
