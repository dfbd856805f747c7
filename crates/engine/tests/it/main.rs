//! The engine in a world of fakes, on time that waits for nobody.

mod keeping;
mod passes;
mod trouble;
