//! The judge from outside.

mod gauges;
mod power;
mod properties;
mod stories;
mod tripwire;
mod world;
