//! The API over its real socket, on an engine among fakes.

mod answers;
mod replay;
mod served;
mod shelf;
