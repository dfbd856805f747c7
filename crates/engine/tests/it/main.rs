//! The engine in a world of fakes, on time that waits for nobody.

mod passes;
mod trouble;
