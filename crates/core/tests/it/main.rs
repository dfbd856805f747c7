//! Tests of the domain from outside.

mod chance;
mod stories;
mod world;
