//! A load generator: makes requests as a [`Scenario`] says and tells in a [`Report`] how they were
//! answered.
//!
//! It is free of coordinated omission. A request has a moment at which it is due, which no answer
//! delays, and its latency counts from then on: a server that stands still is seen by every request
//! that came meanwhile, and not by one on each connection. How late the generator itself was is
//! measured too, and a load that it could not make as asked for is no valid one.
//!
//! It knows nothing of releases, writes nothing, and follows no redirects.
//!
//! Read first: [`Scenario`] (what is asked for), [`run`], [`Report`] (what came of it).

mod check;
mod connect;
mod data;
mod document;
mod exchange;
mod lanes;
mod limits;
mod prepared;
mod profile;
mod report;
mod run;
mod scenario;
mod target;
mod template;
mod threshold;
mod timer;
mod users;
mod worker;

pub use connect::Error as ConnectError;
pub use data::{Data, Wrong as WrongData};
pub use document::{DOCUMENT_VERSION, Document};
pub use profile::{Profile, Stage};
pub use report::{Failure, Figures, Report};
pub use run::{Cancel, Error, Progress, run};
pub use scenario::{Model, Request, STREAMS, Scenario, Statuses, Version, most, usual};
pub use target::Target;
pub use template::Template;
pub use threshold::{Held, Latency, Threshold};
