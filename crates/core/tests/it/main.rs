//! Tests of the domain from outside.

mod baseline;
mod chance;
mod checking;
mod consenting;
mod entering;
mod golden;
mod golden_entering;
mod golden_migrations;
mod golden_people;
mod maintaining;
mod migrating;
mod project;
mod runs;
mod stories;
mod treating;
mod tripwire;
mod watching;
mod world;
