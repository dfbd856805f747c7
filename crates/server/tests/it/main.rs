//! The API over its real socket, on an engine among fakes.

mod answers;
mod served;
mod shelf;
