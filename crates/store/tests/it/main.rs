//! What holds for every log, and what holds for the file it is kept in.

mod contract;
mod support;
