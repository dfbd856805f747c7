//! Tests of the domain from outside.

mod baseline;
mod chance;
mod golden;
mod project;
mod stories;
mod treating;
mod tripwire;
mod watching;
mod world;
