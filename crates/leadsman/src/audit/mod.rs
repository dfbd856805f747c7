//! The log as a file that others can keep and verify without Leadsman's state.
//!
//! An export is JSON lines: each event of the log in order, with its link in the chain, and at
//! the end one signed checkpoint. The chain shows that nothing between was changed, removed or
//! put elsewhere; the checkpoint that nothing was cut off the end, and that nobody has chained
//! another history.

mod key;
mod line;
mod verify;
mod write;

#[cfg(test)]
mod tests;

pub(crate) use key::{Key, PublicKey};
pub(crate) use verify::{Verified, Wrong, verify};
pub(crate) use write::{Error as WriteError, Written, event_line, write};
