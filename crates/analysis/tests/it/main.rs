//! The judge, from the outside.

mod comparisons;
mod properties;
mod simulation;
mod stories;
mod world;
