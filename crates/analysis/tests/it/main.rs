//! The judge, from the outside.

mod stories;
mod world;
