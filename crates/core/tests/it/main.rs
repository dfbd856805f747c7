//! Tests of the domain from outside.

mod chance;
mod golden;
mod project;
mod stories;
mod tripwire;
mod world;
