//! The console: pages for people, made of what the API says.
//!
//! Every function here is pure: wire types in, HTML out. What somebody may see or do was decided
//! before; a page shows it. No page has a script or a style in it, so that a browser can be told to
//! run none but [`ASSETS`], and every text of somebody else is escaped by the templates.
//!
//! A page consists of [`Part`]s with names. A part that has changed is sent again while the page is
//! looked at, and takes the place of the old one; what has the focus is therefore never in a part that
//! changes by itself every second.
//!
//! Read first: `page.rs` (what surrounds everything), `overview.rs`, `environment.rs`.

mod ask;
mod assets;
mod audit;
mod bar;
mod chart;
mod checklist;
mod confirm;
mod deeds;
mod environment;
mod history;
mod overview;
mod page;
pub mod path;
mod problem;
mod release;
mod runs;
mod search;
mod service;
pub mod settings;
mod sign_in;
mod timeline;
mod words;

pub use assets::{ASSETS, Asset};
pub use audit::audit;
pub use confirm::confirm;
pub use environment::{environment, environment_deeds, environment_parts};
pub use history::history;
pub use overview::{overview, overview_parts};
pub use page::{Part, Visitor};
pub use problem::problem;
pub use release::{Against, release};
pub use runs::{run, run_log, run_parts, runs};
pub use search::{AuditSearch, HistorySearch, RunsSearch, Unclear};
pub use service::{Written, service, service_parts};
pub use sign_in::sign_in;
