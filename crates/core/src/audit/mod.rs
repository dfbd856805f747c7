//! What the audit has beside the events of everything else: from where and why something was
//! asked for, and what was refused.
//!
//! [`Asked`] is recorded inside each event that somebody asked for. What did not become an event
//! of anything else, a refusal above all, is an [`Event`] of the stream `0.audit`. [`Denials`]
//! keeps these from filling the disk.

mod asked;
mod denials;
mod event;

pub use asked::{Asked, Key, REASON_BYTES_MAX, reason};
pub use denials::{Denials, Due};
pub use event::{Denied, Event};
