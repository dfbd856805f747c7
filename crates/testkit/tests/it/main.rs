//! How others broke, as stories: each is a world in a box in which the same thing happens, and its
//! timeline says what becomes of it here. `docs/failure-modes.md` lists them all.

mod rollback;
mod story;
mod stuck;
mod traffic;
mod verdict;
