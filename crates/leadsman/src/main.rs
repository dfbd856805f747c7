//! The program `leadsman`: one file per subcommand, and the one place where all parts are put
//! together.
//!
//! It decides nothing about releases. Subcommands talk to a running control through
//! `leadsman_api`, the same way as any script would; only those that must work without one
//! (`check`, `audit verify`, `init`, ...) read files themselves.
//!
//! Read first: [`cli::Subcommand`] (what there is), [`context::Context`] (what every subcommand is
//! given), [`failure::Failure`] (how it says that something did not work).

mod audit;
mod cli;
mod codes;
mod command;
mod context;
mod control;
mod demo;
mod evidence;
mod export;
mod failure;
mod folder;
mod follow;
mod format;
mod git;
mod lines;
mod load;
mod output;
mod pages;
mod project;
mod remote;
mod render;
mod reports;
mod shipment;
mod target;
mod wait;
mod watch;
mod whole;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run(std::env::args_os()).into()
}
