//! The driver: it loads the state, looks at the world, plans, records, and carries out.
//!
//! Each environment has one actor that owns its state; commands reach it as messages, and a nudge
//! without data tells it to look again. Everything that it does is level-triggered: a pass that
//! is lost, repeated or late does no harm.
//!
//! It decides nothing (that is `core`), keeps nothing (that is `store`) and knows no HTTP.
//!
//! Read first: [`Engine`] (what can be asked of it), [`View`] (what it shows) and [`DataPlane`]
//! (what it needs beside a runtime and a log).

#![warn(clippy::wildcard_enum_match_arm, clippy::indexing_slicing)]

mod actor;
mod application;
mod auditing;
mod by;
mod checks;
mod clock;
mod data_plane;
mod directory;
mod engine;
mod error;
mod judging;
mod kept;
mod known;
mod measured;
mod metrics;
mod moments;
mod proxy_plane;
mod rates;
mod retention;
mod rows;
mod runs;
mod traffic;
mod understood;
mod view;

pub use application::{Application, NewRelease, ReleaseRecord};
pub use by::By;
pub use checks::{Inspector, Machine};
pub use clock::{Clock, SystemClock};
pub use data_plane::{BoxFuture, DataPlane, SideWindow, WindowId};
pub use engine::{Engine, Parts, Ways};
pub use error::Error;
pub use metrics::{
    Asked, AskedInstance, AskedSide, HttpSources, MetricReader, MetricSources, Reading,
};
pub use proxy_plane::ProxyPlane;
pub use rates::Rate;
pub use rows::ToldRow;
pub use runs::{KnownRun, NewRun, RunError, Runs};
pub use traffic::Traffic;
pub use understood::understand;
pub use view::{View, Views};
