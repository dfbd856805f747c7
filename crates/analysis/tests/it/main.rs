//! The judge from outside.

mod gauges;
mod properties;
mod stories;
mod tripwire;
mod world;
