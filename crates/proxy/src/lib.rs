//! The data plane: accepts requests, spreads them over the sides of a service by exact weights,
//! and counts what came of them.
//!
//! It runs as a process of its own and knows neither releases nor the event log: names of
//! services, sides and instances are opaque to it. Whoever controls it sends whole route tables
//! over a Unix socket and reads acknowledgements and figures; when nobody does, the last table
//! stays in force, also across a restart.
//!
//! It deliberately decides next to nothing: weights come from outside, and all that it does by itself
//! is to cut off a side whose answers fail grossly, where the table says when. It does not start or
//! stop instances, and judges nothing else of what it counts.
//!
//! Read first: [`table::Table`] (what is asked of it), [`control::Client`] (how to ask) and
//! [`Window`] (what it counted).

mod certificates;
mod config;
pub mod control;
mod cookies;
mod cut;
mod deposit;
mod figures;
#[cfg(test)]
mod fuzz;
mod ground;
mod health;
mod journal;
mod keeper;
mod life;
mod listen;
mod memory;
mod message;
mod metrics;
mod observe;
mod proxy;
#[cfg(test)]
#[path = "../tests/it/random.rs"]
mod random;
mod rates;
mod rules;
mod saved;
mod slots;
mod snapshot;
mod socket;
mod split;
pub mod table;
mod totals;
mod worker;

pub use certificates::validity::validity;
pub use config::Config;
pub use figures::{SideFigures, Window};
pub use observe::{AccessLog, Traces};
pub use proxy::{Error, Proxy, run};
