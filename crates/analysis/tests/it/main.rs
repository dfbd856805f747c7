//! The judge, from the outside.

mod properties;
mod simulation;
mod stories;
mod world;
