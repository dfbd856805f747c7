//! The API over its real socket, on an engine among fakes.

mod answers;
mod network;
mod people;
mod provider;
mod raw;
mod replay;
mod rights;
mod served;
mod shelf;
mod sign_in;
mod webhooks;
