//! Loads, from what a person describes to what a person reads.

pub(crate) mod described;
pub(crate) mod file;
pub(crate) mod progress;
pub(crate) mod render;
