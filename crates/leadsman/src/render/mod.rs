//! Turns what control answers into what people read: pure functions from wire types to text.
//!
//! Everything is made to be read at a glance in 80 columns and without colour. Styles are ANSI
//! sequences in the text; the output takes them out where they are not wanted.

pub(crate) mod checklist;
pub(crate) mod diff;
pub(crate) mod history;
pub(crate) mod live;
pub(crate) mod paint;
pub(crate) mod people;
pub(crate) mod plan;
pub(crate) mod replay;
pub(crate) mod requests;
pub(crate) mod runs;
pub(crate) mod status;
pub(crate) mod subscriptions;
pub(crate) mod table;
pub(crate) mod why;
pub(crate) mod words;

#[cfg(test)]
pub(crate) mod samples;
