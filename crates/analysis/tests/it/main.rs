//! The judge from outside.

mod gauges;
mod properties;
mod tripwire;
