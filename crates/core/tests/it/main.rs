//! Tests of the domain from outside.

mod baseline;
mod chance;
mod entering;
mod golden;
mod golden_people;
mod project;
mod runs;
mod stories;
mod treating;
mod tripwire;
mod watching;
mod world;
