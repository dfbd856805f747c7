//! The client against a socket that answers what a test says, and the wire form of the answers.

mod client;
#[cfg(test)]
mod control;
mod wire;
