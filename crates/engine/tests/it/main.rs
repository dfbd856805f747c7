//! The engine in a world of fakes, on time that waits for nobody.

mod checking;
mod consenting;
mod keeping;
mod metrics;
mod passes;
mod sources;
mod trouble;
mod two_controls;
mod watching;
