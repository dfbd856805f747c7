//! The event log: every fact, in the order in which it was recorded, and never changed again.
//!
//! An event is a kind and a JSON body; what they mean is for others to know. Events are appended
//! to a stream with the number of events that the writer believes it has, so that two writers
//! cannot both be right about it. Over all streams the events form one sequence without holes,
//! chained by hash ([`struct@Hash`] says how), so that a later change of any of them is found.
//!
//! Beside the log lie figures: measurements, which are no facts. They are not chained and are
//! thrown away when they are old.
//!
//! This crate decides nothing and interprets nothing. It is the only one that writes SQL.
//!
//! Read first: [`EventLog`] (what can be asked of a log), [`Append`] (what is written) and
//! [`Recorded`] (what is read). [`memory::MemoryLog`] and [`sqlite::SqliteLog`] implement it.

mod chain;
mod error;
mod event;
mod figure;
mod log;
pub mod memory;
pub mod sqlite;
mod stream;

pub use chain::{Chain, Hash, Verified};
pub use error::{AppendError, Cause, Fault, OpenError, ReadError, SnapshotError, VerifyError};
pub use event::{APPEND_BYTES_MAX, APPEND_EVENTS_MAX, Append, NewEvent, Recorded};
pub use figure::FigureRow;
pub use log::{BoxFuture, EventLog, FigureLog};
pub use stream::{InvalidStreamName, StreamKind, StreamName};
