//! Tests of the domain from outside.

mod chance;
mod golden;
mod stories;
mod world;
